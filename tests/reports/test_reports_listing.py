from __future__ import annotations

import json
from pathlib import Path

from report_samples import EVERY_KIND

from fracdse.reports import device_of, list_reports
from fracdse.reports.listing import LISTED_FIELDS
from fracdse.reports.report import Report


def test_one_entry_a_file_in_order(tmp_path: Path) -> None:
    paths = []
    for kind, text in EVERY_KIND.items():
        paths.append(tmp_path / f"{kind}.txt")
        paths[-1].write_text(text)
    paths.append(tmp_path / "none.rpt")
    entries = list_reports(paths)
    assert [entry["file"] for entry in entries] == [str(path) for path in paths]
    for entry in entries[:-1]:
        assert set(entry) == {"file", "notes", *LISTED_FIELDS}
    assert set(entries[-1]) == {"file", "error", "hint"}
    assert entries[0]["lut"] == 1234
    assert json.loads(json.dumps(entries)) == entries


def test_listed_fields_are_fields_of_a_report() -> None:
    assert set(LISTED_FIELDS) <= set(Report.__dataclass_fields__)


def test_device_is_the_same_whatever_the_spelling() -> None:
    for part in ("xczu3egsbva484-1", "xczu3eg-sbva484-1-e", "xczu3eg-sbva484-1-i", "xczu3eg-sbva484", "XCZU3EG"):
        assert device_of(part) == "xczu3eg"
    for part in ("7z020clg484-1", "xc7z020-clg400-1", "7z020-clg484", "xc7z020"):
        assert device_of(part) == "xc7z020"
    assert device_of("xck26-sfvc784-2LV-c") == "xck26"
    assert device_of("xc7vx690tffg1927-2") == "xc7vx690t"
    assert device_of("xcu50fsvh2104-2L") == "xcu50"
    assert device_of("xczu7ev-ffvc1156-2-e") == "xczu7ev"
