"""The accelerator's register map and stream formats: read by the RTL, the driver and the simulated board.

Streams. In: TDATA of 32 bits carries the bytes of the image in row, column, colour order, the first byte in bits 7…0; a
frame is padded with zero bytes to a whole number of words; TLAST is ignored. Out: TDATA of 32 bits carries one logit,
sign-extended, class 0 first; TLAST marks the last class of the last frame asked for (`FRAMES`).

Registers are 32 bits wide on AXI4-Lite; counters of 64 bits are a low word and, at the next address, a high word.
`START` clears all counters and begins a run of `FRAMES` frames; `CYCLES` counts clock cycles from START to the last
logit taken.
"""

from __future__ import annotations

from enum import IntEnum


class Register(IntEnum):
    """Byte addresses of the registers."""

    CONTROL = 0x00
    STATUS = 0x04
    BUILD_ID_LOW = 0x08
    BUILD_ID_HIGH = 0x0C
    FRAMES = 0x10
    FRAMES_DONE = 0x14
    CYCLES_LOW = 0x18
    CYCLES_HIGH = 0x1C
    GATED_LAYERS = 0x20
    CLASSES = 0x24
    FRAME_WORDS = 0x28
    FIRST_LATENCY = 0x2C
    GATES = 0x100


CONTROL_START = 1 << 0
CONTROL_RESET = 1 << 1
STATUS_BUSY = 1 << 0
STATUS_DONE = 1 << 1
ADDRESS_BITS = 12
_LEAST_GATE_COUNTER_SLOTS = 4


def gate_counter_address(layer: int) -> int:
    """Return the byte address of the low word of the number of open gates of gated convolution `layer` (0 first)."""
    return Register.GATES + 8 * layer


def gate_counter_slots(layers: int) -> int:
    """Return the cycles in which every layer's counter of open gates is emptied once."""
    return max(_LEAST_GATE_COUNTER_SLOTS, layers)
