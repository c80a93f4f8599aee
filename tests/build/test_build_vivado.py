import fcntl
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest
from vivado_commands import COMMANDS, INTERFACES, PINS, fault

from fracdse import registers, system
from fracdse.build.processor import nearest_clock_mhz, processor_of
from fracdse.build.tools import find_vivado
from fracdse.build.verilator import lint
from fracdse.build.vivado_plan import vivado_plan, wrapper_verilog
from fracdse.build.vivado_run import run_vivado
from fracdse.build.vivado_steps import STEPS, TimingNotMet, check_timing, finished_build
from fracdse.errors import BuildFailed, ConfigError, ExitCode, ToolNotFound
from fracdse.hardware.devices import device_names, load_device
from fracdse.reports import Report

HERE = Path(__file__).parent
TOY = (HERE / "toy_accelerator.v").read_text()
pytestmark = pytest.mark.skipif(shutil.which("tclsh") is None, reason="needs tclsh (Debian: apt-get install tcl)")


@pytest.fixture
def vivado(tmp_path, monkeypatch):
    """Install the stand-in as the Vivado that FRACDSE_VIVADO names; return a function that sets how it behaves."""
    program = tmp_path / "Vivado" / "2023.2" / "bin" / "vivado"
    program.parent.mkdir(parents=True)
    fake = str(HERE / "fake_vivado.py")
    program.write_text(f"#!{sys.executable}\nimport runpy\nrunpy.run_path({fake!r}, run_name='__main__')\n")
    program.chmod(0o755)
    monkeypatch.setenv("FRACDSE_VIVADO", str(program.parent.parent))

    def behave(**behaviour):
        monkeypatch.setenv("FAKE_VIVADO", json.dumps(behaviour))

    return behave


def plan(device="ultra96v2", clock_mhz=250.0):
    return vivado_plan(TOY, "toy", load_device(device), clock_mhz, {"golden/logits.bin": b"\0\1"})


def build(folder, lines=None, timeout_s=60.0, device="ultra96v2"):
    said = [] if lines is None else lines
    return run_vivado(
        plan(device), folder, find_vivado(), family=load_device(device).family, clock_mhz=250.0, timeout_s=timeout_s,
        on_line=said.append,
    )  # fmt: skip


def calls(folder):
    return [json.loads(line) for line in (folder / "calls.jsonl").read_text().splitlines()]


def started(lines):
    found = [line.removeprefix("fracdse: step ") for line in lines if line.startswith("fracdse: step ")]
    return [line.split(",")[0] for line in found]


def test_plan_is_pure():
    assert plan().digest == plan().digest != plan(clock_mhz=200.0).digest
    assert plan().archive() == plan().archive()
    assert {f"tcl/{step}.tcl" for step in STEPS} <= set(plan().files)
    assert not any(str(Path.cwd()).encode() in content for content in plan().files.values())


def test_whole_build(vivado, tmp_path):
    lines = []
    result = build(tmp_path / "build", lines)
    assert started(lines) == list(STEPS)
    assert result.bitstream.is_file()
    assert result.handoff.is_file()
    assert (result.synthesised.lut, result.accelerator.lut) == (1300, 1234)
    assert (result.system.dsp, result.timing.wns_ns) == (7, 0.331)
    assert result.power.total_on_chip_w == 4.798


@pytest.mark.parametrize("device", device_names())
@pytest.mark.parametrize("boards", [True, False])
def test_every_call_is_in_the_table_and_every_pin_exists(vivado, tmp_path, device, boards):
    vivado(boards=boards)
    build(tmp_path / "build", device=device)
    cells, connected = {}, []
    for _, name, *arguments in calls(tmp_path / "build"):
        assert not fault(name, arguments)
        if name == "create_bd_cell":
            kind = arguments[arguments.index("-vlnv") + 1].split(":")[2] if "-vlnv" in arguments else "accelerator"
            cells[arguments[-1]] = kind
        elif name in ("get_bd_pins", "get_bd_intf_pins"):
            connected.append((name, *arguments[-1].split("/")))
    interfaces = {**INTERFACES, "accelerator": {"s_axi", "s_axis", "m_axis"}}
    pins = {**PINS, "accelerator": {"clk", "reset"}}
    for name, cell, pin in connected:
        assert pin in (pins if name == "get_bd_pins" else interfaces)[cells[cell]], f"{cell}/{pin}"
    # Every clock and reset of every core is connected: the sets above hold all of them.
    used = {(cell, pin) for name, cell, pin in connected if name == "get_bd_pins"}
    for cell, kind in cells.items():
        assert {pin for owner, pin in used if owner == cell} == pins[kind]
    assert set(cells) >= {system.DMA_INSTANCE, system.ACCELERATOR_INSTANCE}
    assert ("apply_bd_automation" in {name for _, name, *_ in calls(tmp_path / "build")}) == boards


