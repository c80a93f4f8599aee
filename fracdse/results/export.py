"""Trials as text: CSV and JSON with the column names of the table."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from typing import Any

from fracdse.figures import KINDS
from fracdse.records import TrialRecord
from fracdse.results.table import column_names, trial_row


def rows_with_kinds(records: Sequence[TrialRecord]) -> list[dict[str, Any]]:
    """Return a row a trial and kind of hardware figure that it has; every trial has at least its first row."""
    rows: list[dict[str, Any]] = []
    for record in records:
        rows.append(trial_row(record))
        rows += [trial_row(record, kind) for kind in KINDS if kind in record.later]
    return rows


def to_csv(records: Sequence[TrialRecord]) -> str:
    """Return comma-separated values with a header; cells that spreadsheets would run as formulas are quoted."""
    buffer = io.StringIO()
    rows = rows_with_kinds(records)
    writer = csv.DictWriter(buffer, fieldnames=column_names(), lineterminator="\n")
    writer.writeheader()
    writer.writerows([{name: _plain_cell(value) for name, value in row.items()} for row in rows])
    return buffer.getvalue()


def to_json(records: Sequence[TrialRecord], **context: Any) -> str:
    """Return one JSON object: the given context and `trials`, a list of rows; nothing in it is NaN."""
    trials = [{name: _finite(value) for name, value in row.items()} for row in rows_with_kinds(records)]
    return json.dumps({**context, "trials": trials}, indent=2, ensure_ascii=False, allow_nan=False)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain_cell(value: Any) -> Any:
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
