import pytest


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache folder of the test's own, also for code that asks for the user's."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("FRACDSE_CACHE", str(folder))
    return folder
