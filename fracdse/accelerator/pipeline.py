"""Register stages that stall together."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value


class Pipeline:
    """Add register stages to a module, all with the same clock enable.

    Data registers have no reset, so that they can move into DSP slices and shift registers; `valid` bits have one.
    """

    def __init__(self, m: Module, enable: Value) -> None:
        self._m = m
        self._enable = enable

    def register(self, value: Value, name: str = "stage", *, reset: bool = False) -> Signal:
        """Return `value` one stage later.

        A chain of registers without reset becomes shift registers, a LUT a bit; with `reset` it stays flip-flops.
        """
        register = Signal.like(value, name=name, reset_less=not reset)
        with self._m.If(self._enable):
            self._m.d.sync += register.eq(value)
        return register

    def registers(self, *values: Value) -> tuple[Signal, ...]:
        """Return several values one stage later."""
        return tuple(self.register(value) for value in values)

    def valid(self, value: Value, name: str = "valid") -> Signal:
        """Return a valid bit one stage later; it is 0 after reset."""
        register = Signal(name=name)
        with self._m.If(self._enable):
            self._m.d.sync += register.eq(value)
        return register


def delayed(m: Module, value: Value, cycles: int) -> Value:
    """Return a value some cycles later; 0 after reset."""
    for _ in range(cycles):
        later = Signal(len(value), name="tag")
        m.d.sync += later.eq(value)
        value = later
    return value
