"""One design on one screen: the network, its resources against the device, and its neighbours on the front."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from fracdse.errors import InfeasibleError
from fracdse.figures import KINDS, Figure
from fracdse.folding import Folding, lanes_text
from fracdse.hardware.devices import load_device
from fracdse.hardware.folding import solve
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.labels import LABELS
from fracdse.results.layers import frame_cycles, frame_note, layer_rows
from fracdse.results.neighbours import differences, neighbours_table
from fracdse.results.picture import bar, layer_lines
from fracdse.results.table import known_figures
from fracdse.results.terminal import design_text, figure_text, number_text

_RESOURCES = ("lut", "ff", "bram18", "dsp")
_RATES = ("cycles_per_frame", "fps", "latency_us", "power_w")
_VERY_WIDE, _WIDE, _MIDDLE = 132, 110, 76
_WIDE_BAR, _BAR, _NARROW_BAR = 24, 12, 6


def design_screen(
    records: Sequence[TrialRecord],
    objectives: Mapping[str, Direction],
    record: TrialRecord,
    rule: str,
    study: str,
    width: int = 110,
) -> RenderableType:
    """Return what `fracdse show` prints of a trial on a terminal of `width` columns.

    Args:
        records: All trials of the study.
        objectives: Its objectives.
        record: The trial.
        rule: The rule in words that chose it; empty where it was named.
        study: The study's name.
        width: Columns of the terminal.
    """
    chosen = f" ({rule})" if rule else ""
    accuracy = "not trained" if record.accuracy is None else f"validation accuracy {100 * record.accuracy:.1f} %"
    parts: list[RenderableType] = [
        Text(f"{study}, trial {record.number}{chosen}", style="bold"),
        Text(f"{design_text(record)}: {record.state}; {accuracy}"),
        Text(f"design {record.design.key} on {record.design.device}"),
        Text(),
        _network_table(record, width),
        Text(),
    ]
    if record.hardware is not None:
        parts += [_resource_table(record, width), Text(), _rate_table(record), Text()]
    if record.reason:
        parts += [Text(f"Reason: {record.reason}"), Text()]
    neighbours = differences(records, objectives, record)
    if neighbours:
        parts += [neighbours_table(neighbours, width), Text()]
    return Group(*parts, *_commands(record, study))


def _commands(record: TrialRecord, study: str) -> list[Text]:
    """Return how to deploy the design, in words; nothing for a trial that has no design to deploy."""
    if record.state != "complete":
        return []
    deploy = f"fracdse deploy {record.number} {shlex.quote(study)}"
    return [
        Text("Train it in full, generate, simulate and synthesise it:", style="bold"),
        Text(f"  {deploy}"),
        Text("… and run it on a board (ADDRESS may be 'sim'):", style="bold"),
        Text(f"  {deploy} --target board --board ADDRESS"),
    ]


def _network_table(record: TrialRecord, width: int) -> Table:
    """One row a layer; on a narrow terminal without its output's shape, what it computes and its resources."""
    folding, costs, frame = _folding_and_costs(record)
    slowest = max((cost["cycles"] for cost in costs.values()), default=0.0)
    resources = [name for name in ("lut", "bram18", "dsp") if folding is not None and width >= _MIDDLE]
    table = _plain_table("layer", *(["output"] if width >= _MIDDLE else []), *(["what"] if width >= _VERY_WIDE else []))
    for heading in ("lanes", "cycles"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("gates open", no_wrap=True)
    for name in resources:
        table.add_column(name.upper(), justify="right", no_wrap=True)
    lines = layer_lines(record.design, folding, record.gates)
    is_sliced = any(line.slices > 1 for line in lines)
    for line in lines:
        cost = costs.get(line.name, {})
        cycles = cost.get("cycles", 0.0)
        words = [*([line.output] if width >= _MIDDLE else []), *([line.operation] if width >= _VERY_WIDE else [])]
        mark = "◂" if cycles and cycles == slowest else " "
        share = line.open_fraction
        gate = "" if share is None else f"{bar(share, 10 if width >= _WIDE else 5)} {100 * share:.0f} %"
        used = [number_text(round(cost[name])) if name in cost else "" for name in resources]
        timed = f"{cycles:,.0f}{mark}" if cycles else ""
        lanes = lanes_text(line.lanes or int(cost.get("lanes", 0)), line.slices)
        table.add_row(line.name, *words, lanes, timed, gate, *used)
    if slowest:
        sliced = "\n1/n: one lane that takes n cycles for every fan-in, a slice of it a cycle"
        caption = f"◂ the slowest layer{frame_note(record.design, frame, slowest)}" + (sliced if is_sliced else "")
        table.caption, table.caption_justify = Text(caption), "left"
    return table


def _folding_and_costs(record: TrialRecord) -> tuple[Folding | None, dict[str, dict[str, float]], float]:
    """Return the folding, what each layer takes, and the cycles of a frame.

    They are empty where no folding fits the device any more; a compact design has no folding, and cycles only.
    """
    architecture = record.design.accelerator.architecture
    if architecture == "engine":
        return None, {}, 0.0
    names = ("cycles", "lut", "bram18", "dsp") if architecture == "dataflow" else ("cycles", "lanes")
    try:
        folding = solve(record.design, record.gates) if architecture == "dataflow" else None
        frame = frame_cycles(record.design, record.gates)
    except InfeasibleError:
        return None, {}, 0.0
    costs = {row["name"]: {n: row[n] for n in names} for row in layer_rows(record.design, record.gates)}
    return folding, costs, frame


def _resource_table(record: TrialRecord, width: int) -> Table:
    """A row a resource: what is used of what there is, a bar, and the interval and kind of the figure."""
    device, figures = load_device(record.design.device), known_figures(record)
    table = _plain_table("resource")
    for heading in ("used", "of"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    if width >= _MIDDLE:
        table.add_column("90 % interval", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    cells = _WIDE_BAR if width >= _WIDE else _BAR if width >= _MIDDLE else _NARROW_BAR
    for name in _RESOURCES:
        figure, capacity = figures[name], device.resources[name]
        share = figure.value / capacity
        interval = [_interval(figure)] if width >= _MIDDLE else []
        drawn = f"{bar(share, cells)} {100 * share:3.0f} %"
        table.add_row(name.upper(), number_text(figure.value), f"{capacity:,.0f}", drawn, *interval, figure.kind)
    return table


def _rate_table(record: TrialRecord) -> Table:
    """A row a figure and kind that the trial has; resources only where there is more than the estimate."""
    table = _plain_table("figure")
    table.add_column("value and 90 % interval", justify="right", no_wrap=True)
    table.add_column("kind", no_wrap=True)
    for name in (*_RESOURCES, *_RATES):
        found = _by_kind(record, name)
        if name in _RATES or len(found) > 1:
            for figure in found:
                table.add_row(LABELS[name], figure_text(figure), figure.kind)
    return table


def _by_kind(record: TrialRecord, name: str) -> list[Figure]:
    """Return the figures that a trial has by one name, a kind each, the weakest evidence first."""
    sources = [record.hardware, *record.later.values()]
    by_kind = {figure.kind: figure for source in sources if source for figure in [getattr(source, name)]}
    if record.hardware is not None:
        by_kind["estimated"] = getattr(record.hardware, name)
    return [by_kind[kind] for kind in KINDS if kind in by_kind]


def _interval(figure: Figure) -> str:
    return "" if figure.low == figure.high else f"{number_text(figure.low)}…{number_text(figure.high)}"


def _plain_table(*headings: str) -> Table:
    table = Table(header_style="bold", box=None, pad_edge=False)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
