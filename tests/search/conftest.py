"""A search small enough for tests, with the real training and the real hardware model."""

from __future__ import annotations

from pathlib import Path

import pytest

from fracdse.search.problem import StudyData, load_data
from fracdse.space import SearchSpace, load_space

TINY = ("proxy.epochs=1", "data.samples=120", "network.depth=8", "network.width=[4, 8]", "search.workers=1")


@pytest.fixture(scope="session")
def tiny_space() -> SearchSpace:
    """Give a space of 54 designs whose proxies train in a fraction of a second."""
    return load_space("digits", TINY)


@pytest.fixture(scope="session")
def tiny_data(tiny_space: SearchSpace) -> StudyData:
    return load_data(tiny_space)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run every test in a folder of its own, where its results/ lies."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
