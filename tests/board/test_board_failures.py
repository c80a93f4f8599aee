"""What goes wrong between a host and a board, each against the simulated board with pynq's own client."""

import dataclasses
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from echo_model import EchoModel, echo_board, served

from fracdse.board import clock, dma, remote
from fracdse.board.buffers import LARGEST_BUFFER_BYTES, frames_per_batch
from fracdse.board.bundle import Bundle, write_bundle
from fracdse.board.clock import MeasuredClock, measure_clock
from fracdse.board.connection import board_errors, check_board, connect, load
from fracdse.board.counted_registers import CountedRegisters
from fracdse.board.dma import SimpleDma
from fracdse.board.model_process import ModelProcess
from fracdse.board.selftest import run_selftest
from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_memory import LARGEST_TOTAL_BYTES
from fracdse.board.simulated_services import serve
from fracdse.board.simulated_session import write_overlay
from fracdse.errors import BoardError
from fracdse.registers import Register
from fracdse.system import TOP_MODULE

pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")


def bundle_file(bundle: Bundle, path: Path) -> Path:
    fields = {field.name: getattr(bundle, field.name) for field in dataclasses.fields(bundle)}
    del fields["driver"]
    write_bundle(path, **fields)
    return path


def test_a_port_that_is_taken() -> None:
    with served(echo_board()) as address, pytest.raises(BoardError, match="is taken by another program") as caught:
        serve(echo_board(), int(address.partition(":")[2]))
    assert "--port" in caught.value.hint


# The wrong board, the wrong clock, too little memory


@pytest.mark.parametrize("name", ["Ultra96", "ultra96-v2", "Simulated Ultra96", "Unknown"])
def test_names_of_the_right_board(name: str) -> None:
    check_board(name, ("Ultra96", "Ultra96v2"))


def test_another_board_is_refused_before_anything_is_copied(small_bundle: Bundle) -> None:
    board = SimulatedBoard(EchoModel(), small_bundle.build_id, "Simulated Pynq-Z2")
    with served(board) as address:
        with pytest.raises(BoardError, match="the board is a Simulated Pynq-Z2, the bundle is built for Ultra96"):
            run_selftest(small_bundle, address)
        assert not board.files.exists("/lib/firmware/fracdse.bin")


def test_a_clock_that_is_not_what_its_registers_say(small_bundle: Bundle) -> None:
    assert small_bundle.verilog is not None
    with ModelProcess(small_bundle.verilog, TOP_MODULE) as model:
        board = SimulatedBoard(model, small_bundle.build_id, "Simulated Ultra96", reference_clock_mhz=30.0)
        with (
            served(board) as address,
            pytest.raises(BoardError, match=r"registers say 249.998 MHz, its cycle counter runs at 2\d\d"),
        ):
            run_selftest(small_bundle, address)


def test_the_measured_clock_is_the_boards(bitfile: Path) -> None:
    with served(echo_board()) as address:
        driver, clock_set_mhz = load(connect(address), bitfile, 100.0)
        measured = driver.measure_clock()
    assert clock_set_mhz == pytest.approx(100.0, rel=1e-3)
    assert abs(measured.mhz - clock_set_mhz) <= measured.uncertainty_mhz + 1e-3
    assert measured.uncertainty_mhz < 10


class SlowBoard:
    """A cycle counter behind a network on which every access takes `delay_s`; it is also the clock of the host."""

    def __init__(self, delay_s: float) -> None:
        self.delay_s, self.now_s = delay_s, 0.0

    def read(self, offset: int) -> int:
        self.now_s += self.delay_s
        return int(250e6 * self.now_s) >> (32 if offset == Register.CYCLES_HIGH else 0) & 0xFFFF_FFFF

    def write(self, offset: int, value: int) -> None:
        pass

    def monotonic(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds


def test_a_counter_that_runs_over_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    board = SlowBoard(delay_s=2.5)
    monkeypatch.setattr(clock, "time", board)
    assert measure_clock(CountedRegisters(board), lambda: None).agrees_with(250.0)
    board.delay_s = 20.0
    with pytest.raises(BoardError, match="answers too slowly"):
        measure_clock(CountedRegisters(board), lambda: None)


def test_agreement_allows_for_the_uncertainty() -> None:
    assert MeasuredClock(250.0, 0.1).agrees_with(249.998)
    assert MeasuredClock(230.0, 18.0).agrees_with(250.0)
    assert not MeasuredClock(225.0, 5.0).agrees_with(250.0)


def test_a_board_without_memory(small_bundle: Bundle, bitfile: Path) -> None:
    board = echo_board()
    board.memory.allocate(LARGEST_TOTAL_BYTES)
    board._model.registers |= {0x28: 16, 0x24: 10}  # type: ignore[attr-defined]
    with served(board) as address:
        driver, _ = load(connect(address), bitfile, 250.0)
        with pytest.raises(BoardError, match="no contiguous memory left for 512 bytes"):
            driver.run(small_bundle.golden_images)


@pytest.mark.parametrize(
    ("frames", "wanted", "frame_bytes", "count"),
    [(100, 40, 64, 34), (1000, 1000, 3072, 1000), (1000, 1000, 150_528, 100), (1, 1000, 64, 1), (2001, 1000, 4, 667)],
)
def test_batches_are_even_and_fit_the_buffers(frames: int, wanted: int, frame_bytes: int, count: int) -> None:
    assert frames_per_batch(frames, wanted, frame_bytes) == count


@pytest.mark.parametrize(("wanted", "frame_bytes"), [(0, 64), (1000, LARGEST_BUFFER_BYTES + 4)])
def test_impossible_batches(wanted: int, frame_bytes: int) -> None:
    with pytest.raises(BoardError, match="is not possible"):
        frames_per_batch(10, wanted, frame_bytes)


# A dead DMA


class Answers:
    """Registers that all read as one value."""

    def __init__(self, value: int) -> None:
        self.value = value

    def read(self, offset: int) -> int:
        return self.value

    def write(self, offset: int, value: int) -> None:
        pass


def test_a_board_that_hears_but_never_answers_is_an_error_and_no_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "_CALL_TIMEOUT_S", 0.5)
    board, released = echo_board(), threading.Event()
    monkeypatch.setattr(board.files, "exists", lambda path: released.wait())
    with served(board) as address:
        with pytest.raises(BoardError, match="Deadline Exceeded") as caught:
            connect(address)
        released.set()
    assert "Check that the board is on" in caught.value.hint