def test_addresses_are_the_drivers(vivado, tmp_path):
    build(tmp_path / "build")
    assigned = [a for _, name, *a in calls(tmp_path / "build") if name == "assign_bd_address" and "-offset" in a]
    offsets = {int(a[a.index("-offset") + 1], 16) for a in assigned}
    assert offsets == {system.DMA_BASE_ADDRESS, system.ACCELERATOR_BASE_ADDRESS}


def test_the_dma_sees_the_memory_and_nothing_else(vivado, tmp_path):
    build(tmp_path / "build")
    made = [(name, a) for _, name, *a in calls(tmp_path / "build")]
    assigned = [a[-1] for name, a in made if name == "assign_bd_address" and "-offset" not in a]
    assert assigned == ["zynq_ultra_ps_e_0/SAXIGP2/HP0_DDR_LOW"] * 2
    excluded = [a[-1].split("/")[-1] for name, a in made if name == "exclude_bd_addr_seg"]
    assert excluded == ["HP0_QSPI", "HP0_LPS_OCM"] * 2


def test_table_refuses_what_vivado_would():
    assert "no option" in fault("create_project", ["-overwrite", "x"])
    assert "operands" in fault("open_run", [])
    assert "unknown" in fault("make_coffee", [])
    assert all(command.positional[0] <= command.positional[1] for command in COMMANDS.values())


def test_second_call_does_nothing(vivado, tmp_path):
    build(tmp_path / "build")
    before = len(calls(tmp_path / "build"))
    lines = []
    build(tmp_path / "build", lines)
    assert len(calls(tmp_path / "build")) == before
    assert all("finished earlier" in line for line in lines)


@pytest.mark.parametrize(
    ("command", "step"),
    [("create_bd_cell", "project"), ("open_run", "synthesis"), ("report_power", "implementation")],
)
def test_failure_names_the_step_and_a_rerun_goes_on_from_it(vivado, tmp_path, command, step):
    vivado(fail=command)
    with pytest.raises(BuildFailed, match=rf"step {step}: ERROR.*planted failure of {command}") as caught:
        build(tmp_path / "build")
    assert f"{step}.log" in caught.value.hint
    assert caught.value.exit_code == ExitCode.BUILD_FAILED
    vivado()
    lines = []
    build(tmp_path / "build", lines)
    assert started(lines)[STEPS.index(step) :] == list(STEPS[STEPS.index(step) :])


@pytest.mark.parametrize(("run", "step"), [("synth_1", "synthesis"), ("impl_1", "implementation")])
def test_a_run_that_stops_half_way_shows_the_end_of_its_own_log(vivado, tmp_path, run, step):
    vivado(incomplete=run)
    lines = []
    with pytest.raises(BuildFailed, match=rf"step {step}: ERROR: .Synth 8-439. module 'x' not found"):
        build(tmp_path / "build", lines)
    assert "fracdse: Vivado's last lines:" in lines


