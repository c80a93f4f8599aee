import random

import numpy as np
import pytest
from amaranth.sim import Simulator
from compact_programs import compact_design, with_thresholds
from random_programs import random_program

from fracdse.accelerator.compact.code_writer import CodeWriter
from fracdse.accelerator.compact.constant_store import ConstantMemory
from fracdse.compact_plan import LANES, PHASES, SLOTS, compact_plan

CODE_TURNS, SHORTCUT_TURNS = (3, 1), (2, 0)


class Surroundings:
    """What lies around a code writer: the feature map, the constants' memory and the code store."""

    def __init__(self, unit, plan, memory, rng):
        self.unit, self.plan, self.memory, self.rng = unit, plan, memory, rng
        self.turn = 0
        self.map = np.zeros((2, plan.bank_words, LANES), np.int64)
        self.codes = {}
        self.fetch = []

    async def cycle(self, ctx):
        unit = self.unit
        ctx.set(unit.turn, self.turn)
        read = [self.map[bank, ctx.get(unit.code_address)] for bank in (0, 1) if CODE_TURNS[bank] == self.turn]
        for bank in (0, 1):
            if (
                ctx.get(unit.shortcut_write)
                and ctx.get(unit.shortcut_odd) == bank
                and SHORTCUT_TURNS[bank] == self.turn
            ):
                self.map[bank, ctx.get(unit.shortcut_address)] = self._words(ctx.get(unit.shortcut_data))
        if ctx.get(unit.write):
            place = (unit.write_slot, unit.write_index, unit.write_column, unit.write_plane, unit.write_half)
            self.codes[tuple(ctx.get(value) for value in place)] = ctx.get(unit.write_data)
        if ctx.get(unit.fetch):
            assert not self.fetch
            self.fetch = [ctx.get(unit.fetch_address), self.rng.choice([4, 9, 60])]
        await ctx.tick()
        # What no turn of the code writer's reads is another unit's.
        values = read[0] if read else [self.rng.randrange(-2048, 2048) for _ in range(LANES)]
        for lane in range(LANES):
            ctx.set(unit.word_read[lane], int(values[lane]))
        self._constants(ctx)
        self.turn = (self.turn + 1) % PHASES

    def _constants(self, ctx):
        ctx.set(self.unit.fetched, 0)
        if self.fetch:
            self.fetch[1] -= 1
            if self.fetch[1] == 0:
                words = self.memory.words[self.fetch[0] : self.fetch[0] + self.memory.code_words]
                joined = sum(word << (self.memory.width * i) for i, word in enumerate(words))
                ctx.set(self.unit.thresholds, joined)
                ctx.set(self.unit.fetched, 1)
                self.fetch = []

    def _words(self, value):
        bits = 12
        raw = [value >> (bits * lane) & ((1 << bits) - 1) for lane in range(LANES)]
        return [word - (word >> (bits - 1) << bits) for word in raw]

    def fill(self, before, words):
        """Put a layer's output, (rows, columns, channels), where it lies in the feature map."""
        for row, column, word in np.ndindex(before.rows, before.columns, before.words):
            at = self.address(before, row, word, column)
            self.map[at] = words[row, column, word * LANES : (word + 1) * LANES]

    def address(self, before, row, word, column):
        start = self.plan.row_start(before) + row * self.plan.row_step(before)
        return column % 2, start + word * before.half_columns + column // 2

    def check_codes(self, layer, conv, words, row, position):
        reached = (words[row][..., None] >= conv.activation_thresholds).sum(-1)
        for column, word in np.ndindex(layer.in_columns, layer.in_words):
            halves = self.plan.group // LANES
            index = position // SLOTS * self.plan.ring_entries + word // halves * layer.column_slots + column // SLOTS
            for plane in (0, 1):
                digits = reached[column, word * LANES : (word + 1) * LANES] >> (1 - plane) & 1
                got = self.codes[position % SLOTS, index, column % SLOTS, plane, word % halves]
                assert got == sum(int(digit) << lane for lane, digit in enumerate(digits)), (layer.name, row, column)

    def check_shortcuts(self, layer, before, words, row):
        """The mean of an output pixel's words lies where the upper row was."""
        pixels = words[row : row + 2].reshape(2, layer.columns, 2, -1).sum((0, 2))
        means = (pixels + 2) >> 2
        for column, word in np.ndindex(layer.columns, layer.in_words):
            bank, first = self.address(before, row, word, 0)
            got = self.map[(bank + column) % 2, first + column // 2]
            assert (got == means[column, word * LANES : (word + 1) * LANES]).all(), (layer.name, row, column)


@pytest.mark.parametrize(("width", "kind", "frames"), [(16, "symmetric", 2), (24, "free", 1)])
def test_codes_and_shortcuts_of_all_layers(width, kind, frames):
    design = compact_design(width=width)
    plan = compact_plan(design)
    program = with_thresholds(random_program(design, width), kind)
    memory = ConstantMemory(program)
    unit = CodeWriter(plan, memory, design.accelerator.feature_bits)
    around = Surroundings(unit, plan, memory, random.Random(width))
    numbers = np.random.default_rng(width)

    async def layer_codes(ctx, number, position):
        layer, before = plan.layers[number], plan.layers[number - 1]
        conv = program.convs[number - 1]
        words = numbers.integers(-2048, 2048, (before.rows, before.columns, before.words * LANES))
        words[0, :4] = -2048
        words[-1, -4:] = 2047
        around.fill(before, words)
        ctx.set(unit.written_layer, number)
        for row in range(0, layer.in_rows, layer.stride):
            waited = 0
            while ctx.get(unit.done_layer) == number and ctx.get(unit.done_rows) < row + layer.stride:
                await around.cycle(ctx)
                waited += 1
                assert waited < 3000, (layer.name, row)
            for lower in range(layer.stride):
                around.check_codes(layer, conv, words, row + lower, (position + row + lower) % plan.ring_rows)
            if layer.stride == 2:
                for _ in range(PHASES):
                    await around.cycle(ctx)
                around.check_shortcuts(layer, before, words, row)
            ctx.set(unit.freed_rows, layer.stride)
            await around.cycle(ctx)
            ctx.set(unit.freed_rows, 0)
        return (position + layer.in_rows) % plan.ring_rows

    async def bench(ctx):
        for _ in range(frames):
            ctx.set(unit.begins_frame, 1)
            ctx.set(unit.written_layer, 0)
            await around.cycle(ctx)
            ctx.set(unit.begins_frame, 0)
            position = plan.ring_rows - plan.early_rows
            for number in range(1, len(plan.layers)):
                position = await layer_codes(ctx, number, position)
            assert ctx.get(unit.done_layer) == len(plan.layers)

    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
