"""Settings as frozen pydantic models, from defaults, YAML files and `key=value` strings."""

from __future__ import annotations

import difflib
import functools
import json
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast, get_args

import pydantic

from neuralgym_lite import strict_json, strict_yaml
from neuralgym_lite.errors import UserError, did_you_mean
from neuralgym_lite.strict_yaml import MAX_BYTES

_MAX_PARTS = 100  # of a dotted key
_MAX_FAULTS = 10  # in a message


class ForeignKey(NamedTuple):
    """A key that a config does not have, and another variant of it has.

    Attributes:
        owners: names of the variants that have it.
        default: its default there.
    """

    owners: tuple[str, ...]
    default: Any


class Config(pydantic.BaseModel):
    """Base class of settings and of their sections.

    Instances are immutable and unknown keys are refused. Values are not converted to another type,
    except for an integer where a float is expected. NaN and infinity are refused.

    A config that has variants, whose keys depend on a setting, overrides `select` and
    `foreign_keys`.
    """

    model_config = pydantic.ConfigDict(
        frozen=True, extra="forbid", strict=True, allow_inf_nan=False
    )

    @classmethod
    def select(cls, settings: Mapping[str, Any]) -> type[Config]:
        """Return the variant that nested settings are for."""
        return cls

    @classmethod
    def foreign_keys(cls) -> Mapping[str, ForeignKey]:
        """Return the keys of other variants, dotted."""
        return {}


AnyConfig = TypeVar("AnyConfig", bound=Config)


def load_config(
    cls: type[AnyConfig],
    yaml_path: str | Path | None = None,
    *,
    base: Mapping[str, Any] | None = None,
    flags: Mapping[str, Any] | None = None,
    overrides: Sequence[str] = (),
) -> AnyConfig:
    """Build a config from its layers. A later layer overrides the ones before it.

    A section that is given in part keeps the other values of its default. Files and `base` may have
    keys of another variant of `cls`, as long as they have their defaults.

    Args:
        cls: the config class.
        yaml_path: a file with some of the settings: JSON if its name ends in `.json`, else YAML.
        base: overrides the defaults of the class, nested or with dotted keys.
        flags: options from the command line, nested or with dotted keys. Options that are None are
            ignored.
        overrides: `key.of.section=value` strings. Each value is parsed as YAML.

    Returns:
        An instance of `cls`, or of its variant.

    Raises:
        UserError: one line that names each wrong key, its value, and what is expected.
    """
    stored = {
        "by default": _nest(_leaves(base or {})),
        f"in {yaml_path}": {} if yaml_path is None else _read_file(Path(yaml_path)),
    }
    given = {
        "as an argument": _nest((k, v) for k, v in _leaves(flags or {}) if v is not None),
        "in `overrides`": _nest(_parse_override(text) for text in overrides),
    }
    variant = cls.select(_merge_all([*stored.values(), *given.values()]))
    foreign = variant.foreign_keys()
    layers = {name: _without_defaults(layer, foreign) for name, layer in stored.items()} | given
    defaults = {name: field.default for name, field in variant.model_fields.items()}
    sections = {name: to_dict(each) for name, each in defaults.items() if isinstance(each, Config)}
    merged = _fill(_merge_all(layers.values()), sections)
    try:
        # In JSON mode, strict pydantic accepts a list for a tuple and a string for a path.
        config = variant.model_validate_json(json.dumps(merged, default=str))
    except pydantic.ValidationError as error:
        raise UserError(_explain(error, variant, layers)) from None
    return cast(AnyConfig, config)


def to_dict(config: Config) -> dict[str, Any]:
    """Return the settings as plain JSON types, nested as the sections are."""
    return config.model_dump(mode="json")


def to_flat(config: Config) -> dict[str, Any]:
    """Return the settings as plain JSON types under dotted keys."""
    return dict(_leaves(to_dict(config)))


def to_documented_yaml(config: Config) -> str:
    """Return the settings as YAML, with descriptions and ranges as comments."""
    return "\n".join(_documented(config))


