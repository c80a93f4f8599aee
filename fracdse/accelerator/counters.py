"""Counters that more than one unit uses."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Signal, Value


def step_counter(m: Module, steps: int, advance: Value) -> tuple[Signal, Value]:
    """Count the beats of a pixel; return the step and whether it is the pixel's last."""
    step = Signal(range(max(steps, 2)), name="step")
    last = step == steps - 1
    with m.If(advance):
        m.d.sync += step.eq(0 if steps == 1 else step + 1)
        with m.If(last):
            m.d.sync += step.eq(0)
    return step, last


def count_up_down(m: Module, counter: Signal, up: Value, down: Value) -> None:
    """Let a counter follow two strobes, in one adder: of −1 where it counts down, of 1 where it counts up."""
    with m.If(up ^ down):
        m.d.sync += counter.eq(counter + Cat(Const(1, 1), down.replicate(len(counter) - 1)))
