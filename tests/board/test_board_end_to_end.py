"""The whole board path on any machine: pynq's own client, the driver, the DMA, and the RTL simulated behind them."""

import dataclasses
import itertools
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from click.testing import CliRunner

from fracdse.board.buffers import SMALLEST_BUFFER_BYTES
from fracdse.board.bundle import Bundle, write_bundle
from fracdse.board.connection import connect, load, parse_address
from fracdse.board.selftest import run_selftest
from fracdse.board.simulated_session import SimulatedSession, simulated_session, write_overlay
from fracdse.cli.board import command
from fracdse.errors import BoardError, DataError
from fracdse.program import Executor
from fracdse.registers import Register
from fracdse.training.data import load_dataset

pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")


@pytest.fixture(scope="module")
def session(small_bundle: Bundle) -> Iterator[SimulatedSession]:
    with simulated_session(small_bundle) as running:
        yield running


def test_a_hundred_images_give_the_programs_logits(small_bundle: Bundle, session: SimulatedSession) -> None:
    test_set = load_dataset("digits", "test")
    images, labels = test_set.images[:100], test_set.labels[:100]
    report = run_selftest(small_bundle, session.address, images, labels, timeout_s=300, batch=40)
    program = Executor(small_bundle.program).run(images)
    assert report.simulated
    assert report.board == "Simulated Ultra96"
    assert report.frames == 100
    assert report.accuracy == pytest.approx(float((program.predictions == labels).mean()))
    assert report.clock_set_mhz == pytest.approx(250, rel=0.01)
    assert report.clock_measured_mhz == pytest.approx(250, abs=report.clock_uncertainty_mhz + 0.1)
    assert report.batch == 34, "three batches of about the same size rather than 40, 40 and 20"
    assert report.bytes_moved_per_frame == 3 * 2 * SMALLEST_BUFFER_BYTES / 100
    pixels = [spec.out_height * spec.out_width * spec.out_channels for spec in _convs(small_bundle)]
    counted = [
        round(gates.open_fraction * size * 100) for gates, size in zip(program.gates.layers, pixels, strict=True)
    ]
    assert list(report.open_gates) == counted


def _convs(bundle: Bundle) -> tuple:
    from fracdse.topology import gated_convs

    return gated_convs(bundle.program.design)


def test_golden_images_again_after_the_overlay_is_loaded_anew(small_bundle: Bundle, session: SimulatedSession) -> None:
    first = run_selftest(small_bundle, session.address, timeout_s=300)
    second = run_selftest(small_bundle, session.address, timeout_s=300)
    assert first.open_gates == second.open_gates
    assert first.cycles_per_frame == second.cycles_per_frame


def test_a_wrong_logit_is_a_mismatch_with_exit_code_6(small_bundle: Bundle, session: SimulatedSession) -> None:
    wrong = small_bundle.golden_logits.copy()
    wrong[3, 2] += 1
    with pytest.raises(BoardError, match="differ for 1 of 8 frames, first for frame 3") as caught:
        run_selftest(dataclasses.replace(small_bundle, golden_logits=wrong), session.address, timeout_s=300)
    assert caught.value.exit_code == 6


def test_another_bundles_bitstream_is_refused(small_bundle: Bundle, session: SimulatedSession) -> None:
    other = dataclasses.replace(small_bundle, build_id=small_bundle.build_id ^ 1)
    with pytest.raises(BoardError, match="this simulated board runs build"):
        run_selftest(other, session.address)


def test_a_stale_overlay_is_recognised_by_its_build_id(
    small_bundle: Bundle, session: SimulatedSession, tmp_path: Path
) -> None:
    device = connect(session.address)
    driver, _ = load(device, write_overlay(small_bundle, tmp_path, simulated=True), 250.0)
    with pytest.raises(BoardError, match="the bundle is build 0000000000000001"):
        driver.check_build_id(1)


def test_a_dma_that_never_completes_ends_with_the_state_of_the_streams(
    small_bundle: Bundle, session: SimulatedSession, tmp_path: Path
) -> None:
    device = connect(session.address)
    driver, _ = load(device, write_overlay(small_bundle, tmp_path, simulated=True), 250.0, timeout_s=1.0)
    # More frames are announced than are sent, so the last logit can never come.
    original = driver._registers.write
    driver._registers.write = lambda at, value: original(at, value + (at == Register.FRAMES))  # type: ignore[method-assign]
    with pytest.raises(
        BoardError, match=r"no frame finished within 1 s: input stream idle, output stream .*, 2 of 3 frames done"
    ):
        driver.run(small_bundle.golden_images[:2])
    driver._registers.write = original  # type: ignore[method-assign]
    driver._timeout_s = 300
    assert (driver.run(small_bundle.golden_images[:2]).logits == small_bundle.golden_logits[:2]).all(), "reset recovers"


