"""One design on one screen: the network, its resources against the device, and its neighbours on the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fracdse.design import Design
from fracdse.errors import StudyError
from fracdse.figures import HardwareFigures
from fracdse.folding import Folding
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.choose import choose
from fracdse.results.front import pareto_front
from fracdse.results.picture import bar, layer_lines
from fracdse.results.table import KINDS
from fracdse.results.terminal import design_text, figure_text, trials_table

_RESOURCES = ("lut", "ff", "bram18", "dsp")
_RATES = {
    "cycles_per_frame": "cycles a frame", "fps": "frames/s", "latency_us": "latency, µs", "power_w": "power, W"
}  # fmt: skip


def find_trial(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], trial: str, rule: str
) -> tuple[TrialRecord, str]:
    """Return the trial that 'best' or a number means, and how it was chosen in words.

    Raises:
        StudyError: There is no such trial.
        InfeasibleError: 'best' of a study without a feasible trial.
    """
    if trial == "best":
        choice = choose(records, rule, objectives)
        return choice.record, choice.rule
    by_number = {str(record.number): record for record in records}
    if trial not in by_number:
        raise StudyError(
            f"no trial {trial!r} in this study; it has {len(records)}, numbered from 0",
            hint="`fracdse report` lists them; 'best' chooses one.",
        )
    return by_number[trial], f"trial {trial}"


def design_screen(
    records: Sequence[TrialRecord], objectives: Mapping[str, Direction], trial: str, rule: str, study: str
) -> RenderableType:
    """Return what `fracdse show` prints."""
    record, words = find_trial(records, objectives, trial, rule)
    front = pareto_front(records, objectives)
    accuracy = "not trained" if record.accuracy is None else f"validation accuracy {100 * record.accuracy:.1f} %"
    parts: list[RenderableType] = [
        Text(f"{study}, trial {record.number} ({words}): {design_text(record)}", style="bold"),
        Text(f"{record.state}; {accuracy}; design {record.design.key}; device {record.design.device}"),
        _network_table(record),
    ]
    if record.hardware is not None:
        parts += [_resource_table(record.design, record.hardware), _figures_table(record)]
    if record.reason:
        parts.append(Text(f"Reason: {record.reason}"))
    neighbours = _neighbours(front, record)
    if neighbours:
        parts.append(trials_table(neighbours, "Neighbours on the front", with_state=False))
    parts.append(Text(f"Deploy it with: fracdse deploy {record.number} {study}"))
    return Group(*parts)


def _network_table(record: TrialRecord) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading, right in (("layer", 0), ("output", 0), ("what", 0), ("lanes", 1), ("weights", 0), ("gates open", 0)):
        table.add_column(heading, justify="right" if right else "left")
    for line in layer_lines(record.design, _folding(record), record.gates):
        share = line.open_fraction
        gate = "" if share is None else f"{bar(share, 10)} {100 * share:.0f} %"
        table.add_row(line.name, line.output, line.operation, str(line.lanes or ""), line.weight_memory, gate)
    return table


def _folding(record: TrialRecord) -> Folding | None:
    return solve(record.design, record.gates) if record.design.accelerator.architecture == "dataflow" else None


def _resource_table(design: Design, figures: HardwareFigures) -> Table:
    device = load_device(design.device)
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in ("resource", "used", "of", ""):
        table.add_column(heading, justify="left" if heading in ("resource", "") else "right")
    for name in _RESOURCES:
        capacity = device.resources[name]
        share = getattr(figures, name).value / capacity
        table.add_row(name.upper(), figure_text(figures, name), f"{capacity:,.0f}", f"{bar(share)} {100 * share:.0f} %")
    return table


def _figures_table(record: TrialRecord) -> Table:
    """One column a kind of figure that the trial has."""
    kinds = [kind for kind in KINDS if kind == "estimated" or kind in record.later]
    table = Table(header_style="bold", box=None, pad_edge=False)
    table.add_column("figure")
    for kind in kinds:
        table.add_column(kind, justify="right")
    for name, label in ({name: name.upper() for name in _RESOURCES} | _RATES).items():
        cells = [figure_text(record.hardware if kind == "estimated" else record.later[kind], name) for kind in kinds]
        table.add_row(label, *cells)
    return table


def _neighbours(front: Sequence[TrialRecord], record: TrialRecord) -> list[TrialRecord]:
    """Return the front's trials just before and after this one in order of the first objective, or its best three."""
    numbers = [entry.number for entry in front]
    if record.number not in numbers:
        return list(front[:3])
    place = numbers.index(record.number)
    return [entry for entry in front[max(place - 1, 0) : place + 2] if entry.number != record.number]
