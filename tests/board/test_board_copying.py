"""Copying a bitstream to a board: killed in the middle, done before, no room, refused; with pynq's own client."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest
from echo_model import echo_board, served

from fracdse.board.connection import connect, load
from fracdse.board.handoff import CONFIGURATION_BYTES
from fracdse.errors import BoardError, ExitCode

pytest.importorskip("pynq", reason="pynq is not installed: pip install 'fracdse[board]'")
COPIED = "/lib/firmware/fracdse.bin"


LOADER = """
import sys
from pathlib import Path
from fracdse.board.connection import connect, load
load(connect(sys.argv[1]), Path(sys.argv[2]), 250.0)
print("loaded")
"""


def test_a_client_killed_while_copying_leaves_a_part_that_the_next_one_replaces(bitfile: Path) -> None:
    board = echo_board()
    append, clients = board.files._append, []

    def kill_after_the_first_chunk(path: str, chunk: bytes) -> None:
        append(path, chunk)
        if path == COPIED and clients:
            client = clients.pop()
            client.send_signal(signal.SIGKILL)
            client.wait()

    board.files._append = kill_after_the_first_chunk  # type: ignore[method-assign]
    with served(board) as address:
        clients.append(subprocess.Popen([sys.executable, "-c", LOADER, address, str(bitfile)]))
        clients[0].wait(timeout=120)
        assert not clients, "the client was killed in mid-transfer"
        assert 0 < len(board.files.read(COPIED)) < CONFIGURATION_BYTES
        assert board.files.read("/sys/class/fpga_manager/fpga0/state") == b"unknown\n"
        load(connect(address), bitfile, 250.0)
        assert len(board.files.read(COPIED)) == CONFIGURATION_BYTES
        assert board.files.read("/sys/class/fpga_manager/fpga0/state") == b"operating\n"


def test_what_is_on_the_board_already_is_not_sent_again(bitfile: Path) -> None:
    board = echo_board()
    append, sent = board.files._append, []

    def record(path: str, chunk: bytes) -> None:
        append(path, chunk)
        sent.append(path)

    board.files._append = record  # type: ignore[method-assign]
    with served(board) as address:
        load(connect(address), bitfile, 250.0)
        assert sent.count(COPIED) == 3, "in chunks of 2 MiB"
        load(connect(address), bitfile, 250.0)
        assert sent.count(COPIED) == 3


def test_a_full_disk_on_the_board_is_said_and_nothing_is_configured(bitfile: Path) -> None:
    board = echo_board(disk_bytes=3 << 20)
    with served(board) as address:
        with pytest.raises(
            BoardError, match=r"holds 3,1\d\d,\d\d\d bytes on the board after 5,568,768 .* sent"
        ) as caught:
            load(connect(address), bitfile, 250.0)
        assert "disk is full" in caught.value.hint
        assert caught.value.exit_code == ExitCode.BOARD_MISMATCH
        assert board.files.read("/sys/class/fpga_manager/fpga0/state") == b"unknown\n"
        board.files._disk_bytes = 64 << 20
        load(connect(address), bitfile, 250.0)


def test_a_bitstream_that_the_board_refuses(bitfile: Path) -> None:
    content = bytearray(bitfile.read_bytes())
    content[200] ^= 1
    bitfile.write_bytes(bytes(content).replace(b"tcarf-es", b"xxxxxxxx").replace(b"carf", b"xxxx"))
    with served(echo_board()) as address, pytest.raises(BoardError, match="says 'write error': it refuses"):
        load(connect(address), bitfile, 250.0)
