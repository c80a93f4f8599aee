"""The few files of a board's Linux that pynq reads and writes, kept in memory: this machine's own are never touched."""

from __future__ import annotations

from collections.abc import Callable, Iterable

MOST_FILES = 32
LARGEST_FILE_BYTES = 64 << 20
FIRMWARE_FOLDER = "/lib/firmware/"
_MANAGER = "/sys/class/fpga_manager/fpga0/"
_WRITABLE = (FIRMWARE_FOLDER, f"{_MANAGER}firmware", f"{_MANAGER}flags")


class SimulatedFiles:
    """Files by absolute path; writing a firmware's name to the FPGA manager configures the fabric.

    Args:
        board_name: What the device tree says the board is.
        configure: Called with the configuration data that the FPGA manager was told to load.
    """

    def __init__(self, board_name: str, configure: Callable[[bytes], None]) -> None:
        self._configure = configure
        self._files: dict[str, bytes] = {
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
        return self._files[path]

    def write(self, path: str, chunks: Iterable[bytes]) -> None:
        """Replace a file.

        Raises:
            PermissionError: The path is none that a client may write.
            OSError: Too many files or bytes, or a firmware that is not there.
        """
        allowed = path in _WRITABLE or (path.startswith(FIRMWARE_FOLDER) and "/" not in path[len(FIRMWARE_FOLDER) :])
        if not allowed or path == FIRMWARE_FOLDER:
            raise PermissionError(path)
        if path not in self._files and len(self._files) >= MOST_FILES:
            raise OSError(f"no space for another file than the {MOST_FILES} there are")
        content = bytearray()
        for chunk in chunks:
            content += chunk
            if len(content) > LARGEST_FILE_BYTES:
                raise OSError(f"no space: a file has at most {LARGEST_FILE_BYTES} bytes")
        self._files[path] = bytes(content)
        if path == f"{_MANAGER}firmware":
            self._load(content.decode("utf-8", "replace").strip())

    def _load(self, name: str) -> None:
        firmware = self._files.get(FIRMWARE_FOLDER + name)
        self._files[f"{_MANAGER}state"] = b"write error\n"
        if firmware is None:
            raise FileNotFoundError(FIRMWARE_FOLDER + name)
        self._configure(firmware)
        self._files[f"{_MANAGER}state"] = b"operating\n"
