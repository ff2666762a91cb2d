"""Settings: layers, YAML 1.2 scalars, round trips, and refusals in one line."""

from __future__ import annotations

import math
import re
import time
import tracemalloc
from itertools import pairwise
from pathlib import Path
from typing import Literal

import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neuralgym_lite.config import (
    Config,
    ForeignKey,
    key_paths,
    load_config,
    to_dict,
    to_documented_yaml,
    without_foreign_defaults,
)
from neuralgym_lite.errors import UserError


class Optimizer(Config):
    learning_rate: float = pydantic.Field(1e-4, gt=0)
    beta_1: float = 0.5


class Train(Config):
    iterations: int = pydantic.Field(1000, ge=1)
    batch_size: int | Literal["auto"] = 16
    optimizer: Optimizer = Optimizer()


class Settings(Config):
    name: str = "run"
    mask: Literal["hole", "mosaic"] = "hole"
    amp: bool = False
    size: tuple[int, int] = (256, 256)
    data_dir: Path | None = None
    train: Train = Train()

    @pydantic.model_validator(mode="after")
    def _check(self) -> Settings:
        if self.name == "forbidden":
            raise ValueError("the name 'forbidden' is taken")
        return self


def write(folder: Path, text: str) -> Path:
    path = folder / "settings.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def refusal(*args, **kwargs) -> str:
    with pytest.raises(UserError) as caught:
        load_config(Settings, *args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


# --- layers


def test_defaults_alone():
    assert load_config(Settings) == Settings()


def test_each_layer_wins_over_the_one_before(tmp_path):
    path = write(tmp_path, "name: file\nmask: mosaic\ntrain:\n  iterations: 2\n  batch_size: 3\n")
    flags = {"name": "flag", "train": {"iterations": 20}, "amp": None}
    config = load_config(Settings, path, flags=flags, overrides=["name=set"])
    assert (config.name, config.mask, config.amp) == ("set", "mosaic", False)
    assert (config.train.iterations, config.train.batch_size) == (20, 3)
    assert config.train.optimizer == Optimizer()


def test_flags_may_have_dotted_keys_and_paths(tmp_path):
    flags = {"train.optimizer.beta_1": 0, "train.iterations": 7, "data_dir": tmp_path}
    config = load_config(Settings, flags=flags)
    assert (config.train.iterations, config.data_dir) == (7, tmp_path)
    assert config.train.optimizer.beta_1 == 0.0


def test_the_last_override_wins():
    assert load_config(Settings, overrides=["name=a", "name=b=c"]).name == "b=c"


def test_configs_are_frozen():
    with pytest.raises(pydantic.ValidationError):
        Settings().name = "other"


# --- YAML scalars


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "1.0e-4", "+1e-4", "0.0001", "100e-6", ".0001"])
def test_exponents_are_numbers_in_yaml_and_overrides(tmp_path, text):
    path = write(tmp_path, f"train: {{optimizer: {{learning_rate: {text}}}}}")
    assert load_config(Settings, path).train.optimizer.learning_rate == 1e-4
    overrides = [f"train.optimizer.learning_rate={text}"]
    assert load_config(Settings, overrides=overrides).train.optimizer.learning_rate == 1e-4


@pytest.mark.parametrize("text", ["no", "on", "2024-01-01", "1:30", "1_000", "1e", "e5", "0x", "."])
def test_what_yaml_1_1_would_convert_stays_a_string(text):
    assert load_config(Settings, overrides=[f"name={text}"]).name == text


@pytest.mark.parametrize(("text", "number"), [("010", 10), ("0x10", 16), ("0o10", 8), ("+3", 3)])
def test_whole_numbers(text, number):
    assert load_config(Settings, overrides=[f"train.iterations={text}"]).train.iterations == number


def test_sections_lists_null_anchors_and_an_empty_file(tmp_path):
    text = "train: &t {iterations: 5}\nsize: [1, 2]\ndata_dir: ~\n"
    config = load_config(Settings, write(tmp_path, text))
    assert (config.size, config.data_dir, config.train.iterations) == ((1, 2), None, 5)
    assert load_config(Settings, write(tmp_path, "# nothing\n")) == Settings()


# --- round trips

numbers = st.floats(min_value=1e-30, max_value=1e30, allow_nan=False)
texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["1e-4", "0x1F", "null", "true", "~", "<<", "", "no", "1_0", ".inf", "2001-01-01", "a: b", "#"]
)


