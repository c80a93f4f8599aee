"""Where a design's resources go: by layer, and against what the device has."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from fracdse.results.labels import LABELS
from fracdse.results.plots.style import (
    ALARM_COLOUR,
    PART_STYLES,
    new_figure,
    rows_without_margin,
    thousands,
    tidy,
    title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, SubFigure

RESOURCES = ("lut", "ff", "bram18", "dsp")


@dataclass(frozen=True)
class PartShare:
    """What one part of a network (the stem, a stage, …) takes of one resource; `share` is of the device, 0 to 1."""

    part: str
    resource: str
    used: float
    share: float


def part_of(layer: str) -> str:
    """Return the part of the network that a layer belongs to: 'stage2.block0.conv1' is in 'stage2'."""
    return layer.partition(".")[0]


def part_shares(rows: Sequence[Mapping[str, Any]], capacity: Mapping[str, float]) -> list[PartShare]:
    """Return what every part takes of every resource, parts in the order of the network.

    Args:
        rows: One a layer, as `fracdse.results.layers.layer_rows` returns them.
        capacity: What the device has of each resource.
    """
    parts = list(dict.fromkeys(part_of(row["name"]) for row in rows))
    shares: list[PartShare] = []
    for resource in RESOURCES:
        for part in parts:
            used = float(sum(row[resource] for row in rows if part_of(row["name"]) == part))
            shares.append(PartShare(part, resource, used, used / capacity[resource]))
    return shares


def plot_layers(rows: Sequence[Mapping[str, Any]], capacity: Mapping[str, float], heading: str) -> Figure:
    """Draw the device's budget as stacked bars above the resources of every layer, a colour a part of the network."""
    styles = _part_styles([part_of(row["name"]) for row in rows])
    figure = new_figure(10, 3.4 + 0.24 * len(rows))
    halves = figure.subfigures(2, 1, height_ratios=(2.4, 1.0 + 0.24 * len(rows)))
    above, below = cast("Sequence[SubFigure]", halves)
    _draw_budget(above.subplots(), part_shares(rows, capacity), capacity, styles)
    title(figure, heading)
    axes = below.subplots(1, len(RESOURCES), sharey=True)
    for axis, resource in zip(axes, RESOURCES, strict=True):
        for place, row in enumerate(rows):
            colour, hatch = styles[part_of(row["name"])]
            bars = axis.barh(place, row[resource], color=colour, hatch=hatch, edgecolor="white", height=0.7)
            axis.bar_label(bars, [f"{row[resource]:,.0f}" if row[resource] else ""], padding=2, fontsize=7)
        axis.set_xlabel(LABELS[resource])
        tidy(axis, "x")
        thousands(axis, 4, whole=True)
        axis.set_xlim(0, max(1.0, 1.22 * max(row[resource] for row in rows)))
    axes[0].set_yticks(range(len(rows)), [row["name"] for row in rows])
    rows_without_margin(axes[0], len(rows))
    return figure


def _part_styles(parts: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return part → (colour, hatch), in the order of the network."""
    names = dict.fromkeys(parts)
    return {part: PART_STYLES[place % len(PART_STYLES)] for place, part in enumerate(names)}


def _draw_budget(
    axis: Axes, shares: Sequence[PartShare], capacity: Mapping[str, float], styles: Mapping[str, tuple[str, str]]
) -> None:
    filled = dict.fromkeys(RESOURCES, 0.0)
    for part, (colour, hatch) in styles.items():
        widths = [100 * share.share for share in shares if share.part == part]
        axis.barh(
            range(len(RESOURCES)), widths, left=[filled[name] for name in RESOURCES], color=colour, hatch=hatch,
            edgecolor="white", linewidth=0.6, height=0.65, label=part,
        )  # fmt: skip
        for name, width in zip(RESOURCES, widths, strict=True):
            filled[name] += width
    for place, name in enumerate(RESOURCES):
        used = sum(share.used for share in shares if share.resource == name)
        over = filled[name] > 100
        axis.annotate(
            f"{used:,.0f} of {capacity[name]:,.0f} ({filled[name]:.0f} %)", (max(100.0, filled[name]), place),
            xytext=(6, 0), textcoords="offset points", va="center", fontsize=9, color=ALARM_COLOUR if over else "black",
        )  # fmt: skip
    axis.axvline(100, color="black", linewidth=1)
    axis.set_xlim(0, 1.45 * max(100.0, *filled.values()))
    axis.set_xticks(range(0, 101, 20))
    axis.set_yticks(range(len(RESOURCES)), [LABELS[name] for name in RESOURCES])
    rows_without_margin(axis, len(RESOURCES))
    axis.set_xlabel("share of the device (%); the line is all of it")
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9)
    tidy(axis, "x")
