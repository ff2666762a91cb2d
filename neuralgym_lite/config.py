"""Settings as frozen pydantic models, read from YAML and the command line.

Settings come in four layers. A later layer overrides the ones before it: the defaults of the model,
a YAML file, the options on the command line, and `--set a.b=c`. YAML follows the rules of YAML 1.2:
`1e-4` is a number, `no` and `on` are strings, and a key that occurs twice in one section is an
error. Settings are small. Long files, deep nesting, long numbers and aliases, which can expand to
any number of values, are refused before they take time or memory.
"""

from __future__ import annotations

import difflib
import functools
import json
import math
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar, cast, get_args

import pydantic
import yaml

from neuralgym_lite import strict_json
from neuralgym_lite.errors import UserError, did_you_mean

MAX_BYTES = 1 << 16
MAX_VALUES = 5_000
MAX_DEPTH = strict_json.MAX_DEPTH
MAX_FAULTS = 10


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
    merged = _fill(_merge_all(layers.values()), _section_defaults(variant))
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


def to_yaml(config: Config) -> str:
    """Return the settings as YAML. `load_config` reads it back to an equal config."""
    return yaml.dump(to_dict(config), Dumper=_Dumper, sort_keys=False)


def to_documented_yaml(config: Config) -> str:
    """Return the settings as `to_yaml` does, with descriptions and ranges as comments."""
    return "\n".join(_documented(config, type(config).model_json_schema()))


