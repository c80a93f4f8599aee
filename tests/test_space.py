"""Search-space files: what is read, what is refused and what is said."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import ImageFormat
from fracdse.errors import ConfigError
from fracdse.space import load_space, parse_space, with_constraint, with_objectives
from fracdse.space.domains import Choice, Range, parse_domain
from fracdse.space.objectives import parse_constraint
from fracdse.space.toml_writer import to_toml


@pytest.mark.parametrize("name", ["digits", "cifar10", "imagenet"])
def test_shipped_spaces_survive_the_round_trip(name: str) -> None:
    space = load_space(name)
    again = parse_space(tomllib.loads(space.to_toml()), space.source)
    assert again == space
    assert space.size > 100


def test_only_design_needs_single_values() -> None:
    with pytest.raises(ConfigError, match=r"network\.depth = \[8, 14\] is a choice") as caught:
        load_space("digits").only_design()
    assert caught.value.hint == "Give it one value in the file."
    single = [f"{path}={_plain(domain.ends[0])}" for path, domain in load_space("digits").searched.items()]
    design = load_space("digits", single).only_design()
    assert design.image == ImageFormat(8, 8, 1, 10)
    assert design.network.depth == 8


def test_goals_of_the_folding_come_from_the_constraints() -> None:
    space = load_space("digits", [with_constraint("lut<=0.5"), with_constraint("fps>=123")])
    design = space.design({path: domain.ends[0] for path, domain in space.searched.items()})
    assert (design.accelerator.lut_share, design.accelerator.fps) == (0.5, 123.0)


def test_a_folding_needs_the_rate_that_it_is_to_reach() -> None:
    with pytest.raises(ConfigError, match="'smallest at fps' has no rate to reach") as caught:
        load_space("digits", ["accelerator.fps=0"])
    assert 'fps = ">= 1000"' in caught.value.hint
    document = {"accelerator": {"folding": ["fastest that fits", "smallest at fps"]}}
    with pytest.raises(ConfigError, match="has no rate to reach"):
        parse_space(document, "mine")
    assert parse_space(document | {"constraints": {"fps": ">= 5"}}, "mine").size == 2
    compact, engine = (
        {"accelerator": document["accelerator"] | {"architecture": name}} for name in ("compact", "engine")
    )
    with pytest.raises(ConfigError, match="has no rate to reach"):
        parse_space(compact, "mine")
    assert parse_space(engine, "mine").size == 2


def test_params_of_a_design_and_back() -> None:
    space = load_space("cifar10")
    params = {path: domain.ends[-1] for path, domain in space.searched.items()}
    assert space.params_of(space.design(params)) == params
    other = load_space("cifar10", ["network.width=[32]"])
    assert other.params_of(space.design(params)) is None


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("network.sii_width=3", r"network\.sii_width: there is no such key \(did you mean 'network.si_width'\?\)"),
        ("si_width=3", r"did you mean 'network\.si_width'\?"),
        ("network.si_width=[]", r"--set network\.si_width = \[\] leaves nothing to choose from"),
        ("network.width=0", r"network\.width = 0 is out of range; allowed: 1 to 1024"),
        ("network.width=[4, 4]", r"network\.width lists 4 more than once"),
        ("network.width='a'", r"network\.width = 'a' must be a whole number, not a text"),
        ("network.width=[4", r"--set network\.width = '\[4' must be a whole number, not a text"),
        ("network.width=4.5", r"network\.width = 4\.5 must be a whole number, not one with a decimal point"),
        ("accelerator.clock_mhz=fast", r"accelerator\.clock_mhz = 'fast' must be a number, not a text"),
        ("accelerator.clock_mhz=-5", r"accelerator\.clock_mhz = -5\.0 is out of range; allowed: 1 to 1000"),
        ("accelerator.clock_mhz=[250, nan]", r"accelerator\.clock_mhz = nan is out of range"),
        ("accelerator.fps=inf", r"accelerator\.fps = inf is out of range; allowed: 0 or more"),
        ("accelerator.lut_share=5", r"accelerator\.lut_share = 5\.0 is out of range; allowed: 0 to 1"),
        ("accelerator.feature_bits=32", r"accelerator\.feature_bits = 32 is out of range; allowed: 6 to 24"),
        ("accelerator.constant_bits={low=4, high=24}", r"constant_bits = 4 is out of range; allowed: 6 to 24"),
        (f"network.width={{low=1, high={10**400}}}", r"network\.width\.high is a number of 401 digits; allowed: whole"),
        (f"accelerator.clock_mhz={10**400}", r"accelerator\.clock_mhz is a number of 401 digits"),
        (f"network.width={'[' * 3000}", r"must be a whole number, not a text"),
        (f"network.width={'1' * 5000}", r"must be a whole number, not a text"),
        ("network.width=true", r"network\.width = True must be a whole number, not true or false"),
        ("network.width={low=8, high=4}", r"network\.width: the range is upside down, low = 8 is above high = 4"),
        ("network.width={low=8}", r"network\.width: a range needs low and high; 'high' is missing"),
        ("network.width={low=8, hihg=9}", r"unknown key 'hihg' in a range \(did you mean 'high'\?\)"),
        ("network.gate_threshold={low=0.0, high=inf}", r"must be finite"),
        ("network.gate_threshold={low=-1, high=4, step=1e-320}", r"makes more than 1,000,000 steps from -1\.0 to 4\.0"),
        ("network.body=['resnet', 'resnett']", r"did you mean 'resnet'\?"),
        ("network.body={low=1, high=2}", r"a range is for numbers only"),
        ("network.thermometer_resolution=[8, 300]", r"300 is out of range; allowed: 1 to 255"),
        ("proxy.epochs=0", r"epochs = 0 is out of range"),
        ("search.trials=0", r"search\.trials = 0: input should be greater than or equal to 1"),
        ("search.seed=-1", r"search\.seed = -1"),
        ("constraints.lut=<= many", r"constraints\.lut = '<= many' is no limit"),
        ("constraints.fps=>= 5 %", r"only lut, ff, bram18, dsp can be limited to a share"),
        ("objectives.accuracy=minimize", r"'accuracy' can only be 'maximize'"),
        ("objectives={}", r"\[objectives\] is empty"),
        ("data=5", r"there is no such key"),
        ("nonsense", r"write KEY\.PATH=VALUE"),
    ],
)
def test_wrong_values_are_named(change: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        load_space("digits", [change])
    assert caught.value.exit_code == 2


def test_unknown_section_and_damaged_files(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("[netwrok]\nwidth = 3\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: unknown section or key 'netwrok' \(did you mean 'network'\?\)"):
        load_space(file)
    file.write_text("[network\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is not TOML"):
        load_space(file)
    file.write_text(f"[network]\nwidth = {'1' * 5000}\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is not TOML: Exceeds the limit"):
        load_space(file)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load_space(file)
    file.write_text("network = 3\n")
    with pytest.raises(ConfigError, match=r"\[network\] must be a table"):
        load_space(file)
    file.write_text("# nothing yet\n")
    with pytest.raises(ConfigError, match=r"mine\.toml is empty: the file names no choice"):
        load_space(file)
    with pytest.raises(ConfigError, match="is a folder, not a search space"):
        load_space(tmp_path)
    file.write_text("[network]\ndepth = 'x'\nwidth = 4\n")
    with pytest.raises(ConfigError, match=r"mine\.toml: network\.depth = 'x'"):
        load_space(file, ["network.width=8"])
    with pytest.raises(ConfigError, match=r"there is no search space 'digtis' \(did you mean 'digits'\?\)"):
        load_space("digtis")


def test_objectives_and_constraints_by_option() -> None:
    space = load_space("digits", [*with_objectives(["accuracy", "lut"]), with_constraint("power_w<=3.5")])
    assert dict(space.objectives) == {"accuracy": "maximize", "lut": "minimize"}
    assert "power_w <= 3.5" in [str(constraint) for constraint in space.constraints]
    with pytest.raises(ConfigError, match=r"unknown objective 'acuracy' \(did you mean 'accuracy'\?\)"):
        with_objectives(["acuracy"])
    with pytest.raises(ConfigError, match="write NAME<=LIMIT"):
        with_constraint("lut<5")
    with pytest.raises(ConfigError, match="--constraint foo: unknown constraint 'foo'") as caught:
        with_constraint("foo<=0.8")
    assert "lut, ff, bram18, dsp, fps" in caught.value.hint
    with pytest.raises(ConfigError, match="--constraint lut = '<=abc' is no limit"):
        with_constraint("lut<=abc")


@pytest.mark.parametrize(
    ("name", "text", "value", "capacity", "met"),
    [
        ("lut", "<= 0.80", 80, 100, True),
        ("lut", "<= 80 %", 81, 100, False),
        ("dsp", "<= 1", 1, 360, True),
        ("dsp", "<= 0", 1, 360, False),
        ("bram18", "<= 1.0", 432, 432, True),
        ("fps", ">= 1000", 999, None, False),
        ("fps", ">= 1e3", 1000, None, True),
    ],
)
def test_constraints(name: str, text: str, value: float, capacity: float | None, met: bool) -> None:
    constraint = parse_constraint(name, text, "constraints")
    assert (constraint.violation(value, capacity) <= 0) is met
    assert parse_constraint(name, constraint.to_plain(), "constraints") == constraint


def test_accuracy_is_no_constraint() -> None:
    with pytest.raises(ConfigError, match="unknown constraint 'accuracy'") as caught:
        parse_constraint("accuracy", ">= 0.9", "constraints.accuracy")
    assert "checked before training" in caught.value.hint


@given(st.integers(-50, 50), st.integers(0, 60), st.integers(1, 7))
def test_ranges_contain_what_they_list(low: int, length: int, step: int) -> None:
    domain = parse_domain({"low": low, "high": low + length, "step": step}, int, "x")
    values = domain.enumerate()
    assert len(values) == domain.size
    assert all(domain.contains(value) for value in values)
    assert not domain.contains(low + length + 1)
    assert domain.contains(low + step) is (step <= length)


def test_float_ranges() -> None:
    domain = parse_domain({"low": -1, "high": 4, "step": 0.5}, float, "x")
    assert isinstance(domain, Range)
    assert domain.size == 11
    assert domain.contains(2.5)
    assert not domain.contains(2.4)
    assert not domain.contains(2)
    assert parse_domain({"low": 1.0, "high": 2.0}, float, "x").size == float("inf")
    assert Choice((1, 2)).single is None


@pytest.mark.parametrize(
    ("high", "step", "values"),
    [
        (0.3, 0.1, (0.0, 0.1, 0.2, 0.3)),
        (0.35, 0.1, (0.0, 0.1, 0.2, 0.3)),
        (0.7, 0.35, (0.0, 0.35, 0.7)),
        (0.9999999999, 0.3333333333333, (0.0, 0.3333333333333, 0.6666666666666)),
    ],
)
def test_steps_end_where_decimal_numbers_do(high: float, step: float, values: tuple[float, ...]) -> None:
    domain = parse_domain({"low": 0, "high": high, "step": step}, float, "x")
    assert domain.enumerate() == values
    assert domain.size == len(values)
    assert domain.ends == (values[0], values[-1])
    assert all(map(domain.contains, values))


def test_a_range_is_not_refused_for_an_end_that_no_step_reaches() -> None:
    space = load_space("digits", ["network.depth={low=8, high=30, step=6}"])
    assert space.choices["network.depth"].enumerate() == (8, 14, 20, 26)


@given(
    st.dictionaries(
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
        st.one_of(
            st.integers(-(2**62), 2**62),
            st.floats(allow_nan=False),
            st.booleans(),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
            st.lists(st.integers(-5, 5), max_size=4),
        ),
        max_size=5,
    )
)
def test_whatever_is_written_as_toml_reads_back(table: dict[str, object]) -> None:
    document = {"first": 1, "section": table}
    assert tomllib.loads(to_toml(document)) == document


def _plain(value: object) -> str:
    return repr(value).replace("True", "true")
