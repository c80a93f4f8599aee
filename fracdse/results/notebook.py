"""What a notebook shows of a study and of a design: HTML in which every text from a file is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fracdse.design import Design
from fracdse.errors import FracdseError
from fracdse.figures import Figure, HardwareFigures
from fracdse.folding import lanes_text
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.choose import choose
from fracdse.results.front import pareto_front
from fracdse.results.labels import LABELS
from fracdse.results.table import known_figures
from fracdse.results.terminal import design_text, number_text
from fracdse.wording import number_of

_FIGURES = ("bram18", "dsp", "lut", "fps", "latency_us", "power_w")
_RESOURCES = ("lut", "ff", "bram18", "dsp")
_MOST_ROWS = 20
# Colours that are read on a light and on a dark notebook.
_STYLE = """<style>
.fracdse table { border-collapse: collapse; font-variant-numeric: tabular-nums; margin: 0.4em 0; }
.fracdse th, .fracdse td { padding: 0.15em 0.7em; text-align: right; border-bottom: 1px solid #8884; }
.fracdse .text { text-align: left; }
.fracdse small { opacity: 0.65; }
.fracdse img { max-width: 100%; border-radius: 6px; }
.fracdse .track { display: inline-block; width: 12em; height: 0.7em; background: #8883; }
.fracdse .fill { display: block; height: 100%; background: #0072b2; }
.fracdse .over { background: #d55e00; }
</style>"""


def study_html(name: str, records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> str:
    """Return a study's front as a picture and a table."""
    front = pareto_front(records, objectives)
    complete = sum(record.state == "complete" for record in records)
    trials = number_of(len(records), "trial")
    head = f"<h3>Study {escape(name)}</h3><p>{trials}, {complete} complete, {len(front)} on the front.</p>"
    if not front:
        return head
    best = choose(records, "knee", objectives).record.number
    rows = [_front_row(record, best) for record in front[:_MOST_ROWS]]
    headings = ["trial", "accuracy", *(LABELS[figure] for figure in _FIGURES), "kind", "design"]
    left = f"<p>The first {_MOST_ROWS} of {len(front)}.</p>" if len(front) > _MOST_ROWS else ""
    note = "<p><small>★ is what <code>fracdse deploy best</code> takes; small figures are 90 % intervals.</small></p>"
    return _page(head, _front_image(records, objectives, best), _table(headings, rows), left, note)


def design_html(design: Design) -> str:
    """Return a design's estimated figures, its budget, its layers where it is a dataflow one, and its choices."""
    parts = [f"<h3>Design {escape(design.key)} on {escape(design.device)}</h3>"]
    plain = design.to_dict()
    choices = [
        [section, name, str(value)]
        for section in ("image", "network", "accelerator")
        for name, value in plain[section].items()
    ]
    try:
        parts += [*_hardware_parts(design)]
    except FracdseError as error:
        parts.append(f"<p>No hardware figures: {escape(error.message)}</p>")
    table = _table(["section", "choice", "value"], _escaped(choices))
    return _page(*parts, f"<details><summary>Choices</summary>{table}</details>")


def _hardware_parts(design: Design) -> list[str]:
    from fracdse.hardware.estimate import estimate
    from fracdse.results.layers import layer_rows

    figures = estimate(design)
    rows = [[escape(LABELS[name]), _figure(figure), figure.kind] for name, figure in figures.items()]
    parts = [_budget(design, figures), _table(["figure", "value", "kind"], rows)]
    if design.accelerator.architecture != "engine":
        names = ("name", "operation", "output", "lanes", "cycles", "lut", "ff", "bram18", "dsp")
        found = [row | {"lanes": lanes_text(row["lanes"], row["slices"])} for row in layer_rows(design, None)]
        layers = _escaped([[_cell(row[name]) for name in names] for row in found])
        parts.append(f"<details><summary>Layers</summary>{_table(names, layers, texts=2)}</details>")
    return parts


def _budget(design: Design, figures: HardwareFigures) -> str:
    """Return what the design takes of its device, a bar a resource."""
    from fracdse.hardware.devices import load_device

    capacity = load_device(design.device).resources
    rows = []
    for name in _RESOURCES:
        share = getattr(figures, name).value / capacity[name]
        over = " over" if share > 1 else ""
        width = f"{min(100.0, 100 * share):.1f}%"
        bar = f'<span class="track"><span class="fill{over}" style="width: {width}"></span></span>'
        rows.append([escape(LABELS[name]), bar, f"{100 * share:.0f} % of {capacity[name]:,.0f}"])
    return _table(["resource", "", "of the device"], rows)


def _front_row(record: TrialRecord, best: int) -> list[str]:
    figures = known_figures(record)
    star = "★ " if record.number == best else ""
    accuracy = "" if record.accuracy is None else f"{100 * record.accuracy:.1f} %"
    kinds = ", ".join(sorted({figures[name].kind for name in _FIGURES}))
    cells = [f"{star}{record.number}", accuracy, *(_figure(figures[name]) for name in _FIGURES), kinds]
    return [*cells, escape(design_text(record))]


def _front_image(records: Sequence[TrialRecord], objectives: Mapping[str, Direction], best: int) -> str:
    from fracdse.results.plots.front_plot import plot_front

    buffer = io.BytesIO()
    plot_front(records, objectives, chosen=best).savefig(buffer, format="png", dpi=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="The trade-off; the table has the front" src="data:image/png;base64,{data}">'


def _figure(figure: Figure) -> str:
    """Return a figure and, small, its interval."""
    if figure.low == figure.high:
        return number_text(figure.value)
    return f"{number_text(figure.value)}<br><small>{number_text(figure.low)}…{number_text(figure.high)}</small>"


def _cell(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _escaped(rows: Sequence[Sequence[str]]) -> list[list[str]]:
    return [[escape(cell) for cell in row] for row in rows]


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], texts: int = 1) -> str:
    """Return a table of cells that are HTML already; the first `texts` columns and the last are words."""

    def line(tag: str, cells: Sequence[str]) -> str:
        kinds = [' class="text"' if i < texts or i == len(cells) - 1 else "" for i in range(len(cells))]
        return "".join(f"<{tag}{kind}>{cell}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    head = line("th", [escape(heading) for heading in headings])
    body = "".join(f"<tr>{line('td', row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _page(*parts: str) -> str:
    return f'<div class="fracdse">{_STYLE}{"".join(parts)}</div>'
