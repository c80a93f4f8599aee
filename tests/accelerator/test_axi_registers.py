import random

import pytest
from amaranth.sim import Simulator

from fracdse.accelerator.control import Control
from fracdse.accelerator.gate_counters import GateCounters
from fracdse.registers import (
    CONTROL_RESET,
    CONTROL_START,
    STATUS_BUSY,
    STATUS_DONE,
    Register,
    gate_counter_address,
)

CHANNELS = (4, 16, 8)


class Driver:
    """A register master with its own timing, beside the strobes of a data path."""

    def __init__(self, unit, seed=0):
        self.unit = unit
        self.random = random.Random(seed)
        self.gates = [0] * len(CHANNELS)

    async def tick(self, ctx, count=1):
        for _ in range(count):
            await ctx.tick()

    async def write(self, ctx, address, value):
        axi = self.unit.axi
        order = ["aw", "w"] if self.random.random() < 0.5 else ["w", "aw"]
        for channel in order:
            if channel == "aw":
                ctx.set(axi.awaddr, int(address))
            else:
                ctx.set(axi.wdata, value)
            ctx.set(getattr(axi, f"{channel}valid"), 1)
            while not (await ctx.tick().sample(getattr(axi, f"{channel}ready")))[2]:
                pass
            ctx.set(getattr(axi, f"{channel}valid"), 0)
            await self.tick(ctx, self.random.randrange(3))
        ctx.set(axi.bready, 1)
        while not (await ctx.tick().sample(axi.bvalid))[2]:
            pass
        ctx.set(axi.bready, 0)

    async def read(self, ctx, address):
        axi = self.unit.axi
        ctx.set(axi.araddr, int(address))
        ctx.set(axi.arvalid, 1)
        while not (await ctx.tick().sample(axi.arready))[2]:
            pass
        ctx.set(axi.arvalid, 0)
        await self.tick(ctx, self.random.randrange(3))
        ctx.set(axi.rready, 1)
        while True:
            _, _, valid, data = await ctx.tick().sample(axi.rvalid, axi.rdata)
            if valid:
                break
        ctx.set(axi.rready, 0)
        return data

    async def strobe(self, ctx, *names):
        for name in names:
            ctx.set(getattr(self.unit, name), 1)
        await ctx.tick()
        for name in names:
            ctx.set(getattr(self.unit, name), 0)

    async def gate(self, ctx, layer, count):
        ctx.set(getattr(self.unit, f"open_{layer}"), count)
        await self.strobe(ctx, f"open_{layer}_valid")
        self.gates[layer] += count


def run(bench):
    unit = Control(build_id=0x0123_4567_89AB_CDEF, gates=GateCounters(CHANNELS), classes=10, frame_words=768)
    simulator = Simulator(unit)
    simulator.add_clock(1e-6)
    driver = Driver(unit)

    async def testbench(ctx):
        await bench(ctx, driver)

    simulator.add_testbench(testbench)
    simulator.run()


def test_constants_and_unknown_addresses():
    async def bench(ctx, driver):
        expected = {
            Register.BUILD_ID_LOW: 0x89AB_CDEF,
            Register.BUILD_ID_HIGH: 0x0123_4567,
            Register.GATED_LAYERS: 3,
            Register.CLASSES: 10,
            Register.FRAME_WORDS: 768,
            Register.STATUS: 0,
            Register.CONTROL: 0,
            0x30: 0,
            gate_counter_address(3): 0,
            0xFFC: 0,
        }
        for address, value in expected.items():
            assert await driver.read(ctx, address) == value
        await driver.write(ctx, Register.BUILD_ID_LOW, 1)
        assert await driver.read(ctx, Register.BUILD_ID_LOW) == 0x89AB_CDEF

    run(bench)


