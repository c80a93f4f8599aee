"""Keep freed memory in the process, so that the next tensor of a training step need not fetch fresh pages."""

from __future__ import annotations

import ctypes
import sys

# Parameters of mallopt(3) in glibc, and the largest threshold that it accepts.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_LARGEST_MMAP_THRESHOLD = 32 << 20
_NEVER_TRIM = 2**31 - 1


def keep_freed_memory() -> None:
    """Ask the C library to reuse freed blocks of up to 32 MiB; does nothing where it cannot be asked (not glibc).

    A training step allocates and frees hundreds of maps of some megabytes. By default each is a mapping of its own,
    whose pages the system clears again and again.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _LARGEST_MMAP_THRESHOLD)
        mallopt(_TRIM_THRESHOLD, _NEVER_TRIM)
