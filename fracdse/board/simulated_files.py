"""The few files of a board's Linux that pynq reads and writes, kept in memory: this machine's own are never touched.

As with pynq's server, a file is emptied before it is written, a broken transfer leaves what came of it, and neither a
full disk nor a refused bitstream is reported to the client, which has to look for itself.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable

MOST_FILES = 32
DISK_BYTES = 64 << 20
FIRMWARE_FOLDER = "/lib/firmware/"
_MANAGER = "/sys/class/fpga_manager/fpga0/"
_WRITABLE = (FIRMWARE_FOLDER, f"{_MANAGER}firmware", f"{_MANAGER}flags")


class SimulatedFiles:
    """Files by absolute path; writing a firmware's name to the FPGA manager configures the fabric.

    Args:
        board_name: What the device tree says the board is.
        configure: Called with the configuration data that the FPGA manager was told to load; ValueError refuses them.
        disk_bytes: How much all files together may hold.
    """

    def __init__(self, board_name: str, configure: Callable[[bytes], None], disk_bytes: int = DISK_BYTES) -> None:
        self._configure = configure
        self._disk_bytes = disk_bytes
        self._files: dict[str, bytes | bytearray] = {
            "/proc/version": b"Linux version 6.1 (simulated) aarch64\n",
            "/proc/device-tree/chosen/pynq_board": board_name.encode() + b"\0",
            f"{_MANAGER}state": b"unknown\n",
            f"{_MANAGER}flags": b"0\n",
        }

    def exists(self, path: str) -> bool:
        """Tell whether there is such a file."""
        return path in self._files

    def read(self, path: str) -> bytes:
        """Return a file's content.

        Raises:
            FileNotFoundError: There is no such file.
        """
        if path not in self._files:
            raise FileNotFoundError(path)
        return bytes(self._files[path])

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Replace a file, as far as the disk has room.

        Raises:
            PermissionError: The path is none that a client may write.
            OSError: There are too many files.
        """
        allowed = path in _WRITABLE or (path.startswith(FIRMWARE_FOLDER) and "/" not in path[len(FIRMWARE_FOLDER) :])
        if not allowed or path == FIRMWARE_FOLDER:
            raise PermissionError(path)
        if path not in self._files and len(self._files) >= MOST_FILES:
            raise OSError(f"no space for another file than the {MOST_FILES} there are")
        self._files[path] = bytearray()
        for chunk in chunks:
            self._append(path, chunk)
        if path == f"{_MANAGER}firmware":
            self._load(self._files[path].decode("utf-8", "replace").strip())

    def _append(self, path: str, chunk: bytes) -> None:
        free = self._disk_bytes - sum(map(len, self._files.values()))
        self._files[path] += chunk[: max(free, 0)]

    def _load(self, name: str) -> None:
        self._files[f"{_MANAGER}state"] = b"write error\n"
        with contextlib.suppress(ValueError):
            self._configure(bytes(self._files.get(FIRMWARE_FOLDER + name, b"")))
            self._files[f"{_MANAGER}state"] = b"operating\n"
