"""A network as a picture in text: one line a layer, with what it computes and what it costs."""

from __future__ import annotations

from dataclasses import dataclass

from fracdse.design import Design
from fracdse.folding import Folding
from fracdse.gates import GateStatistics
from fracdse.topology import ClassifierSpec, GatedConvSpec, LayerSpec, PoolSpec, StemSpec, topology

_BAR_CELLS = 24


@dataclass(frozen=True)
class LayerLine:
    """One layer as a reader wants it: name, shape of its output, what it is, lanes, open fraction (None: no gate).

    `lanes` is 0 where a layer has none, or where they are not known.
    """

    name: str
    output: str
    operation: str
    lanes: int
    slices: int
    weight_memory: str
    open_fraction: float | None


def layer_lines(design: Design, folding: Folding | None, gates: GateStatistics | None) -> list[LayerLine]:
    """Return the layers of a design, in order."""
    open_fractions = {layer.name: layer.open_fraction for layer in gates.layers} if gates else {}
    folded = {}
    if folding is not None:
        folded = {layer.name: layer for layer in (folding.stem, *folding.convs, folding.classifier)}
    lines = []
    for spec in topology(design):
        plan = folded.get(spec.name)
        lines.append(
            LayerLine(
                spec.name,
                _output(spec),
                _operation(spec),
                plan.lanes if plan else 0,
                plan.slices if plan else 1,
                plan.weight_memory if plan else "",
                open_fractions.get(spec.name),
            )
        )
    return lines


def bar(share: float, cells: int = _BAR_CELLS) -> str:
    """Return a bar for a share of a whole, in eighths of a cell; what is over the whole is marked '!'."""
    eighths = min(round(8 * share * cells), 8 * cells)
    whole, part = divmod(eighths, 8)
    filled = "█" * whole + ("▏▎▍▌▋▊▉"[part - 1] if part else "")
    return filled + "·" * (cells - len(filled)) + ("!" if share > 1 else "")


def _output(spec: LayerSpec) -> str:
    if isinstance(spec, PoolSpec):
        return f"{spec.channels}"
    if isinstance(spec, ClassifierSpec):
        return f"{spec.classes}"
    return f"{spec.out_channels}×{spec.out_height}×{spec.out_width}"


def _operation(spec: LayerSpec) -> str:
    if isinstance(spec, StemSpec):
        return f"thermometer {spec.colours}×{spec.levels} levels, {spec.kernel}×{spec.kernel} binary conv"
    if isinstance(spec, GatedConvSpec):
        stride = f"/{spec.stride}" if spec.stride > 1 else ""
        si = f" + SI {spec.si.width}" if spec.si else ""
        return f"{spec.kernel}×{spec.kernel}{stride} gated conv{si}"
    return "average pool" if isinstance(spec, PoolSpec) else "linear"
