"""Everything that the page of a study shows, as plain values: the page's scripts only draw it."""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fracdse import __version__
from fracdse.errors import FracdseError
from fracdse.hardware.devices import load_device
from fracdse.pareto import Direction
from fracdse.records import TrialRecord
from fracdse.results.choose import choose
from fracdse.results.front import pareto_front
from fracdse.results.labels import LABELS
from fracdse.results.layers import frame_cycles, frame_note, layer_rows
from fracdse.results.table import hardware_columns, known_figures, strongest_kind
from fracdse.results.terminal import design_text, number_text
from fracdse.space.objectives import DIRECTIONS
from fracdse.wording import number_of

_FIGURES = ("bram18", "dsp", "lut", "ff", "fps", "cycles_per_frame", "latency_us", "power_w")
_PANELS = ("accuracy", "bram18", "dsp", "lut", "fps", "latency_us", "power_w")
_RESOURCES = ("lut", "ff", "bram18", "dsp")
_FILTERS = (("accuracy", "low"), ("bram18", "high"), ("dsp", "high"), ("lut", "high"), ("fps", "low"))
_SHORT = {
    "number": "trial", "state": "state", "accuracy": "accuracy", "bram18": "BRAM18", "dsp": "DSP", "lut": "LUT",
    "ff": "FF", "fps": "frames/s", "cycles_per_frame": "cycles a frame", "latency_us": "latency µs",
    "power_w": "power W", "hardware_kind": "kind of figures", "design_key": "design key", "reason": "reason",
    "thermometer_resolution": "resolution",
}  # fmt: skip
_FIGURE_DIGITS = 5
# Larger studies carry the layers of their front only: each design's folding takes milliseconds and kilobytes.
_MOST_WITH_ALL_LAYERS = 64


@dataclass(frozen=True)
class PageContext:
    """What the page says of the run: the study's name, its objectives, the resolved space and named facts.

    `searched` are the paths of the searched choices, such as 'network.width'.
    """

    study: str
    objectives: Mapping[str, Direction]
    space_toml: str
    searched: Sequence[str]
    facts: Mapping[str, str] = field(default_factory=dict)


def page_data(records: Sequence[TrialRecord], context: PageContext) -> dict[str, Any]:
    """Return everything that the page shows, as plain values."""
    front = pareto_front(records, context.objectives)
    best = choose(records, "knee", context.objectives).record.number if front else None
    choices = _choice_names(context.searched)
    layers = _all_layers(records, front)
    columns = _columns(records, {record.number for record in front}, choices)
    panels = [name for name in _PANELS if any(value is not None for value in columns.get(name, []))]
    x, y = _axes(panels or ["accuracy", "bram18"], context.objectives)
    return {
        "study": context.study,
        "summary": _summary(records, front),
        "tiles": _tiles(records, front, best, context.objectives),
        "x": x,
        "y": y,
        "panels": panels or [y, x],
        "figures": [name for name in _FIGURES if name in columns],
        "choices": list(choices),
        "axes": [*choices, *panels],
        "filters": [list(pair) for pair in _FILTERS if pair[0] in panels],
        "directions": DIRECTIONS | {"cycles_per_frame": "minimize"},
        "labels": LABELS,
        "short": {name: name.replace("_", " ") for name in choices} | _SHORT,
        "names": _names(columns, list(choices)),
        "capacity": _capacities(records),
        "record": {"fracdse": __version__, "objectives": _objectives_text(context.objectives), **context.facts},
        "commands": _commands(context.study),
        "space": context.space_toml,
        "rows": [record.number for record in records],
        "columns": columns,
        "layers": layers,
        "layer_hints": _layer_hints(records, layers),
        "layers_note": f"Its layers are not on this page; try: fracdse show NUMBER {shlex.quote(context.study)}",
        "pinned": [] if best is None else [best],
    }


def _choice_names(searched: Sequence[str]) -> dict[str, str]:
    """Return a short name → path of every searched choice; one that is also a figure's keeps its section."""
    taken = {"number", "state", "accuracy", "device", "seed", "front", "design", "reason", *_FIGURES}
    names: dict[str, str] = {}
    for path in searched:
        last = path.rpartition(".")[2]
        names[path.replace(".", " ") if last in taken or last in names else last] = path
    return names


