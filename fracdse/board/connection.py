"""Reaching a board through pynq: connecting, loading an overlay from scratch, setting the clock."""

from __future__ import annotations

import collections
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fracdse.board.driver import CLOCK_TOLERANCE, AcceleratorDriver
from fracdse.board.quiet import quiet_pynq
from fracdse.errors import BoardError, ToolNotFound

DEFAULT_PORT = 7967
_ADDRESS = re.compile(r"^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)(?::([0-9]{1,5}))?$")
_CALL_TIMEOUT_S = 30.0
_CLOCK_ATTEMPTS = 8
_SLOWEST_CLOCK_SHARE = 0.8


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


def connect(address: str) -> Any:
    """Return pynq's device for a board: the local one for 'local', else a remote one.

    Raises:
        BoardError: The board does not answer.
        ToolNotFound: pynq is not installed.
    """
    try:
        with quiet_pynq():
            from pynq.pl_server.device import Device
            from pynq.pl_server.remote_device import RemoteDevice
    except ImportError as error:
        raise ToolNotFound(f"pynq is not installed: {error}", hint="pip install 'fracdse[board]'") from error
    if address == "local":
        try:
            return Device.active_device
        except RuntimeError as error:
            raise BoardError(f"this machine is no board that pynq knows: {error}") from error
    host, port = parse_address(address)
    with board_errors(address):
        device = RemoteDevice(0, host, port)
        _limit_calls(device)
    Device.active_device = device
    return device


def load(device: Any, bitfile: Path, clock_mhz: float, timeout_s: float = 60.0) -> tuple[AcceleratorDriver, float]:
    """Configure the fabric and set its clock; return the driver and the frequency that the board then reports.

    Args:
        device: What `connect` returned.
        bitfile: A .bit file with its .hwh beside it; its name must be unique to the build, since pynq does not send a
            file to a board that has one of that name.
        clock_mhz: The frequency asked for.
        timeout_s: How long one run may take.

    Raises:
        BoardError: The board refuses the bitstream, or its clock is faster than asked or slower by a fifth.
    """
    with board_errors(str(getattr(device, "ip_addr", "local"))), quiet_pynq():
        from pynq.overlay import Overlay
        from pynq.ps import Clocks

        _forget_cached_metadata()
        overlay = Overlay(str(bitfile), device=device)
        clock_set_mhz = _set_clock(Clocks, clock_mhz)
        driver = AcceleratorDriver(overlay, device.allocate, timeout_s)
    if not _SLOWEST_CLOCK_SHARE * clock_mhz <= clock_set_mhz <= clock_mhz * (1 + CLOCK_TOLERANCE):
        raise BoardError(f"the board's clock is {clock_set_mhz:g} MHz; {clock_mhz:g} MHz was asked for")
    return driver, clock_set_mhz


def _set_clock(clocks: Any, clock_mhz: float) -> float:
    """Set PL clock 0 to the fastest that the dividers make at or below `clock_mhz`, and return what the board reports.

    pynq takes the nearest clock, which may be faster than the design is built for: then ask for less by the excess.
    """
    wanted_mhz = clock_mhz
    for _ in range(_CLOCK_ATTEMPTS):
        clocks.fclk0_mhz = wanted_mhz
        excess_mhz = float(clocks.fclk0_mhz) - clock_mhz
        if excess_mhz <= CLOCK_TOLERANCE * clock_mhz:
            break
        wanted_mhz -= excess_mhz
    return float(clocks.fclk0_mhz)


@contextmanager
def board_errors(address: str) -> Iterator[None]:
    """Turn what pynq and gRPC raise into BoardError."""
    import grpc

    try:
        yield
    except grpc.RpcError as error:
        detail = error.details() if hasattr(error, "details") else str(error)
        raise BoardError(
            f"board {address}: {detail}", hint="Check that the board is on and that pynq's remote server runs."
        ) from error
    except (RuntimeError, OSError) as error:
        raise BoardError(f"board {address}: {error}") from error


def _forget_cached_metadata() -> None:
    """Delete the metadata that pynq pickled for an earlier overlay, so that it is neither loaded nor believed."""
    import pynq.pl_server
    from pynq.pl_server.global_state import clear_global_state

    clear_global_state()
    (Path(pynq.pl_server.__file__).parent / "_current_metadata.pkl").unlink(missing_ok=True)


def _limit_calls(device: Any) -> None:
    """Give every remote call a time limit: pynq sets none, and a board that lost power would hang it."""
    import grpc
    from pynq.remote import buffer_pb2_grpc, gpio_pb2_grpc, mmio_pb2_grpc, remote_device_pb2_grpc

    fields = ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")
    base = collections.namedtuple("base", fields)  # type: ignore[misc]

    class Details(base, grpc.ClientCallDetails):  # type: ignore[misc]
        """Call details with every field that gRPC reads."""

    class Limit(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):  # type: ignore[misc]
        """Adds the time limit to each kind of call that pynq makes."""

        def _call(self, continuation: Any, details: Any, request: Any) -> Any:
            values = {name: getattr(details, name, None) for name in fields}
            return continuation(Details(**(values | {"timeout": _CALL_TIMEOUT_S})), request)

        intercept_unary_unary = _call
        intercept_unary_stream = _call
        intercept_stream_unary = _call

    channel = grpc.intercept_channel(device.client.channel, Limit())
    device._stub = {
        "device": remote_device_pb2_grpc.RemoteDeviceStub(channel),
        "mmio": mmio_pb2_grpc.MmioStub(channel),
        "buffer": buffer_pb2_grpc.RemoteBufferStub(channel),
        "gpio": gpio_pb2_grpc.GpioStub(channel),
    }
