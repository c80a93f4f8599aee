"""A study as a table on the terminal, in as many columns as fit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from rich import box
from rich.table import Table
from rich.text import Text

from fracdse.figures import Figure
from fracdse.records import TrialRecord
from fracdse.results.table import known_figures, strongest_kind

_HEADINGS = {
    "bram18": "BRAM18",
    "dsp": "DSP",
    "lut": "LUT",
    "fps": "frames/s",
    "latency_us": "latency µs",
    "power_w": "W",
}


@dataclass(frozen=True)
class _Layout:
    """What a terminal of at least `columns` shows."""

    columns: int
    figures: tuple[str, ...]
    cell: Callable[[Figure], str]
    state_and_kind: bool
    left_out: str = ""


def figure_text(figure: Figure) -> str:
    """Return a figure and, where it is not exact, its 90 % interval: '4,120 [3,900…4,310]'."""
    if figure.low == figure.high:
        return number_text(figure.value)
    return f"{number_text(figure.value)} [{number_text(figure.low)}…{number_text(figure.high)}]"


def short_text(figure: Figure) -> str:
    """Return a figure and the larger half of its interval in per cent: '4,120 ±5%'."""
    if figure.low == figure.high or not figure.value:
        return number_text(figure.value)
    half = max(figure.high - figure.value, figure.value - figure.low) / abs(figure.value)
    return f"{number_text(figure.value)} ±{100 * half:.0f}%"


def number_text(value: float) -> str:
    """Return a number in three digits, or whole where that has more."""
    return f"{value:,.0f}" if abs(value) >= 100 or value == round(value) else f"{value:.3g}"


_ALL = tuple(_HEADINGS)
_LAYOUTS = (
    _Layout(160, _ALL, figure_text, True),
    _Layout(130, _ALL, short_text, True),
    _Layout(80, _ALL[:4], short_text, False, "latency and power"),
    _Layout(0, _ALL[:3], lambda figure: number_text(figure.value), False, "intervals, frames/s, latency and power"),
)


def trials_table(records: Sequence[TrialRecord], title: str, *, with_state: bool, width: int = 160) -> Table:
    """Return a table with a row a trial for a terminal of `width` columns.

    Every figure is that of the strongest evidence; in a row that has more than estimates, those are marked '~'. Names
    from files are shown as they are, never read as markup.
    """
    layout = next(layout for layout in _LAYOUTS if width >= layout.columns)
    table = Table(
        title=Text(title),
        title_justify="left",
        header_style="bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        show_edge=False,
    )
    table.add_column("trial", justify="right", no_wrap=True)
    if with_state and layout.state_and_kind:
        table.add_column("state", no_wrap=True)
    table.add_column("accuracy", justify="right", no_wrap=True)
    for name in layout.figures:
        table.add_column(_HEADINGS[name], justify="right", no_wrap=True)
    if layout.state_and_kind:
        table.add_column("kind", no_wrap=True)
    table.add_column("design", overflow="fold")
    for record in records:
        table.add_row(*[Text(cell) for cell in _cells(record, layout, with_state)])
    table.caption = Text(_caption(records, layout))
    table.caption_justify = "left"
    return table


def _cells(record: TrialRecord, layout: _Layout, with_state: bool) -> list[str]:
    figures = known_figures(record)
    kind = strongest_kind(figures)
    state = [record.state] if with_state and layout.state_and_kind else []
    accuracy = "" if record.accuracy is None else f"{100 * record.accuracy:.1f} %"
    if with_state and not layout.state_and_kind and record.state != "complete":
        accuracy = record.state
    cells = [str(record.number), *state, accuracy]
    for name in layout.figures:
        mark = "~" if figures and figures[name].kind != kind and figures[name].kind == "estimated" else ""
        cells.append(mark + layout.cell(figures[name]) if figures else "")
    return [*cells, *([kind or ""] if layout.state_and_kind else []), record.reason or design_text(record)]


def _caption(records: Sequence[TrialRecord], layout: _Layout) -> str:
    kinds = {strongest_kind(known_figures(record)) for record in records} - {None}
    words = []
    if kinds == {"estimated"}:
        words.append(
            "Hardware figures are estimates"
            + ("; ± is half of their 90 % interval." if layout.cell is short_text else ".")
        )
    elif kinds:
        words.append("~ is an estimate beside stronger evidence.")
    if layout.left_out:
        words.append(f"A wider terminal and --format csv also show {layout.left_out}.")
    return " ".join(words)


def design_text(record: TrialRecord) -> str:
    """Return the choices of a trial in a few words."""
    net, architecture = record.design.network, record.design.accelerator.architecture
    body = f"{net.body}{net.depth}" if net.body == "resnet" else net.body
    words = [body, f"w{net.width}", f"R{net.thermometer_resolution}", f"g{net.gate_threshold:g}"]
    if net.si_width:
        words.append(f"SI{net.si_width}")
    if architecture != "dataflow":
        words.append(architecture)
    return " ".join(words)