@settings(max_examples=50)
@given(numbers, st.integers(1, 10**12), st.booleans(), texts, texts)
def test_yaml_and_dict_round_trip(tmp_path_factory, rate, iterations, amp, name, folder):
    optimizer = Optimizer(learning_rate=rate)
    train = Train(iterations=iterations, optimizer=optimizer)
    config = Settings(name=name, amp=amp, train=train, data_dir=Path(f"x{folder}"))
    path = tmp_path_factory.getbasetemp() / "settings.yaml"
    path.write_text(to_documented_yaml(config), encoding="utf-8", newline="")
    assert load_config(Settings, path) == config
    assert load_config(Settings, flags=to_dict(config)) == config


@settings(max_examples=50)
@given(numbers, st.integers(1, 10**12), st.booleans())
def test_override_round_trip(rate, iterations, amp):
    overrides = [
        f"train.optimizer.learning_rate={rate!r}",
        f"train.iterations={iterations}",
        f"amp={str(amp).lower()}",
    ]
    config = load_config(Settings, overrides=overrides)
    assert config.train.optimizer.learning_rate == rate
    assert (config.train.iterations, config.amp) == (iterations, amp)


# --- refusals


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("train.iterations='12'", ["'train.iterations'", "valid integer", "'12'", "`overrides`"]),
        ("train.iterations=true", ["'train.iterations'", "valid integer", "True"]),
        ("train.iterations=1.0", ["'train.iterations'", "valid integer", "1.0"]),
        ("train.iterations=0", ["'train.iterations'", "greater than or equal to 1", "0"]),
        ("train.optimizer.beta_1=true", ["'train.optimizer.beta_1'", "valid number", "True"]),
        ("train.optimizer.beta_1='0.5'", ["'train.optimizer.beta_1'", "valid number", "'0.5'"]),
        ("train.optimizer.beta_1=.nan", ["'train.optimizer.beta_1'", "finite number", "nan"]),
        ("train=3", ["'train'", "section of keys", "3"]),
        ("train=", ["'train'", "section of keys", "None"]),
        ("amp=yes", ["'amp'", "true or false", "'yes'"]),
        ("amp=1", ["'amp'", "true or false", "1"]),
        ("name=3", ["'name'", "string", "quotes", "3"]),
        ("size=[1]", ["'size.1' must be given"]),
        ("size=[1, a]", ["'size.1'", "valid integer", "'a'"]),
        ("mask=mosiac", ["'mask'", "'hole' or 'mosaic'", "'mosiac'", "Did you mean 'mosaic'?"]),
        ("train.batch_size=1.5", ["'train.batch_size'", "valid integer or should be 'auto'"]),
        ("name=forbidden", ["The config is wrong: the name 'forbidden' is taken."]),
        ("size=[1, 2, 3]", ["'size' is wrong", "at most 2 items", "[1, 2, 3]"]),
        ("train.iterations.x=1", ["'train.iterations'", "valid integer", "{'x': 1}"]),
        ("name=" + "[a, " * 99 + "]" * 99, ["'name'", "string", "..."]),
    ],
)
def test_wrong_values_are_named_repeated_and_explained(override, words):
    message = refusal(overrides=[override])
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("key", "nearest"),
    [
        ("trian.iterations", "train.iterations"),
        ("train.iteration", "train.iterations"),
        ("learning_rate", "train.optimizer.learning_rate"),
        ("train.lerning_rate", "train.optimizer.learning_rate"),
        ("masks", "mask"),
        ("trian.name", "name"),
        ("trian.optimiser.beta_1", "train.optimizer.beta_1"),
        ("tran", "train"),
    ],
)
def test_an_unknown_key_names_the_nearest(key, nearest):
    message = refusal(overrides=[f"{key}=7"])
    assert f"Did you mean '{nearest}'?" in message
    assert "7" in message


def test_an_unknown_key_with_nothing_near_lists_its_section():
    assert "Known: train.batch_size, train.iterations, train.optimizer." in refusal(
        overrides=["train.zzz=1"]
    )
    assert "Known: train.optimizer.beta_1, train.optimizer.learning_rate." in refusal(
        overrides=["train.optimizer.x=1"]
    )
    assert "Known: amp, data_dir, mask, name, size, train." in refusal(overrides=["zzz.qqq=1"])


