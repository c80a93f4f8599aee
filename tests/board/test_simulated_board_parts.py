"""The simulated board's files, memory, DMA and address space: what works, and what a client may not do."""

from collections.abc import Iterator
from itertools import pairwise

import pytest
from echo_model import EchoModel
from hypothesis import given
from hypothesis import strategies as st

from fracdse import system
from fracdse.board.handoff import simulated_bitstream, simulated_build_id
from fracdse.board.quiet import quiet_pynq
from fracdse.board.simulated_board import SimulatedBoard
from fracdse.board.simulated_dma import SimulatedDma
from fracdse.board.simulated_files import FIRMWARE_FOLDER, MOST_FILES, SimulatedFiles
from fracdse.board.simulated_memory import LARGEST_TOTAL_BYTES, MOST_BUFFERS, SimulatedMemory

MANAGER = "/sys/class/fpga_manager/fpga0/firmware"


def test_files_are_read_and_written_in_memory_only() -> None:
    configured: list[bytes] = []
    files = SimulatedFiles("Ultra96", configured.append)
    assert b"aarch64" in files.read("/proc/version")
    files.write(f"{FIRMWARE_FOLDER}a.bin", [b"con", b"figuration"])
    files.write(MANAGER, [b"a.bin"])
    assert configured == [b"configuration"]
    assert files.read("/sys/class/fpga_manager/fpga0/state") == b"operating\n"


FORBIDDEN = [
    "/etc/passwd",
    "/proc/version",
    f"{FIRMWARE_FOLDER}../x",
    f"{FIRMWARE_FOLDER}a/b",
    FIRMWARE_FOLDER,
    "a",
    "",
]


@pytest.mark.parametrize("path", FORBIDDEN)
def test_other_paths_cannot_be_written(path: str) -> None:
    with pytest.raises(PermissionError):
        SimulatedFiles("Ultra96", lambda _: None).write(path, [b"x"])


def test_files_are_bounded_in_number() -> None:
    files = SimulatedFiles("Ultra96", lambda _: None)

    def fill() -> None:
        for number in range(MOST_FILES):
            files.write(f"{FIRMWARE_FOLDER}{number}.bin", [b"x"])

    with pytest.raises(OSError, match="no space for another file"):
        fill()


def test_a_full_disk_cuts_a_file_and_says_nothing() -> None:
    files = SimulatedFiles("Ultra96", lambda _: None, disk_bytes=1000)
    files.write(f"{FIRMWARE_FOLDER}large.bin", [bytes(600), bytes(600)])
    length = len(files.read(f"{FIRMWARE_FOLDER}large.bin"))
    assert 900 < length < 1000
    files.write(f"{FIRMWARE_FOLDER}other.bin", [b"x"])
    assert files.read(f"{FIRMWARE_FOLDER}other.bin") == b""


def test_a_broken_transfer_leaves_what_came_of_it() -> None:
    files = SimulatedFiles("Ultra96", lambda _: None)

    def broken() -> Iterator[bytes]:
        yield b"part"
        raise ConnectionError("the client is gone")

    with pytest.raises(ConnectionError):
        files.write(f"{FIRMWARE_FOLDER}a.bin", broken())
    assert files.read(f"{FIRMWARE_FOLDER}a.bin") == b"part"


def test_a_firmware_that_is_not_there_or_refused_is_a_write_error() -> None:
    def refuse(configuration: bytes) -> None:
        raise ValueError(configuration)

    files = SimulatedFiles("Ultra96", refuse)
    files.write(MANAGER, [b"missing.bin"])
    assert files.read("/sys/class/fpga_manager/fpga0/state") == b"write error\n"


@given(st.lists(st.integers(1, 20_000), min_size=1, max_size=12), st.integers(0, 11))
def test_buffers_never_overlap(sizes: list[int], freed: int) -> None:
    memory = SimulatedMemory()
    names = [memory.allocate(size) for size in sizes]
    memory.free(names.pop(freed % len(names)))
    names.append(memory.allocate(5000))
    spans = sorted((memory.address(name), memory.address(name) + len(memory.content(name))) for name in names)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))
    for name in names:
        window = memory.at(memory.address(name), len(memory.content(name)))
        assert window is not None
        assert memory.at(memory.address(name), len(memory.content(name)) + 1) is None