def without_foreign_defaults(cls: type[Config], flat: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings under dotted keys without the keys of other variants at their defaults."""
    foreign = cls.select(_nest(flat.items())).foreign_keys()
    return _without_defaults(dict(flat), foreign)


def key_paths(cls: type[Config], name: str) -> list[str]:
    """Return the dotted keys of a config whose last part is `name`."""
    return [key for key in _keys(cls) if key.rpartition(".")[2] == name]


# ---------------------------------------------------------------------------------------- YAML 1.2

_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(
    r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
_RESOLVERS = (
    ("tag:yaml.org,2002:null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("tag:yaml.org,2002:bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("tag:yaml.org,2002:int", _INT, list("-+0123456789")),
    ("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789")),
    ("tag:yaml.org,2002:merge", re.compile("<<"), ["<"]),
)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}
    values = 0
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.values += 1
        self.depth += 1
        # Checked while the text is parsed, so that the rest of it takes no time.
        problem = None
        if self.check_event(yaml.AliasEvent):
            problem = "aliases (*name) are not supported; repeat the value instead"
        elif self.depth > MAX_DEPTH:
            problem = f"it is nested deeper than {MAX_DEPTH} levels"
        elif self.values > MAX_VALUES:
            problem = f"it has more than {MAX_VALUES:,} values"
        if problem:
            raise yaml.composer.ComposerError(None, None, problem, self.peek_event().start_mark)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys: set[str] = set()
        for key, _ in node.value:
            if key.value != "<<" and str(key.value) in keys:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key.value}' occurs twice", key.start_mark
                )
            keys.add(str(key.value))
        return super().construct_mapping(node, deep)

    def construct_int(self, node: yaml.ScalarNode) -> int:
        if len(node.value) > strict_json.MAX_DIGITS:
            problem = f"an integer of {len(node.value):,} digits"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return int(node.value, {"0o": 8, "0x": 16}.get(node.value[:2], 10))

    def construct_float(self, node: yaml.ScalarNode) -> float:
        return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list[Any]] = {}


for _tag, _pattern, _first in _RESOLVERS:
    _whole = re.compile(rf"(?:{_pattern.pattern})\Z")
    _Loader.add_implicit_resolver(_tag, _whole, _first)
    _Dumper.add_implicit_resolver(_tag, _whole, _first)
_Loader.add_constructor("tag:yaml.org,2002:int", _Loader.construct_int)
_Loader.add_constructor("tag:yaml.org,2002:float", _Loader.construct_float)
for _kind in ("binary", "omap", "pairs", "set", "timestamp"):  # types that JSON does not have
    del _Loader.yaml_constructors[f"tag:yaml.org,2002:{_kind}"]


def _parse(text: str, source: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "somewhere"
        raise UserError(f"{source} is broken YAML at {place}: {error.problem}.") from None
    except yaml.reader.ReaderError as error:
        before = text[: error.position]
        place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"
        raise UserError(f"{source} is broken YAML at {place}: {error.reason}.") from None
    except (RecursionError, ValueError) as error:
        raise UserError(f"{source} cannot be read as YAML: {error}.") from None
    except KeyError as error:
        raise UserError(f"{source} cannot be read as YAML: {error} is not a boolean.") from None


def _parse_file(data: bytes, path: Path) -> Any:
    source = f"Config file '{path}'"
    if len(data) > MAX_BYTES:
        raise UserError(f"{source} is longer than {MAX_BYTES:,} bytes. Settings are shorter.")
    if path.suffix != ".json":
        return _parse(data.decode("utf-8-sig"), source)
    try:
        return strict_json.parse(data, MAX_BYTES)
    except UnicodeDecodeError:
        raise
    except ValueError as error:
        raise UserError(f"{source} is broken JSON: {error}.") from None


def _read_file(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = _parse_file(file.read(MAX_BYTES + 1), path)
    except FileNotFoundError:
        raise UserError(f"There is no config file '{path}'. Check the path.") from None
    except UnicodeDecodeError:
        raise UserError(f"Config file '{path}' is not text in UTF-8.") from None
    except OSError as error:
        raise UserError(f"Config file '{path}' cannot be read: {error.strerror}.") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise UserError(
            f"Config file '{path}' should hold `key: value` lines. Received: {_show(data)}."
        )
    return data


# ------------------------------------------------------------------------------------------ layers


def _parse_override(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    key = key.strip()
    if not (key and equals):
        raise UserError(f"`overrides` takes key=value, as in a.b=3. Received: {_show(text)}.")
    if key.count(".") >= MAX_DEPTH:
        raise UserError(f"`overrides` {_show(text)} has a key of {key.count('.') + 1:,} parts.")
    return key, _parse(value, f"`overrides` {_show(text)}")


def _leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _nest(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
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
    both = {key: value for key, value in given.items() if isinstance(defaults.get(key), dict)}
    filled = {k: _fill(v, defaults[k]) for k, v in both.items() if isinstance(v, dict)}
    return {**defaults, **given, **filled}


def _section_defaults(cls: type[Config]) -> dict[str, Any]:
    defaults = {name: field.default for name, field in cls.model_fields.items()}
    return {name: to_dict(each) for name, each in defaults.items() if isinstance(each, Config)}


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


def _documented(
    config: Config, schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None
) -> Iterator[str]:
    """Yield the lines of a config, with each key below its description and range."""
    definitions = schema.get("$defs", {}) if definitions is None else definitions
    for name, value in to_dict(config).items():
        field = schema["properties"][name]
        section = getattr(config, name)
        if isinstance(section, Config):
            yield f"{name}:"
            reference = field.get("$ref", "").rpartition("/")[2]
            lines = _documented(section, definitions[reference], definitions)
            yield from (f"  {line}" for line in lines)
            continue
        comment = f"{field['description']} {_range(field)}".rstrip()
        yield from textwrap.wrap(comment, 96, initial_indent="# ", subsequent_indent="# ")
        line = yaml.dump({name: value}, Dumper=_Dumper, default_flow_style=True, width=math.inf)
        yield line.strip()[1:-1]  # without the braces


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
    faults: dict[tuple[str | int, ...], list[Any]] = {}
    for fault in error.errors(include_url=False):
        location = fault["loc"]
        if fault["type"] not in ("missing", "extra_forbidden"):
            # Pydantic adds the members of a union to the location. They are not keys.
            location = next(
                (loc for loc in _prefixes(location) if any(_has(x, loc) for x in layers.values())),
                location,
            )
        faults.setdefault(location, []).append(fault)
    sentences = [
        _sentence(".".join(map(str, location)), group, cls, _source(location, layers))
        for location, group in list(faults.items())[:MAX_FAULTS]
    ]
    more = len(faults) - len(sentences)
    return " ".join([*sentences, f"And {more:,} more." if more else ""]).rstrip()


def _sentence(key: str, group: Sequence[Any], cls: type[Config], source: str) -> str:
    fault = group[0]
    value = fault["input"]
    if fault["type"] == "extra_forbidden":
        key, value = next(_leaves({key: value}), (key, value))
        if key in (foreign := cls.foreign_keys()):
            owners = ", ".join(foreign[key].owners)
            return (
                f"{key} is a setting of {owners}. Leave it out. Received: {_show(value)}{source}."
            )
        nearest = _nearest(key, tuple(_keys(cls)))
        return f"Unknown config key {_show(key)}. {nearest} Received: {_show(value)}{source}."
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


def _prefixes(location: tuple[str | int, ...]) -> Iterator[tuple[str | int, ...]]:
    return (location[:stop] for stop in range(len(location), 0, -1))


def _has(tree: Any, location: tuple[str | int, ...]) -> bool:
    for part in location:
        try:
            tree = tree[part]
        except (LookupError, TypeError):
            return False
    return True


def _source(location: tuple[str | int, ...], layers: Mapping[str, dict[str, Any]]) -> str:
    names = [name for name, layer in layers.items() if location and _has(layer, location)]
    return f" {names[-1]}" if names else ""


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