def test_every_problem_is_told_at_once_with_its_source(tmp_path):
    path = write(tmp_path, "nam: x\ntrain: {iterations: '1'}\n")
    message = refusal(path, flags={"mask": "square"}, overrides=["amp=3"])
    for word in (f"'x' in {path}", f"'1' in {path}", "'square' as an argument", "3 in `overrides`"):
        assert word in message


@pytest.mark.parametrize("text", ["name", "=3", "", " =1"])
def test_an_override_without_key_or_value(text):
    assert f"`overrides` takes key=value, as in a.b=3. Received: {text!r}." == refusal(
        overrides=[text]
    )


def test_a_broken_override_value():
    assert "`overrides` 'size=[1,' cannot be read as YAML" in refusal(overrides=["size=[1,"])


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: a\nmask: [x\n", "line 3, column 1"),
        ("name: a\n\tmask: b\n", "line 2, column 1"),
        ("name: a\nname: b\n", "line 2, column 1: the key 'name' occurs twice"),
        ("name: a\nmask: \x07b\n", "line 2, column 7"),
        ("name: !!python/object:os.system x\n", "line 1, column 7"),
    ],
)
def test_broken_yaml_is_located(tmp_path, text, place):
    path = write(tmp_path, text)
    message = refusal(path)
    assert str(path) in message
    assert place in message


def test_files_that_are_no_config(tmp_path):
    assert "no config file" in refusal(tmp_path / "absent.yaml")
    assert "cannot be read" in refusal(tmp_path)
    path = write(tmp_path, "- 1\n- 2\n")
    assert "key: value" in refusal(path)
    path.write_bytes(b"name: \xff\xfe\n")
    assert "not text in UTF-8" in refusal(path)
    path.write_text(f"train: {{iterations: {'9' * 5000}}}")
    assert str(path) in refusal(path)


def test_infinity_never_passes():
    with pytest.raises(pydantic.ValidationError):
        Optimizer(beta_1=math.inf)


def test_a_section_that_is_no_section_is_refused_in_spite_of_a_flag_in_it(tmp_path):
    message = refusal(write(tmp_path, "train: 3"), flags={"train.iterations": 5})
    assert "train" in message
    assert "3" in message


# --- hostile input

