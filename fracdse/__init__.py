"""Design-space exploration and deployment of fractional binary neural networks on small FPGAs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from fracdse.search.study import Study

__version__ = "0.1.0"


def load_study(path_or_name: str | Path | None = None, storage_url: str | None = None) -> Study:
    """Open a study by its folder or name, the newest below results/ for None; its `trials` are a data frame.

    Raises:
        StudyError: There is no such study, or it is damaged.
    """
    from fracdse.search.study import open_study  # Optuna takes a second to import.

    return open_study(path_or_name, storage_url)
