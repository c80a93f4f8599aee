"""A study as a table on the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from fracdse.figures import Figure, HardwareFigures
from fracdse.records import TrialRecord
from fracdse.results.table import strongest_kind

_SHOWN = ("bram18", "dsp", "lut", "fps", "latency_us", "power_w")
_HEADINGS = {
    "bram18": "BRAM18",
    "dsp": "DSP",
    "lut": "LUT",
    "fps": "frames/s",
    "latency_us": "latency µs",
    "power_w": "W",
}


def trials_table(records: Sequence[TrialRecord], title: str, *, with_state: bool) -> Table:
    """Return a table with a row a trial; figures are followed by their 90 % interval in brackets.

    Names from files are shown as they are, never read as markup.
    """
    table = Table(title=Text(title), title_justify="left", header_style="bold")
    table.add_column("trial", justify="right")
    if with_state:
        table.add_column("state")
    table.add_column("accuracy", justify="right")
    for name in _SHOWN:
        table.add_column(_HEADINGS[name], justify="right")
    table.add_column("kind")
    table.add_column("design")
    for record in records:
        kind = strongest_kind(record)
        figures = record.later.get(kind, record.hardware)
        cells = [str(record.number), *([record.state] if with_state else [])]
        cells.append("" if record.accuracy is None else f"{100 * record.accuracy:.1f} %")
        cells += [figure_text(figures, name) for name in _SHOWN]
        cells += [kind if figures else "", record.reason or design_text(record)]
        table.add_row(*[Text(cell) for cell in cells])
    return table


def figure_text(figures: HardwareFigures | None, name: str) -> str:
    """Return a figure and, where it is not exact, its interval: '4,120 [3,900…4,310]'."""
    if figures is None:
        return ""
    figure: Figure = getattr(figures, name)
    if figure.low == figure.high:
        return _number(figure.value)
    return f"{_number(figure.value)} [{_number(figure.low)}…{_number(figure.high)}]"


def design_text(record: TrialRecord) -> str:
    """Return the choices of a trial in a few words."""
    net = record.design.network
    body = f"{net.body}{net.depth}" if net.body == "resnet" else net.body
    text = f"{body} w{net.width} R{net.thermometer_resolution} g{net.gate_threshold:g}"
    return f"{text} SI{net.si_width}" if net.si_width else text


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"