def test_a_run_opens_the_input_counts_and_ends():
    async def bench(ctx, driver):
        unit = driver.unit
        assert not ctx.get(unit.input_open)
        await driver.write(ctx, Register.FRAMES, 2)
        assert await driver.read(ctx, Register.FRAMES) == 2
        await driver.write(ctx, Register.CONTROL, CONTROL_START)
        await driver.tick(ctx, 2)
        assert ctx.get(unit.input_open)
        assert await driver.read(ctx, Register.STATUS) == STATUS_BUSY
        await driver.strobe(ctx, "word_taken")
        await driver.tick(ctx, 40)
        await driver.strobe(ctx, "word_taken", "frame_taken")
        await driver.tick(ctx)
        assert ctx.get(unit.input_open)
        await driver.strobe(ctx, "word_taken", "frame_taken")
        assert not ctx.get(unit.input_open)
        for layer in (0, 1, 1, 2):
            await driver.gate(ctx, layer, CHANNELS[layer])
        assert not ctx.get(unit.last_frame)
        await driver.strobe(ctx, "frame_done")
        assert await driver.read(ctx, Register.FRAMES_DONE) == 1
        first = await driver.read(ctx, Register.FIRST_LATENCY)
        assert ctx.get(unit.last_frame)
        await driver.strobe(ctx, "frame_done")
        assert await driver.read(ctx, Register.STATUS) == STATUS_DONE
        cycles = await driver.read(ctx, Register.CYCLES_LOW)
        assert cycles > first >= 42
        assert await driver.read(ctx, Register.CYCLES_LOW) == cycles
        assert await driver.read(ctx, Register.CYCLES_HIGH) == 0
        assert await driver.read(ctx, Register.FIRST_LATENCY) == first
        for layer, count in enumerate(driver.gates):
            assert await driver.read(ctx, gate_counter_address(layer)) == count
            assert await driver.read(ctx, gate_counter_address(layer) + 4) == 0

    run(bench)


def test_gate_counters_lose_nothing_and_clear_on_start():
    async def bench(ctx, driver):
        rng = random.Random(1)
        await driver.write(ctx, Register.FRAMES, 1)
        await driver.write(ctx, Register.CONTROL, CONTROL_START)
        for _ in range(300):
            await driver.gate(ctx, layer := rng.randrange(3), rng.randrange(CHANNELS[layer] + 1))
        await driver.tick(ctx, 8)
        for layer, count in enumerate(driver.gates):
            assert await driver.read(ctx, gate_counter_address(layer)) == count
        await driver.strobe(ctx, "frame_done")
        await driver.write(ctx, Register.CONTROL, CONTROL_START)
        for layer in range(3):
            assert await driver.read(ctx, gate_counter_address(layer)) == 0

    run(bench)


@pytest.mark.parametrize("frames", [0, 3])
def test_reset_ends_a_run_and_no_frames_are_done_at_once(frames):
    async def bench(ctx, driver):
        await driver.write(ctx, Register.FRAMES, frames)
        await driver.write(ctx, Register.CONTROL, CONTROL_START)
        if frames == 0:
            assert await driver.read(ctx, Register.STATUS) == STATUS_DONE
            return
        await driver.strobe(ctx, "word_taken", "frame_taken")
        await driver.write(ctx, Register.CONTROL, CONTROL_RESET)
        assert await driver.read(ctx, Register.STATUS) == 0
        assert await driver.read(ctx, Register.CYCLES_LOW) == 0
        assert await driver.read(ctx, Register.FRAMES) == frames
        assert not ctx.get(driver.unit.input_open)

    run(bench)


def test_restart_strobes_once():
    async def bench(ctx, driver):
        seen = []

        ctx.set(driver.unit.axi.bready, 1)
        ctx.set(driver.unit.axi.awaddr, int(Register.CONTROL))
        ctx.set(driver.unit.axi.wdata, CONTROL_RESET)
        ctx.set(driver.unit.axi.awvalid, 1)
        ctx.set(driver.unit.axi.wvalid, 1)
        await ctx.tick()
        ctx.set(driver.unit.axi.awvalid, 0)
        ctx.set(driver.unit.axi.wvalid, 0)
        for _ in range(6):
            seen.append((await ctx.tick().sample(driver.unit.restart))[2])
        assert sum(seen) == 1

    run(bench)
