"""Where the data files that ship with the package lie: in a repository checkout, or inside the installed wheel."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from fracdse.errors import DataError

DataFolder = Literal["hw_models", "search_spaces"]

_PACKAGE = Path(__file__).resolve().parent


def data_folder(name: DataFolder) -> Path:
    """Return the folder `name`: from the wheel (`fracdse/data/NAME`), or beside the package in a checkout.

    Raises:
        DataError: The installation is incomplete: the folder is in neither place.
    """
    places = (_PACKAGE / "data" / name, _PACKAGE.parent / name)
    for place in places:
        if place.is_dir():
            return place
    raise DataError(
        f"the folder '{name}' of this installation is missing; looked in {places[0]} and {places[1]}",
        hint="Install fracdse again: pip install --force-reinstall fracdse.",
    )
