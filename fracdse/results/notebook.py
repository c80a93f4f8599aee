"""What a notebook shows of a study and of a design: HTML in which every text from a file is escaped."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from fracdse.design import Design
from fracdse.errors import FracdseError
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.labels import LABELS
from fracdse.results.table import known_figures
from fracdse.results.terminal import design_text, figure_text

_FIGURES = ("bram18", "dsp", "lut", "fps", "latency_us", "power_w")
_MOST_ROWS = 20


def study_html(name: str, records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> str:
    """Return a study's front as a picture and a table."""
    front = pareto_front(records, objectives)
    complete = sum(record.state == "complete" for record in records)
    head = f"<h3>Study {escape(name)}</h3><p>{len(records)} trials, {complete} complete, {len(front)} on the front.</p>"
    if not front:
        return head
    rows = [[str(r.number), f"{100 * (r.accuracy or 0):.1f} %", *_figure_cells(r), design_text(r)] for r in front]
    headings = ["trial", "accuracy", *(LABELS[figure] for figure in _FIGURES), "design"]
    left = f"<p>The first {_MOST_ROWS} of {len(rows)}.</p>" if len(rows) > _MOST_ROWS else ""
    return head + _front_image(records, objectives) + _table(headings, rows[:_MOST_ROWS]) + left


def design_html(design: Design) -> str:
    """Return a design's choices, its estimated figures and, for a dataflow accelerator that fits, its layers."""
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
    parts.append(f"<details><summary>Choices</summary>{_table(['', 'choice', 'value'], choices)}</details>")
    return "".join(parts)


def _hardware_parts(design: Design) -> list[str]:
    from fracdse.hardware.estimate import estimate
    from fracdse.results.layers import layer_rows

    figures = [[LABELS[name], figure_text(figure), figure.kind] for name, figure in estimate(design).items()]
    parts = [_table(["figure", "value and 90 % interval", "kind"], figures)]
    if design.accelerator.architecture == "dataflow":
        names = ("name", "operation", "output", "lanes", "cycles", "lut", "ff", "bram18", "dsp")
        rows = [[_cell(row[name]) for name in names] for row in layer_rows(design, None)]
        parts.append(f"<details><summary>Layers</summary>{_table(names, rows)}</details>")
    return parts


def _figure_cells(record: TrialRecord) -> list[str]:
    figures = known_figures(record)
    return [figure_text(figures[name]) for name in _FIGURES]


def _front_image(records: Sequence[TrialRecord], objectives: Mapping[str, Direction]) -> str:
    from fracdse.results.plots.front_plot import plot_front

    buffer = io.BytesIO()
    plot_front(records, objectives).savefig(buffer, format="png", dpi=90)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="Accuracy against BRAM and DSP" src="data:image/png;base64,{data}">'


def _cell(value: Any) -> str:
    return f"{value:,.0f}" if isinstance(value, float) else str(value)


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f"<th>{escape(heading)}</th>" for heading in headings)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
