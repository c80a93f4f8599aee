"""The fabric's clock: set it, read it back, and measure what it really is."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fracdse.board.counted_registers import CountedRegisters
from fracdse.errors import BoardError
from fracdse.registers import CONTROL_START, Register

CLOCK_TOLERANCE = 0.01
_SLOWEST_SHARE = 0.8
_ATTEMPTS = 8
_MEASURING_S = 0.5
_STAMPS = 8


@dataclass(frozen=True)
class MeasuredClock:
    """A frequency and how far it may be off, both in MHz."""

    mhz: float
    uncertainty_mhz: float

    def agrees_with(self, clock_mhz: float) -> bool:
        """Tell whether the measurement allows a frequency, give or take the tolerance."""
        return abs(self.mhz - clock_mhz) <= self.uncertainty_mhz + CLOCK_TOLERANCE * clock_mhz


def set_clock(device: Any, clock_mhz: float) -> float:
    """Set PL clock 0 to the fastest that the dividers make at or below `clock_mhz`; return what the board reports.

    pynq takes the nearest clock, which may be faster than the design is built for: then ask for less by the excess.

    Raises:
        BoardError: The board then reports a clock that is faster than asked, or slower by a fifth.
    """
    from pynq.ps import Clocks

    Clocks.set_device(device)
    wanted_mhz = clock_mhz
    for _ in range(_ATTEMPTS):
        Clocks.fclk0_mhz = wanted_mhz
        excess_mhz = float(Clocks.fclk0_mhz) - clock_mhz
        if excess_mhz <= CLOCK_TOLERANCE * clock_mhz:
            break
        wanted_mhz -= excess_mhz
    found_mhz = float(Clocks.fclk0_mhz)
    if not _SLOWEST_SHARE * clock_mhz <= found_mhz <= clock_mhz * (1 + CLOCK_TOLERANCE):
        raise BoardError(f"the board's clock is {found_mhz:g} MHz; {clock_mhz:g} MHz was asked for")
    return found_mhz


def measure_clock(registers: CountedRegisters, reset: Callable[[], None]) -> MeasuredClock:
    """Time the accelerator's cycle counter against this machine's clock.

    The counter runs from START on, also while the accelerator waits for a frame that nobody sends. Each reading happens
    at some moment between asking and the answer, which bounds the frequency from both sides.

    Args:
        registers: The accelerator's registers; it must be idle.
        reset: Ends the run that the measurement starts.

    Raises:
        BoardError: The board answers too slowly.
    """
    registers.write(Register.FRAMES, 1)
    registers.write(Register.CONTROL, CONTROL_START)
    try:
        first = _stamp(registers)
        time.sleep(_MEASURING_S)
        last = _stamp(registers)
    finally:
        reset()
    cycles = last.cycles - first.cycles
    slowest_mhz = cycles / (last.answered - first.asked) / 1e6
    fastest_mhz = cycles / (last.asked - first.answered) / 1e6
    return MeasuredClock((slowest_mhz + fastest_mhz) / 2, (fastest_mhz - slowest_mhz) / 2)


def check_clock(measured: MeasuredClock, clock_set_mhz: float) -> None:
    """Refuse a clock that is not what its registers say.

    Raises:
        BoardError: It is another, beyond the measurement's uncertainty and the tolerance.
    """
    if not measured.agrees_with(clock_set_mhz):
        raise BoardError(
            f"the board's clock registers say {clock_set_mhz:g} MHz, its cycle counter runs at {measured.mhz:.4g} ± "
            f"{measured.uncertainty_mhz:.2g} MHz",
            hint="No figure would hold. Does another program use the board as well, has the board another crystal, "
            "or the fabric another clock source?",
        )


@dataclass(frozen=True)
class _Stamp:
    """A reading of the counter, with the times in s at which its low word was asked for and answered."""

    asked: float
    cycles: int
    answered: float


def _stamp(registers: CountedRegisters) -> _Stamp:
    """Read the counter several times and return the reading that was answered fastest.

    A reading between whose words the low one ran over, which it does every 17 s at 250 MHz, counts for nothing.

    Raises:
        BoardError: There is no other, so slowly does the board answer.
    """
    readings = []
    for _ in range(_STAMPS):
        high = registers.read(Register.CYCLES_HIGH)
        asked = time.monotonic()
        low = registers.read(Register.CYCLES_LOW)
        answered = time.monotonic()
        if registers.read(Register.CYCLES_HIGH) == high:
            readings.append(_Stamp(asked, high << 32 | low, answered))
    if not readings:
        raise BoardError("the board answers too slowly for its clock to be measured")
    return min(readings, key=lambda reading: reading.answered - reading.asked)
