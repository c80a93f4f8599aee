"""`fracdse deploy` on a tiny network: trained, generated, simulated and packed for real."""

import csv
import gzip
import io
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from fracdse.board.bundle import read_bundle
from fracdse.board.deployment import flow
from fracdse.board.deployment.trained import Agreement, check_agreement
from fracdse.board.model_process import ModelProcess
from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_services import serve
from fracdse.board.simulated_session import write_overlay
from fracdse.cli.calibrate import command as calibrate
from fracdse.cli.deploy import command
from fracdse.cli.report import command as report
from fracdse.cli.search import command as search
from fracdse.errors import (
    BoardError,
    BuildFailed,
    ConfigError,
    DataError,
    ExitCode,
    ProgramError,
    StudyError,
    ToolNotFound,
)
from fracdse.figures import Figure
from fracdse.hardware import coefficients
from fracdse.hardware.estimate import estimate
from fracdse.hardware.folding import FoldingInfeasible
from fracdse.search.study import open_study
from fracdse.system import TOP_MODULE
from fracdse.training.data import load_dataset

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
    assert "Taking the training that is there already, in " in second.stderr
    assert "Training design" not in second.stderr
    assert bundle.read_bytes() == content


def test_a_compact_accelerator_goes_the_whole_way_to_a_simulated_board(workplace):
    space = SPACE.replace('"tiny"', '"compact"').replace("width = 4", "width = 8")
    (workplace / "compact.toml").write_text(space.replace("[accelerator]", '[accelerator]\narchitecture = "compact"'))
    found = CliRunner().invoke(search, ["compact.toml", "--quiet"])
    assert found.exit_code == ExitCode.DONE, found.output
    result = CliRunner().invoke(
        command, ["best", "compact", "--images", "4", "--target", "sim", "--target", "board", "--board", "sim"]
    )
    assert result.exit_code == ExitCode.DONE, result.output
    assert "bit for bit" in result.stderr
    assert "all logits of 4 frames are the program's; build id" in result.stderr
    assert read_bundle(Path(result.stdout.splitlines()[-1])).folding is None
    record = open_study("compact").record(0)
    cycles = record.later["simulated"].cycles_per_frame.value
    assert cycles == pytest.approx(record.hardware.cycles_per_frame.value, rel=0.02)


def test_an_architecture_that_is_an_estimate_only_is_refused_before_it_is_trained(workplace):
    space = SPACE.replace('"tiny"', '"engine"').replace('folding = "smallest at fps"\nfps = 10000.0\n', "")
    (workplace / "engine.toml").write_text(space.replace("[accelerator]", '[accelerator]\narchitecture = "engine"'))
    assert CliRunner().invoke(search, ["engine.toml", "--quiet"]).exit_code == ExitCode.DONE
    result = CliRunner().invoke(command, ["best", "engine", "--target", "sim"])
    assert isinstance(result.exception, ConfigError)
    assert "which is an estimate only" in result.exception.message
    assert "Training design" not in result.stderr


def plan_of(result):
    return Path(next(line for line in result.stdout.splitlines() if "vivado-" in line))


def test_plan_only_writes_the_plan_and_needs_no_vivado(deploy):
    result = deploy("--plan-only")
    assert result.exit_code == ExitCode.DONE, result.output
    assert "Simulating" not in result.stderr
    plan = plan_of(result)
    assert (plan / "tcl" / "project.tcl").is_file()
    with tarfile.open(f"{plan}.tar.gz") as archive:
        assert set(archive.getnames()) == {str(path.relative_to(plan)) for path in plan.rglob("*") if path.is_file()}


def test_the_plan_is_of_the_hardware_and_not_of_what_is_known_about_it(deploy, workplace, monkeypatch):
    first = plan_of(deploy("--plan-only"))
    packed = Path(f"{first}.tar.gz").read_bytes()
    assert str(workplace).encode() not in gzip.decompress(packed)
    shutil.rmtree(first)
    monkeypatch.setattr(flow, "estimate", lambda *a: replace(estimate(*a), lut=Figure.exact(1.0)))
    assert plan_of(deploy("--plan-only")) == first
    assert Path(f"{first}.tar.gz").read_bytes() == packed


def test_without_vivado_the_plan_is_there_and_the_message_says_how_to_go_on(deploy, monkeypatch):
    monkeypatch.setenv("PATH", str(Path(shutil.which("g++")).parent))
    monkeypatch.setenv("FRACDSE_VIVADO", "/nowhere")
    result = deploy("--target", "vivado")
    assert isinstance(result.exception, ToolNotFound)
    assert "another machine" in result.exception.hint
    assert Path(result.exception.hint.split("The plan is in ")[1].split(":")[0], "README.txt").is_file()


