"""Designs: keys, round trips, and refusal of what is not allowed."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices, design_fields
from fracdse.errors import ConfigError


@given(
    st.sampled_from([8, 20, 56]),
    st.integers(1, 64),
    st.floats(-4, 8),
    st.booleans(),
    st.sampled_from(["table", "popcount"]),
)
def test_a_design_survives_json_with_its_key(depth: int, width: int, threshold: float, power: bool, stem: str) -> None:
    design = Design(
        ImageFormat(8, 8, 1, 10),
        NetworkChoices(depth=depth, width=width, gate_threshold=threshold, power_of_two=power),
        AcceleratorChoices(input_layer=stem),  # type: ignore[arg-type]
    )
    again = Design.from_dict(json.loads(json.dumps(design.to_dict())))
    assert again == design
    assert again.key == design.key


def test_every_choice_changes_the_key() -> None:
    base = Design()
    keys = {base.key}
    for path, hint in design_fields().items():
        values = base.to_dict()
        section, _, name = path.rpartition(".")
        table = values[section] if section else values
        table[name] = _other(table[name], hint)
        keys.add(Design.from_dict(values).key)
    assert len(keys) == 1 + len(design_fields())


def _other(value: object, hint: object) -> object:
    allowed = getattr(hint, "__args__", None)
    if allowed:
        return next(choice for choice in allowed if choice != value)
    if isinstance(value, bool):
        return not value
    return value + 1 if isinstance(value, int | float) else "kv260"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"netwrk": {}}, "unknown key 'netwrk' .did you mean 'network'"),
        ({"network": {"widht": 3}}, "network: unknown key 'widht' .did you mean 'width'"),
        ({"network": {"width": "wide"}}, "network.width = 'wide' must be a whole number, not a text"),
        ({"network": {"width": True}}, "must be a whole number, not true or false"),
        ({"network": {"body": "resnet19"}}, "network.body = 'resnet19' is not one of .*did you mean 'resnet18'"),
        ({"network": 3}, r"\[network\] must be a table of keys"),
        ({"device": 3}, "is not a name"),
    ],
)
def test_what_is_not_allowed_is_named(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Design.from_dict(values)


def test_a_whole_number_is_a_number() -> None:
    assert Design.from_dict({"network": {"gate_threshold": 3}}) == Design()