def test_memory_is_bounded() -> None:
    memory = SimulatedMemory()
    for size in (0, -1, LARGEST_TOTAL_BYTES + 1):
        with pytest.raises(MemoryError):
            memory.allocate(size)
    for _ in range(MOST_BUFFERS):
        memory.allocate(4)
    with pytest.raises(MemoryError):
        memory.allocate(4)


def started_dma() -> tuple[SimulatedDma, SimulatedMemory, EchoModel]:
    memory, model = SimulatedMemory(), EchoModel()
    dma = SimulatedDma(memory, model)
    dma.write(0x00, 1)
    dma.write(0x30, 1)
    return dma, memory, model


def test_dma_moves_a_buffer_through_the_stream() -> None:
    dma, memory, _ = started_dma()
    source, target = memory.allocate(4000), memory.allocate(4000)
    memory.content(source)[:] = bytes(range(250)) * 16
    for offset, name in ((0x30, target), (0x00, source)):
        dma.write(offset + 0x18, memory.address(name))
        dma.write(offset + 0x28, 4000)
    for _ in range(5):
        dma.read(0x34)
    assert dma.read(0x34) & 2
    assert dma.read(0x04) & 2
    assert dma.read(0x58) == 4000
    assert memory.content(target) == memory.content(source)


def test_a_transfer_without_data_stays_busy_and_never_blocks() -> None:
    dma, memory, _ = started_dma()
    dma.write(0x48, memory.address(memory.allocate(8)))
    dma.write(0x58, 8)
    assert [dma.read(0x34) & 2 for _ in range(3)] == [0, 0, 0]
    dma.write(0x30, 4)
    assert dma.read(0x34) & 1, "reset halts the channel"


@pytest.mark.parametrize(("length", "error"), [(0, 1 << 4), (64, 1 << 6)])
def test_a_wrong_transfer_is_reported_in_the_status(length: int, error: int) -> None:
    dma, memory, _ = started_dma()
    dma.write(0x18, memory.address(memory.allocate(32)))
    dma.write(0x28, length)
    assert dma.read(0x04) & error


def test_bitstreams_carry_their_build_id() -> None:
    with quiet_pynq():
        from pynq.pl_server.embedded_device import bit2bin

    configuration = bit2bin(simulated_bitstream(0x1234_5678_9ABC_DEF0, "xczu3eg-sbva484-1-i"))
    assert simulated_build_id(configuration) == 0x1234_5678_9ABC_DEF0
    assert simulated_build_id(configuration[:-1]) is None
    assert simulated_build_id(bytes(32)) is None


@pytest.fixture
def board() -> SimulatedBoard:
    return SimulatedBoard(EchoModel(), 7, "Simulated Ultra96")


def configure(board: SimulatedBoard, build_id: int) -> None:
    with quiet_pynq():
        from pynq.pl_server.embedded_device import bit2bin

    board.files.write(f"{FIRMWARE_FOLDER}a.bin", [bit2bin(simulated_bitstream(build_id, "part"))])
    board.files.write(MANAGER, [b"a.bin"])


def test_the_fabric_answers_only_when_configured_with_its_own_build(board: SimulatedBoard) -> None:
    board.write(system.ACCELERATOR_BASE_ADDRESS, 5)
    assert board.read(system.ACCELERATOR_BASE_ADDRESS) == 0
    with pytest.raises(Exception, match=r"is of build 0+8; this simulated board runs build 0+7"):
        configure(board, 8)
    configure(board, 7)
    board.write(system.ACCELERATOR_BASE_ADDRESS, 5)
    assert board.read(system.ACCELERATOR_BASE_ADDRESS) == 5


@given(st.integers(0, 1 << 32), st.integers(-8, 1 << 20))
def test_only_known_ranges_can_be_mapped(base: int, length: int) -> None:
    known = SimulatedBoard(EchoModel(), 7, "x").mapped(base, length)
    inside = any(
        start <= base and base + length <= start + system.REGISTER_RANGE_BYTES
        for start in (system.DMA_BASE_ADDRESS, system.ACCELERATOR_BASE_ADDRESS)
    )
    assert not inside or length <= 0 or known


def test_mapping_the_ends_of_the_registers(board: SimulatedBoard) -> None:
    assert board.mapped(system.DMA_BASE_ADDRESS, system.REGISTER_RANGE_BYTES)
    assert not board.mapped(system.ACCELERATOR_BASE_ADDRESS, system.REGISTER_RANGE_BYTES + 4)
    assert not board.mapped(0, 4)
    assert not board.mapped(system.DMA_BASE_ADDRESS, 0)
