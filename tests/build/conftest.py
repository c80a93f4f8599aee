import os

import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, also for code that asks for the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FRACDSE_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def shared_cache(tmp_path_factory):
    """A cache folder for all tests of a run, in all its processes: each model is compiled once."""
    folder = tmp_path_factory.getbasetemp()
    return (folder.parent if "PYTEST_XDIST_WORKER" in os.environ else folder) / "tool-cache"
