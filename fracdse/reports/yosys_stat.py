"""Yosys: the statistics of the `stat` pass as text or JSON, plain or with -tech xilinx, alone or in a whole log."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from fracdse.errors import ReportError
from fracdse.reports.figures import whole
from fracdse.reports.report import Report
from fracdse.reports.source import ReportText
from fracdse.reports.yosys_cells import area_of_cells
from fracdse.reports.yosys_text import PASS_HEADING, read_modules

_WHAT = "Yosys stat"
_VERSION = re.compile(r"\bYosys (\d+\.\d+\S*)")
_BOOKKEEPING = "$scopeinfo"  # holds names, no logic
_HINT = "Run `synth_xilinx` before `stat`, so that only cells of the device are left."


def read_yosys_stat(source: ReportText) -> Report:
    """Read the statistics of the whole design: of the hierarchy where there is one, else of the only module.

    In a log with several `stat` passes the last one counts. `lut` holds the LUTs of logic, of distributed RAM and of
    shift registers; `bram18` counts a RAMB36 as two.

    Raises:
        ReportError: There are no statistics of cells, the top cannot be told, the cells do not add up to the printed
            number, or cells are left that are not mapped.
    """
    json_start = _json_start(source.text)
    top, total, listed = read_modules(source) if json_start is None else _from_json(source, json_start)
    if total != sum(listed.values()):
        raise source.cut_off(f"{total} cells are announced, {sum(listed.values())} are listed")
    cells = {kind: count for kind, count in listed.items() if kind != _BOOKKEEPING}
    area = area_of_cells(cells)
    unmapped = [kind for kind in area.unknown if kind.startswith(("$", "\\$"))]
    if unmapped:
        raise ReportError(f"{source.name}: has cells that are not mapped: {', '.join(unmapped[:5])}", hint=_HINT)
    if cells and len(area.unknown) == len(cells):
        raise ReportError(f"{source.name}: has no cell of an AMD device, but {', '.join(area.unknown[:5])}", hint=_HINT)
    version = _VERSION.search(source.text)
    return Report(
        kind="yosys",
        name=source.name,
        tool="Yosys",
        version=version[1] if version else None,
        top=top,
        lut=area.lut_logic + area.lut_distributed_ram + area.lut_shift_register,
        lut_logic=area.lut_logic,
        lut_memory=area.lut_distributed_ram + area.lut_shift_register,
        lut_distributed_ram=area.lut_distributed_ram,
        lut_shift_register=area.lut_shift_register,
        ff=area.ff,
        bram18=area.ramb18 + 2 * area.ramb36,
        ramb36=area.ramb36,
        ramb18=area.ramb18,
        uram=area.uram,
        dsp=area.dsp,
        primitives=tuple(sorted(cells.items())),
        notes=(f"not counted, area not known: {', '.join(area.unknown)}",) if area.unknown else (),
    )


def _json_start(text: str) -> int | None:
    """Return where the JSON starts: at once in a file of its own, below the last pass's heading in a log."""
    heading = text.rfind(PASS_HEADING)
    start = 0 if heading < 0 else heading + len(PASS_HEADING)
    start += len(text) - start - len(text[start:].lstrip())
    return start if text.startswith("{", start) else None


def _from_json(source: ReportText, start: int) -> tuple[str, int, dict[str, int]]:
    try:
        document, end = json.JSONDecoder().raw_decode(source.text, start)
    except (ValueError, RecursionError) as error:
        raise source.cut_off(f"the JSON cannot be read ({error})") from error
    if PASS_HEADING not in source.text and source.text[end:].strip():
        raise source.unreadable("the text behind the JSON", source.text[end:].strip(), "nothing")
    modules = _mapping(source, document.get("modules"), "modules")
    names = [name.removeprefix("\\") for name in modules]
    if "design" in document:
        whole_design = _mapping(source, document["design"], "design")
        top = _uninstantiated(source, modules)
    elif len(modules) == 1:
        whole_design = _mapping(source, next(iter(modules.values())), names[0])
        top = names[0]
    else:
        raise source.missing(_WHAT, "design")
    total = _count(source, whole_design.get("num_cells"), "num_cells")
    by_type = _mapping(source, whole_design.get("num_cells_by_type"), "num_cells_by_type")
    counts = {kind.removeprefix("\\"): _count(source, value, kind) for kind, value in by_type.items()}
    return top, total, {kind: count for kind, count in counts.items() if kind not in names}


def _uninstantiated(source: ReportText, modules: Mapping[str, object]) -> str:
    """Return the module that no other module holds."""
    held: set[str] = set()
    for name, module in modules.items():
        fields = _mapping(source, module, name)
        for group in ("num_cells_by_type", "num_submodules_by_type"):
            held.update(kind.removeprefix("\\") for kind in _mapping(source, fields.get(group, {}), group))
    tops = [name for name in (key.removeprefix("\\") for key in modules) if name not in held]
    if len(tops) != 1:
        raise source.missing(_WHAT, f"one top module (it has {len(tops)})")
    return tops[0]


def _mapping(source: ReportText, value: object, row: str) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise source.missing(_WHAT, row)
    return value


def _count(source: ReportText, value: object, row: str) -> int:
    """Read a number, or the count including submodules that `stat -hierarchy` gives."""
    count = value.get("count") if isinstance(value, dict) else value
    if count is None or isinstance(count, bool):
        raise source.missing(_WHAT, row)
    return whole(source, row, str(count))
