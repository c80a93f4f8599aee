from pathlib import Path

import pytest

from fracdse.data_files import data_folder
from fracdse.errors import ConfigError
from fracdse.hardware.devices import device_names, load_device, read_device


def test_four_devices_with_the_counts_of_their_data_sheets() -> None:
    counts = {name: load_device(name).resources for name in device_names()}
    assert counts == {
        "ultra96v2": {"lut": 70_560, "ff": 141_120, "bram18": 432, "dsp": 360},
        "pynq-z2": {"lut": 53_200, "ff": 106_400, "bram18": 280, "dsp": 220},
        "kv260": {"lut": 117_120, "ff": 234_240, "bram18": 288, "dsp": 1248},
        "zcu104": {"lut": 230_400, "ff": 460_800, "bram18": 624, "dsp": 1728},
    }


def test_an_unknown_device_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean 'ultra96v2'"):
        load_device("ultra96")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("[dsp]\nvalue = 360\n", "[dsp]\n", "the field 'dsp.value' is missing"),
        ("value = 70560", 'value = "many"', "lut.value = 'many'"),
        ("value = 70560", "value = -1", "lut.value = -1"),
        ('family = "xcup"', 'family = "ice40"', "family = 'ice40'"),
        ("[lut]", "[lut\n", "not a TOML file"),
        ('name = "ultra96v2"', 'name = "other"', "must be the file's name"),
    ],
)
def test_a_damaged_device_file_is_named(tmp_path: Path, old: str, new: str, message: str) -> None:
    text = (data_folder("hw_models") / "devices" / "ultra96v2.toml").read_text()
    assert old in text
    path = tmp_path / "ultra96v2.toml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError, match=message):
        read_device(path)


def test_a_new_device_is_a_new_file_and_nothing_else(tmp_path: Path) -> None:
    text = (data_folder("hw_models") / "devices" / "kv260.toml").read_text()
    path = tmp_path / "kr260.toml"
    path.write_text(text.replace('name = "kv260"', 'name = "kr260"'))
    assert read_device(path).resources["bram18"] == 288
