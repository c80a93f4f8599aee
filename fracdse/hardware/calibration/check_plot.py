"""The error table as a picture: median, 95th percentile and worst error of every row."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fracdse.hardware.calibration.check import CheckRow


def plot_check(rows: Sequence[CheckRow], path: Path) -> None:
    """Draw the rows as bars, the widest error at the right, and write the picture."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 0.35 * len(rows) + 1.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    places = range(len(rows))
    for name, colour in (("worst_error", "#d0d4da"), ("error_95", "#8fb3d9"), ("median_error", "#1f4e8c")):
        axes.barh(places, [100 * getattr(row, name) for row in rows], color=colour, label=name.replace("_", " "))
    axes.set_yticks(places, [f"{row.resource}: {row.source.split(' (')[0]} ({row.points})" for row in rows], fontsize=7)
    axes.invert_yaxis()
    axes.set_xlabel("error in % of the tool's figure, on points that no fit has seen")
    axes.legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)
