"""A reader of YAML 1.2 for untrusted files, with limits, and the writer of single entries.

`1e-4` is a number, `no` and `on` are strings, and a key that occurs twice in one mapping is an
error. Tags and aliases, which can expand to any number of values, are refused.
"""

from __future__ import annotations

import math
import re
from typing import Any

import yaml

from neuralgym_lite.strict_json import MAX_DEPTH, MAX_DIGITS

MAX_BYTES = 1 << 16
MAX_VALUES = 5_000

_SCALARS = {
    "null": r"~|null|Null|NULL|",
    "bool": r"true|True|TRUE|false|False|FALSE",
    "int": r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+",
    "float": r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}
    values = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.values += 1
        self.depth += 1
        # Checked while the text is parsed, so that the rest of it takes no time.
        event = self.peek_event()
        problem = None
        if isinstance(event, yaml.AliasEvent):
            problem = "aliases (*name) are not supported; repeat the value instead"
        elif tag := getattr(event, "tag", None):
            problem = f"tags (here {tag}) are not supported"
        elif self.depth > MAX_DEPTH:
            problem = f"it is nested deeper than {MAX_DEPTH} levels"
        elif self.values > MAX_VALUES:
            problem = f"it has more than {MAX_VALUES:,} values"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, event.start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if str(key.value) in keys:
                problem = f"the key '{key.value}' occurs twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > MAX_DIGITS:
            problem = f"an integer of {len(node.value):,} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(node.value, {"0o": 8, "0x": 16}.get(node.value[:2], 10))


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}


for _kind, _pattern in _SCALARS.items():
    for _class in (_Loader, _Dumper):
        _tag, _whole = f"tag:yaml.org,2002:{_kind}", re.compile(rf"(?:{_pattern})\Z")
        _class.add_implicit_resolver(_tag, _whole, None)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)


def parse(data: bytes) -> Any:
    """Return the YAML value in UTF-8 text.

    Raises:
        ValueError: with a message of one line and the place, if the text is not YAML or over a
            limit.
    """
    if len(data) > MAX_BYTES:
        raise ValueError(f"it is longer than {MAX_BYTES:,} bytes")
    text = data.decode("utf-8-sig")
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise ValueError(f"{place}: {error.problem}") from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        raise ValueError(f"line {line}, column {column}: {error.reason}") from None


def entry(key: str, value: Any) -> str:
    """Return one entry of a mapping as a line of YAML, which `parse` reads."""
    text = yaml.dump({key: value}, Dumper=_Dumper, default_flow_style=True, width=math.inf)
    return text.strip()[1:-1]  # without the braces
