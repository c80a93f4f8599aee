"""One self-contained page of a study: data as JSON, one drawing library (D3), no request to any host."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from fracdse.records import TrialRecord
from fracdse.results.page_data import PageContext, page_data

_LIBRARY = "vendor/d3.min.js"
_SCRIPTS = ("data.js", "scatter.js", "compare.js", "parallel.js", "table.js", "page.js")


def render_page(records: Sequence[TrialRecord], context: PageContext) -> str:
    """Return the page of a study as HTML."""
    page = _file("template.html")
    parts = {
        "/*STYLE*/": _file("style.css"),
        "/*DATA*/": _embedded(page_data(records, context)),
        "/*LIBRARY*/": _file(_LIBRARY),
        "/*SCRIPT*/": "\n".join(_file(name) for name in _SCRIPTS),
    }
    for mark, content in parts.items():
        before, _, after = page.partition(mark)
        page = before + content + after
    return page


def _file(name: str) -> str:
    return (resources.files("fracdse.results") / "page" / name).read_text(encoding="utf-8")


def _embedded(values: Mapping[str, Any]) -> str:
    """Return JSON that is safe inside a script element, whatever texts it holds."""
    text = json.dumps(values, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for character in ("<", ">", "&", "\u2028", "\u2029"):
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text
