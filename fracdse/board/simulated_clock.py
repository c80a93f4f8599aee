"""The simulated board's clock: the frequency its registers ask for, and cycles that pass while nothing happens.

Between START and the first frame an accelerator only counts cycles: 250 million a second on a board, far more than can
be simulated. Those are reckoned from this machine's clock, so a client that times the cycle counter finds the simulated
board's frequency; all cycles with data in them are the RTL's.
"""

from __future__ import annotations

import time

CRL_APB = 0xFF5E_0000
_IOPLL_CONTROL, _PL0_CONTROL = CRL_APB + 0x20, CRL_APB + 0xC0
_IOPLL_RESET, _PL0_RESET = 45 << 8, 1 << 24 | 1 << 16 | 15 << 8
REFERENCE_CLOCK_MHZ = 33.333


class SimulatedClock:
    """PL clock 0 behind its registers (UG1085), and the cycles of a waiting accelerator.

    Args:
        reference_mhz: The board's crystal; pynq believes that it is 33.333 MHz.
    """

    def __init__(self, reference_mhz: float = REFERENCE_CLOCK_MHZ) -> None:
        self.registers = {_IOPLL_CONTROL: _IOPLL_RESET, _PL0_CONTROL: _PL0_RESET}
        self._reference_mhz = reference_mhz
        self._waiting_since: float | None = None
        self._waited = 0

    @property
    def mhz(self) -> float:
        """The frequency that crystal, PLL and dividers make."""
        pll, control = self.registers[_IOPLL_CONTROL], self.registers[_PL0_CONTROL]
        iopll_mhz = self._reference_mhz * (pll >> 8 & 0x7F) / (2 if pll >> 16 & 1 else 1)
        return iopll_mhz / max(control >> 8 & 0x3F, 1) / max(control >> 16 & 0x3F, 1)

    def clear(self) -> None:
        """Forget the cycles of earlier runs."""
        self._waiting_since, self._waited = None, 0

    def wait(self) -> None:
        """Let the accelerator wait from now on."""
        self._waiting_since = time.monotonic()

    def work(self) -> None:
        """Let it work from now on; the cycles it waited stay counted."""
        self._waited, self._waiting_since = self.waited_cycles, None

    @property
    def waited_cycles(self) -> int:
        """Cycles since `clear` in which the accelerator waited."""
        if self._waiting_since is None:
            return self._waited
        return self._waited + int((time.monotonic() - self._waiting_since) * self.mhz * 1e6)
