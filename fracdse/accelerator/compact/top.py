"""The whole compact accelerator: its units, connected, and the system's ports around them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from amaranth.hdl import Elaboratable, Module, Mux, Signal
from amaranth.lib import wiring

from fracdse.accelerator.classifier import Classifier
from fracdse.accelerator.compact.code_store import CodeStore
from fracdse.accelerator.compact.code_writer import CodeWriter
from fracdse.accelerator.compact.constant_store import ConstantMemory, ConstantStore
from fracdse.accelerator.compact.feature_map import FeatureMap
from fracdse.accelerator.compact.gate_totals import GateTotals
from fracdse.accelerator.compact.input_writer import InputWriter
from fracdse.accelerator.compact.lanes import Lanes
from fracdse.accelerator.compact.pool import CompactPool
from fracdse.accelerator.compact.post import Post, field_stages
from fracdse.accelerator.compact.sequencer import Sequencer
from fracdse.accelerator.compact.weight_loader import WeightLoader
from fracdse.accelerator.compact.weights import weight_words
from fracdse.accelerator.control import Control
from fracdse.accelerator.schedule import Schedule
from fracdse.accelerator.system_ports import SystemPorts
from fracdse.compact_plan import LANES, PHASES, CompactPlan, compact_plan
from fracdse.program.fixed_point import classifier_weight_bits
from fracdse.program.model import Program


@dataclass(frozen=True)
class CompactUnits:
    """All units of a compact accelerator, and the plan that they follow."""

    plan: CompactPlan
    sequencer: Sequencer
    input: InputWriter
    codes: CodeStore
    weight_loader: WeightLoader
    lanes: Lanes
    constant_store: ConstantStore
    post_unit: Post
    map: FeatureMap
    writer: CodeWriter
    pool: CompactPool
    classifier: Classifier
    control: Control

    def named(self) -> dict[str, Elaboratable]:
        """Return every unit under its name: the name of its submodule in the top level, and of no port of a unit."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "plan"}


def make_compact_units(program: Program, build_id: int) -> CompactUnits:
    """Make the units of a program; nothing is elaborated yet.

    Raises:
        ConfigError: The network has what this architecture does not compute.
    """
    plan = compact_plan(program.design)
    bits = program.feature_bits
    memory = ConstantMemory(program)
    lanes = Lanes(plan)
    pool = CompactPool(plan, feature_bits=bits, shift=program.classifier.pool_shift)
    first = InputWriter(plan)
    stages = field_stages(lanes.latency, [field.name for field in memory.post.fields])
    convs = len(plan.layers) - 1
    return CompactUnits(
        plan=plan,
        sequencer=Sequencer(plan),
        input=first,
        codes=CodeStore(plan),
        weight_loader=WeightLoader(plan, weight_words(program, plan)),
        lanes=lanes,
        constant_store=ConstantStore(memory, stages),
        post_unit=Post(plan, memory.post, lanes, bits),
        map=FeatureMap(plan, bits),
        writer=CodeWriter(plan, memory, bits),
        pool=pool,
        classifier=Classifier(
            program.classifier,
            Schedule(LANES, tuple(range(plan.features))),
            lanes=1,
            weight_memory="logic",
            pooled_bits=pool.pooled_bits,
            weight_bits=classifier_weight_bits(
                plan.features, pool.pooled_bits, program.design.accelerator.constant_bits
            ),
        ),
        control=Control(
            build_id=build_id, gates=GateTotals(convs, LANES), classes=plan.classes, frame_words=first.frame_words
        ),
    )