def test_a_build_made_by_hand_elsewhere_is_taken_up_without_vivado(vivado, tmp_path):
    """The archive is all that goes there; the steps are run as its README says."""
    made, elsewhere = plan(), tmp_path / "elsewhere"
    options = {"family": "xcup", "clock_mhz": 250.0}
    with tarfile.open(fileobj=io.BytesIO(made.archive())) as archive:
        archive.extractall(elsewhere, filter="data")
    assert finished_build(made, elsewhere, **options) is None
    for step in STEPS:
        command = [find_vivado().command[0], "-mode", "batch", "-source", f"tcl/{step}.tcl", "-log", "x.log"]
        subprocess.run([*command, "-nojournal", "-notrace"], cwd=elsewhere, check=True)
    result = finished_build(made, elsewhere, **options)
    assert result is not None
    assert result.accelerator.lut == 1234
    assert finished_build(plan(clock_mhz=200.0), elsewhere, **options) is None
    (elsewhere / "steps" / "project.done").write_text(f"{made.digest} Vivado 2020.1\n")
    assert finished_build(made, elsewhere, **options) is None, "two Vivados"


def test_damaged_output_is_made_again(vivado, tmp_path):
    build(tmp_path / "build")
    (tmp_path / "build" / "routed.dcp").unlink()
    lines = []
    build(tmp_path / "build", lines)
    assert [line for line in started(lines) if "earlier" not in line] == ["implementation", "bitstream"]


def test_timing_not_met_says_slack_and_nearest_clock_and_makes_no_bitstream(vivado, tmp_path):
    vivado(slack=-0.5)
    with pytest.raises(TimingNotMet, match=r"worst slack -0.500 ns at 250 MHz") as caught:
        build(tmp_path / "build")
    assert caught.value.holds_mhz == pytest.approx(1500 / 7)
    assert "--clock 214.3" in caught.value.hint
    assert not (tmp_path / "build" / "system.bit").exists()
    with pytest.raises(TimingNotMet):
        build(tmp_path / "build")


def test_the_clock_that_holds_is_below_the_one_that_was_made_instead_of_the_one_asked_for():
    report = Report(kind="timing", name="t.rpt", tool="Vivado", clock_ns=4.667, wns_ns=-0.3, timing_met=False)
    with pytest.raises(TimingNotMet, match=r"worst slack -0.300 ns at 214.27 MHz") as caught:
        check_timing(report, "xcup", 240.0)
    assert caught.value.holds_mhz == pytest.approx(1500 / 8)