@pytest.fixture
def own_models(tmp_path, monkeypatch):
    """Let calibration write to a copy of the hardware models."""
    shutil.copytree(Path(coefficients.__file__).parents[2] / "hw_models", tmp_path / "hw_models")
    monkeypatch.setattr(coefficients, "data_folder", lambda name: tmp_path / name)
    coefficients.coefficients_for.cache_clear()
    yield tmp_path / "hw_models"
    monkeypatch.undo()
    coefficients.coefficients_for.cache_clear()


def test_a_vivado_build_is_packed_compared_and_offered_to_calibration(deploy, fake_vivado, own_models, workplace):
    result = deploy("--target", "vivado")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    header, lut = result.stdout.splitlines()[:2]
    assert header.split() == ["estimated", "synthesised", "implemented"]
    assert lut.split()[2:] == ["1,300", "1,234"]
    contents = read_bundle(Path(result.stdout.splitlines()[-1]))
    assert contents.bitstream is not None
    assert contents.handoff is not None
    later = open_study("tiny").record(0).later
    assert (later["synthesised"].lut.value, later["synthesised"].lut.kind) == (1300, "synthesised")
    assert (later["implemented"].lut.value, later["implemented"].bram18.value) == (1234, 25)
    assert later["implemented"].power_w.kind == "implemented"
    offered = next(line for line in result.stderr.splitlines() if "fracdse calibrate" in line)
    arguments = shlex.split(offered.split("fracdse calibrate ")[1])
    calibrated = CliRunner().invoke(calibrate, arguments)
    assert calibrated.exit_code == ExitCode.DONE, (calibrated.output, calibrated.exception)
    assert "not used" not in calibrated.stderr.replace("reports no", ""), calibrated.stderr
    assert "before, Vivado 2023.2, xczu3eg" in calibrated.stdout
    assert "one build says nothing about its own fit" in calibrated.stderr
    assert (own_models / "coefficients" / "vivado-2023.2-xczu3eg.json").is_file()


def test_calibration_at_once(deploy, fake_vivado, own_models):
    result = deploy("--target", "vivado", "--calibrate")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "before, Vivado 2023.2, xczu3eg" in result.stdout
    assert deploy("--target", "sim", "--calibrate").exit_code == ExitCode.USAGE


def test_a_plan_built_elsewhere_is_taken_up_without_vivado(deploy, fake_vivado, monkeypatch):
    """The clock makes it a plan of its own, which no other test has built."""
    elsewhere = plan_of(deploy("--plan-only", "--clock", "100"))
    for step in ("project", "synthesis", "implementation", "bitstream"):
        command = [os.environ["FRACDSE_VIVADO"], "-mode", "batch", "-source", f"tcl/{step}.tcl", "-log", "x.log"]
        subprocess.run([*command, "-nojournal", "-notrace"], cwd=elsewhere, check=True)
    monkeypatch.setenv("FRACDSE_VIVADO", "/nowhere")
    result = deploy("--target", "vivado", "--clock", "100")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "built already" in result.stderr
    assert read_bundle(Path(result.stdout.splitlines()[-1])).bitstream is not None


def test_what_a_board_measures_is_stored_and_reported(deploy, fake_vivado, tmp_path):
    """The simulated board says that it is none; here it passes for one, and its overlay for Vivado's."""
    pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")
    contents = read_bundle(Path(deploy("--target", "bundle").stdout.splitlines()[-1]))
    bitfile = write_overlay(contents, tmp_path, simulated=True)
    fake_vivado(bitstream=str(bitfile), handoff=str(bitfile.with_suffix(".hwh")), version="2022.1")
    shutil.rmtree(plan_of(deploy("--plan-only")))
    with ModelProcess(contents.verilog, TOP_MODULE) as model:
        server, port = serve(SimulatedBoard(model, contents.build_id, "Ultra96"))
        result = deploy("--target", "board", "--board", f"127.0.0.1:{port}")
        server.stop(grace=0).wait()
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "measured" in result.stdout.splitlines()[0]
    measured = open_study("tiny").record(0).later["measured"]
    assert measured.fps.kind == "measured"
    assert measured.fps.value == pytest.approx(250e6 / measured.cycles_per_frame.value, rel=1e-3)
    shown = CliRunner().invoke(report, ["tiny", "--format", "csv"])
    kinds = [row["hardware_kind"] for row in csv.DictReader(io.StringIO(shown.stdout))]
    assert kinds[0] == "estimated"
    assert "measured" in kinds


