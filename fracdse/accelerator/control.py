# amaranth: UnusedElaboratable=no
"""Registers and run control: what a driver sees of the accelerator (addresses: `fracdse.registers`).

START opens the input for `FRAMES` frames and clears the counters; it is ignored during a run. `CYCLES` counts from
START to the last logit taken; `FIRST_LATENCY` from the first word taken to the last logit of the first frame taken.
RESET returns the data path and the counters to their state after reset and ends the run; `FRAMES` stays.
"""

from __future__ import annotations

from amaranth.hdl import Module, Mux, Signal, Value
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.axi_lite import AXI_LITE, AxiLite
from fracdse.accelerator.compact.gate_totals import GateTotals
from fracdse.accelerator.gate_counters import GateCounters
from fracdse.registers import CONTROL_RESET, CONTROL_START, Register, gate_counter_address


class Control(wiring.Component):
    """Run control beside the data path; see the module's description.

    Args:
        build_id: 64 bits that name the design.
        gates: Counters of open gates.
        classes: Logits a frame.
        frame_words: 32-bit words a frame.

    Members: `word_taken`, `frame_taken`: strobes of the input; `input_open`: words may be taken; `frame_done`: strobe
    of a frame's last logit; `last_frame`: the frame whose logits come out is the last of the run; `restart`: resets
    the data path; and the inputs of the counters of open gates.
    """

    def __init__(self, *, build_id: int, gates: GateCounters | GateTotals, classes: int, frame_words: int) -> None:
        self._constants: dict[int, int] = {
            Register.BUILD_ID_LOW: build_id & 0xFFFF_FFFF,
            Register.BUILD_ID_HIGH: build_id >> 32,
            Register.GATED_LAYERS: gates.layers,
            Register.CLASSES: classes,
            Register.FRAME_WORDS: frame_words,
        }
        self._gates = gates
        ports = {
            "axi": In(AXI_LITE),
            "word_taken": In(1),
            "frame_taken": In(1),
            "input_open": Out(1),
            "frame_done": In(1),
            "last_frame": Out(1),
            "restart": Out(1),
        }
        super().__init__(ports | gates.inputs)

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.bus = bus = AxiLite()
        wiring.connect(m, wiring.flipped(self.axi), bus.axi)
        frames, frames_in, frames_done = Signal(32), Signal(32), Signal(32)
        cycles, latency = Signal(64), Signal(32)
        busy, done, start = Signal(), Signal(), Signal()
        control = bus.write_strobe & (bus.write_address == Register.CONTROL >> 2)
        m.d.comb += start.eq(control & bus.write_data[CONTROL_START.bit_length() - 1] & ~busy)
        m.d.sync += self.restart.eq(control & bus.write_data[CONTROL_RESET.bit_length() - 1])
        with m.If(bus.write_strobe & (bus.write_address == Register.FRAMES >> 2)):
            m.d.sync += frames.eq(bus.write_data)

        ends = self.frame_done & self.last_frame
        m.d.comb += self.last_frame.eq(frames_done + 1 == frames)
        m.d.sync += self.input_open.eq(busy & (frames_in + self.frame_taken != frames) & ~self.restart)
        with m.If(busy):
            m.d.sync += [
                cycles.eq(cycles + 1),
                frames_in.eq(frames_in + self.frame_taken),
                frames_done.eq(frames_done + self.frame_done),
            ]
            with m.If(ends):
                m.d.sync += [busy.eq(0), done.eq(1)]
        self._first_latency(m, start, latency)
        with m.If(start | self.restart):
            m.d.sync += [cycles.eq(0), frames_in.eq(0), frames_done.eq(0)]
            m.d.sync += [busy.eq(start & (frames != 0)), done.eq(start & (frames == 0))]

        m.submodules.gates = gates = self._gates
        m.d.comb += gates.clear.eq(start | self.restart)
        m.d.comb += (getattr(gates, name).eq(getattr(self, name)) for name in gates.inputs)
        values: dict[int, Value | int] = {
            **self._constants,
            Register.STATUS: busy | (done << 1),
            Register.FRAMES: frames,
            Register.FRAMES_DONE: frames_done,
            Register.CYCLES_LOW: cycles[:32],
            Register.CYCLES_HIGH: cycles[32:],
            Register.FIRST_LATENCY: latency,
        }
        self._read(m, bus, values)
        return m

    def _first_latency(self, m: Module, start: Value, latency: Signal) -> None:
        """Count from the first word taken until a frame is done."""
        counting, over = Signal(), Signal()
        with m.If((counting | self.word_taken) & ~over):
            m.d.sync += [latency.eq(latency + 1), counting.eq(1)]
        with m.If(self.frame_done):
            m.d.sync += over.eq(1)
        with m.If(start | self.restart):
            m.d.sync += [latency.eq(0), counting.eq(0), over.eq(0)]

    def _read(self, m: Module, bus: AxiLite, values: dict[int, Value | int]) -> None:
        """Answer reads: plain registers after one cycle, gate counters when their turn comes; others read as 0."""
        gates = self._gates
        plain = Signal(32)
        asked = Signal()
        first = gate_counter_address(0) >> 2
        offset = Signal.like(bus.read_address)
        is_gate = (bus.read_address >= first) & (bus.read_address < first + 2 * gates.layers)
        m.d.comb += offset.eq(bus.read_address - first)
        with m.Switch(bus.read_address):
            for address, value in values.items():
                with m.Case(address >> 2):
                    m.d.sync += plain.eq(value)
            with m.Default():
                m.d.sync += plain.eq(0)
        m.d.sync += asked.eq(bus.read_strobe)
        turn = offset[1:] == gates.slot
        half = Mux(offset[0], gates.total[32:], gates.total[:32])
        m.d.comb += [
            bus.read_done.eq(asked & (~is_gate | turn)),
            bus.read_data.eq(Mux(is_gate, half, plain)),
        ]
