"""Synthesis by Yosys, a batch of units a process, several processes at once, every result kept by content.

A unit is an RTLIL module with all below it, flattened, mapped by `synth_xilinx` without pads and clock buffers. A whole
accelerator is never flattened into one job: units are mapped side by side, and equal ones once.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fracdse.build.cache import ContentCache, digest_of
from fracdse.build.dsp_packing import SLICE, SLICE_FILE, synthesis_passes
from fracdse.build.logic_levels import logic_levels
from fracdse.build.processes import side_by_side
from fracdse.build.resources import UnitResources, resources_of_cells
from fracdse.build.rtlil import RtlilDesign, read_rtlil, unit_text
from fracdse.build.tools import checked_jobs, find_yosys
from fracdse.build.yosys_script import run_script
from fracdse.errors import BuildFailed

# Part of every cache key: raise it when the script below, the counting or the path search changes.
_FLOW = "6"
# A process reads the cell library once for all its units, which takes 4 s; ABC's passes look at all units of a process
# for each one, so that larger batches take longer again.
_BATCH_CHARACTERS = 250_000
_BATCH_UNITS = 12
_BOX = re.compile(r"unit\d+\.\d+$")
# ABC9 maps what the RTL describes: its restructuring before the mapping takes tables and parities apart, which costs a
# tenth of a convolution's LUTs and a level (docs/hardware-model.md).
_SCRIPT = """\
scratchpad -copy abc9.script.default.fast abc9.script
read_rtlil units.il
read_verilog -lib -specify +/xilinx/cells_sim.v
read_verilog -lib +/xilinx/cells_xtra.v
hierarchy -check
proc
flatten
rename -hide w:*
{delete}
{passes}
select {units}
write_json -selected netlist.json
"""


@dataclass(frozen=True)
class SynthesisOptions:
    """How to synthesise.

    Attributes:
        family: Family of the device as `synth_xilinx -family` names it: `xcup` is UltraScale+, `xc7` the 7 series.
        jobs: Processes at once; one a processor, as far as memory allows, where None.
        timeout_s: Longest time of one process.
        cache: Folder of the cache; the user's where None.
    """

    family: str = "xcup"
    jobs: int | None = None
    timeout_s: int = 1200
    cache: Path | None = None


@dataclass(frozen=True)
class _Job:
    """A unit to synthesise: its text's design and the key of its result."""

    design: RtlilDesign
    key: str


def synthesise_module(rtlil: str, options: SynthesisOptions | None = None) -> UnitResources:
    """Synthesise one RTLIL text, its top flattened, and return what it occupies.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys refuses the text, runs out of time, or leaves a cell unmapped.
    """
    return synthesise_modules([rtlil], options)[0]


def synthesise_modules(rtlils: Sequence[str], options: SynthesisOptions | None = None) -> list[UnitResources]:
    """Synthesise many RTLIL texts, each with one top, and return one entry each, in order.

    Small units share a process, which pays for reading the cell library once; equal texts are synthesised once, and
    those in the cache not at all.

    Raises:
        ToolNotFound: There is no Yosys.
        BuildFailed: Yosys refuses a text, runs out of time, or leaves a cell unmapped; the message names the module.
    """
    options = options or SynthesisOptions()
    version = find_yosys().version
    designs = [read_rtlil(text) for text in rtlils]
    keys = [digest_of(_FLOW, version, options.family, design.digest(design.top)) for design in designs]
    cache = ContentCache("yosys", options.cache)
    found = {key: unit for key in dict.fromkeys(keys) if (unit := _cached(cache, key)) is not None}
    missing = {key: _Job(design, key) for key, design in zip(keys, designs, strict=True) if key not in found}
    jobs = checked_jobs(options.jobs)
    batches = list(_batches(list(missing.values()), jobs))
    results = side_by_side(lambda batch: _synthesise_batch(batch, options, cache), batches, jobs)
    for batch, units in zip(batches, results, strict=True):
        found.update({job.key: unit for job, unit in zip(batch, units, strict=True)})
    return [replace(found[key], name=_plain(design.top)) for key, design in zip(keys, designs, strict=True)]


def _cached(cache: ContentCache, key: str) -> UnitResources | None:
    record = cache.get(key)
    try:
        return UnitResources.from_dict(record) if record is not None else None
    except (KeyError, TypeError):
        return None


def _batches(jobs: list[_Job], processes: int) -> Iterator[list[_Job]]:
    """Yield the jobs in groups, the largest first, so that no process ends long after the others."""
    sized = sorted(((job.design.size(job.design.top), job) for job in jobs), key=lambda pair: -pair[0])
    limit = min(_BATCH_UNITS, -(-len(jobs) // processes))
    batch: list[_Job] = []
    characters = 0
    for size, job in sized:
        if batch and (characters + size > _BATCH_CHARACTERS or len(batch) >= limit):
            yield batch
            batch, characters = [], 0
        batch.append(job)
        characters += size
    if batch:
        yield batch


def _synthesise_batch(batch: list[_Job], options: SynthesisOptions, cache: ContentCache) -> list[UnitResources]:
    """Synthesise a batch and keep the results; where it fails, do it one by one to name the unit."""
    try:
        units = _run(batch, options)
    except BuildFailed:
        if len(batch) == 1:
            raise
        return [_synthesise_batch([job], options, cache)[0] for job in batch]
    for job, unit in zip(batch, units, strict=True):
        cache.put(job.key, unit.to_dict())
    return units


def _run(batch: list[_Job], options: SynthesisOptions) -> list[UnitResources]:
    """Run Yosys on a batch in a folder of its own."""
    names = [f"unit{index}" for index in range(len(batch))]
    texts = [unit_text(job.design, job.design.top, name) for name, job in zip(names, batch, strict=True)]
    with tempfile.TemporaryDirectory(prefix="fracdse-yosys-") as name:
        folder = Path(name)
        (folder / "units.il").write_text("".join(texts))
        inner = " ".join(f"{name}.*" for name, job in zip(names, batch, strict=True) if _has_inner(job.design))
        script = _SCRIPT.format(
            passes=synthesis_passes(options.family),
            units=" ".join(names),
            delete=f"delete {inner}" if inner else "",
        )
        (folder / SLICE_FILE).write_text(SLICE)
        run_script(script, folder, f"module '{_plain(batch[0].design.top)}'", options.timeout_s)
        netlist = json.loads((folder / "netlist.json").read_bytes())
    return [_unit(netlist["modules"][name], _plain(job.design.top)) for name, job in zip(names, batch, strict=True)]


def _has_inner(design: RtlilDesign) -> bool:
    return any(not design.modules[child].black_box for child in design.modules[design.top].children)


def _unit(netlist: Mapping[str, Any], name: str) -> UnitResources:
    """Count the cells of a mapped module."""
    counts: dict[str, int] = {}
    for cell in netlist["cells"].values():
        if not _BOX.match(cell["type"]):
            counts[cell["type"]] = counts.get(cell["type"], 0) + 1
    unmapped = sorted(kind for kind in counts if kind.startswith("$") and kind != "$scopeinfo")
    if unmapped:
        raise BuildFailed(f"Yosys left cells of '{name}' unmapped: {', '.join(unmapped)}")
    counts.pop("$scopeinfo", None)
    try:
        return resources_of_cells(name, counts, logic_levels(netlist))
    except ValueError as error:
        raise BuildFailed(f"the netlist of '{name}' cannot be timed: {error}") from error


def _plain(name: str) -> str:
    return name.removeprefix("\\")
