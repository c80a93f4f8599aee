"""pynq's remote protocol in front of a simulated board: the gRPC services device, mmio, buffer and gpio on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from typing import Any

from fracdse.board.quiet import quiet_pynq
from fracdse.board.simulated_board import SimulatedBoard
from fracdse.errors import BoardError, ToolNotFound

LOOPBACK = "127.0.0.1"
_CHUNK_BYTES = 1 << 20
_LARGEST_MESSAGE_BYTES = 4 << 20
_MOST_MAPPINGS = 1024


def serve(board: SimulatedBoard, port: int = 0) -> tuple[Any, int]:
    """Start serving a board on the loopback interface only.

    Args:
        board: The board.
        port: TCP port; 0 takes a free one.

    Returns:
        The running gRPC server, with `stop(grace)`, and its port.

    Raises:
        ToolNotFound: pynq is not installed.
        BoardError: The port is taken.
    """
    try:
        with quiet_pynq():
            import grpc
            from pynq.remote import buffer_pb2_grpc, gpio_pb2_grpc, mmio_pb2_grpc, remote_device_pb2_grpc
    except ImportError as error:
        raise ToolNotFound(
            f"the simulated board speaks pynq's protocol, and pynq is not installed: {error}",
            hint="Install it with: pip install 'fracdse[board]'",
        ) from error
    options = (("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _LARGEST_MESSAGE_BYTES))
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=4), options=options)
    device, mmio, buffer, gpio = _servicers(board)
    remote_device_pb2_grpc.add_RemoteDeviceServicer_to_server(device, server)
    mmio_pb2_grpc.add_MmioServicer_to_server(mmio, server)
    buffer_pb2_grpc.add_RemoteBufferServicer_to_server(buffer, server)
    gpio_pb2_grpc.add_GpioServicer_to_server(gpio, server)
    try:
        bound = server.add_insecure_port(f"{LOOPBACK}:{port}")
    except RuntimeError as error:
        raise BoardError(
            f"port {port} of {LOOPBACK} is taken by another program, or not for this user to take",
            hint="Choose another with --port; 0 takes a free one.",
        ) from error
    server.start()
    return server, int(bound)


def _servicers(board: SimulatedBoard) -> tuple[Any, Any, Any, Any]:
    import grpc
    from pynq.remote import (
        buffer_pb2,
        buffer_pb2_grpc,
        gpio_pb2,
        gpio_pb2_grpc,
        mmio_pb2,
        mmio_pb2_grpc,
        remote_device_pb2,
        remote_device_pb2_grpc,
    )

    class Device(remote_device_pb2_grpc.RemoteDeviceServicer):  # type: ignore[misc]
        """Files and configuration."""

        def set_bitstream_attrs(self, request: Any, context: Any) -> Any:
            return remote_device_pb2.SetBitstreamAttrsResponse()

        def existsfile(self, request: Any, context: Any) -> Any:
            return remote_device_pb2.ExistsFileResponse(exists=board.files.exists(request.file_path))

        def readfile(self, request: Any, context: Any) -> Iterator[Any]:
            try:
                content = board.files.read(request.file_path)
            except FileNotFoundError:
                context.abort(grpc.StatusCode.NOT_FOUND, f"no file {request.file_path!r}")
            for start in range(0, len(content), _CHUNK_BYTES):
                yield remote_device_pb2.ReadFileResponse(data=content[start : start + _CHUNK_BYTES])

        def writefile(self, request_iterator: Iterator[Any], context: Any) -> Any:
            first = next(request_iterator, None)
            if first is not None:
                try:
                    board.files.write(first.file_path, _chunks(first, request_iterator))
                except PermissionError as error:
                    context.abort(grpc.StatusCode.PERMISSION_DENIED, f"not writable: {error}")
                except OSError as error:
                    context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error))
                except BoardError as error:
                    context.abort(grpc.StatusCode.FAILED_PRECONDITION, error.message)
            return remote_device_pb2.WriteFileResponse()

    class Mmio(mmio_pb2_grpc.MmioServicer):  # type: ignore[misc]
        """Registers by mapping."""

        def __init__(self) -> None:
            self._mappings: dict[tuple[int, int], str] = {}

        def get_mmio(self, request: Any, context: Any) -> Any:
            key = (request.base_addr, request.length)
            if not board.mapped(*key) or (key not in self._mappings and len(self._mappings) >= _MOST_MAPPINGS):
                return mmio_pb2.GetMmioResponse(status=False, msg=f"nothing to map at 0x{request.base_addr:X}")
            name = self._mappings.setdefault(key, f"{key[0]}:{key[1]}")
            return mmio_pb2.GetMmioResponse(status=True, mmio_id=name)

        def _address(self, request: Any, context: Any, size_bytes: int) -> int | None:
            base, _, length = request.mmio_id.partition(":")
            if not (base.isdigit() and length.isdigit() and (int(base), int(length)) in self._mappings):
                context.abort(grpc.StatusCode.NOT_FOUND, f"no mapping {request.mmio_id!r}")
            if request.offset % 4 or not 0 <= request.offset <= int(length) - size_bytes:
                return None
            return int(base) + int(request.offset)

        def read(self, request: Any, context: Any) -> Any:
            address = self._address(request, context, max(request.length, 4))
            if address is None or request.length not in (1, 2, 4, 8):
                return mmio_pb2.ReadResponse(status=False, msg="read outside the mapping")
            value = board.read(address)
            if request.length == 8:
                value |= board.read(address + 4) << 32
            return mmio_pb2.ReadResponse(status=True, data=value & (1 << 8 * request.length) - 1)

        def write(self, request: Any, context: Any) -> Any:
            address = self._address(request, context, len(request.data))
            if address is None or not request.data or len(request.data) % 4 or len(request.data) > 4096:
                return mmio_pb2.WriteResponse(status=False, msg="write outside the mapping")
            for start in range(0, len(request.data), 4):
                board.write(address + start, int.from_bytes(request.data[start : start + 4], "little"))
            return mmio_pb2.WriteResponse(status=True)

    class Buffer(buffer_pb2_grpc.RemoteBufferServicer):  # type: ignore[misc]
        """Buffers in the board's memory."""

        def allocate(self, request: Any, context: Any) -> Any:
            try:
                with board.lock:
                    return buffer_pb2.AllocateResponse(buffer_id=board.memory.allocate(request.size))
            except MemoryError:
                return buffer_pb2.AllocateResponse()  # pynq's server says it no clearer

        def write(self, request_iterator: Iterator[Any], context: Any) -> Any:
            position = 0
            for request in request_iterator:
                with board.lock:
                    content = _content(request.buffer_id, context)
                    if position + len(request.data) > len(content):
                        return buffer_pb2.BufferWriteResponse(msg="write past the end of the buffer")
                    content[position : position + len(request.data)] = request.data
                position += len(request.data)
            return buffer_pb2.BufferWriteResponse()

        def read(self, request: Any, context: Any) -> Iterator[Any]:
            with board.lock:
                content = bytes(_content(request.buffer_id, context))
            for start in range(0, len(content), _CHUNK_BYTES):
                yield buffer_pb2.BufferReadResponse(data=content[start : start + _CHUNK_BYTES])

        def freebuffer(self, request: Any, context: Any) -> Any:
            with board.lock:
                _content(request.buffer_id, context)
                board.memory.free(request.buffer_id)
            return buffer_pb2.FreeBufferResponse()

        def flush(self, request: Any, context: Any) -> Any:
            return buffer_pb2.FlushResponse()

        def invalidate(self, request: Any, context: Any) -> Any:
            return buffer_pb2.InvalidateResponse()

        def physical_address(self, request: Any, context: Any) -> Any:
            _content(request.buffer_id, context)
            return buffer_pb2.AddressResponse(address=board.memory.address(request.buffer_id))

        virtual_address = physical_address

        def cacheable(self, request: Any, context: Any) -> Any:
            return buffer_pb2.CacheableResponse(cacheable=True)

    class Gpio(gpio_pb2_grpc.GpioServicer):  # type: ignore[misc]
        """The system has no GPIO: there is no controller to be found."""

        def get_gpio_base_path(self, request: Any, context: Any) -> Any:
            return gpio_pb2.GetGpioBasePathResponse(base_path="")

        def get_gpio_npins(self, request: Any, context: Any) -> Any:
            return gpio_pb2.GetGpioNPinsResponse(npins=0)

    def _content(name: str, context: Any) -> bytearray:
        try:
            return board.memory.content(name)
        except KeyError:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no buffer {name!r}")
            raise

    return Device(), Mmio(), Buffer(), Gpio()


def _chunks(first: Any, rest: Iterator[Any]) -> Iterator[bytes]:
    yield first.data
    for request in rest:
        yield request.data
