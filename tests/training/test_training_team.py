"""Processes that train one network together: equal to one process, stopped together, killed, resumed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from team_member import CASES, bad_loss, float_epochs, one_step
from training_cases import write_space

from fracdse.cli.main import cli
from fracdse.errors import ConfigError
from fracdse.network.folder import load_network, load_tensors
from fracdse.training.process_group import Place
from fracdse.training.team import ALONE, Team

MEMBER = Path(__file__).with_name("team_member.py")
SETTINGS: dict[str, object] = {"real_epochs": 1, "samples": 256}


def environments(size: int) -> list[dict[str, str]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    own = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(size), "OMP_NUM_THREADS": "1"}
    return [{**os.environ, **own, "RANK": str(rank), "LOCAL_RANK": str(rank)} for rank in range(size)]


@pytest.fixture(scope="module", params=[2, 3])
def team_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run the cases in several processes, and give the folder with what they found."""
    folder = tmp_path_factory.mktemp(f"team-{request.param}")
    members = [
        subprocess.Popen([sys.executable, "-W", "error", str(MEMBER), str(folder)], env=env, stderr=subprocess.PIPE)
        for env in environments(request.param)
    ]
    said = [member.communicate(timeout=600)[1].decode() for member in members]
    assert [member.returncode for member in members] == [0] * request.param, said
    return folder


@pytest.fixture(scope="module")
def alone() -> dict[str, dict[str, torch.Tensor]]:
    torch.set_num_threads(1)
    return {name: one_step(name, ALONE) for name in CASES}


@pytest.mark.parametrize("case", CASES)
def test_a_step_of_several_processes_is_that_of_one(
    team_folder: Path, alone: dict[str, dict[str, torch.Tensor]], case: str
) -> None:
    found, want = load_tensors(team_folder / "found.pt")[case], alone[case]
    assert found.keys() == want.keys()
    largest = max(float(value.norm()) for name, value in want.items() if not name.startswith(("buffer", "measured")))
    for name, value in want.items():
        # What a batch norm cancels has a gradient of zero, of which only rounding is left.
        if float(value.norm()) > 1e-4 * largest:
            # A processor computes the gradients of convolutions in bfloat16: those of a weight are rounded for each
            # part, those that flow on where they were on the edge.
            allowed = 5e-3 if value.ndim == 4 else 2e-3
            assert float((found[name] - value).norm() / value.norm()) < allowed, name


def test_epochs_of_a_network_without_jumps_stay_equal(team_folder: Path) -> None:
    found, want = load_tensors(team_folder / "found.pt")["float"], float_epochs(ALONE)
    torch.testing.assert_close(found["losses"], want["losses"], rtol=1e-3, atol=0)
    torch.testing.assert_close(found["validation"], want["validation"], rtol=0, atol=1 / 200 + 1e-6)


def test_a_loss_that_is_no_number_in_one_process_stops_all_with_the_reason(team_folder: Path) -> None:
    said = [json.loads(file.read_text()) for file in sorted(team_folder.glob("said-*.json"))]
    assert len({each["nan"] for each in said}) == 1
    assert said[0]["nan"] == "the loss is nan in step 'binary weights', epoch 1, batch 2 of 4"
    assert "the loss is nan" in bad_loss(ALONE)


def test_processes_with_other_data_are_refused(team_folder: Path) -> None:
    for file in team_folder.glob("said-*.json"):
        assert "process 1 of" in json.loads(file.read_text())["other data"]


def torchrun(folder: Path, size: int, *options: str) -> subprocess.Popen[str]:
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", str(size), "--master-addr", "127.0.0.1",
        "-m", "fracdse", "train", "space.toml", "--out", "trained", *options,
    ]  # fmt: skip
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def grandchildren(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found]


def test_a_killed_process_ends_the_others_and_another_number_goes_on(tmp_path: Path) -> None:
    write_space(tmp_path, epochs=500, **SETTINGS)
    pair = torchrun(tmp_path, 2)
    checkpoint = tmp_path / "trained" / "checkpoint.pt"
    while not checkpoint.exists():
        assert pair.poll() is None, pair.communicate()
        time.sleep(0.1)
    os.kill(grandchildren(pair.pid)[-1], signal.SIGKILL)
    out, said = pair.communicate(timeout=600)
    assert pair.returncode != 0
    assert out == ""
    assert "Signal 9 (SIGKILL)" in said
    before = load_tensors(checkpoint)["history"]
    assert before
    other = torchrun(tmp_path, 3, "--resume")
    while len(load_tensors(checkpoint)["history"]) == len(before):
        assert other.poll() is None, other.communicate()
        time.sleep(0.1)
    other.send_signal(signal.SIGTERM)
    other.communicate(timeout=600)
    after = load_tensors(checkpoint)["history"]
    assert after[: len(before)] == before


def test_torchrun_trains_and_one_process_speaks(tmp_path: Path) -> None:
    write_space(tmp_path, epochs=1, **SETTINGS)
    out, said = (pair := torchrun(tmp_path, 2)).communicate(timeout=600)
    assert pair.returncode == 0, said
    assert out.splitlines() == ["trained"]
    assert said.count("binary weights 1/1") == 1
    assert load_network(tmp_path / "trained").design.network.width == 4
    assert not list((tmp_path / "trained").glob(".*"))


def test_places() -> None:
    assert Place.from_environment({}) == Place()
    given = {"RANK": "1", "WORLD_SIZE": "4", "LOCAL_RANK": "1", "MASTER_ADDR": "127.0.0.1"}
    assert Place.from_environment(given) == Place(1, 4, 1)
    for wrong in ({"RANK": "4"}, {"RANK": "x"}, {"WORLD_SIZE": "0"}, {"RANK": "-1"}):
        with pytest.raises(ConfigError, match="no place among others"):
            Place.from_environment({**given, **wrong})


def test_parts_of_a_batch() -> None:
    batch = torch.arange(31)
    parts = [Team(rank, 3).part(batch) for rank in range(3)]
    assert torch.equal(torch.cat(parts), batch)
    weights = [float(Team(rank, 3).weighed(torch.ones(()), len(part), 31)) for rank, part in enumerate(parts)]
    assert sum(weights) == pytest.approx(1)
    with pytest.raises(ConfigError, match="batch_size = 2 is too small for 3 processes"):
        Team(0, 3).check_batch(2)


def test_workers_need_an_engine(tmp_path: Path) -> None:
    write_space(tmp_path, epochs=1, **SETTINGS)
    result = CliRunner().invoke(
        cli, ["train", str(tmp_path / "space.toml"), "--out", str(tmp_path / "out"), "--workers", "2"]
    )
    assert result.exit_code == 2
    assert "--engine ray" in result.stderr
