"""Fixtures that every test file may use."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("no_deadline", deadline=None)  # a busy machine must not fail a test
settings.load_profile("no_deadline")

# A shell that starts the tests in the background lets them, and every program they start, ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

SHARED_FOLDER = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Give the folder of vendor reports, published builds and data sets beside the repository, or skip the test."""
    if not SHARED_FOLDER.is_dir():
        pytest.skip(f"needs the folder '{SHARED_FOLDER}' (vendor reports, builds and data sets), which is not here")
    return SHARED_FOLDER
