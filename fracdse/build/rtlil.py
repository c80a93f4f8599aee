"""Reading the module structure of RTLIL text, so that units can be cut out, compared and synthesised alone.

Only the line structure is needed: modules start with `module \\name`, hold `cell \\type \\name` lines and end with
`end` in the first column. Names in RTLIL hold no spaces.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from fracdse.build.cache import digest_of
from fracdse.errors import BuildFailed

_SOURCE = re.compile(r'^\s*attribute \\(src|generator) ".*"$')
_CELL = re.compile(r"^\s*cell (\\\S+) (\S+)$")


@dataclass(frozen=True)
class RtlilModule:
    """One module: its text from `module` to `end` without source locations, and how often it uses each other module."""

    name: str
    text: str
    children: Mapping[str, int]
    black_box: bool = False


@dataclass(frozen=True)
class RtlilDesign:
    """All modules of an RTLIL text, by name (with the leading backslash), and the top."""

    modules: Mapping[str, RtlilModule]
    top: str

    def digest(self, name: str) -> str:
        """Return a digest of a module and all below it that does not depend on the names of modules."""
        module = self.modules[name]
        parts = [_renamed(module.text, {child: self.digest(child) for child in module.children}, own="unit")]
        return digest_of(*parts)

    def closure(self, name: str, boxes: frozenset[str] = frozenset()) -> list[str]:
        """Return the names of a module and of all below it, each once, the module first; nothing is below `boxes`."""
        found = {name: None}
        for child in self.modules[name].children:
            found.update(dict.fromkeys([child] if child in boxes else self.closure(child, boxes)))
        return list(found)

    def size(self, name: str) -> int:
        """Return the length of the text that flattening a module would give: a measure of synthesis work."""
        module = self.modules[name]
        return len(module.text) + sum(count * self.size(child) for child, count in module.children.items())


def read_rtlil(text: str, top: str = "") -> RtlilDesign:
    r"""Return the modules of an RTLIL text.

    Args:
        text: RTLIL, as Amaranth or Yosys' `write_rtlil` gives it.
        top: Name of the top, with or without `\`; where empty, the module with the attribute `top`, or the only one
            that no other uses.

    Raises:
        BuildFailed: There is no module, or the top is not there or not plain.
    """
    marked: list[str] = []
    modules: dict[str, RtlilModule] = {}
    for attributes, lines in _blocks(text):
        name = lines[0].split()[1]
        modules[name] = RtlilModule(name, "\n".join(lines), _children(lines), "attribute \\blackbox 1" in attributes)
        if any(line.startswith("attribute \\top 1") for line in attributes):
            marked.append(name)
    known = {
        name: replace(module, children={c: n for c, n in module.children.items() if c in modules})
        for name, module in modules.items()
    }
    return RtlilDesign(known, _top(known, marked, top))


def unit_text(design: RtlilDesign, name: str, prefix: str, boxes: frozenset[str] = frozenset()) -> str:
    """Return the RTLIL of one unit alone: the module and all below it, but `boxes` as black boxes without content.

    Args:
        design: Where the unit comes from.
        name: The unit's top module.
        prefix: New name of the unit's top; the modules below it are called `prefix.0`, `prefix.1` and so on.
        boxes: Modules to leave out; cells of these types stay.
    """
    names = design.closure(name, boxes)
    new = {module: f"\\{prefix}.{index}" for index, module in enumerate(names)} | {name: f"\\{prefix}"}
    return "".join(
        _black_box(design.modules[module], new[module])
        if module in boxes or design.modules[module].black_box
        else _renamed(design.modules[module].text, new, own=new[module]) + "\n"
        for module in names
    )


def _blocks(text: str) -> Iterator[tuple[list[str], list[str]]]:
    """Yield (attribute lines, lines from `module` to `end`) of each module, source locations left out."""
    attributes: list[str] = []
    lines: list[str] = []
    for line in text.splitlines():
        if _SOURCE.match(line):
            continue
        if lines:
            lines.append(line)
            if line == "end":
                yield attributes, lines
                attributes, lines = [], []
        elif line.startswith("module "):
            lines.append(line)
        elif line.startswith("attribute "):
            attributes.append(line)


def _children(lines: list[str]) -> Counter[str]:
    return Counter(found[1] for line in lines if (found := _CELL.match(line)))


def _top(modules: Mapping[str, RtlilModule], marked: list[str], given: str) -> str:
    if given:
        name = given if given.startswith("\\") else f"\\{given}"
        if name not in modules:
            raise BuildFailed(f"the RTLIL has no module '{given}'; it has {', '.join(sorted(modules)) or 'none'}")
        return name
    used = {child for module in modules.values() for child in module.children}
    tops = marked or [name for name in modules if name not in used]
    if len(tops) != 1:
        raise BuildFailed(f"the RTLIL has {len(tops)} top modules; exactly one is needed")
    return tops[0]


def _renamed(text: str, new: Mapping[str, str], own: str) -> str:
    """Return a module's text under the name `own`, with the types of its cells replaced by `new`."""
    lines = text.split("\n")
    lines[0] = f"module {own}"
    for index, line in enumerate(lines):
        found = _CELL.match(line)
        if found and found[1] in new:
            lines[index] = f"  cell {new[found[1]]} {found[2]}"
    return "\n".join(lines)


def _black_box(module: RtlilModule, name: str) -> str:
    wires = [line for line in module.text.split("\n") if re.match(r"^\s*wire .*\b(input|output|inout) \d+", line)]
    return "\n".join(["attribute \\blackbox 1", f"module {name}", *wires, "end\n"])
