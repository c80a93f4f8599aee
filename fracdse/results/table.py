"""A study as a table: one row a trial, units in the column names, the kind beside every hardware figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fracdse.design import Design
from fracdse.figures import KINDS, Figure, Kind
from fracdse.records import TrialRecord
from fracdse.space.objectives import DIRECTIONS

if TYPE_CHECKING:
    import pandas as pd

HARDWARE_COLUMNS = ("bram18", "dsp", "lut", "ff", "fps", "cycles_per_frame", "latency_us", "power_w")


def objective_value(record: TrialRecord, name: str) -> float:
    """Return the value of an objective; not a number where the trial has none.

    Raises:
        KeyError: `name` is no objective.
    """
    if name not in DIRECTIONS:
        raise KeyError(name)
    if name == "accuracy":
        return float("nan") if record.accuracy is None else record.accuracy
    return float("nan") if record.hardware is None else float(getattr(record.hardware, name).value)


def trial_row(record: TrialRecord, kind: Kind = "estimated") -> dict[str, Any]:
    """Return one trial as a flat row; hardware figures are those of `kind`, empty where the trial has none of it.

    A later step carries figures on that it did not find itself, such as the estimated power beside simulated cycles;
    they are of another kind and so not in its row.
    """
    figures = record.hardware if kind == "estimated" else record.later.get(kind)
    row: dict[str, Any] = {"number": record.number, "state": record.state, "accuracy": record.accuracy}
    row |= hardware_columns({} if figures is None else {n: f for n, f in figures.items() if f.kind == kind})
    row["hardware_kind"] = kind if figures is not None else None
    row["open_fraction"] = record.gates.open_fraction if record.gates else None
    row |= record.design.to_dict()["network"]
    row |= {f"accelerator_{name}": value for name, value in record.design.to_dict()["accelerator"].items()}
    row |= {
        "device": record.design.device,
        "design_key": record.design.key,
        "seed": record.seed,
        "seconds": sum(record.seconds.values()),
        "reason": record.reason,
        "started": record.started,
        "finished": record.finished,
    }
    return row


def column_names() -> list[str]:
    """Return the columns of a table of trials, which are the same for every trial."""
    return list(trial_row(TrialRecord(number=0, state="waiting", design=Design(), params={}, seed=0)))


def hardware_columns(figures: Mapping[str, Figure]) -> dict[str, float | None]:
    """Return name, name_low and name_high of every hardware figure; empty for those that are not given."""
    columns: dict[str, float | None] = {}
    for name in HARDWARE_COLUMNS:
        figure = figures.get(name)
        columns[name] = figure.value if figure else None
        columns[f"{name}_low"] = figure.low if figure else None
        columns[f"{name}_high"] = figure.high if figure else None
    return columns


def known_figures(record: TrialRecord) -> dict[str, Figure]:
    """Return every hardware figure of a trial as the strongest evidence has it; empty where the trial has none."""
    known: dict[str, Figure] = dict(record.hardware.items()) if record.hardware else {}
    for figures in record.later.values():
        for name, figure in figures.items():
            if name not in known or KINDS.index(figure.kind) > KINDS.index(known[name].kind):
                known[name] = figure
    return known


def strongest_kind(figures: Mapping[str, Figure]) -> Kind | None:
    """Return the kind of the best-founded of some hardware figures; None where there are none."""
    return max((figure.kind for figure in figures.values()), key=KINDS.index, default=None)


def trials_frame(records: Sequence[TrialRecord]) -> pd.DataFrame:
    """Return all trials as a data frame, in order of their numbers."""
    import pandas as pd

    rows = [trial_row(record) for record in sorted(records, key=lambda record: record.number)]
    return pd.DataFrame(rows, columns=column_names())
