"""Draw the pictures of docs/how-it-works.md into docs/images: python docs/draw_pictures.py.

What is drawn is computed by the package itself: levels by its thermometer, lanes by its folding, units by its formulas.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.hardware.calibration.points import builds_folder, read_points
from fracdse.hardware.coefficients import coefficients_for
from fracdse.hardware.estimate import layer_figures
from fracdse.hardware.registry import FORMULAS, unit_terms
from fracdse.network.thermometer import thermometer_table
from fracdse.results.plots.style import BLUE, GREEN, GREY, ORANGE, RED, SKY, new_figure, thousands, tidy, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLOURS = (BLUE, ORANGE, GREEN, SKY, RED, GREY)
_OFF = "#EDF1F5"
_MOST_POINTS = 400


def thermometer() -> Figure:
    """Draw a row of pixels and the levels that two resolutions turn it into."""
    pixels = np.array([10, 40, 70, 110, 150, 185, 215, 250])
    figure = new_figure(8.5, 3.6)
    axes = figure.subplots(1, 3, width_ratios=(0.8, 1, 1), sharex=True)
    axes[0].bar(range(8), pixels, color=[str(0.85 * p / 255) for p in pixels], edgecolor=GREY)
    axes[0].set(ylabel="grey value, 0 to 255", xlabel="eight pixels of a row", xticks=[])
    for axis, resolution in zip(axes[1:], (16, 64), strict=True):
        levels = thermometer_table(resolution).numpy()[pixels].T > 0
        _cells(axis, levels[::-1])
        axis.set(xlabel=f"R = {resolution}: {len(levels)} levels", xticks=[], yticks=[])
    title(figure, "Thermometer input: the higher the grey value, the more of its levels are +1 (blue)")
    return figure


def input_table() -> Figure:
    """Draw why the first layer needs no convolution: a tap's sum depends on the level count alone."""
    weights = np.random.default_rng(2).choice([-1, 1], 16)
    runs = np.where(np.arange(16) < np.arange(17)[:, None], 1, -1)
    sums = runs @ weights
    figure = new_figure(8.5, 3.4)
    left, right = figure.subplots(1, 2)
    left.step(range(17), sums, where="mid", color=BLUE, linewidth=2)
    left.plot(range(17), sums, "o", color=BLUE, markersize=4)
    left.set(xlabel="levels that are +1, of 16", ylabel="sum of level · weight, one tap")
    tidy(left)
    bits = np.array([[(int(s) + 16) // 2 >> b & 1 for s in sums] for b in range(4, -1, -1)])
    _cells(right, bits.astype(bool))
    right.set(xlabel="levels that are +1: the address of the table", xticks=[])
    right.set_yticks([b + 0.5 for b in range(5)], [f"bit {b}" for b in range(5)])
    title(figure, "Input table: a sum for each count of levels (left), stored bit by bit (right); a row is one LUT")
    return figure


def gates() -> Figure:
    """Draw one channel of a gated layer on a digit: leading pass, gates, and where the trailing pass works."""
    from sklearn.datasets import load_digits

    image = load_digits().images[3] * 3.99 / 16
    codes = np.kron(image, np.ones((2, 2))).astype(int)
    leading, trailing = np.where(codes >= 2, 1, -1), np.where(codes % 2 == 1, 1, -1)
    kernel = np.array([[1, 1, 1], [1, 1, 1], [-1, -1, -1]])
    first, second = _convolved(leading, kernel), _convolved(trailing, kernel)
    opened = first > 0
    result = 2 * first + np.where(opened, second, 0)
    figure = new_figure(9.5, 3.2)
    axes = figure.subplots(1, 4)
    axes[0].imshow(codes, cmap="Greys_r")
    axes[1].imshow(first, cmap="cividis")
    _cells(axes[2], opened, ORANGE)
    axes[2].set_aspect("equal")
    axes[3].imshow(result, cmap="cividis")
    words = ("two-bit activations", "pass 1: leading bits", "gates: pass 1 above Δ", "sum of both passes")
    notes = ("", "all 256 outputs", f"open: {opened.sum()} of 256 ({100 * opened.mean():.0f} %)", "")
    for axis, word, note in zip(axes, words, notes, strict=True):
        axis.set_title(word, fontsize=10)
        axis.set(xticks=[], yticks=[], xlabel=note)
    cost = 1 + opened.mean()
    title(figure, f"Gates: the trailing bits are convolved at open gates only, {cost:.1f} passes of work and not 2")
    return figure


def shortcut() -> Figure:
    """Draw one gated layer with its SI branch and its residual as boxes."""
    figure = new_figure(9.5, 3.3)
    axis = figure.subplots()
    axis.set(xlim=(0, 20), ylim=(0, 7.2))
    axis.axis("off")
    _box(axis, 2.6, 5.6, 3.6, "two bits a\nfeature", _OFF)
    _box(axis, 8.1, 5.6, 5.4, "gated 3×3 convolution\nweights ±1", SKY)
    _box(axis, 3.9, 1.5, 2.6, "1×1\nC → S", "#BFE6D8")
    _box(axis, 7.9, 1.5, 2.9, "3×3\nS ↔ S", "#BFE6D8")
    _box(axis, 12.2, 1.5, 2.6, "1×1\nS → C", "#BFE6D8")
    _box(axis, 14.4, 3.6, 1.4, "+", "white")
    for start, end in (
        ((0.2, 3.6), (13.6, 3.6)), ((0.8, 3.6), (0.8, 5.6)), ((0.8, 3.6), (0.8, 1.5)), ((6.2, 5.6), (8.1, 5.6)),
        ((6.5, 1.5), (7.9, 1.5)), ((10.8, 1.5), (12.2, 1.5)), ((0.8, 5.6), (2.6, 5.6)), ((0.8, 1.5), (3.9, 1.5)),
        ((13.5, 5.6), (15.1, 4.4)), ((14.8, 1.5), (15.1, 2.8)), ((15.8, 3.6), (19.5, 3.6)),
    ):  # fmt: skip
        axis.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": "#444444", "shrinkA": 0, "shrinkB": 0})
    for x, y, text in ((8, 3.85, "shortcut"), (17.6, 3.85, "to the next layer"), (9.3, 0.1, "SI branch: S channels")):
        axis.text(x, y, text, ha="center", fontsize=9.5, color="#444444")
    title(figure, "A layer: binary convolution, shortcut, and a fixed-point SI branch of S channels beside it")
    return figure


def folding() -> Figure:
    """Draw the cycles of every layer at one lane each and as folded for a rate."""
    slow = _digits_design(fps=150_000.0)
    fast = replace(slow, accelerator=replace(slow.accelerator, fps=600_000.0))
    figure = new_figure(9.5, 3.9)
    axes = figure.subplots(1, 2, sharey=True, sharex=True)
    for axis, design in zip(axes, (slow, fast), strict=True):
        rows = [row for row in layer_figures(design) if row.cycles]
        limit = 1e6 * design.accelerator.clock_mhz / design.accelerator.fps
        bars = axis.barh([row.name for row in rows], [row.cycles for row in rows], color=BLUE, height=0.7)
        axis.bar_label(bars, [f"{row.lanes} lane{'s' * (row.lanes != 1)}" for row in rows], padding=4, fontsize=8.5)
        axis.axvline(limit, color=RED, linestyle="--", linewidth=1.4)
        luts = sum(row.lut for row in layer_figures(design))
        axis.set_title(f"{design.accelerator.fps:,.0f} frames/s: {luts:,.0f} LUTs", fontsize=10, loc="left")
        axis.set_xlabel(f"cycles a frame; at most {limit:,.0f} (dashed)")
        tidy(axis, "x")
        thousands(axis, 4)
    axes[0].invert_yaxis()
    axes[0].set_xlim(0, 1.25 * axes[0].get_xlim()[1])
    title(figure, "Folding: each layer gets as many lanes as the frame rate asks of it, and no more")
    return figure


def pipeline() -> Figure:
    """Draw which layer works on which frame, row after row: all at once, each a little behind the one before."""
    design = _digits_design(fps=150_000.0)
    rows = [row for row in layer_figures(design) if row.cycles]
    period = max(row.cycles for row in rows)
    figure = new_figure(9.5, 3.4)
    axis = figure.subplots()
    delay = 0.0
    for place, row in enumerate(rows):
        for frame, colour in enumerate((BLUE, ORANGE, GREEN)):
            axis.barh(place, 0.97 * period, left=frame * period + delay, color=_OFF, height=0.7)
            axis.barh(
                place, row.cycles, left=frame * period + delay, color=colour, height=0.7,
                label=f"frame {frame + 1}" if place == 0 else None,
            )  # fmt: skip
        delay += 0.22 * period
    axis.set_yticks(range(len(rows)), [row.name for row in rows])
    axis.invert_yaxis()
    axis.set_xlabel("clock cycles (starts are sketched, lengths are the layers')")
    figure.legend(frameon=False, loc="outside lower center", ncols=3)
    tidy(axis, "x")
    thousands(axis)
    title(figure, "Dataflow: every layer has its own unit, and the slowest one sets the frame rate")
    return figure


def calibration() -> Figure:
    """Draw the LUTs of synthesised units that no fit has seen against their estimates, with a band of ±20 %."""
    points = read_points(sorted(builds_folder().glob("yosys-*.csv")))
    unseen = [point for point in points if point.held_out and point.unit in FORMULAS and point.lut]
    unseen = unseen[:: -(-len(unseen) // _MOST_POINTS) or 1]
    model = coefficients_for("xcup")
    figure = new_figure(6.4, 4.6)
    axis = figure.subplots()
    for place, name in enumerate(sorted({point.unit for point in unseen})):
        some = [point for point in unseen if point.unit == name]
        estimates = [model.predict(unit_terms(p.unit, p.parameters), "lut") for p in some]
        axis.plot(
            estimates, [point.lut for point in some], "os^DvPX<>*"[place % 10], color=COLOURS[place % len(COLOURS)],
            markersize=4, alpha=0.75, markeredgewidth=0, label=name.replace("_", " "), linestyle="none",
        )  # fmt: skip
    ends = np.array([8.0, max([3000.0, *(2.0 * point.lut for point in unseen)])])
    axis.fill_between(ends, 0.8 * ends, 1.2 * ends, color="#DCE6EE", zorder=0)
    axis.plot(ends, ends, color="black", linewidth=1)
    axis.set(xscale="log", yscale="log", xlim=ends, ylim=ends, xlabel="LUTs, estimated", ylabel="LUTs, synthesised")
    if unseen:
        axis.legend(frameon=False, fontsize=8.5, loc="center left", bbox_to_anchor=(1, 0.5))
    else:
        axis.text(0.5, 0.5, "no point is stored yet", transform=axis.transAxes, ha="center")
    tidy(axis)
    title(figure, f"Calibration: {len(unseen)} synthesised units that no fit has seen; the band is ±20 %")
    return figure


PICTURES: dict[str, Callable[[], Figure]] = {
    "how-thermometer": thermometer,
    "how-input-table": input_table,
    "how-gates": gates,
    "how-shortcut": shortcut,
    "how-folding": folding,
    "how-pipeline": pipeline,
    "how-calibration": calibration,
}


def draw(folder: Path) -> list[Path]:
    """Draw every picture into `folder` and return the files; the same code draws the same bytes."""
    mpl.rcParams["svg.hashsalt"] = "fracdse"
    files = []
    for name, picture in PICTURES.items():
        files.append(folder / f"{name}.svg")
        picture().savefig(files[-1], metadata={"Date": None})
    return files


def _digits_design(fps: float) -> Design:
    network = NetworkChoices(depth=8, width=8, thermometer_resolution=32, gate_threshold=-1.0)
    choices = AcceleratorChoices(clock_mhz=250.0, folding="smallest at fps", fps=fps)
    return Design(ImageFormat(8, 8, 1, 10), network, choices)


def _convolved(bits: Any, kernel: Any) -> Any:
    padded = np.pad(bits, 1, constant_values=-1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3))
    return (windows * kernel).sum(axis=(2, 3))


def _cells(axis: Axes, on: Any, colour: str = BLUE) -> None:
    from matplotlib.colors import ListedColormap

    axis.pcolormesh(on[::-1], cmap=ListedColormap([_OFF, colour]), edgecolors="white", linewidth=0.8, vmin=0, vmax=1)
    axis.set_aspect("auto")


def _box(axis: Axes, x: float, y: float, width: float, text: str, colour: str) -> None:
    from matplotlib.patches import FancyBboxPatch

    box = FancyBboxPatch((x, y - 0.8), width, 1.6, boxstyle="round,pad=0,rounding_size=0.25", facecolor=colour,
                         edgecolor="#7A8794")  # fmt: skip
    axis.add_patch(box)
    axis.text(x + width / 2, y, text, ha="center", va="center", fontsize=9.5)


if __name__ == "__main__":
    for made in draw(IMAGES):
        print(made.relative_to(ROOT), file=sys.stderr)
