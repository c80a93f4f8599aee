"""A queue in LUT memory without flags, for producers and consumers that keep count of their own."""

from __future__ import annotations

from amaranth.hdl import Module, Signal, Value
from amaranth.lib import memory


def lane_queue(m: Module, name: str, depth: int, entry: Value, push: Value, pop: Value) -> Value:
    """Add a queue of at least `depth` entries to a module and return its head.

    Its users never overfill nor overdraw it. An entry can be read in the cycle after its push.
    """
    rows = 1 << max(1, (depth - 1).bit_length())
    m.submodules[name] = store = memory.Memory(shape=len(entry), depth=rows, init=[])
    reading, writing = store.read_port(domain="comb"), store.write_port()
    head, tail = Signal(range(rows), name=f"{name}_head"), Signal(range(rows), name=f"{name}_tail")
    m.d.comb += [reading.addr.eq(head), writing.addr.eq(tail), writing.data.eq(entry), writing.en.eq(push)]
    m.d.sync += [head.eq(head + pop), tail.eq(tail + push)]
    return reading.data
