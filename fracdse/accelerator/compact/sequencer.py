"""What happens when: blocks, and their pixels one after the other.

A pixel takes a cycle a plane. Blocks follow each other without a gap where weights, codes and constants are there in
time; a block begins in phase 0 of four, so that even and odd columns take turns at the feature map's two banks.
Signals of a pixel's plane are valid in the cycle before its taps; `word`, which describes the residual word that comes
of it, one cycle later, beside its second plane. A block's `take` strobes with its first pixel.
"""

from __future__ import annotations

from amaranth.hdl import Cat, Module, Mux, Signal, Value, signed
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out

from fracdse.accelerator.compact.block_order import SETTLED, BlockOrder
from fracdse.accelerator.pipeline import delayed
from fracdse.compact_plan import KERNEL, PHASES, SLOTS, CompactPlan

# From a pixel's first cycle to its word's last: more than lanes and post take.
WORD_CYCLES = 20


def word_layout(plan: CompactPlan) -> data.StructLayout:
    """Describe what goes with a word of the feature map on its way through the post unit."""
    return data.StructLayout(
        {
            "valid": 1,
            "stem": 1,
            "odd": 1,
            "address": range(plan.bank_words),
            "residual_address": range(plan.bank_words),
            "last_layer": 1,
            "first_pixel": 1,
            "last_pixel": 1,
            "word": range(max(layer.words for layer in plan.layers)),
            "layer": range(len(plan.layers)),
        }
    )