def test_a_build_made_by_hand_gets_no_bitstream_where_hold_is_not_met(vivado, tmp_path):
    vivado(hold=-0.02)
    plan().write(tmp_path)
    for step in STEPS:
        command = [find_vivado().command[0], "-mode", "batch", "-source", f"tcl/{step}.tcl", "-log", "x.log"]
        done = subprocess.run([*command, "-nojournal", "-notrace"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode != 0
    assert "timing is not met: worst hold slack -0.02 ns" in done.stdout
    assert not (tmp_path / "system.bit").exists()


def test_hold_and_pulse_widths_are_checked_too():
    report = Report(kind="timing", name="t.rpt", tool="Vivado", wns_ns=0.1, whs_ns=0.02, timing_met=True)
    check_timing(report, "xcup", 250.0)
    with pytest.raises(BuildFailed, match=r"hold timing is not met: worst slack -0.020 ns"):
        check_timing(replace(report, whs_ns=-0.02, timing_met=False), "xcup", 250.0)
    with pytest.raises(BuildFailed, match="3 pins fail, by their pulse widths"):
        check_timing(replace(report, failing_endpoints=3, timing_met=False), "xcup", 250.0)
    with pytest.raises(BuildFailed, match="constrains no path"):
        check_timing(replace(report, wns_ns=None), "xcup", 250.0)


def test_time_limit_then_resume(vivado, tmp_path):
    vivado(fail="launch_runs")
    with pytest.raises(BuildFailed, match="planted"):
        build(tmp_path / "build")
    vivado(hang="launch_runs")
    with pytest.raises(BuildFailed, match="within the time limit"):
        build(tmp_path / "build", timeout_s=1.0)
    vivado()
    lines = []
    build(tmp_path / "build", lines)
    assert lines[0] == "fracdse: step project was finished earlier"


def test_killed_build_leaves_the_folder_locked_while_vivado_works(vivado, tmp_path):
    vivado(hang="launch_runs")
    script = f"import sys; from pathlib import Path; sys.path.insert(0, {str(HERE)!r}); import test_build_vivado as t\n"
    script += f"t.build(Path({str(tmp_path / 'build')!r}), t.Echo())"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    line = next(line for line in child.stdout if "takes its time" in line)
    assert line
    vivado_pid = int(Path(f"/proc/{child.pid}/task/{child.pid}/children").read_text().split()[0])
    child.kill()
    child.wait()
    child.stdout.close()
    vivado()
    with pytest.raises(BuildFailed, match="another build works"):
        build(tmp_path / "build")
    os.killpg(vivado_pid, signal.SIGKILL)
    with (tmp_path / "build" / "build.lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the killed Vivado is gone
    lines = []
    build(tmp_path / "build", lines)
    assert lines[0] == "fracdse: step project was finished earlier"


class Echo(list):
    """Prints what it is given, for a build in a child process."""

    def append(self, line):
        print(line, flush=True)


def test_another_plan_is_refused(vivado, tmp_path):
    build(tmp_path / "build")
    with pytest.raises(BuildFailed, match="another build plan"):
        plan(clock_mhz=100.0).write(tmp_path / "build")


def test_vivado_is_found_by_option_variable_and_path(vivado, tmp_path, monkeypatch):
    program = tmp_path / "Vivado" / "2023.2" / "bin" / "vivado"
    monkeypatch.delenv("FRACDSE_VIVADO")
    assert find_vivado(program).version == "2023.2"
    assert find_vivado(program.parent.parent).command == (str(program),)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    assert find_vivado().command == (str(program),)


@pytest.mark.parametrize("death", ["kill -9 $$", "sh -c 'kill -9 $$'; exit $?"])
def test_a_vivado_that_is_killed_says_so(tmp_path, monkeypatch, death):
    program = tmp_path / "vivado"
    program.write_text(f"#!/bin/sh\n[ $1 = -version ] && echo Vivado v2023.2 && exit\n{death}\n")
    program.chmod(0o755)
    monkeypatch.setenv("FRACDSE_VIVADO", str(program))
    with pytest.raises(BuildFailed, match="killed by signal 9 in step project") as caught:
        build(tmp_path / "plan")
    assert "Is memory short?" in caught.value.hint


@pytest.mark.parametrize("version", ["2019.2", "2026.1"])
def test_versions_out_of_range(vivado, version):
    vivado(version=version)
    with pytest.raises(ToolNotFound, match=f"Vivado {version}"):
        find_vivado()


def test_no_vivado_names_both_ways(monkeypatch):
    monkeypatch.delenv("FRACDSE_VIVADO", raising=False)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ToolNotFound) as caught:
        find_vivado()
    assert "FRACDSE_VIVADO" in caught.value.hint
    assert "--plan-only" in caught.value.hint
    assert caught.value.exit_code == ExitCode.TOOL_MISSING


def test_wrapper_passes_lint_and_has_the_accelerators_ports():
    text = wrapper_verilog("toy")
    more = "input s_axis_tlast, input [2:0] s_axi_awprot, input [2:0] s_axi_arprot, output [3:0] m_axis_tkeep"
    ports = TOY.replace("input s_axis_tlast", more)
    messages = lint({"toy.v": ports, "wrapper.v": text}, top="accelerator_wrapper")
    assert [message for message in messages if "wrapper.v" in message] == []
    assert f"[{registers.ADDRESS_BITS - 1}:0])" in text


def test_clocks():
    assert nearest_clock_mhz("xcup", 250.0) == 250.0
    assert nearest_clock_mhz("xcup", 249.9) == pytest.approx(1500 / 7)
    assert nearest_clock_mhz("xc7", 120.0) == pytest.approx(1000 / 9)
    with pytest.raises(ConfigError, match="xc6s"):
        processor_of("xc6s")
    with pytest.raises(ConfigError, match="2000 MHz"):
        plan(clock_mhz=2000.0)


def test_device_without_board_files_has_no_pattern():
    other = load_device("ultra96v2").model_copy(update={"name": "own"})
    text = vivado_plan(TOY, "toy", other, 250.0).files["tcl/settings.tcl"].decode()
    assert "set board_patterns {}" in text
