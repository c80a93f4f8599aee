"""Full training by several workers of a Ray cluster: equal to torchrun's, ended with a reason, resumed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from training_cases import write_space

from fracdse.network.folder import load_network, load_tensors

pytestmark = pytest.mark.slow

SETTINGS: dict[str, object] = {"real_epochs": 0, "samples": 192, "block_loss": "l2", "teacher_epochs": 1}


Train = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def train(tmp_path: Path) -> Iterator[Train]:
    """Give a function that starts a training on a Ray of its own; whatever is left of one is ended."""
    pytest.importorskip("ray", reason="needs Ray, from the extra 'cluster'")
    started: list[subprocess.Popen[str]] = []
    command = [sys.executable, "-m", "fracdse", "train", "space.toml", "--out", "trained", "--engine", "ray"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_AUTH_MODE": "disabled"}

    def start(*options: str) -> subprocess.Popen[str]:
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        started.append(subprocess.Popen([*command, *options], cwd=tmp_path, env=environment, text=True, **pipes))
        return started[-1]

    yield start
    for process in started:
        process.terminate()
        process.communicate()


def workers() -> list[int]:
    """Return the processes of this machine that are a worker of a training, in the order in which they began."""
    found = subprocess.run(["pgrep", "-f", "^ray::Worker"], check=False, capture_output=True, text=True)
    return [int(pid) for pid in found.stdout.split()]


def test_a_lost_worker_ends_the_training_and_one_worker_goes_on(tmp_path: Path, train: Train) -> None:
    write_space(tmp_path, epochs=400, **SETTINGS)
    pair = train("--workers", "2", "--cpus", "0.5")
    checkpoint = tmp_path / "trained" / "checkpoint.pt"
    while not checkpoint.exists():
        assert pair.poll() is None, pair.communicate()
        time.sleep(0.1)
    mine = [pid for pid in workers() if _below(pair.pid, pid)]
    assert len(mine) == 2
    os.kill(mine[1], signal.SIGKILL)
    out, said = pair.communicate(timeout=600)
    assert (pair.returncode, out) == (1, "")
    assert "of 2 was lost" in said
    assert "continue with --resume" in said
    assert list((tmp_path / "trained" / "teachers").glob("teacher-*.pt"))
    before = load_tensors(checkpoint)["history"]
    alone = train("--workers", "1", "--resume")
    while len(load_tensors(checkpoint)["history"]) == len(before):
        assert alone.poll() is None, alone.communicate()
        time.sleep(0.1)
    alone.send_signal(signal.SIGINT)
    assert "teacher" not in alone.communicate(timeout=600)[1], "the teacher is not trained twice"
    assert load_tensors(checkpoint)["history"][: len(before)] == before


def test_a_training_to_its_end_and_more_workers_than_fit(tmp_path: Path, train: Train) -> None:
    write_space(tmp_path, epochs=1, **SETTINGS)
    out, said = train("--workers", "2", "--cpus", "0.5").communicate(timeout=600)
    assert out == "trained\n", said
    assert said.count("binary weights 1/1") == 1
    assert load_network(tmp_path / "trained").design.network.width == 4
    many = train("--workers", "1000")
    assert "not 1000 times" in many.communicate(timeout=600)[1]
    assert many.returncode == 2


def _below(ancestor: int, pid: int) -> bool:
    """Tell whether a process was started by `ancestor`, or by one that was."""
    while pid > 1:
        if pid == ancestor:
            return True
        status = Path(f"/proc/{pid}/status").read_text()
        pid = int(next(line for line in status.splitlines() if line.startswith("PPid:")).split()[1])
    return False
