"""Values of an XML report by their path, read as a stream: no document types, no entities, bounded depth and size."""

from __future__ import annotations

from collections.abc import Collection
from xml.parsers import expat

from fracdse.reports.source import ReportText

DEPTH_LIMIT = 256
_VALUE_LIMIT_CHARACTERS = 4096


class _Reader:
    """Collect the texts of wanted elements while the parser walks through the document."""

    def __init__(self, source: ReportText, wanted: Collection[str]) -> None:
        self.source = source
        self.wanted = frozenset(wanted)
        self.path: list[str] = []
        self.values: dict[str, str] = {}
        self.open: str | None = None
        self.pieces: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if len(self.path) >= DEPTH_LIMIT:
            raise self.source.not_a_report(f"XML elements are nested more than {DEPTH_LIMIT} deep")
        self.path.append(name.rpartition(":")[2])
        here = "/".join(self.path)
        self.open = here if here in self.wanted and here not in self.values else None
        self.pieces = []

    def text(self, data: str) -> None:
        if self.open is not None:
            self.pieces.append(data)
            if sum(map(len, self.pieces)) > _VALUE_LIMIT_CHARACTERS:
                raise self.source.unreadable(self.open, "".join(self.pieces), "a short value")

    def end(self, name: str) -> None:
        if self.open is not None and self.open == "/".join(self.path):
            self.values[self.open] = "".join(self.pieces).strip()
        self.open = None
        self.path.pop()

    def refuse(self, *_: object) -> None:
        raise self.source.not_a_report("XML with a document type or entities is not read")


def read_xml_values(source: ReportText, wanted: Collection[str]) -> dict[str, str]:
    """Return the texts of the wanted elements, the first of each.

    Args:
        source: The report.
        wanted: Paths such as 'profile/AreaReport/Resources/LUT'; namespace prefixes in the document do not count.

    Raises:
        ReportError: The document is not well formed, has a document type or entities, or is nested too deep.
    """
    reader = _Reader(source, wanted)
    parser = expat.ParserCreate(encoding="utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(source.text.strip().encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise source.cut_off(f"the XML is not well formed ({error})") from error
    return reader.values
