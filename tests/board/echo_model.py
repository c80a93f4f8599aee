"""A simulated board without an accelerator in it, where a test is about what surrounds one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_services import serve

BUILD_ID = 7


class EchoModel:
    """A stream that gives back what it is sent, four bytes a cycle, TLAST with the last."""

    def __init__(self) -> None:
        self.queue = b""
        self.registers: dict[int, int] = {}

    def send(self, data: bytes) -> None:
        self.queue += data

    def run(self, cycles: int, room_bytes: int) -> tuple[bytes, bool]:
        count = min(4 * cycles, room_bytes)
        data, self.queue = self.queue[:count], self.queue[count:]
        return data, bool(data) and not self.queue

    @property
    def pending_bytes(self) -> int:
        return len(self.queue)

    def read_register(self, offset: int) -> int:
        return self.registers.get(offset, 0)

    def write_register(self, offset: int, value: int) -> None:
        self.registers[offset] = value

    def reset(self) -> None:
        self.queue = b""


@contextmanager
def served(board: SimulatedBoard) -> Iterator[str]:
    server, port = serve(board)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=0).wait()


def echo_board(**options: Any) -> SimulatedBoard:
    return SimulatedBoard(EchoModel(), BUILD_ID, "Simulated Ultra96", **options)
