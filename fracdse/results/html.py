"""One self-contained page of a study: data as JSON, one plotting library, no request to any host."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from fracdse import __version__
from fracdse.errors import FracdseError
from fracdse.hardware.devices import load_device
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.front import pareto_front
from fracdse.results.labels import LABELS
from fracdse.results.layers import layer_rows
from fracdse.results.table import hardware_columns, known_figures, strongest_kind, trial_row
from fracdse.results.terminal import design_text

_PANELS = ("bram18", "dsp", "lut", "fps", "latency_us", "power_w")
_FIGURES = ("bram18", "dsp", "lut", "ff", "fps", "cycles_per_frame", "latency_us", "power_w")
_RESOURCES = ("lut", "ff", "bram18", "dsp")
_SHORT = {
    "number": "trial", "state": "state", "accuracy": "accuracy", "bram18": "BRAM18", "dsp": "DSP", "lut": "LUT",
    "ff": "FF", "fps": "frames/s", "cycles_per_frame": "cycles a frame", "latency_us": "latency µs",
    "power_w": "power W", "hardware_kind": "kind", "design_key": "design key", "reason": "reason",
}  # fmt: skip
_FILTERS = (("accuracy", ">="), ("bram18", "<="), ("dsp", "<="), ("lut", "<="), ("fps", ">="))
_FIGURE_DIGITS = 5


@dataclass(frozen=True)
class PageContext:
    """What the page says of the run: the study's name, its objectives, the resolved space and named facts."""

    study: str
    objectives: Mapping[str, Direction]
    space_toml: str
    searched: Sequence[str]
    facts: Mapping[str, str] = field(default_factory=dict)


def render_page(records: Sequence[TrialRecord], context: PageContext) -> str:
    """Return the page of a study as HTML."""
    from plotly.offline import get_plotlyjs

    files = resources.files("fracdse.results") / "page"
    page = (files / "template.html").read_text(encoding="utf-8")
    parts = {
        "/*STYLE*/": (files / "style.css").read_text(encoding="utf-8"),
        "/*DATA*/": _embedded(page_data(records, context)),
        "/*PLOTLY*/": get_plotlyjs(),
        "/*SCRIPT*/": (files / "page.js").read_text(encoding="utf-8"),
    }
    for mark, content in parts.items():
        before, _, after = page.partition(mark)
        page = before + content + after
    return page


def page_data(records: Sequence[TrialRecord], context: PageContext) -> dict[str, Any]:
    """Return everything that the page shows, as plain values."""
    front = {record.number for record in pareto_front(records, context.objectives)}
    choices = [path.rpartition(".")[2] for path in context.searched]
    names = _columns(choices)
    counts: dict[str, int] = {}
    for record in records:
        counts[record.state] = counts.get(record.state, 0) + 1
    states = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()))
    return {
        "study": context.study,
        "summary": f"{len(records)} trials ({states}); {len(front)} on the front.",
        "panels": list(_PANELS),
        "figures": list(_FIGURES),
        "choices": choices,
        "filters": [list(pair) for pair in _FILTERS],
        "labels": LABELS,
        "short": _SHORT | {name: name.replace("_", " ") for name in choices},
        "capacity": _capacities(records),
        "record": {"fracdse": __version__, "objectives": _objectives_text(context.objectives), **context.facts},
        "space": context.space_toml,
        "names": names,
        "rows": [_trial(record, record.number in front, names) for record in records],
        "layers": {record.number: _layers(record) for record in records if record.number in front},
    }


def _columns(choices: Sequence[str]) -> list[str]:
    intervals = [f"{name}{end}" for name in _FIGURES for end in ("", "_low", "_high")]
    fixed = [
        "number",
        "state",
        "accuracy",
        *intervals,
        "hardware_kind",
        "design_key",
        "device",
        "reason",
        "front",
        "design",
    ]
    return [*fixed, *(name for name in choices if name not in fixed)]


def _trial(record: TrialRecord, on_front: bool, names: Sequence[str]) -> list[Any]:
    """Return one trial's values in the order of `names`; the ends of an interval without width are left empty."""
    figures = known_figures(record)
    row = trial_row(record) | hardware_columns(figures) | {"hardware_kind": strongest_kind(figures)}
    for name in _FIGURES:
        if row[f"{name}_low"] == row[f"{name}_high"]:
            row[f"{name}_low"] = row[f"{name}_high"] = None
    row |= {"front": on_front, "design": design_text(record)}
    return [_plain(row.get(name, record.params.get(name))) for name in names]


def _layers(record: TrialRecord) -> list[dict[str, Any]]:
    """Return the layers of a trial; none where its design can no longer be folded, as after a change of the model."""
    try:
        rows = layer_rows(record.design, record.gates)
    except FracdseError:
        return []
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _capacities(records: Sequence[TrialRecord]) -> dict[str, dict[str, int]]:
    devices = {name: load_device(name) for name in sorted({record.design.device for record in records})}
    return {name: {key: int(device.resources[key]) for key in _RESOURCES} for name, device in devices.items()}


def _objectives_text(objectives: Mapping[str, Direction]) -> str:
    return ", ".join(f"{name} {'↑' if direction == 'maximize' else '↓'}" for name, direction in objectives.items())


def _plain(value: Any) -> Any:
    """Round floats to five digits, which the page shows at most, and drop what is not finite."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{_FIGURE_DIGITS}g}")


def _embedded(values: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element, whatever texts it holds."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
