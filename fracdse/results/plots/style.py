"""The one visual language of all figures: colours, axes and file formats.

Colours are from the Okabe–Ito palette, which stays apart for colour-blind readers; every series also has its own
marker, hatch or label, so that the figures can be read in grey.
"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

from fracdse.errors import ConfigError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg", ".pdf")
BLUE, ORANGE, GREEN, SKY, RED, PURPLE, YELLOW = (
    "#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#F0E442",
)  # fmt: skip
GREY = "#B0B0B0"
_LETTERS_AN_INCH = 12
FRONT_COLOUR, DOMINATED_COLOUR, ALARM_COLOUR = BLUE, GREY, RED
# For parts of a whole, in order: neighbours differ in brightness and in hatch.
PART_STYLES = (
    (BLUE, ""), (YELLOW, "//"), (GREEN, "xx"), (ORANGE, ".."), (PURPLE, ""), (SKY, "\\\\"), (RED, "--"), (GREY, ""),
)  # fmt: skip


def new_figure(width_inches: float, height_inches: float) -> Figure:
    """Return an empty figure that arranges its own margins and needs no display."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width_inches, height_inches), layout="constrained")


def tidy(axis: Axes, grid: str = "both") -> None:
    """Give axes the common look: thin grid behind the data along `grid` ('x', 'y' or 'both'), open frame."""
    axis.grid(visible=True, axis=grid, color="#E5E5E5", linewidth=0.8)  # type: ignore[arg-type]
    axis.set_axisbelow(True)
    axis.spines[["top", "right"]].set_visible(False)


def title(figure: Figure, text: str) -> None:
    """Write a figure's title at its left edge, in as many lines as its width asks for."""
    letters = int(_LETTERS_AN_INCH * figure.get_figwidth())
    figure.suptitle("\n".join(textwrap.wrap(text, letters)), x=0.01, ha="left", fontsize=11)


def rows_without_margin(axis: Axes, count: int) -> None:
    """Let `count` horizontal bars fill the axis from its top down."""
    axis.set_ylim(count - 0.4, -0.6)


def thousands(axis: Axes, ticks: int = 5, along: str = "x", *, whole: bool = False) -> None:
    """Mark at most `ticks` round steps along 'x' or 'y', written as 10,000; with `whole`, at whole numbers only."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    side = axis.xaxis if along == "x" else axis.yaxis
    side.set_major_locator(MaxNLocator(nbins=ticks, steps=[1, 2, 5, 10], integer=whole))
    side.set_major_formatter(FuncFormatter(lambda value, _: tick_text(value)))


def tick_text(value: float) -> str:
    """Return a number beside an axis: 1,400,000 or 0.25, never 1.4e+06."""
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,g}"


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, SVG or PDF, by the suffix.

    Raises:
        ConfigError: The suffix is another one.
    """
    if path.suffix.lower() not in FORMATS:
        raise ConfigError(f"{path}: a plot is written as one of {', '.join(FORMATS)}, not '{path.suffix}'")
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=150)