class CompactAccelerator(SystemPorts):
    """Compact accelerator: the units that `make_compact_units` made of a program, connected."""

    def __init__(self, units: CompactUnits) -> None:
        self.units = units
        super().__init__()

    def elaborate(self, platform: object) -> Module:
        """Connect the units."""
        m = Module()
        units = self.units
        self.add_units(m, units.named(), units.control)
        phase = Signal(range(PHASES))
        m.d.sync += phase.eq(phase + 1)
        turn = Signal.like(phase)
        m.d.comb += [units.sequencer.phase.eq(phase), turn.eq(phase - units.lanes.latency)]
        m.d.comb += [units.map.turn.eq(turn), units.writer.turn.eq(turn)]
        self._blocks(m)
        self._pixels(m)
        self._words(m)
        self._codes(m)
        wiring.connect(m, units.pool.pooled, units.classifier.pooled)
        self.connect_system(m, units.control, units.input, units.classifier)
        return m

    def _blocks(self, m: Module) -> None:
        """Connect what a block needs: its weights, its constants, its rows of codes."""
        sequencer, weights, constants = self.units.sequencer, self.units.weight_loader, self.units.constant_store
        writer, first = self.units.writer, self.units.input
        ready = Signal()
        layer_done = writer.done_layer > sequencer.layer
        rows_done = (writer.done_layer == sequencer.layer) & (writer.done_rows >= sequencer.rows_needed)
        m.d.sync += ready.eq(
            Mux(sequencer.layer == 0, first.done_rows >= sequencer.rows_needed, layer_done | rows_done)
        )
        m.d.comb += [
            sequencer.codes_ready.eq(ready),
            sequencer.weights_ready.eq(weights.loaded),
            sequencer.constants_ready.eq(constants.loaded),
            sequencer.classifier_ready.eq(self.units.classifier.pooled.ready),
            *(getattr(weights, name).eq(getattr(sequencer, name)) for name in ("load", "rewind", "enter", "restart")),
            weights.outside_rows.eq(sequencer.load_outside_rows),
            weights.take.eq(sequencer.take),
            constants.switch.eq(sequencer.switch_constants),
            *(
                getattr(constants, name).eq(getattr(sequencer, name))
                for name in ("ends_row", "ends_layer", "ends_frame")
            ),
            first.at_stem.eq(sequencer.at_stem),
            first.at_row.eq(sequencer.at_row),
            first.awaits_frame.eq(sequencer.awaits_frame),
            *(
                getattr(writer, name).eq(getattr(sequencer, name))
                for name in ("begins_frame", "freed_rows", "written_layer", "written_rows")
            ),
        ]  # fmt: skip

    def _pixels(self, m: Module) -> None:
        """Connect the way of a pixel: taps, sums, post."""
        sequencer, codes, lanes = self.units.sequencer, self.units.codes, self.units.lanes
        weights, post, constants = self.units.weight_loader, self.units.post_unit, self.units.constant_store
        read = ("slot", "ring", "ring_next", "index", "column", "plane", "outside_rows", "outside_columns")
        m.d.comb += [
            *(getattr(codes, name).eq(getattr(sequencer, name)) for name in read),
            lanes.taps.eq(codes.taps),
            lanes.weights.eq(weights.weights),
            lanes.edges.eq(weights.edges),
            lanes.left.eq(sequencer.outside_columns[0]),
            lanes.right.eq(sequencer.outside_columns[-1]),
            *(getattr(lanes, name).eq(getattr(sequencer, name)) for name in ("valid", "first_group", "start", "place")),
            post.sums.eq(lanes.sums),
            post.word.eq(sequencer.word),
            post.constants.eq(constants.post),
        ]

    def _words(self, m: Module) -> None:
        """Connect the way of a residual word: feature map and pool."""
        post, store, writer, pool = self.units.post_unit, self.units.map, self.units.writer, self.units.pool
        control = self.units.control
        m.d.comb += [
            store.residual_address.eq(post.residual_address),
            post.residual.eq(store.word_read),
            store.write.eq(post.result_word.valid),
            store.write_odd.eq(post.result_word.odd),
            store.write_address.eq(post.result_word.address),
            store.write_data.eq(post.result),
            store.code_address.eq(writer.code_address),
            writer.word_read.eq(store.word_read),
            *(
                getattr(store, f"shortcut_{name}").eq(getattr(writer, f"shortcut_{name}"))
                for name in ("write", "odd", "address", "data")
            ),
            pool.word.eq(post.result_word),
            pool.value.eq(post.result),
            control.open_gates.eq(post.open_gates),
            control.open_gates_valid.eq(post.open_gates_valid),
            control.open_gates_layer.eq(post.open_gates_layer - 1),
        ]

    def _codes(self, m: Module) -> None:
        """Connect both writers of codes to their store, and the writer's thresholds."""
        codes, writer, first, constants = (
            self.units.codes,
            self.units.writer,
            self.units.input,
            self.units.constant_store,
        )
        halves = len(codes.write_halves)
        of_writer = (1 << writer.write_half) if halves > 1 else 1
        m.d.comb += [
            *(
                getattr(codes, name).eq(Mux(writer.write, getattr(writer, name), getattr(first, name)))
                for name in ("write_slot", "write_index", "write_column", "write_plane")
            ),
            codes.write_data.eq(Mux(writer.write, writer.write_data.replicate(halves), first.write_data)),
            codes.write_halves.eq(Mux(writer.write, of_writer, first.write.replicate(halves))),
            first.blocked.eq(writer.write),
            constants.fetch.eq(writer.fetch),
            constants.fetch_address.eq(writer.fetch_address),
            writer.fetched.eq(constants.fetched),
            writer.thresholds.eq(constants.thresholds),
        ]
