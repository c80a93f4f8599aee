"""Texts and files that are no reports, or hostile ones: always a ReportError that names the file, never a guess."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from report_samples import EVERY_KIND, csynth_xml, export_xml, utilization, vivado_header

from fracdse.errors import ReportError
from fracdse.reports import read_report, read_report_text
from fracdse.reports.source import SIZE_LIMIT_BYTES

ENTITIES = '<!DOCTYPE profile [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>\n'
EXTERNAL = '<!DOCTYPE profile SYSTEM "file:///etc/passwd">\n'


def with_prologue(prologue: str, text: str) -> str:
    head, body = text.split("<profile>", 1)
    return f"{head}{prologue}<profile>{body}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n \n",
        "hello",
        "a,b\n1,2\n",
        "{}",
        '{"a": 1}',
        "<html></html>",
        "<svg/>",
        "| a | b |\n",
        "=" * 70,
        "+---+\n",
    ],
)
def test_text_that_is_no_report(text: str) -> None:
    with pytest.raises(ReportError, match=r"notes\.txt: not a report") as caught:
        read_report_text(text, "notes.txt")
    assert "report_utilization" in caught.value.hint


@pytest.mark.parametrize("command", ["report_drc", "report_io", "report_clock_utilization", "report_control_sets"])
def test_other_vivado_reports_are_named(command: str) -> None:
    with pytest.raises(ReportError, match=f"comes from Vivado's {command}"):
        read_report_text(vivado_header(f"{command} -file x.rpt", Design_State="Routed"), "x")


@pytest.mark.parametrize("prologue", [ENTITIES, EXTERNAL, "<!DOCTYPE profile>"])
@pytest.mark.parametrize("text", [csynth_xml(), export_xml()])
def test_document_types_and_entities_are_refused(prologue: str, text: str) -> None:
    with pytest.raises(ReportError, match="document type or entities"):
        read_report_text(with_prologue(prologue, text), "x.xml")


def test_entity_expansion_is_never_started() -> None:
    levels = "".join(f'<!ENTITY a{i + 1} "{f"&a{i};" * 10}">' for i in range(12))
    bomb = f'<!DOCTYPE profile [<!ENTITY a0 "ha">{levels}]>\n'
    text = csynth_xml().replace("<Part>", "<Part>&a12;")
    with pytest.raises(ReportError, match="document type or entities"):
        read_report_text(with_prologue(bomb, text), "x.xml")


@pytest.mark.parametrize(
    "text",
    [
        csynth_xml().replace("</profile>", ""),
        csynth_xml().replace("<Part>", "<Part>&unknown;"),
        csynth_xml().replace("</Part>", "</part>"),
        csynth_xml() + "<more/>",
        csynth_xml().replace("<Part>", "<Part>" + "x" * 5000),
        csynth_xml().replace("<ModuleInformation>", "<ModuleInformation>" + "<a>" * 300_000),
        csynth_xml().replace("<LUT>4490</LUT>", "<LUT>9999999999999999999999</LUT>"),
        csynth_xml().replace("<LUT>4490</LUT>", "<LUT>-5</LUT>"),
        csynth_xml().replace("<LUT>4490</LUT>", "<LUT><x>4</x></LUT>"),
        csynth_xml().replace("4.00", "0.00"),
        csynth_xml().replace("2019.2", "latest"),
    ],
)
def test_damaged_xml_is_refused(text: str) -> None:
    with pytest.raises(ReportError):
        read_report_text(text, "x.xml")


def test_binary_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "top.bit"
    path.write_bytes(bytes(range(256)) * 64)
    with pytest.raises(ReportError, match="the file is binary"):
        read_report(path)


def test_missing_file_and_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "none.rpt", tmp_path, Path("/dev/zero"), tmp_path / ("x" * 300)):
        with pytest.raises(ReportError):
            read_report(path)
    with pytest.raises(ReportError):
        read_report("a\0b")


def test_file_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "huge.rpt"
    with path.open("wb") as stream:
        stream.truncate(SIZE_LIMIT_BYTES + 1)
    with pytest.raises(ReportError, match="larger than 64 MiB"):
        read_report(path)


def test_huge_line_is_no_trouble() -> None:
    line = "| " + "x" * 5_000_000 + " |\n"
    assert read_report_text(utilization() + "\n" + line, "x").lut == 1234
    with pytest.raises(ReportError) as caught:
        read_report_text(line, "x")
    assert len(caught.value.message) < 300


@pytest.mark.parametrize("kind", EVERY_KIND)
@pytest.mark.parametrize("junk", ["\r", " ", "1", "- ", "| ", "a: ", "=", "+-", "' ", "("])
def test_lines_of_many_characters_are_no_trouble(kind: str, junk: str) -> None:
    """Patterns that backtrack would take hours here."""
    lines = EVERY_KIND[kind].split("\n")
    longest = max(range(len(lines)), key=lambda i: (len(lines[i].split()), i))
    lines[longest] += junk * (300_000 // len(junk)) + "x"
    with contextlib.suppress(ReportError):
        read_report_text("\n".join(lines), kind)


@pytest.mark.parametrize("kind", EVERY_KIND)
def test_encodings_and_line_endings_do_not_matter(kind: str, tmp_path: Path) -> None:
    text = EVERY_KIND[kind]
    plain = read_report_text(text, str(tmp_path / "r"))
    for data in (
        text.replace("\n", "\r\n").encode(),
        text.replace("\n", "\r\r\n").encode(),
        text.replace("\n", "\r").encode(),
        b"\xef\xbb\xbf" + text.encode(),
        b"\xff\xfe" + text.encode("utf-16-le"),
    ):
        (tmp_path / "r").write_bytes(data)
        assert read_report(tmp_path / "r") == plain


def test_latin_1_bytes_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(utilization().replace("Sat Mar", "S\u00e1b Mar\x85").encode("latin-1"))
    assert read_report(path).lut == 1234


def test_leading_lines_do_not_matter() -> None:
    for kind in ("util_synth", "timing", "power", "csynth_rpt"):
        text = "\n\n\nINFO: [Common 17-206] Exiting Vivado\n" + EVERY_KIND[kind]
        assert read_report_text(text, kind) == read_report_text(EVERY_KIND[kind], kind)
