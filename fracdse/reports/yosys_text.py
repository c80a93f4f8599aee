"""The text that Yosys's `stat` pass prints, of the layout until 0.57 or so and of the one since."""

from __future__ import annotations

import re

from fracdse.reports.source import ReportText

_WHAT = "Yosys stat"
PASS_HEADING = "Printing statistics."
_LOG_START, _LOG_END = "Yosys Open SYnthesis Suite", "End of script."
_MODULE = re.compile(r"=== (\S.*?) ===\s*\Z")
_HIERARCHY = "design hierarchy"
_OLD_TOTAL = re.compile(r"\s+Number of cells:\s+(\d+)\s*\Z")
_OLD_ROW = re.compile(r"\s+(\S+)\s+(\d+)\s*\Z")
_NEW_TOTAL = re.compile(r"\s+(\d+)(?:\s+(?:\d+|-))?\s+cells\s*\Z")
_NEW_ROW = re.compile(r"\s+(\d+)(?:\s+(?:\d+|-))?\s+(\S+)\s*\Z")
_NEW_SUBMODULES = re.compile(r"\s+\d+(?:\s+(?:\d+|-))?\s+submodules\s*\Z")


def read_modules(source: ReportText) -> tuple[str, int, dict[str, int]]:
    """Read the whole design of the last `stat` pass.

    Returns:
        The top module, the number of cells that is announced, and the cells by type.

    Raises:
        ReportError: A part is missing, or there are several modules and no hierarchy.
    """
    modules = _modules_of_last_pass(source)
    if _LOG_START in source.text and _LOG_END not in source.text:
        raise source.cut_off(f"the log does not reach '{_LOG_END}'")
    if source.lines[-1].startswith(" "):
        raise source.cut_off("its last line has no end")
    if not modules:
        raise source.missing(_WHAT, "=== module ===")
    if _HIERARCHY in modules:
        lines = modules[_HIERARCHY]
        total, cells = _cells(source, _HIERARCHY, lines)
        return _top(source, modules, total), total, cells
    if len(modules) > 1:
        raise source.missing(_WHAT, "=== design hierarchy ===")
    ((name, lines),) = modules.items()
    return name, *_cells(source, name, lines)


def _modules_of_last_pass(source: ReportText) -> dict[str, list[str]]:
    passes = [i for i, line in enumerate(source.lines) if line.endswith(PASS_HEADING)]
    modules: dict[str, list[str]] = {}
    name: str | None = None
    for line in source.lines[passes[-1] + 1 if passes else 0 :]:
        if match := _MODULE.match(line):
            name = match[1]
            modules[name] = []
        elif line.strip() and not line[0].isspace():
            if modules:
                break
        elif name is not None:
            modules[name].append(line)
    return modules


def _top(source: ReportText, modules: dict[str, list[str]], total: int) -> str:
    """Return the module in the hierarchy's first row, which since 0.57 or so has the number of all cells before it."""
    for line in modules[_HIERARCHY]:
        old, new = _OLD_ROW.match(line), _NEW_ROW.match(line)
        name = old[1] if old else new[2] if new and int(new[1]) == total else None
        if name in modules:
            return name
        if old or new:
            break
    raise source.missing(_WHAT, "top module of the design hierarchy")


def _cells(source: ReportText, module: str, lines: list[str]) -> tuple[int, dict[str, int]]:
    for index, line in enumerate(lines):
        if match := _OLD_TOTAL.match(line):
            return int(match[1]), _rows(lines[index + 1 :], _OLD_ROW, kind=1, count=2)
        if match := _NEW_TOTAL.match(line):
            return int(match[1]), _rows(lines[index + 1 :], _NEW_ROW, kind=2, count=1)
    raise source.missing(_WHAT, f"number of cells of {module}")


def _rows(lines: list[str], pattern: re.Pattern[str], *, kind: int, count: int) -> dict[str, int]:
    cells: dict[str, int] = {}
    for line in lines:
        match = pattern.match(line)
        if match is None or _NEW_SUBMODULES.match(line):
            break
        cells[match[kind].removeprefix("\\")] = int(match[count])
    return cells
