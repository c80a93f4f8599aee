"""pynq without its warnings: about the host's processor, about what it imports, about features no one asks for here."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_pynq() -> Iterator[None]:
    """Keep warnings that pynq raises, at import or in use, from the user while the context lasts."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