LAUGHS = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"{name}: &{name} [{','.join([f'*{before}'] * 9)}]\n" for before, name in pairwise("abcdefghij")
)
WIDE = ",".join(["1"] * 30_000)
HOSTILE = {
    "laughs.yaml": (LAUGHS, "line 2.*aliases"),
    "itself.yaml": ("name: &a [*a]", "line 1.*aliases"),
    "merged.yaml": ("a: &a {x: 1}\ntrain:\n  <<: *a", "line 3.*aliases"),
    "deep.yaml": ("name: " + "[" * 5000 + "]" * 5000, "deeper than 100 levels"),
    "stairs.yaml": ("".join(" " * i + "a:\n" for i in range(300)), "deeper than 100 levels"),
    "wide.yaml": (f"size: [{WIDE}]", "more than 5,000 values"),
    "keys.yaml": ("".join(f"k{i}: 1\n" for i in range(2000)), "And 1,990 more"),
    "long.yaml": ("#" * 100_000, "longer than 65,536 bytes"),
    "digits.yaml": ("train: {iterations: " + "9" * 4000 + "}", "4,000 digits"),
    "hex.yaml": ("train: {iterations: 0x" + "f" * 5000 + "}", "5,002 digits"),
    "key.yaml": ("? " + "a." * 3000 + "a\n: 1", "Unknown config key 'a.a.*[.][.][.]"),
    "truth.yaml": ("amp: !!bool perhaps", "tags .*bool"),
    "time.yaml": ("name: !!timestamp perhaps", "timestamp"),
    "date.yaml": ("? !!timestamp 2020-01-01\n: 1", "timestamp"),
    "laughs.json": (LAUGHS, "cannot be read as JSON"),
    "alias.json": ('{"a": &a [1], "name": *a}', "cannot be read as JSON"),
    "deep.json": ('{"name": ' + "[" * 5000 + "]" * 5000 + "}", "deeper than 100 levels"),
    "digits.json": ('{"train": {"iterations": ' + "9" * 5000 + "}}", "5,000 digits"),
    "twice.json": ('{"name": "a", "name": "b"}', "'name' occurs twice"),
    "nan.json": ('{"train": {"optimizer": {"beta_1": NaN}}}', "beta_1' should be a finite"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_at_once(tmp_path, name):
    text, words = HOSTILE[name]
    path = tmp_path / name
    path.write_text(text)
    begin = time.thread_time()
    tracemalloc.start()
    message = refusal(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert re.search(words, message)
    assert str(path) in message
    assert len(message) < 3000
    assert peak < 30 << 20
    assert time.thread_time() - begin < 5  # tracing is slow


@pytest.mark.parametrize("parts", [101, 3000, 30_000])
def test_a_key_of_very_many_parts(parts):
    message = refusal(overrides=["a" + ".a" * (parts - 1) + "=1"])
    assert f"a key of {parts:,} parts" in message
    assert len(message) < 200


def test_what_has_no_end(tmp_path):
    assert "longer than" in refusal("/dev/zero")


def test_json_is_read_by_its_own_rules(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"name": "no", "size": [1, 2], "train": {"iterations": 7}}')
    config = load_config(Settings, path)
    assert (config.name, config.size, config.train.iterations) == ("no", (1, 2), 7)
    path.write_text("name: no")
    assert "cannot be read as JSON" in refusal(path)


# --- variants and descriptions


class Shape(Config):
    kind: str = "circle"
    filled: bool = pydantic.Field(False, description="Whether it is filled.")

    @classmethod
    def select(cls, settings):
        kinds = {"circle": Circle, "square": Square}
        return kinds[settings.get("kind", "circle")] if cls is Shape else cls

    @classmethod
    def foreign_keys(cls):
        return {"pen.side": ForeignKey(("square",), 2)} if cls is Circle else {}


class CirclePen(Config):
    width: int = pydantic.Field(1, ge=0, le=2000, description="Width in pixels.")
    cap: Literal["round", "flat"] = pydantic.Field("round", description="Ends of lines.")


class SquarePen(CirclePen):
    side: float = pydantic.Field(2, gt=0, lt=1e6, multiple_of=0.5, description="Side in pixels.")


class Circle(Shape):
    kind: str = pydantic.Field("circle", description="Kind of shape.")
    pen: CirclePen = CirclePen(width=3)


class Square(Shape):
    kind: str = pydantic.Field("square", description="Kind of shape.")
    pen: SquarePen = SquarePen(cap="flat")


def test_a_section_keeps_the_rest_of_its_default():
    assert load_config(Circle, overrides=["pen.cap=flat"]).pen == CirclePen(width=3, cap="flat")
    assert load_config(Square, flags={"pen.width": 5}).pen == SquarePen(width=5, cap="flat")


def test_a_setting_selects_the_variant():
    assert load_config(Shape) == Circle()
    config = load_config(Shape, overrides=["kind=square", "pen.side=3"])
    assert config == Square(pen=SquarePen(cap="flat", side=3))


def test_keys_of_another_variant(tmp_path):
    path = write(tmp_path, "pen: {side: 2, width: 4}")
    assert load_config(Shape, path).pen.width == 4
    assert load_config(Shape, base={"pen.side": 2}) == Circle()
    assert without_foreign_defaults(Shape, {"pen.side": 2, "pen.width": 4}) == {"pen.width": 4}
    assert without_foreign_defaults(Shape, {"pen.side": 3}) == {"pen.side": 3}
    words = "^pen.side is a setting of square. Leave it out. Received: {} in {}.$"
    with pytest.raises(UserError, match=words.format(2, "`overrides`")):
        load_config(Shape, overrides=["pen.side=2"])
    path.write_text("pen: {side: 2.5}")
    with pytest.raises(UserError, match=words.format(2.5, path)):
        load_config(Shape, path)


def test_documented_yaml(tmp_path):
    config = Square(pen=SquarePen(side=2.5))
    text = to_documented_yaml(config)
    assert text.splitlines() == [
        "# Kind of shape.",
        "kind: square",
        "# Whether it is filled.",
        "filled: false",
        "pen:",
        "  # Width in pixels. [0 to 2,000]",
        "  width: 1",
        "  # Ends of lines. [round, flat]",
        "  cap: round",
        "  # Side in pixels. [above 0 to below 1,000,000, a multiple of 0.5]",
        "  side: 2.5",
    ]
    assert load_config(Shape, write(tmp_path, text)) == config


def test_keys_by_their_last_part():
    assert key_paths(Square, "side") == ["pen.side"]
    assert key_paths(Circle, "side") == []