class Sequencer(wiring.Component):
    """Loops over pixels and planes; see the module's description."""

    def __init__(self, plan: CompactPlan) -> None:
        self._plan = plan
        self._order = BlockOrder(plan)
        ring_bits = len(self._order.ring)
        super().__init__(
            {
                "phase": In(range(PHASES)),
                # Of the next block: what must be there, and what is.
                "layer": Out(range(len(plan.layers))),
                "rows_needed": Out(len(self._order.rows_needed)),
                "codes_ready": In(1),
                "weights_ready": In(1),
                "constants_ready": In(1),
                "classifier_ready": In(1),
                # Weights of the next block.
                "load": Out(1),
                "rewind": Out(1),
                "enter": Out(1),
                "restart": Out(1),
                "load_outside_rows": Out(KERNEL),
                # A block begins.
                "take": Out(1),
                "switch_constants": Out(1),
                "ends_row": Out(1),
                "ends_layer": Out(1),
                "ends_frame": Out(1),
                # The block at work.
                "at_layer": Out(range(len(plan.layers))),
                "at_row": Out(range(max(layer.rows for layer in plan.layers))),
                "at_stem": Out(1),
                "awaits_frame": Out(1),
                "begins_frame": Out(1),
                "freed_rows": Out(range(3)),
                # Of this layer, all rows above this one are written.
                "written_layer": Out(range(len(plan.layers))),
                "written_rows": Out(range(max(layer.rows for layer in plan.layers))),
                # A pixel's plane.
                "slot": Out(range(SLOTS)),
                "ring": Out(ring_bits),
                "ring_next": Out(ring_bits),
                "index": Out(plan.index_bits),
                "column": Out(range(SLOTS)),
                "plane": Out(1),
                "outside_rows": Out(KERNEL),
                "outside_columns": Out(KERNEL),
                "valid": Out(1),
                "first_group": Out(1),
                "start": Out(signed(plan.sum_bits)),
                "place": Out(range(plan.partial_sums)),
                "word": Out(word_layout(plan)),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the unit."""
        m = Module()
        m.submodules.order = order = self._order
        running, take, ends = Signal(), Signal(), Signal()
        ready = Signal()
        frame_ready = ~(order.stem & order.begins_row & (order.row == 0)) | self.classifier_ready
        m.d.comb += [
            ready.eq(self.codes_ready & self.weights_ready & frame_ready & (self.constants_ready | ~order.last_group)),
            take.eq(ready & (self.phase == PHASES - 1) & (~running | ends)),
            order.advance.eq(take),
            self.layer.eq(order.layer),
            self.rows_needed.eq(order.rows_needed),
        ]
        with m.If(take | ends):
            m.d.sync += running.eq(take)
        self._load(m, take)
        block = self._block(m, take)
        self._pixels(m, running, take, ends, block)
        at = Cat(self.at_layer, self.at_row)
        written = delayed(m, Mux(running, at, Cat(order.layer, order.row)), WORD_CYCLES)
        m.d.comb += [
            self.awaits_frame.eq(order.stem & ~running),
            Cat(self.written_layer, self.written_rows).eq(written),
        ]
        return m

    def _load(self, m: Module, take: Value) -> None:
        """Ask for the next block's weights: in order, from the layer's first ones, or from the very first."""
        order = self._order
        row, layer, frame = Signal(), Signal(), Signal()
        with m.If(take):
            m.d.sync += [
                row.eq(order.ends_row & ~order.ends_layer),
                layer.eq(order.ends_row & order.ends_layer),
                frame.eq(order.ends_row & order.ends_layer & order.ends_frame),
            ]
        first = Signal(init=1)
        m.d.sync += first.eq(0)
        m.d.comb += [
            self.load.eq(delayed(m, take | first, SETTLED)),
            self.rewind.eq(row),
            self.enter.eq(layer),
            self.restart.eq(frame),
            self.load_outside_rows.eq(self._order.outside_rows),
        ]

    def _block(self, m: Module, take: Value) -> dict[str, Signal]:
        """Hold what describes the block at work, from its first pixel on."""
        order = self._order
        names = (
            "layer", "row", "word", "stem", "strided", "last_column", "first_group", "last_group", "outside_rows",
            "slot", "ring", "ring_next", "index", "plane", "start_inside", "start_edge", "word_address",
            "residual_address", "ends_layer", "ends_frame",
        )  # fmt: skip
        block = {name: Signal.like(getattr(order, name), name=f"block_{name}") for name in names}
        with m.If(take):
            m.d.sync += (signal.eq(getattr(order, name)) for name, signal in block.items())
        freed = Signal(range(3))
        m.d.comb += freed.eq(Mux(block["strided"], 2, 1))
        m.d.sync += [
            self.take.eq(delayed(m, take, 1)),
            self.switch_constants.eq(delayed(m, take & order.last_group, 1)),
            self.begins_frame.eq(take & order.stem & order.begins_row & (order.row == 0)),
            self.freed_rows.eq(Mux(take & order.begins_row & ~order.stem & ~block["stem"], freed, 0)),
        ]
        with m.If(take):
            m.d.sync += [
                self.ends_row.eq(order.ends_row),
                self.ends_layer.eq(order.ends_layer),
                self.ends_frame.eq(order.ends_frame),
            ]
        m.d.comb += [self.at_layer.eq(block["layer"]), self.at_row.eq(block["row"]), self.at_stem.eq(block["stem"])]
        return block

    def _pixels(self, m: Module, running: Value, take: Value, ends: Signal, block: dict[str, Signal]) -> None:
        """Step through the pixels and planes of the block at work."""
        counter = Signal.like(block["last_column"], name="pixel_counter")
        column = Signal.like(counter, name="pixel_column")
        plane = Signal()
        last = counter == block["last_column"]
        m.d.comb += ends.eq(running & last & (plane | block["stem"]))
        with m.If(running):
            m.d.sync += plane.eq(~plane & ~block["stem"])
            with m.If(plane | block["stem"]):
                m.d.sync += counter.eq(counter + 1)
        with m.If(take):
            m.d.sync += [counter.eq(0), plane.eq(0)]
        in_column = Signal(len(column) + 1)
        first, right = counter == 0, last & ~block["strided"]
        # The stem's words come every cycle: two for the even columns' bank, two for the other.
        stem_column = Cat(counter[1], counter[0], counter[2:])
        m.d.comb += column.eq(Mux(block["stem"], stem_column, counter))
        m.d.comb += in_column.eq(Mux(block["strided"], Cat(0, column), column))
        place = Mux(block["stem"], column, Cat(plane, column))
        m.d.sync += [
            *(getattr(self, name).eq(block[name]) for name in ("slot", "ring", "ring_next", "outside_rows")),
            self.valid.eq(running),
            self.first_group.eq(block["first_group"]),
            self.index.eq(block["index"] + in_column[2:]),
            self.column.eq(in_column[:2]),
            self.plane.eq(Mux(block["stem"], block["plane"], plane)),
            self.outside_columns.eq(Cat(first, 0, right)),
            self.start.eq(Mux(first | right, block["start_edge"], block["start_inside"])),
            self.place.eq(place),
        ]
        self._word(m, running & block["last_group"] & ~plane, column, last, block)

    def _word(self, m: Module, valid: Value, column: Signal, last: Value, block: dict[str, Signal]) -> None:
        """Describe the word that the pixel's sums become."""
        word = Signal(self.word.shape(), name="first_plane_word")
        last_layer = block["ends_frame"]
        m.d.sync += [
            word.valid.eq(valid),
            word.stem.eq(block["stem"]),
            word.odd.eq(column[0]),
            word.address.eq(block["word_address"] + column[1:]),
            word.residual_address.eq(block["residual_address"] + column[1:]),
            word.last_layer.eq(last_layer),
            word.first_pixel.eq((block["row"] == 0) & (column == 0)),
            word.last_pixel.eq(block["ends_layer"] & last),
            word.word.eq(block["word"]),
            word.layer.eq(block["layer"]),
            self.word.eq(word),
        ]