def test_ctrl_c_ends_vivado_and_the_next_run_goes_on(deploy, fake_vivado):
    fake_vivado(hang="launch_runs")
    arguments = ["deploy", "best", "tiny", "--target", "vivado", "--clock", "125"]
    command = [sys.executable, "-m", "fracdse", *arguments]

    def heed() -> None:
        """Undo what a shell does to programs that it starts in the background."""
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, preexec_fn=heed) as process:
        for line in process.stderr:
            if "takes its time" in line:
                process.send_signal(signal.SIGINT)
    assert process.returncode == 130
    assert line == "Stopped.\n"
    fake_vivado()
    result = deploy(*arguments[3:])
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "step project was finished earlier" in result.stderr
    assert "step synthesis, 2 of 4" in result.stderr


def test_another_clock_is_not_stored_and_timing_not_met_packs_nothing_new(deploy, fake_vivado):
    deploy("--target", "bundle")
    result = deploy("--target", "bundle", "--clock", "200")
    assert result.exit_code == ExitCode.DONE
    assert "binary weights" not in result.stderr, "another clock makes no other network"
    assert read_bundle(Path(result.stdout.splitlines()[-1])).program.design.accelerator.clock_mhz == 200.0
    assert "not stored" in result.stderr
    fake_vivado(slack=-1.0, period="3.333")
    result = deploy("--target", "vivado", "--clock", "300")
    assert isinstance(result.exception, BuildFailed)
    assert "--clock 214.3" in result.exception.hint


def test_missing_compiler_stops_before_training(deploy, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    result = deploy("--target", "sim")
    assert isinstance(result.exception, ToolNotFound)
    assert "Training" not in result.stderr


def test_test_images_that_do_not_fit_stop_before_training(deploy, monkeypatch):
    digits = load_dataset("digits", "test")
    more_classes = replace(digits, classes=(*digits.classes, "eleven"))
    monkeypatch.setattr("fracdse.training.data.load_dataset", lambda name, split: more_classes)
    result = deploy("--target", "bundle", "--out", "unfit")
    assert isinstance(result.exception, DataError)
    assert "8×8×1 images in 11 classes; the network reads 8×8×1 in 10" in result.exception.message
    assert "Training" not in result.stderr


def test_a_board_that_does_not_answer_or_is_another_stops_before_training(deploy):
    pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")
    result = deploy("--target", "board", "--board", "127.0.0.1:9")
    assert isinstance(result.exception, BoardError)
    assert "Training" not in result.stderr
    server, port = serve(SimulatedBoard(None, 7, "Pynq-Z2"))
    result = deploy("--target", "board", "--board", f"127.0.0.1:{port}")
    server.stop(grace=0).wait()
    assert isinstance(result.exception, BoardError)
    assert "is a Pynq-Z2" in result.exception.message
    assert "Training" not in result.stderr


def test_unknown_trial_rule_word_and_board(workplace):
    def call(*arguments):
        return CliRunner().invoke(command, arguments)

    assert isinstance(call("7", "tiny").exception, StudyError)
    assert isinstance(call("first", "tiny").exception, ConfigError)
    assert isinstance(call("best", "tiny", "--by", "beauty").exception, ConfigError)
    assert call("best", "tiny", "--target", "board").exit_code == ExitCode.USAGE
    assert call("best", "tiny", "--board", "sim").exit_code == ExitCode.USAGE
    assert call("best", "tiny", "--target", "vivado", "--time-limit", "inf").exit_code == ExitCode.USAGE


def test_program_must_agree_with_its_network():
    check_agreement(Agreement(10_000, 0.9, 0.8971, 1.0))
    check_agreement(Agreement(10_000, 0.9, 0.8934, 0.96))  # 400 classes differ: 20 images either way are chance
    check_agreement(Agreement(10_000, 0.9, 0.95, 0.5))
    with pytest.raises(ProgramError, match=r"right, the float network 90.00%; allowed: 0.30 points less where 100.00%"):
        check_agreement(Agreement(10_000, 0.9, 0.8969, 1.0))
    with pytest.raises(ProgramError, match=r"89.20% of 10000 test images right, .*; allowed: 0.70 points less"):
        check_agreement(Agreement(10_000, 0.9, 0.892, 0.96))


@pytest.mark.slow
def test_synthesis_and_simulated_board(deploy):
    result = deploy("--target", "yosys", "--target", "board", "--board", "sim")
    assert result.exit_code == ExitCode.DONE, (result.output, result.exception)
    assert "Simulated" in result.stderr
    later = open_study("tiny").record(0).later
    assert later["synthesised"].lut.kind == "synthesised"
    assert "measured" not in later


def test_a_clock_that_no_folding_fits_is_refused_before_the_training(deploy, workplace):
    result = deploy("--clock", "1", "--target", "bundle", "--out", "too-slow")
    assert isinstance(result.exception, FoldingInfeasible)
    assert result.exception.exit_code == ExitCode.INFEASIBLE
    assert not (workplace / "too-slow").exists()
