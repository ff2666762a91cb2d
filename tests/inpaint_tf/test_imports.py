"""Imports point one way, and libraries neither print nor exit nor read the command line."""

from __future__ import annotations

import ast
import configparser
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = (
    {"neuralgym_lite"},
    {"layers", "losses", "masks"},
    {"models", "data", "metrics", "weights", "configs"}
    | {"model_source", "exported_version", "flow_colors", "keras_archive"},
    {"training", "inference", "report", "exporters", "importers"},
    {"studio"},
    # The package itself hands out names of everything below.
    {"__init__", "api"},
    {"cli", "__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}
FILES = sorted(
    path for package in ("inpaint_tf", "neuralgym_lite") for path in (ROOT / package).rglob("*.py")
)
NAMES = [path.relative_to(ROOT).as_posix() for path in FILES]


def part_of(module):
    """Return which part of the project a dotted module belongs to, or None."""
    package, *names = module.split(".")
    if package == "inpaint_tf":
        return names[0] if names and names[0] in RANK else "__init__"
    return package if package == "neuralgym_lite" else None


def own_part(name):
    """Return which part of the project a file belongs to."""
    package, part = name.removesuffix(".py").split("/")[:2]
    return part if package == "inpaint_tf" else package


def imports(tree):
    """List the dotted modules that a file imports, wherever in it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "inpaint_tf":
                yield from (f"inpaint_tf.{alias.name}" for alias in node.names)
            else:
                yield node.module


def dependencies():
    """List (file, its part, the part that it imports)."""
    for path, name in zip(FILES, NAMES, strict=True):
        for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
            target = part_of(module)
            if target and target != own_part(name):
                yield name, own_part(name), target


def test_every_part_has_its_place():
    assert {own_part(name) for name in NAMES} == set(RANK)


def test_imports_point_down():
    wrong = [(name, target) for name, own, target in dependencies() if RANK[target] > RANK[own]]
    assert wrong == []


def test_the_kit_does_not_know_the_product():
    wrong = [name for name, own, _ in dependencies() if own == "neuralgym_lite"]
    assert wrong == []


def test_parts_beside_each_other_do_not_import_in_circles():
    edges = {(own, target) for _, own, target in dependencies()}
    parts = set(RANK)
    while leaves := {part for part in parts if not any((part, other) in edges for other in parts)}:
        parts -= leaves
    assert parts == set()


@pytest.mark.parametrize("name", [name for name in NAMES if own_part(name) != "cli"])
def test_library_is_quiet(name):
    path = ROOT / name
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in ("print", "exit", "quit", "input"), node.lineno
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            owner = (node.value.id, node.attr)
            assert owner not in (("sys", "argv"), ("sys", "exit")), node.lineno


def test_what_fill_needs_is_of_the_plain_install():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    plain = setup["options"]["install_requires"].split("\n")
    lines = (ROOT / "requirements-fill.txt").read_text(encoding="utf-8").split("\n")
    needed = [line for line in lines if line and not line.startswith("#")]
    assert len(needed) > 5 and set(needed) <= set(plain)
