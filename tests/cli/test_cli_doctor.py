import json

import pytest
from click.testing import CliRunner

from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_services import serve
from fracdse.build import doctor
from fracdse.cli.doctor import command
from fracdse.errors import ExitCode


@pytest.fixture
def run(monkeypatch):
    monkeypatch.delenv("FRACDSE_VIVADO", raising=False)

    def call(*arguments):
        return CliRunner().invoke(command, arguments)

    return call


def test_everything_needed_is_here(run):
    result = run()
    assert result.exit_code == ExitCode.DONE
    assert "MISSING" not in result.stdout
    for name in ("Python", "torch", "Yosys", "Verilator", "C++ compiler", "Vivado", "pynq", "disk space"):
        assert f" {name} " in result.stdout
    assert "can run" in result.stderr


def test_missing_compiler_prevents_simulation_and_says_what_to_do(run, monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    result = run()
    assert result.exit_code == ExitCode.TOOL_MISSING
    assert "MISSING C++ compiler" in result.stdout
    assert "prevents: simulation" in result.stdout
    assert "apt-get install g++" in " ".join(result.stdout.split())  # whatever the terminal's width


def test_missing_vivado_is_no_obstacle(run, monkeypatch):
    monkeypatch.setenv("FRACDSE_VIVADO", "/nowhere")
    result = run()
    assert result.exit_code == ExitCode.DONE
    assert "absent  Vivado" in result.stdout


def test_full_disk(run, monkeypatch):
    monkeypatch.setattr(doctor, "_DISK_NEEDED_GIB", 10**9)
    assert run().exit_code == ExitCode.TOOL_MISSING


def test_a_board_that_answers_says_what_it_is(run):
    pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")
    server, port = serve(SimulatedBoard(None, 7, "Simulated Ultra96"))
    assert f"127.0.0.1:{port} is a Simulated Ultra96" in run("--board", f"127.0.0.1:{port}").stdout
    server.stop(grace=0).wait()


@pytest.mark.parametrize("address", ["127.0.0.1:9", "host:notaport", "local"])
def test_a_board_that_does_not_answer_is_no_obstacle(run, monkeypatch, address):
    pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")
    from pynq.pl_server.device import Device

    monkeypatch.delenv("PYNQ_REMOTE_DEVICES", raising=False)
    monkeypatch.delattr(Device, "_active_device", raising=False)
    result = run("--board", address)
    assert "absent  board" in result.stdout
    assert result.exit_code == ExitCode.DONE


def test_json(run):
    findings = json.loads(run("--json").stdout)
    assert {"name", "found", "detail", "prevents", "remedy", "needed"} == set(findings[0])
