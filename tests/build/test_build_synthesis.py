import json
import time
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Elaboratable, Memory, Module, Signal, signed

from fracdse.build import yosys
from fracdse.build.cache import ContentCache
from fracdse.build.resources import resources_of_cells
from fracdse.build.rtlil import read_rtlil, unit_text
from fracdse.build.synthesis import SynthesisResult, synthesise
from fracdse.build.yosys import SynthesisOptions, synthesise_module, synthesise_modules
from fracdse.build.yosys_script import run_script
from fracdse.errors import BuildFailed, ToolNotFound

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


class Popcount(Elaboratable):
    def __init__(self, width):
        self.bits = Signal(width)
        self.count = Signal(8)

    def elaborate(self, platform):
        m = Module()
        m.d.sync += self.count.eq(sum(self.bits))
        return m


class Pair(Elaboratable):
    """Two equal popcounts, another one, and a product of their counts."""

    def __init__(self):
        self.bits = Signal(12)
        self.result = Signal(16)

    def elaborate(self, platform):
        m = Module()
        counts = [Popcount(12), Popcount(12), Popcount(7)]
        for index, unit in enumerate(counts):
            m.submodules[f"count{index}"] = unit
            m.d.comb += unit.bits.eq(self.bits)
        m.d.sync += self.result.eq(counts[0].count * counts[1].count + counts[2].count)
        return m


class MultiplyAdd(Elaboratable):
    """A product and an addend, with registers before, between and behind."""

    def __init__(self):
        self.a, self.b, self.c = Signal(signed(24)), Signal(signed(11)), Signal(signed(40))
        self.total = Signal(signed(41), reset_less=True)

    def elaborate(self, platform):
        m = Module()
        a, b, product, c = (Signal(signed(bits), reset_less=True) for bits in (24, 11, 35, 40))
        m.d.sync += [a.eq(self.a), b.eq(self.b), product.eq(a * b), c.eq(self.c), self.total.eq(product + c)]
        return m


def test_a_multiply_add_and_its_registers_fit_one_slice(tmp_path):
    unit = MultiplyAdd()
    text = rtlil.convert(unit, ports=[unit.a, unit.b, unit.c, unit.total], name="multiply_add")
    found = synthesise_module(text, SynthesisOptions(cache=tmp_path))
    assert (found.dsp, found.carry, found.lut, found.ff) == (1, 0, 0, 0)


def popcount(width, name="popcount"):
    unit = Popcount(width)
    return rtlil.convert(unit, ports=[unit.bits, unit.count], name=name)


def pair():
    unit = Pair()
    return rtlil.convert(unit, ports=[unit.bits, unit.result], name="pair")


def rom():
    m = Module()
    address, data = Signal(10), Signal(36)
    contents = Memory(width=36, depth=1024, init=[(7919 * i * i) & 0xFFFFFFFF for i in range(1024)])
    m.submodules.port = port = contents.read_port()
    m.d.comb += [port.addr.eq(address), data.eq(port.data)]
    return rtlil.convert(m, ports=[address, data], name="rom")


def test_structure_of_a_hierarchy():
    design = read_rtlil(pair())
    assert design.top == "\\pair"
    assert len(design.modules) == 4
    assert len(design.closure(design.top)) == 4
    equal = [design.digest(f"\\pair.count{index}") for index in range(3)]
    assert equal[0] == equal[1] != equal[2]
    assert design.size(design.top) > sum(len(module.text) for module in design.modules.values()) - 1


def test_unit_is_cut_out_with_boxes():
    design = read_rtlil(pair())
    boxes = frozenset(design.modules[design.top].children)
    alone = read_rtlil(unit_text(design, design.top, "unit0", boxes))
    assert alone.top == "\\unit0"
    assert sum(module.black_box for module in alone.modules.values()) == 3
    assert "attribute \\src" not in unit_text(design, design.top, "unit0")


def test_top_must_be_plain():
    two = popcount(3, "a").replace("attribute \\top 1\n", "") + popcount(3, "b").replace("attribute \\top 1\n", "")
    with pytest.raises(BuildFailed, match="2 top modules"):
        read_rtlil(two)
    assert read_rtlil(two, "b").top == "\\b"
    with pytest.raises(BuildFailed, match="no module 'c'"):
        read_rtlil(two, "c")


