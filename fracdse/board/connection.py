"""Reaching a board through pynq: connecting, loading an overlay from scratch, setting the clock."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fracdse.board.clock import set_clock
from fracdse.board.driver import AcceleratorDriver
from fracdse.board.quiet import quiet_pynq
from fracdse.board.remote import open_remote
from fracdse.board.upload import copy_to_board
from fracdse.errors import BoardError, ToolNotFound

DEFAULT_PORT = 7967
_ADDRESS = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?$")
SIMULATED_PREFIX = "Simulated "
_FIRMWARE_FOLDER = "/lib/firmware/"
_MANAGER_STATE = "/sys/class/fpga_manager/fpga0/state"
_LOCAL_NAME = Path("/proc/device-tree/chosen/pynq_board")


def parse_address(address: str) -> tuple[str, int]:
    """Split 'HOST' or 'HOST:PORT'.

    Raises:
        BoardError: It is neither.
    """
    match = _ADDRESS.match(address)
    port = int(match.group(2) or DEFAULT_PORT) if match else 0
    if match is None or not 0 < port < 65536:
        raise BoardError(f"board address {address!r} is not HOST or HOST:PORT", hint="Use 'local' on the board itself.")
    return match.group(1), port


def check_pynq() -> None:
    """Raise ToolNotFound where pynq is not installed."""
    try:
        with quiet_pynq():
            import pynq.pl_server.remote_device  # noqa: F401
    except ImportError as error:
        raise ToolNotFound(f"pynq is not installed: {error}", hint="pip install 'fracdse[board]'") from error


def connect(address: str) -> Any:
    """Return pynq's device for a board: the local one for 'local', else a remote one.

    Raises:
        BoardError: The board does not answer.
        ToolNotFound: pynq is not installed.
    """
    check_pynq()
    from pynq.pl_server.device import Device

    if address == "local":
        try:
            with quiet_pynq():
                return Device.active_device
        except RuntimeError as error:
            raise BoardError(f"this machine is no board that pynq knows: {error}") from error
    host, port = parse_address(address)
    with board_errors(address):
        device = open_remote(host, port)
    Device.active_device = device
    return device


def board_name(device: Any) -> str:
    """Return what a board calls itself; 'Unknown' where it does not say."""
    if device.has_capability("REMOTE"):
        return str(device.name)
    return _LOCAL_NAME.read_text().strip("\0\n ") if _LOCAL_NAME.is_file() else "Unknown"


def check_board(found: str, wanted: Sequence[str]) -> None:
    """Refuse a board of another kind; one that does not say what it is passes, its build id is checked later.

    Raises:
        BoardError: `found` is a board's name, and none of `wanted`, whatever the case and punctuation.
    """

    def plain(name: str) -> str:
        return re.sub(r"[^a-z0-9]", "", name.removeprefix(SIMULATED_PREFIX).lower())

    if wanted and found != "Unknown" and plain(found) not in map(plain, wanted):
        raise BoardError(
            f"the board is a {found}, the bundle is built for {wanted[0]}",
            hint="Choose the board's device in the search space, or the address of the right board.",
        )


def load(device: Any, bitfile: Path, clock_mhz: float, timeout_s: float = 60.0) -> tuple[AcceleratorDriver, float]:
    """Configure the fabric and set its clock; return the driver and the frequency that the board then reports.

    Args:
        device: What `connect` returned.
        bitfile: A .bit file with its .hwh beside it; the board keeps its configuration under the file's name.
        clock_mhz: The frequency asked for.
        timeout_s: How long the accelerator may go without finishing a frame.

    Raises:
        BoardError: The board has no room for the bitstream or refuses it, or its clock is faster than asked or slower
            by a fifth.
    """
    with board_errors(str(getattr(device, "ip_addr", "local"))), quiet_pynq():
        from pynq.overlay import Overlay
        from pynq.pl_server.embedded_device import bit2bin

        _forget_earlier_boards()
        if device.has_capability("REMOTE"):
            copy_to_board(device, f"{_FIRMWARE_FOLDER}{bitfile.stem}.bin", bit2bin(bitfile.read_bytes()))
        overlay = Overlay(str(bitfile), device=device)
        _check_configured(device)
        clock_set_mhz = set_clock(device, clock_mhz)
        return AcceleratorDriver(overlay, device, timeout_s), clock_set_mhz


def _check_configured(device: Any) -> None:
    """Ask the FPGA manager how the configuration went: pynq's server does not say when it fails."""
    if device.has_capability("REMOTE"):
        state = bytes(device.read_file(_MANAGER_STATE)).decode("utf-8", "replace").strip()
        if "error" in state:
            raise BoardError(
                f"the board's FPGA manager says '{state}': it refuses the bitstream",
                hint="Is it for this board's device? A power cycle clears what an earlier attempt left.",
            )


@contextmanager
def board_errors(address: str) -> Iterator[None]:
    """Turn what pynq and gRPC raise into BoardError."""
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        detail = error.details() if hasattr(error, "details") else str(error)
        code = error.code() if hasattr(error, "code") else None
        if code in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.INVALID_ARGUMENT):
            hint = "It forgot what this program had set up: it, or its server, was restarted. Run this again."
        else:
            hint = "Check that the board is on and that pynq's remote server runs, then run this again."
        raise BoardError(f"board {address}: {detail}", hint=hint) from error
    except (RuntimeError, ValueError, OSError) as error:
        raise BoardError(f"board {address}: {error}") from error


def _forget_earlier_boards() -> None:
    """Delete what pynq keeps of earlier overlays and boards, so that it is neither loaded nor believed.

    That is the metadata it pickled, and the clock registers of the first board that this process spoke to.
    """
    import pynq.pl_server
    from pynq.pl_server.global_state import clear_global_state
    from pynq.ps import Clocks

    clear_global_state()
    (Path(pynq.pl_server.__file__).parent / "_current_metadata.pkl").unlink(missing_ok=True)
    if "_real_instance" in vars(Clocks):
        del Clocks._real_instance
