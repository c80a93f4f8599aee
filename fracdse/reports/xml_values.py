"""Values of an XML report by their path, read as a stream: no document types, no entities, bounded depth and size."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TypeAlias
from xml.parsers import expat

from fracdse.reports.source import ReportText

DEPTH_LIMIT = 256
_VALUE_LIMIT_CHARACTERS = 4096

_Branch: TypeAlias = "dict[str, _Branch]"


class _Reader:
    """Collect the texts of wanted elements while the parser walks through the document.

    Elements that lead to no wanted one are only counted, which keeps large reports quick.
    """

    def __init__(
        self,
        source: ReportText,
        parser: expat.XMLParserType,
        wanted: _Branch,
        attributes: Mapping[str, tuple[str, str]],
    ) -> None:
        self.source = source
        self.parser = parser
        self.attributes = attributes
        self.values: dict[str, str] = {}
        self.branches = [wanted]
        self.path: list[str] = []
        self.unwanted_depth = 0
        self.pieces: list[str] = []

    def start(self, name: str, attributes: list[str]) -> None:
        if self.unwanted_depth:
            self.unwanted_depth += 1
            if self.unwanted_depth > DEPTH_LIMIT:
                raise self.source.not_a_report(f"XML elements are nested more than {DEPTH_LIMIT} deep")
            return
        name = name.rpartition(":")[2]
        here = self.branches[-1]
        if not here:
            raise self.source.unreadable(self.path[-1], f"<{name}>", "a value without elements in it")
        if name not in here:
            self.unwanted_depth = 1
            return
        if not here[name] and (path := "/".join([*self.path, name])) in self.attributes:
            self._keep_attributes(path, attributes)
            self.unwanted_depth = 1
            return
        self.branches.append(here[name])
        self.path.append(name)
        if not here[name]:
            self.pieces = []
            self.parser.CharacterDataHandler = self.text

    def _keep_attributes(self, path: str, attributes: list[str]) -> None:
        given = dict(zip(attributes[::2], attributes[1::2], strict=True))
        key, value = (given.get(name, "") for name in self.attributes[path])
        if len(key) + len(value) <= _VALUE_LIMIT_CHARACTERS:
            self.values.setdefault(f"{path}[{key}]", value)

    def text(self, data: str) -> None:
        self.pieces.append(data)
        if len(self.pieces) > _VALUE_LIMIT_CHARACTERS or len(data) > _VALUE_LIMIT_CHARACTERS:
            raise self.source.unreadable(self.path[-1], data, "a short value")

    def end(self, name: str) -> None:
        if self.unwanted_depth:
            self.unwanted_depth -= 1
            return
        if not self.branches.pop():
            self.parser.CharacterDataHandler = None
            self.values.setdefault("/".join(self.path), "".join(self.pieces).strip())
        self.path.pop()

    def refuse(self, *_: object) -> None:
        raise self.source.not_a_report("XML with a document type or entities is not read")


def read_xml_values(
    source: ReportText, wanted: Collection[str], attributes: Mapping[str, tuple[str, str]] | None = None
) -> dict[str, str]:
    """Return the texts of the wanted elements, the first of each.

    Args:
        source: The report.
        wanted: Paths such as 'profile/AreaReport/Resources/LUT', none of them within another; namespace prefixes in
            the document do not count.
        attributes: Of elements that hold values in attributes: the attribute that names a value and the one that holds
            it. With {"a/item": ("NAME", "VALUE")}, <a><item NAME="n" VALUE="v"/></a> gives {"a/item[n]": "v"}.

    Raises:
        ReportError: The document is not well formed, has a document type or entities, or is nested too deep.
    """
    parser = expat.ParserCreate(encoding="utf-8")
    reader = _Reader(source, parser, _tree([*wanted, *(attributes or {})]), attributes or {})
    parser.buffer_text = True
    parser.ordered_attributes = True
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    try:
        parser.Parse(source.text.strip().encode("utf-8", errors="replace"), True)
    except expat.ExpatError as error:
        raise source.cut_off(f"the XML is not well formed ({error})") from error
    return reader.values


def _tree(paths: Collection[str]) -> _Branch:
    tree: _Branch = {}
    for path in paths:
        branch = tree
        for name in path.split("/"):
            branch = branch.setdefault(name, {})
    return tree
