"""Every plot that a study has data for, by name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from fracdse.errors import FracdseError, InfeasibleError
from fracdse.hardware.devices import load_device
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.choose import choose
from fracdse.results.importance import importances
from fracdse.results.layers import frame_cycles, layer_rows
from fracdse.results.plots.cycles_plot import plot_cycles
from fracdse.results.plots.front_plot import PANELS, plot_front
from fracdse.results.plots.importance_plot import plot_importance
from fracdse.results.plots.kinds_plot import comparisons, plot_comparisons
from fracdse.results.plots.layers_plot import RESOURCES, plot_layers
from fracdse.results.plots.progress_plot import plot_progress
from fracdse.results.terminal import design_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def all_plots(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], rule: str = "knee"
) -> Iterator[tuple[str, Figure]]:
    """Yield (name, figure) of each plot that the trials have data for; `rule` chooses the design that is shown.

    Without a feasible trial there is no design to choose, and no plot that needs one.

    Raises:
        ConfigError: The rule is unknown.
    """
    try:
        chosen = choose(records, rule, objectives).record
    except InfeasibleError:
        yield "front", plot_front(records, objectives, PANELS)
    else:
        yield "front", plot_front(records, objectives, PANELS, chosen.number)
        yield from _design_plots(chosen)
        yield "hypervolume", plot_progress(records, objectives)
    found = importances(records, list(objectives))
    if found:
        yield "importance", plot_importance(found, sum(record.state == "complete" for record in records))
    compared = comparisons(records)
    if compared:
        yield "estimate-against-found", plot_comparisons(compared)


def _design_plots(record: TrialRecord) -> Iterator[tuple[str, Figure]]:
    """Yield the plots of one design by layer; none where its layers have no units of their own or no longer fit."""
    try:
        rows, frame = layer_rows(record.design, record.gates), frame_cycles(record.design, record.gates)
    except FracdseError:
        return
    capacity = {name: load_device(record.design.device).resources[name] for name in RESOURCES}
    heading = f"trial {record.number} ({design_text(record)})"
    yield "resources", plot_layers(rows, capacity, f"Estimated resources of {heading} on {record.design.device}")
    yield "cycles", plot_cycles(rows, record.design, frame, f"Estimated cycles of {heading}")
