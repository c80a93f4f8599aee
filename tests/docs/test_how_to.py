"""The how-to is followed as it stands: a body of one's own, and a device of one's own, in a copy of the checkout."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., str]


def blocks(heading: str, language: str) -> list[str]:
    """Return the fenced blocks of one section of the how-to."""
    text = (ROOT / "docs" / "how-to.md").read_text(encoding="utf-8")
    section = text.partition(f"\n## … {heading}\n")[2].partition("\n## ")[0]
    return re.findall(rf"^```{language}\n(.*?)^```$", section, re.DOTALL | re.MULTILINE)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    for name in ("fracdse", "hw_models", "search_spaces"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


@pytest.fixture
def run(checkout: Path) -> Run:
    def run_here(*arguments: str) -> str:
        command = [sys.executable, "-m", "fracdse", *arguments]
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        done = subprocess.run(command, cwd=checkout, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run_here


@pytest.fixture
def own_body(checkout: Path) -> Path:
    """Do the three steps of 'use your own network body', and write its example."""
    names, function, call = blocks("use your own network body", "python")
    design, topology = checkout / "fracdse" / "design.py", checkout / "fracdse" / "topology.py"
    text = design.read_text(encoding="utf-8")
    changed, count = re.subn(r"^Body = .*\n", names, text, flags=re.MULTILINE)
    assert count == 1
    design.write_text(changed, encoding="utf-8")
    text = topology.read_text(encoding="utf-8")
    first_use = re.search(r"^    if net\.body == ", text, re.MULTILINE)
    assert first_use is not None, "topology no longer chooses by net.body"
    topology.write_text(
        text[: first_use.start()] + call + text[first_use.start() :] + "\n\n" + function, encoding="utf-8"
    )
    file = checkout / "plain.toml"
    file.write_text(blocks("use your own network body", "toml")[0], encoding="utf-8")
    return file


def test_a_body_of_ones_own_is_estimated(own_body: Path, run: Run) -> None:
    commands = blocks("use your own network body", "sh")[0].splitlines()
    assert commands[0] == f"fracdse estimate {own_body.name}"
    assert "frames/s" in run("estimate", own_body.name)


@pytest.mark.slow
def test_a_body_of_ones_own_is_trained(own_body: Path, run: Run) -> None:
    commands = blocks("use your own network body", "sh")[0].splitlines()
    run(*commands[1].split()[1:])


def test_a_network_learns_from_a_teacher(checkout: Path, run: Run) -> None:
    (checkout / "pupil.toml").write_text(blocks("learn from a teacher", "toml")[0], encoding="utf-8")
    command = blocks("learn from a teacher", "sh")[0].split()[1:]
    run(*command, "--epochs", "1", "--real-epochs", "1", "--threads", "1")
    assert list((checkout / "pupil" / "teachers").glob("*.pt"))


def test_a_device_of_ones_own_is_estimated(checkout: Path, run: Run) -> None:
    devices = checkout / "hw_models" / "devices"
    text = (devices / "ultra96v2.toml").read_text(encoding="utf-8")
    (devices / "myboard.toml").write_text(text.replace('name = "ultra96v2"', 'name = "myboard"'), encoding="utf-8")
    (checkout / "one.toml").write_text(
        'device = "myboard"\n[data]\nimage = [8, 8, 1]\nclasses = 10\n', encoding="utf-8"
    )
    assert "myboard" in run("estimate", "one.toml")
