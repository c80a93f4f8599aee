import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from fracdse.cli.estimate import command
from fracdse.design import Design
from fracdse.errors import ConfigError, InfeasibleError, StudyError
from fracdse.hardware.estimate import estimate
from fracdse.search.study import open_study

ONE = """\
name = "one"
device = "ultra96v2"
[data]
name = "cifar10"
[network]
body = "resnet"
depth = 8
width = 8
[accelerator]
clock_mhz = 200.0
"""


def run(path: Path, *options: str) -> str:
    result = CliRunner().invoke(command, [str(path), *options], catch_exceptions=False)
    assert result.exit_code == 0
    return result.output


@pytest.fixture
def design_file(tmp_path: Path) -> Path:
    path = tmp_path / "one.toml"
    path.write_text(ONE)
    return path


def test_json_carries_figures_intervals_kind_and_folding(design_file: Path) -> None:
    record = json.loads(run(design_file, "--json"))
    figures = estimate(Design.from_dict(record["design"]))
    assert record["lut"] == pytest.approx(figures.lut.value, rel=1e-12)  # added up in another order
    assert record["lut_low"] < record["lut"] < record["lut_high"]
    assert record["bram18"] == record["bram18_low"] == figures.bram18.value
    assert record["hardware_kind"] == "estimated"
    assert len(record["folding"]["convs"]) == 6
    assert record["gates"] == "prior"


def test_the_table_names_the_device_and_every_figure(design_file: Path) -> None:
    text = run(design_file)
    assert "ultra96v2 (xczu3eg-sbva484-1-i), 200 MHz" in text
    for name in ("lut", "ff", "bram18", "dsp", "cycles_per_frame", "fps", "latency_us", "power_w"):
        assert f"\n{name}" in text
    assert "low confidence" in text
    assert "coefficients" not in text


def test_a_family_without_builds_says_whose_coefficients_stand_in(design_file: Path) -> None:
    design_file.write_text(ONE.replace("ultra96v2", "pynq-z2"))
    assert "for xcup: no build of xc7 has confirmed them" in run(design_file)


def test_a_choice_in_the_file_is_refused(design_file: Path) -> None:
    design_file.write_text(ONE.replace("width = 8", "width = [8, 16]"))
    with pytest.raises(ConfigError, match=r"network\.width"):
        run(design_file)


def test_a_design_that_fits_nowhere_is_infeasible(design_file: Path) -> None:
    design_file.write_text(ONE.replace("width = 8", "width = 512"))
    with pytest.raises(InfeasibleError, match="binds") as caught:
        run(design_file)
    assert caught.value.exit_code == 3


def test_a_trial_is_estimated_as_its_study_does_with_the_spread_of_a_proxys_gates(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fracdse.cli.search import command as search

    monkeypatch.chdir(tmp_path)
    tiny = ["network.depth=8", "network.width=4", "proxy.epochs=1", "data.samples=120", "search.workers=1"]
    options = [word for change in tiny for word in ("--set", change)]
    result = CliRunner().invoke(search, ["digits", "--trials", "1", "--quiet", *options], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    (record,) = open_study("digits").records()
    assert record.hardware is not None
    shown = json.loads(CliRunner().invoke(command, ["0", "--json"], catch_exceptions=False).output)
    assert shown["gates"] == "measured"
    for name, figure in record.hardware.items():
        expected = pytest.approx((figure.low, figure.value, figure.high), rel=1e-9)
        assert (shown[f"{name}_low"], shown[name], shown[f"{name}_high"]) == expected, name
    with pytest.raises(StudyError, match="study 'digits' has no trial 7"):
        CliRunner().invoke(command, ["7"], catch_exceptions=False)


def test_a_study_goes_with_a_trial_only(design_file: Path) -> None:
    with pytest.raises(ConfigError, match="goes with a trial"):
        run(design_file, "--study", "x")


def test_the_command_imports_no_torch(design_file: Path) -> None:
    code = (
        "import sys\nfrom fracdse.cli.estimate import command\n"
        f"command([{str(design_file)!r}], standalone_mode=False)\n"
        "assert not {'torch', 'optuna', 'scipy', 'matplotlib', 'pandas', 'amaranth'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_a_compact_design_has_no_folding_and_says_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "compact.toml"
    path.write_text(ONE.replace("width = 8", "width = 16") + 'architecture = "compact"\n')
    text = run(path)
    assert "compact: 8 lanes, layers in turn" in text
    assert "weights in" not in text
    record = json.loads(run(path, "--json"))
    assert record["folding"] is None
    assert record["bram18_low"] <= record["bram18"] <= record["bram18_high"]


def test_a_compact_design_that_is_too_slow_says_which_rate_it_reaches(tmp_path: Path) -> None:
    path = tmp_path / "compact.toml"
    path.write_text(ONE + 'architecture = "compact"\nfolding = "smallest at fps"\nfps = 1e6\n')
    with pytest.raises(InfeasibleError, match=r"at 1,000,000 frames/s: it reaches [\d,]+ frames/s at 200 MHz"):
        CliRunner().invoke(command, [str(path)], catch_exceptions=False)
