"""The accelerator's Verilator model as a process that takes commands; see serve_model.cpp for the protocol."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import time
from pathlib import Path
from types import TracebackType

from fracdse.build.verilator import CompileOptions, compile_model
from fracdse.errors import BoardError, BuildFailed

_ANSWER_TIMEOUT_S = 300.0


class ModelProcess:
    """A running model; a context manager that ends it.

    Args:
        verilog: Text of the accelerator.
        top: Name of its top module.
        options: How to compile it.

    Raises:
        ToolNotFound: A tool that compiles it is missing.
        BuildFailed: It does not compile or start.
    """

    def __init__(self, verilog: str, top: str, options: CompileOptions | None = None) -> None:
        main_cpp = Path(__file__).with_name("serve_model.cpp").read_text(encoding="utf-8")
        executable = compile_model(verilog, main_cpp, top=top, options=options)
        try:
            self._process = subprocess.Popen(
                [str(executable)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except OSError as error:
            raise BuildFailed(f"the accelerator's model '{executable}' does not start: {error.strerror}") from error
        self._pending_bytes = 0

    def __enter__(self) -> ModelProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    @property
    def pending_bytes(self) -> int:
        """Bytes queued for the input stream that the accelerator has not taken yet."""
        return self._pending_bytes

    def read_register(self, offset: int) -> int:
        """Return a register's 32 bits."""
        return self._word("R", offset, 0)

    def write_register(self, offset: int, value: int) -> None:
        """Write a register's 32 bits."""
        self._word("W", offset, value)

    def send(self, data: bytes) -> None:
        """Queue bytes for the input stream, a whole number of words."""
        whole = data + bytes(-len(data) % 4)
        self._word("S", len(whole), 0, whole)
        self._pending_bytes += len(whole)

    def run(self, cycles: int, room_bytes: int) -> tuple[bytes, bool]:
        """Run at most `cycles`, taking at most `room_bytes` of output; return them and whether TLAST was among them."""
        self._command("C", cycles, room_bytes // 4)
        self._pending_bytes, last, words = struct.unpack("<III", self._answer(12))
        return self._answer(4 * words), bool(last)

    def reset(self) -> None:
        """Hold reset for some cycles and forget all queued bytes."""
        self._word("X", 0, 0)
        self._pending_bytes = 0

    def _word(self, letter: str, first: int, second: int, data: bytes = b"") -> int:
        self._command(letter, first, second, data)
        return int(struct.unpack("<I", self._answer(4))[0])

    def _command(self, letter: str, first: int, second: int, data: bytes = b"") -> None:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(letter.encode() + struct.pack("<II", first, second) + data)
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise self._ended() from error
        if struct.unpack("<I", self._answer(4))[0] != 0:
            raise BoardError(f"the accelerator's model refuses the command '{letter}'")

    def _answer(self, size: int) -> bytes:
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        deadline = time.monotonic() + _ANSWER_TIMEOUT_S
        content = b""
        while len(content) < size:
            ready, _, _ = select.select([output], [], [], max(deadline - time.monotonic(), 0))
            if not ready:
                raise BoardError(f"the accelerator's model gave no answer for {_ANSWER_TIMEOUT_S:g} s")
            part = os.read(output, size - len(content))
            if not part:
                raise self._ended()
            content += part
        return content

    def _ended(self) -> BoardError:
        _, talk = self._process.communicate()
        reason = talk.decode("utf-8", "replace").strip() or f"exit status {self._process.returncode}"
        return BoardError(f"the accelerator's model ended: {reason}")
