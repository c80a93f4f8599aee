"""A remote board whose every call ends in time."""

from __future__ import annotations

import collections
from functools import partialmethod
from typing import Any

from fracdse.board.quiet import quiet_pynq

_CALL_TIMEOUT_S = 30.0
_STREAM_TIMEOUT_S = 120.0


def open_remote(host: str, port: int) -> Any:
    """Return pynq's device for a remote board, every call of which has a time limit.

    pynq sets none: a board that lost power, or a server that hangs, would hang this program too.

    Raises:
        RuntimeError: Nothing listens there.
        grpc.RpcError: What listens there does not answer as a board.
    """
    from pynq.pl_server.remote_device import RemoteDevice

    class LimitedRemoteDevice(RemoteDevice):  # type: ignore[misc]
        """Limits its calls before it makes the first one, which asks for the architecture."""

        def get_arch(self) -> str:
            _limit_calls(self)
            return str(super().get_arch())

    with quiet_pynq():
        return LimitedRemoteDevice(0, host, port)


def _limit_calls(device: Any) -> None:
    """Replace a device's stubs by ones whose calls have a time limit."""
    import grpc
    from pynq.remote import buffer_pb2_grpc, gpio_pb2_grpc, mmio_pb2_grpc, remote_device_pb2_grpc

    fields = ("method", "timeout", "metadata", "credentials", "wait_for_ready", "compression")
    base = collections.namedtuple("base", fields)  # type: ignore[misc]

    class Details(base, grpc.ClientCallDetails):  # type: ignore[misc]
        """Call details with every field that gRPC reads."""

    class Limit(grpc.UnaryUnaryClientInterceptor, grpc.UnaryStreamClientInterceptor, grpc.StreamUnaryClientInterceptor):  # type: ignore[misc]
        """Adds the time limit to each kind of call that pynq makes."""

        def _call(self, timeout_s: float, continuation: Any, details: Any, request: Any) -> Any:
            values = {name: getattr(details, name, None) for name in fields}
            return continuation(Details(**(values | {"timeout": timeout_s})), request)

        intercept_unary_unary = partialmethod(_call, _CALL_TIMEOUT_S)
        intercept_unary_stream = partialmethod(_call, _STREAM_TIMEOUT_S)
        intercept_stream_unary = partialmethod(_call, _STREAM_TIMEOUT_S)

    channel = grpc.intercept_channel(device.client.channel, Limit())
    device._stub = {
        "device": remote_device_pb2_grpc.RemoteDeviceStub(channel),
        "mmio": mmio_pb2_grpc.MmioStub(channel),
        "buffer": buffer_pb2_grpc.RemoteBufferStub(channel),
        "gpio": gpio_pb2_grpc.GpioStub(channel),
    }
