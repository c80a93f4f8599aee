"""Copying a file to a board so that a part of it is never taken for the whole.

pynq's remote protocol can write, read and find a file, but neither rename nor delete one; pynq sends no file that the
board has by name, and its server reports neither a broken transfer nor a full disk. So the content on the board is read
back and compared before anything uses it: what an earlier attempt left is found and replaced, and what is there already
is not sent again. One name for all builds keeps the board's disk from filling up.
"""

from __future__ import annotations

import hashlib
from typing import Any

from fracdse.errors import BoardError

_ATTEMPTS = 2


def copy_to_board(device: Any, path: str, content: bytes) -> bool:
    """Make a file of a remote board hold `content`; return whether it had to be sent.

    Args:
        device: pynq's remote device.
        path: Absolute path on the board.
        content: What it is to hold.

    Raises:
        BoardError: After sending it twice the file is still another: most likely the board's disk is full.
    """
    found = _content_of(device, path)
    if _digest(found) == _digest(content):
        return False
    for _ in range(_ATTEMPTS):
        device.write_file(path, content)
        found = _content_of(device, path)
        if _digest(found) == _digest(content):
            return True
    raise BoardError(
        f"{path} holds {len(found):,} bytes on the board after {len(content):,} bytes were sent, or others than those",
        hint="Most likely the board's disk is full: free space there (df -h /lib/firmware), then run this again.",
    )


def _content_of(device: Any, path: str) -> bytes:
    return bytes(device.read_file(path)) if device.exists_file(path).exists else b""


def _digest(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()