def test_units_times_instances(cache):
    result = synthesise(pair(), options=SynthesisOptions(jobs=2))
    by_name = {unit.name: unit for unit in result.units}
    assert result.dsp == by_name["pair"].dsp == 1
    assert by_name["pair.count0"].lut == by_name["pair.count1"].lut > by_name["pair.count2"].lut > 0
    assert result.lut == sum(unit.lut for unit in result.units)
    assert result.ff == by_name["pair"].ff + sum(by_name[f"pair.count{i}"].ff for i in range(3))
    assert SynthesisResult.from_dict(json.loads(json.dumps(result.to_dict()))) == result


def parity(width):
    m = Module()
    bits, odd = Signal(width), Signal()
    m.d.sync += odd.eq(bits.xor())
    return rtlil.convert(m, ports=[bits, odd], name=f"parity{width}")


def test_levels_between_registers(cache):
    narrow, wide = synthesise_modules([parity(6), parity(36)])
    assert narrow.levels == 1
    assert 2 <= wide.levels <= 4


def test_memory_is_counted_in_18_kib_blocks(cache):
    assert synthesise_module(rom()).bram18 == 2


def test_second_call_reads_the_cache(cache, monkeypatch):
    first = synthesise_module(popcount(9))

    def refuse(*_):
        raise AssertionError("Yosys was started although the result is in the cache")

    monkeypatch.setattr(yosys, "_run", refuse)
    assert synthesise_module(popcount(9)) == first
    assert synthesise_module(popcount(9, "renamed")).lut == first.lut


@pytest.mark.parametrize(
    "change", [{"lut": None}, {"lut": "7"}, {"ff": -5}, {"cells": []}, {"name": 3}, {"x": 1}, {"dsp": 1.5}]
)
def test_a_damaged_record_of_a_unit_counts_as_missing(tmp_path, change):
    cache = ContentCache("yosys", tmp_path)
    whole = resources_of_cells("unit", {"LUT2": 3, "FDRE": 1}, 1)
    cache.put("00ff", whole.to_dict())
    assert yosys._cached(cache, "00ff") == whole
    cache.put("00ff", {**whole.to_dict(), **change})
    assert yosys._cached(cache, "00ff") is None


def test_batch_keeps_the_order(cache):
    units = synthesise_modules([popcount(width, f"p{width}") for width in (5, 16, 9, 5)])
    assert [unit.name for unit in units] == ["p5", "p16", "p9", "p5"]
    assert units[0].lut == units[3].lut < units[2].lut < units[1].lut


def test_bad_unit_is_named(cache):
    bad = popcount(5, "good"), "module \\broken\n  cell \\nowhere \\x\n  end\nend\n"
    with pytest.raises(BuildFailed, match=r"module 'broken'.*ERROR"):
        synthesise_modules(bad)


def test_time_limit(cache):
    with pytest.raises(BuildFailed, match="within 1 s"):
        synthesise_module(popcount(144), SynthesisOptions(timeout_s=1))


def test_missing_yosys(monkeypatch, cache):
    monkeypatch.setenv("FRACDSE_YOSYS", "/nowhere/yosys")
    with pytest.raises(ToolNotFound, match="FRACDSE_YOSYS = '/nowhere/yosys'"):
        synthesise_module(popcount(5))


def test_nothing_of_a_stopped_yosys_goes_on(tmp_path):
    text = "module top(input [299:0] a, b, output [599:0] y); assign y = a * b; endmodule"
    (tmp_path / "product.v").write_text(text)
    with pytest.raises(BuildFailed, match="within 3 s"):
        run_script("read_verilog product.v\nsynth -top top\nabc -lut 6", tmp_path, "a product", 3)
    deadline = time.monotonic() + 20  # a killed process is gone a little later
    while left := [entry for entry in Path("/proc").iterdir() if working_folder(entry) == tmp_path]:
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


def working_folder(process):
    try:
        return (process / "cwd").readlink()
    except OSError:
        return None
