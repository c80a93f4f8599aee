"""An unpacked bundle tests itself with nothing but NumPy and pynq."""

import dataclasses
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from fracdse.board.bundle import Bundle, write_bundle
from fracdse.board.simulated_session import simulated_session, write_overlay

pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")


@pytest.fixture
def unpacked(small_bundle: Bundle, tmp_path: Path) -> Path:
    """Unpack a bundle that carries the simulated board's overlay as its own."""
    bitfile = write_overlay(small_bundle, tmp_path, simulated=True)
    parts = {field.name: getattr(small_bundle, field.name) for field in dataclasses.fields(small_bundle)}
    parts |= {"bitstream": bitfile.read_bytes(), "handoff": bitfile.with_suffix(".hwh").read_bytes()}
    del parts["driver"]
    write_bundle(tmp_path / "small.fracdse", **parts)
    folder = tmp_path / "unpacked"
    with tarfile.open(tmp_path / "small.fracdse") as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.fixture
def run(unpacked: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    def call(*arguments: str) -> subprocess.CompletedProcess[str]:
        # Python finds the bundle's package before the installed one, and nothing of the latter.
        environment = {**os.environ, "PYTHONPATH": "driver"}
        return subprocess.run(
            [sys.executable, "-m", "fracdse.board.standalone", *arguments],
            cwd=unpacked, env=environment, capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return call


def test_every_golden_logit_is_compared(small_bundle: Bundle, run: Callable[..., subprocess.CompletedProcess]) -> None:
    with simulated_session(small_bundle) as session:
        done = run(session.address)
    assert done.returncode == 0, done.stderr
    assert "8 frames, every logit as the program's" in done.stdout


def test_a_changed_part_and_a_machine_that_is_no_board(
    unpacked: Path, run: Callable[..., subprocess.CompletedProcess]
) -> None:
    done = run()
    assert done.returncode == 6
    assert "this machine is no board" in done.stderr
    (unpacked / "golden_logits.i32").write_bytes(b"")
    done = run()
    assert done.returncode == 1
    assert "'golden_logits.i32' is missing or was changed" in done.stderr
    manifest = unpacked / "manifest.json"
    manifest.write_text(manifest.read_text().replace("golden_logits.i32", "golden_logits.i33"))
    done = run()
    assert done.returncode == 1
    assert "'manifest.json' is missing or was changed" in done.stderr
    (unpacked / "manifest.sha256").unlink()
    done = run()
    assert done.returncode == 1
    assert "is this an unpacked bundle's folder?" in done.stderr
