"""`fracdse deploy` on a tiny network: trained, generated, simulated and packed for real."""

import json
import shutil
import sys
import tarfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from fracdse.board.bundle import read_bundle
from fracdse.board.deployment.trained import Agreement, check_agreement
from fracdse.cli.deploy import command
from fracdse.cli.search import command as search
from fracdse.errors import BuildFailed, ConfigError, ExitCode, ProgramError, StudyError, ToolNotFound
from fracdse.search.study import open_study

SPACE = """
name = "tiny"
[data]
name = "digits"
[network]
depth = 8
width = 4
thermometer_resolution = 64
gate_threshold = 1.0
[accelerator]
folding = "smallest at fps"
fps = 10000.0
[proxy]
epochs = 1
[training]
real_epochs = 0
epochs = 4
batch_size = 32
learning_rate = 0.01
schedule = "linear"
threshold_start = "target"
[search]
trials = 1
seed = 1
"""


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    """A folder with a study of one trial, and a cache of tool runs, for all tests of this file."""
    folder = tmp_path_factory.mktemp("deploy")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("FRACDSE_CACHE", str(folder / "cache"))
        patch.delenv("FRACDSE_VIVADO", raising=False)
        (folder / "tiny.toml").write_text(SPACE)
        result = CliRunner().invoke(search, ["tiny.toml", "--quiet"])
        assert result.exit_code == ExitCode.DONE, result.output
        yield folder


@pytest.fixture
def deploy(workplace):
    def call(*arguments):
        return CliRunner().invoke(command, ["best", "tiny", "--images", "12", *arguments])

    return call


@pytest.fixture
def fake_vivado(tmp_path, monkeypatch):
    """Install the stand-in for Vivado; return a function that sets how it behaves."""
    if shutil.which("tclsh") is None:
        pytest.skip("needs tclsh (Debian: apt-get install tcl)")
    fake = Path(__file__).parent.parent / "build" / "fake_vivado.py"
    program = tmp_path / "vivado"
    program.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({str(fake)!r}, run_name='__main__')\n")
    program.chmod(0o755)
    monkeypatch.setenv("FRACDSE_VIVADO", str(program))
    return lambda **behaviour: monkeypatch.setenv("FAKE_VIVADO", json.dumps(behaviour))


def test_simulated_deployment_is_stored_and_repeats_byte_for_byte(deploy):
    first = deploy("--target", "sim")
    assert first.exit_code == ExitCode.DONE, first.output
    assert "by the rule knee" in first.stderr
    assert "bit for bit" in first.stderr
    bundle = Path(first.stdout.splitlines()[-1])
    content = bundle.read_bytes()
    contents = read_bundle(bundle)
    assert contents.facts["same_class"] >= 0.99
    assert contents.verilog is not None
    assert contents.bitstream is None
    later = open_study("tiny").record(0).later["simulated"]
    assert later.cycles_per_frame.kind == "simulated"
    assert later.lut.kind == "estimated"
    second = deploy("--target", "sim")
    assert "binary weights" in first.stderr
    assert "binary weights" not in second.stderr
    assert bundle.read_bytes() == content


def test_plan_only_writes_the_plan_and_needs_no_vivado(deploy):
    result = deploy("--plan-only", "--target", "bundle")
    assert result.exit_code == ExitCode.DONE, result.output
    plan = Path(next(line for line in result.stdout.splitlines() if "vivado-" in line))
    assert (plan / "tcl" / "project.tcl").is_file()
    with tarfile.open(f"{plan}.tar.gz") as archive:
        assert set(archive.getnames()) == {
            str(path.relative_to(plan)) for path in plan.rglob("*") if path.is_file() and path.name != "plan.sha256"
        }


def test_without_vivado_the_plan_is_there_and_the_message_says_how_to_go_on(deploy, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(shutil.which("g++")).parent))
    monkeypatch.setenv("FRACDSE_VIVADO", "/nowhere")
    result = deploy("--target", "vivado")
    assert isinstance(result.exception, ToolNotFound)
    assert "another machine" in result.exception.hint
    assert Path(result.exception.hint.split("The plan is in ")[1].split(";")[0], "README.txt").is_file()


def test_built_bundle_carries_bitstream_and_figures(deploy, fake_vivado):
    result = deploy("--target", "vivado")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "implemented" in result.stdout.splitlines()[0]
    contents = read_bundle(Path(result.stdout.splitlines()[-1]))
    assert contents.bitstream is not None
    assert contents.handoff is not None
    later = open_study("tiny").record(0).later["implemented"]
    assert (later.lut.value, later.bram18.value, later.power_w.kind) == (1234, 25, "implemented")


def test_another_clock_is_not_stored_and_timing_not_met_packs_nothing_new(deploy, fake_vivado):
    result = deploy("--target", "bundle", "--clock", "200")
    assert result.exit_code == ExitCode.DONE
    assert "not stored" in result.stderr
    fake_vivado(slack=-1.0)
    result = deploy("--target", "vivado", "--clock", "300")
    assert isinstance(result.exception, BuildFailed)
    assert "--clock 214.3" in result.exception.hint


def test_missing_compiler_stops_before_training(deploy, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    result = deploy("--target", "sim")
    assert isinstance(result.exception, ToolNotFound)
    assert "Training" not in result.stderr


def test_unknown_trial_rule_word_and_board(workplace):
    def call(*arguments):
        return CliRunner().invoke(command, arguments)

    assert isinstance(call("7", "tiny").exception, StudyError)
    assert isinstance(call("first", "tiny").exception, ConfigError)
    assert isinstance(call("best", "tiny", "--by", "beauty").exception, ConfigError)
    assert call("best", "tiny", "--target", "board").exit_code == ExitCode.USAGE
    assert call("best", "tiny", "--board", "sim").exit_code == ExitCode.USAGE


def test_program_must_agree_with_its_network():
    check_agreement(Agreement(100, 0.9, 0.9, 0.99))
    with pytest.raises(ProgramError, match=r"98.00% of 100 test images; needed: 99%"):
        check_agreement(Agreement(100, 0.9, 0.89, 0.98))


@pytest.mark.slow
def test_synthesis_and_simulated_board(deploy):
    result = deploy("--target", "yosys", "--target", "board", "--board", "sim")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "Simulated" in result.stderr
    later = open_study("tiny").record(0).later
    assert later["synthesised"].lut.kind == "synthesised"
    assert "measured" not in later