def without_foreign_defaults(cls: type[Config], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under dotted keys without the keys of other variants at their defaults."""
    foreign = cls.select(_nest(flat.items())).foreign_keys()
    return _without_defaults(dict(flat), foreign)


def key_paths(cls: type[Config], name: str) -> list[str]:
    """Return the dotted keys of a config whose last part is `name`."""
    return [key for key in _keys(cls) if key.rpartition(".")[2] == name]


# ------------------------------------------------------------------------------------------ layers


def _read_file(path: Path) -> dict[str, Any]:
    is_json = path.suffix == ".json"
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        tree = strict_json.parse(data, MAX_BYTES) if is_json else strict_yaml.parse(data)
    except FileNotFoundError:
        raise UserError(f"There is no config file '{path}'. Check the path.") from None
    except UnicodeDecodeError:
        raise UserError(f"Config file '{path}' is not text in UTF-8.") from None
    except OSError as error:
        raise UserError(f"Config file '{path}' cannot be read: {error.strerror}.") from None
    except ValueError as error:
        kind = "JSON" if is_json else "YAML"
        raise UserError(f"Config file '{path}' cannot be read as {kind}: {error}.") from None
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise UserError(
            f"Config file '{path}' should hold `key: value` lines. Received: {_show(tree)}."
        )
    return tree


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not (key and equals):
        raise UserError(f"`overrides` takes key=value, as in a.b=3. Received: {_show(text)}.")
    if (parts := key.count(".") + 1) > _MAX_PARTS:
        raise UserError(f"`overrides` {_show(text)} has a key of {parts:,} parts.")
    try:
        return key, strict_yaml.parse(value.encode())
    except ValueError as error:
        raise UserError(f"`overrides` {_show(text)} cannot be read as YAML: {error}.") from None


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """Return a tree with values under dotted keys."""
    nested: dict[str, Any] = {}
    for dotted, value in pairs:
        for part in reversed(dotted.split(".")):
            value = {part: value}
        nested = _merge(nested, value)
    return nested


def _merge_all(layers: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return functools.reduce(_merge, layers, {})


def _merge(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        if key not in merged or not isinstance(value, dict):
            merged[key] = value
        elif isinstance(merged[key], dict):
            merged[key] = _merge(merged[key], value)
        # A plain value in place of a section is kept, so that validation refuses it.
    return merged


def _fill(given: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    filled = {**defaults, **given}
    for key in given.keys() & defaults.keys():
        if isinstance(given[key], dict) and isinstance(defaults[key], dict):
            filled[key] = _fill(given[key], defaults[key])
    return filled


def _without_defaults(
    tree: dict[str, Any], foreign: Mapping[str, ForeignKey], prefix: str = ""
) -> dict[str, Any]:
    """Remove foreign keys that have their defaults."""
    kept: dict[str, Any] = {}
    for name, value in tree.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict):
            kept[name] = _without_defaults(value, foreign, f"{key}.")
        elif key not in foreign or value != foreign[key].default:
            kept[name] = value
    return kept


# ------------------------------------------------------------------------------------- descriptions


def _documented(config: Config) -> Iterator[str]:
    """Yield the lines of a config, with each key below its description and range."""
    fields = type(config).model_json_schema()["properties"]
    for name, value in to_dict(config).items():
        section = getattr(config, name)
        if isinstance(section, Config):
            yield f"{name}:"
            yield from (f"  {line}" for line in _documented(section))
            continue
        field = fields[name]
        comment = f"{field.get('description', '')} {_range(field)}".strip()
        yield from textwrap.wrap(comment, 96, initial_indent="# ", subsequent_indent="# ")
        yield strict_yaml.entry(name, value)


def _range(schema: Mapping[str, Any]) -> str:
    """Say which values a field of a JSON schema may have."""
    choices: list[str] = []
    for part in schema.get("anyOf", [schema]):
        choices += [str(choice) for choice in part.get("enum", ())]
        low = part.get("minimum", part.get("exclusiveMinimum"))
        high = part.get("maximum", part.get("exclusiveMaximum"))
        if low is not None and high is not None:
            above = "above " * ("exclusiveMinimum" in part)
            below = "below " * ("exclusiveMaximum" in part)
            step = f", a multiple of {part['multipleOf']}" if "multipleOf" in part else ""
            choices.append(f"{above}{low:,.12g} to {below}{high:,.12g}{step}")
    return f"[{', '.join(choices)}]" if choices else ""


# ------------------------------------------------------------------------------------------ errors


def _explain(
    error: pydantic.ValidationError, cls: type[Config], layers: Mapping[str, dict[str, Any]]
) -> str:
    """Return one line that says what is wrong with each key, where it was set, and the way out."""
    faults: dict[tuple[str, str], list[Any]] = {}
    for fault in error.errors(include_url=False):
        location, source = _origin(fault["loc"], layers)
        if fault["type"] == "missing":
            location = fault["loc"]
        faults.setdefault((".".join(map(str, location)), source), []).append(fault)
    sentences = [
        _sentence(key, source, group, cls)
        for (key, source), group in list(faults.items())[:_MAX_FAULTS]
    ]
    more = len(faults) - len(sentences)
    return " ".join([*sentences, f"And {more:,} more." if more else ""]).rstrip()


def _origin(
    location: tuple[str | int, ...], layers: Mapping[str, dict[str, Any]]
) -> tuple[tuple[str | int, ...], str]:
    """Return the keys of a location, and which layer has them.

    Pydantic adds the members of a union to a location. They are not keys.
    """
    for stop in range(len(location), 0, -1):
        names = [name for name, layer in layers.items() if _has(layer, location[:stop])]
        if names:
            return location[:stop], f" {names[-1]}"
    return location, ""


def _has(tree: Any, location: tuple[str | int, ...]) -> bool:
    for part in location:
        try:
            tree = tree[part]
        except (LookupError, TypeError):
            return False
    return True


def _sentence(key: str, source: str, group: Sequence[Any], cls: type[Config]) -> str:
    fault = group[0]
    value = fault["input"]
    if fault["type"] == "extra_forbidden":
        key, value = next(_leaves({key: value}), (key, value))
        if key in (foreign := cls.foreign_keys()):
            owners = ", ".join(foreign[key].owners)
            problem = f"{key} is a setting of {owners}. Leave it out."
        else:
            problem = f"Unknown config key {_show(key)}. {_nearest(key, tuple(_keys(cls)))}"
        return f"{problem} Received: {_show(value)}{source}."
    if fault["type"] == "missing":
        return f"Config key '{key}' must be given."
    subject = f"Config key {_show(key)}" if key else "The config"
    expected = " or ".join(dict.fromkeys(_expectation(fault) for fault in group))
    if fault["type"] == "value_error" and isinstance(value, dict):
        return f"{subject} {expected}."
    return f"{subject} {expected}. Received: {_show(value)}{source}.{_near_choice(fault)}"


def _expectation(fault: Any) -> str:
    known = {
        "model_type": "should be a section of keys",
        "bool_type": "should be true or false",
        "string_type": "should be a string (put a number in quotes)",
        "list_type": "should be a list, as in [1, 2]",
        "tuple_type": "should be a list, as in [1, 2]",
    }
    if fault["type"] in known:
        return known[fault["type"]]
    text = " ".join(fault["msg"].split()).removeprefix("Value error, ").removesuffix(".")
    if text.startswith("Input should"):
        return text.removeprefix("Input ")
    return f"is wrong: {text}"


def _near_choice(fault: Any) -> str:
    if fault["type"] not in ("literal_error", "enum"):
        return ""
    choices = re.findall(r"'([^']*)'", fault["ctx"]["expected"])
    near = difflib.get_close_matches(str(fault["input"]), choices, n=1)
    return f" {did_you_mean(near[0], choices)}" if near else ""


def _keys(cls: type[Config], prefix: str = "") -> Iterator[str]:
    """Yield all keys of a config and its sections, dotted."""
    for name, field in cls.model_fields.items():
        yield f"{prefix}{name}"
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type(Config)):
                yield from _keys(kind, f"{prefix}{name}.")


def _nearest(key: str, known: Sequence[str]) -> str:
    """Suggest a key whose last part is similar, in any section, or list the keys of the section."""
    section, _, leaf = key.rpartition(".")
    leaves = {name: name.rpartition(".")[2] for name in known if not key.startswith(f"{name}.")}
    near = difflib.get_close_matches(leaf, leaves.values(), n=1)
    same = [name for name in leaves if leaves[name] in near]
    if same:
        return did_you_mean(difflib.get_close_matches(key, same, n=1, cutoff=0)[0], same)
    beside = [name for name in known if name.rpartition(".")[0] == section]
    return f"Known: {', '.join(sorted(beside or [name for name in known if '.' not in name]))}."


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