@pytest.mark.parametrize(("value", "what"), [(0xFFFF_FFFF, "come out of reset"), (0x1, "does not start")])
def test_a_dma_that_answers_nonsense_is_an_error_and_no_hang(
    monkeypatch: pytest.MonkeyPatch, value: int, what: str
) -> None:
    monkeypatch.setattr(dma, "_PATIENCE_S", 0.0)
    with pytest.raises(BoardError, match=what):
        SimpleDma(CountedRegisters(Answers(value)))


def test_errors_of_the_dma_are_named(monkeypatch: pytest.MonkeyPatch, small_bundle: Bundle, bitfile: Path) -> None:
    board = echo_board()
    board._model.registers |= {0x28: 16, 0x24: 10}  # type: ignore[attr-defined]
    with served(board) as address:
        driver, _ = load(connect(address), bitfile, 250.0)
        monkeypatch.setattr(board.memory, "at", lambda address, size: None)
        with pytest.raises(BoardError, match="send channel reports: no memory at the address"):
            driver.run(small_bundle.golden_images)
        with pytest.raises(BoardError, match="beyond the 4 GiB"):
            driver._dma.send(0x1_0000_0000, 4)


# Reboots and interruptions


class Simulator:
    """`fracdse board simulate` in a process of its own."""

    def __init__(self, bundle: Path, port: int = 0) -> None:
        command = [sys.executable, "-m", "fracdse", "board", "simulate", str(bundle), "--port", str(port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        assert self.process.stdout is not None
        self.address = self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@pytest.fixture
def simulator(small_bundle: Bundle, tmp_path: Path) -> Iterator[Callable[[int], Simulator]]:
    path, running = bundle_file(small_bundle, tmp_path / "small.fracdse"), []

    def start(port: int) -> Simulator:
        running.append(Simulator(path, port))
        return running[-1]

    yield start
    for one in running:
        one.kill()


def run_and_meanwhile(driver: Any, images: np.ndarray, action: Callable[[], None]) -> None:
    """Run frames; do something once the batch is under way."""
    states, pending = driver._dma.states, [action]

    def interrupted() -> Any:
        found = states()
        while pending:
            pending.pop()()
        return found

    driver._dma.states = interrupted
    with board_errors("the board"):
        driver.run(images)


def test_a_board_rebooted_in_mid_run(
    simulator: Callable[[int], Simulator], small_bundle: Bundle, tmp_path: Path
) -> None:
    first = simulator(0)
    bitfile = write_overlay(small_bundle, tmp_path, simulated=True)
    driver, _ = load(connect(first.address), bitfile, 250.0)

    def reboot() -> None:
        first.kill()
        assert simulator(int(first.address.split(":")[1])).address == first.address

    with pytest.raises(BoardError) as caught:
        run_and_meanwhile(driver, small_bundle.golden_images, reboot)
    assert "run this again" in caught.value.hint.lower()
    assert run_selftest(small_bundle, first.address, timeout_s=300).frames == 8


def test_a_board_that_loses_power_in_mid_run(
    simulator: Callable[[int], Simulator], small_bundle: Bundle, tmp_path: Path
) -> None:
    board = simulator(0)
    driver, _ = load(connect(board.address), write_overlay(small_bundle, tmp_path, simulated=True), 250.0)
    with pytest.raises(BoardError, match="board the board: ") as caught:
        run_and_meanwhile(driver, small_bundle.golden_images, board.kill)
    assert "Check that the board is on" in caught.value.hint


def test_an_interrupted_run_leaves_the_board_usable(
    simulator: Callable[[int], Simulator], small_bundle: Bundle, tmp_path: Path
) -> None:
    board = simulator(0)
    driver, _ = load(connect(board.address), write_overlay(small_bundle, tmp_path, simulated=True), 250.0)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_and_meanwhile(driver, small_bundle.golden_images, interrupt)
    assert (driver.run(small_bundle.golden_images).logits == small_bundle.golden_logits).all()


def test_on_the_board_itself(small_bundle: Bundle) -> None:
    """'local' is whatever device pynq finds on the machine; here one of its remote devices stands in for it."""
    from pynq.pl_server.device import Device

    assert small_bundle.verilog is not None
    with (
        ModelProcess(small_bundle.verilog, TOP_MODULE) as model,
        served(SimulatedBoard(model, small_bundle.build_id, "Simulated Ultra96")) as address,
    ):
        Device.active_device = connect(address)
        assert run_selftest(small_bundle, "local", timeout_s=300).simulated


def test_this_machine_is_no_board(monkeypatch: pytest.MonkeyPatch) -> None:
    from pynq.pl_server.device import Device

    monkeypatch.delenv("PYNQ_REMOTE_DEVICES", raising=False)
    monkeypatch.delattr(Device, "_active_device", raising=False)
    with pytest.raises(BoardError, match="this machine is no board"):
        connect("local")