def test_a_batch_may_take_long_as_long_as_frames_are_finished(
    small_bundle: Bundle, session: SimulatedSession, tmp_path: Path, digits_images: np.ndarray,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    driver, _ = load(connect(session.address), write_overlay(small_bundle, tmp_path, simulated=True), 250.0, 20.0)
    # A second a poll, in which the accelerator does a part of a frame.
    monkeypatch.setattr("fracdse.board.simulated_dma.CYCLES_PER_POLL", 500)
    seconds = itertools.count()
    monkeypatch.setattr("fracdse.board.driver.time", SimpleNamespace(perf_counter=lambda: float(next(seconds))))
    run = driver.run(digits_images[:40])
    assert (run.batches, run.seconds > 100) == (1, True)


def test_images_of_another_size_are_refused(small_bundle: Bundle, session: SimulatedSession, tmp_path: Path) -> None:
    driver, _ = load(connect(session.address), write_overlay(small_bundle, tmp_path, simulated=True), 250.0)
    with pytest.raises(BoardError, match="do not fit frames of 64 bytes"):
        driver.run(np.zeros((1, 9, 9, 1), np.uint8))


def test_a_clock_that_the_dividers_cannot_make_becomes_the_next_slower_one(
    small_bundle: Bundle, session: SimulatedSession, tmp_path: Path
) -> None:
    bitfile = write_overlay(small_bundle, tmp_path, simulated=True)
    _, clock_mhz = load(connect(session.address), bitfile, 200.0)
    assert clock_mhz == pytest.approx(187.5, rel=1e-3)
    with pytest.raises(BoardError, match=r"the board's clock is 499.* MHz; 700 MHz was asked for"):
        load(connect(session.address), bitfile, 700.0)


def test_no_board_at_the_address() -> None:
    with pytest.raises(BoardError, match="Failed to connect"):
        connect("127.0.0.1:9")


@pytest.mark.parametrize("address", ["", "a b", "host;rm", "-x", "host:0", "host:99999", "host:port", "$(id)", "a/b"])
def test_what_is_no_address(address: str) -> None:
    with pytest.raises(BoardError, match="is not HOST or HOST:PORT"):
        parse_address(address)


def test_a_bundle_without_a_bitstream_cannot_go_to_a_real_board(small_bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(BoardError, match="was not built with Vivado"):
        write_overlay(small_bundle, tmp_path, simulated=False)


def bundle_file(bundle: Bundle, folder: Path) -> Path:
    fields = {field.name: getattr(bundle, field.name) for field in dataclasses.fields(bundle)}
    del fields["driver"]
    write_bundle(folder / "small.fracdse", **fields)
    return folder / "small.fracdse"


def test_data_of_other_classes_are_refused(
    small_bundle: Bundle, session: SimulatedSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits = load_dataset("digits", "test")
    fewer = dataclasses.replace(digits.take(np.flatnonzero(digits.labels < 9)[:4]), classes=digits.classes[:9])
    monkeypatch.setattr("fracdse.training.data.load_dataset", lambda name, split: fewer)
    path = bundle_file(small_bundle, tmp_path)
    result = CliRunner().invoke(command, ["test", str(path), "--board", session.address, "--data", "fewer"])
    assert isinstance(result.exception, DataError)
    assert "8×8×1 images in 9 classes; the network reads 8×8×1 in 10" in result.exception.message


def test_the_commands(small_bundle: Bundle, tmp_path: Path) -> None:
    path = bundle_file(small_bundle, tmp_path)
    simulate = [sys.executable, "-m", "fracdse", "board", "simulate", str(path), "--port", "0"]
    with subprocess.Popen(simulate, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().strip()
        assert address.startswith("127.0.0.1:")
        test = [sys.executable, "-m", "fracdse", "board", "test", str(path), "--board", address]
        done = subprocess.run(test, capture_output=True, text=True, timeout=300, check=False, env={**os.environ})
        server.send_signal(signal.SIGTERM)
    assert done.returncode == 0, done.stderr
    assert "every logit as the program's" in done.stdout
    assert "The board is simulated" in done.stdout