def _columns(records: Sequence[TrialRecord], front: set[int], choices: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return name → a value a trial; the ends of exact intervals are None, and columns of None alone are left out."""
    rows = [_row(record, record.number in front, choices) for record in records]
    names = list(rows[0]) if rows else []
    columns = {name: [row[name] for row in rows] for name in names}
    return {name: values for name, values in columns.items() if any(value is not None for value in values)}


def _row(record: TrialRecord, on_front: bool, choices: Mapping[str, str]) -> dict[str, Any]:
    figures = known_figures(record)
    hardware = hardware_columns(figures)
    for name in _FIGURES:
        if hardware[f"{name}_low"] == hardware[f"{name}_high"]:
            hardware[f"{name}_low"] = hardware[f"{name}_high"] = None
    row: dict[str, Any] = {"state": record.state, "accuracy": record.accuracy, **hardware}
    row |= {name: _choice(record.params.get(path)) for name, path in choices.items()}
    row |= {
        "hardware_kind": strongest_kind(figures),
        "design": design_text(record),
        "design_key": record.design.key,
        "device": record.design.device,
        "seed": record.seed,
        "reason": record.reason or None,
        "front": on_front,
    }
    return {name: _plain(value) for name, value in row.items()}


def _choice(value: Any) -> Any:
    """Return a number or a name: a choice between true and false becomes one between two words."""
    return value if not isinstance(value, bool) else "yes" if value else "no"


def _names(columns: Mapping[str, Sequence[Any]], choices: Sequence[str]) -> dict[str, list[str]]:
    """Return the sorted values of every choice that is a name and not a number."""
    found: dict[str, list[str]] = {}
    for name in choices:
        values = [value for value in columns.get(name, []) if value is not None]
        if any(isinstance(value, str) for value in values):
            found[name] = sorted({str(value) for value in values})
    return found


def _axes(panels: Sequence[str], objectives: Mapping[str, Direction]) -> tuple[str, str]:
    """Return what the trade-off is drawn across and up: a cost and, where it is known, accuracy."""
    upwards = "accuracy" if "accuracy" in panels else next((n for n in objectives if n in panels), panels[0])
    across = [name for name in (*objectives, *panels) if name in panels and name != upwards]
    return (across or [upwards])[0], upwards


def _summary(records: Sequence[TrialRecord], front: Sequence[TrialRecord]) -> str:
    states = ", ".join(f"{count} {state}" for state, count in sorted(Counter(r.state for r in records).items()))
    devices = ", ".join(sorted({record.design.device for record in records}))
    return f"{number_of(len(records), 'trial')} ({states or 'none yet'}); {len(front)} on the front. {devices}".strip()


def _tiles(
    records: Sequence[TrialRecord], front: Sequence[TrialRecord], best: int | None, objectives: Mapping[str, Direction]
) -> list[list[str]]:
    """Return (name, value, note) of the page's headline figures: the best of the front by each objective."""
    tiles = [["trials", str(len(records)), f"{len(front)} on the front"]]
    for name in objectives:
        if front:
            record = choose(records, name, objectives).record
            value = record.accuracy if name == "accuracy" else known_figures(record)[name].value
            text = f"{100 * value:.1f} %" if name == "accuracy" and value is not None else number_text(value or 0.0)
            what = "best" if name == "accuracy" else "most" if objectives[name] == "maximize" else "fewest"
            what = "lowest" if name in ("latency_us", "power_w") else what
            tiles.append([f"{what} {_SHORT[name]}", text, f"trial {record.number}"])
    if best is not None:
        tiles.append(["balanced choice", f"trial {best}", "closest to the ideal; deploy best takes it"])
    return tiles


def _all_layers(records: Sequence[TrialRecord], front: Sequence[TrialRecord]) -> dict[int, list[dict[str, Any]]]:
    complete = [record for record in records if record.state == "complete"]
    shown = complete if len(complete) <= _MOST_WITH_ALL_LAYERS else front
    return {record.number: _layers(record) for record in shown}


def _layers(record: TrialRecord) -> list[dict[str, Any]]:
    """Return the layers of a trial; none where its design can no longer be folded, as after a change of the model."""
    try:
        rows = layer_rows(record.design, record.gates)
    except FracdseError:
        return []
    return [{name: _plain(value) for name, value in row.items()} for row in rows]


def _layer_hints(records: Sequence[TrialRecord], layers: Mapping[int, Sequence[Mapping[str, Any]]]) -> dict[int, str]:
    """Return what the mark in a picture of layers means, for every trial that has layers with cycles of their own."""
    hints: dict[int, str] = {}
    for record in records:
        slowest = max((layer["cycles"] for layer in layers.get(record.number, ())), default=0)
        if slowest:
            note = frame_note(record.design, frame_cycles(record.design, record.gates), slowest)
            hints[record.number] = f"The marked layer is the slowest{note}."
    return hints


def _capacities(records: Sequence[TrialRecord]) -> dict[str, dict[str, int]]:
    devices = {name: load_device(name) for name in sorted({record.design.device for record in records})}
    return {name: {key: int(device.resources[key]) for key in _RESOURCES} for name, device in devices.items()}


def _objectives_text(objectives: Mapping[str, Direction]) -> str:
    return ", ".join(f"{name} {'↑' if direction == 'maximize' else '↓'}" for name, direction in objectives.items())


def _commands(study: str) -> list[str]:
    name = shlex.quote(study)
    return [
        f"fracdse search space.toml --study {name}    # space.toml: the resolved search space below",
        f"fracdse report {name} --pareto --html report.html",
        f"fracdse show best {name}",
        f"fracdse deploy best {name}",
    ]


def _plain(value: Any) -> Any:
    """Round floats to five digits, larger ones to whole numbers, as tables show them; drop what is not finite."""
    if not isinstance(value, float):
        return value
    if not math.isfinite(value):
        return None
    is_whole = value == int(value) or abs(value) >= 10 ** (_FIGURE_DIGITS - 1)
    return round(value) if is_whole else float(f"{value:.{_FIGURE_DIGITS}g}")
