"""What must hold for every report, however it is cut or damaged."""

from __future__ import annotations

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from report_samples import EVERY_KIND, utilization

from fracdse.errors import ReportError
from fracdse.reports import Report, read_report_text

KINDS = st.sampled_from(sorted(EVERY_KIND))


def read_or_none(text: str, name: str) -> Report | None:
    try:
        return read_report_text(text, name)
    except ReportError:
        return None


@given(kind=KINDS, data=st.data())
def test_report_cut_at_any_line_is_an_error_or_the_same(kind: str, data: st.DataObject) -> None:
    lines = EVERY_KIND[kind].split("\n")
    kept = data.draw(st.integers(0, len(lines)))
    report = read_or_none("\n".join(lines[:kept]) + "\n", kind)
    assert report in (None, read_report_text(EVERY_KIND[kind], kind))


@given(kind=KINDS, data=st.data())
def test_report_cut_at_any_character_is_an_error_or_the_same(kind: str, data: st.DataObject) -> None:
    text = EVERY_KIND[kind]
    report = read_or_none(text[: data.draw(st.integers(0, len(text)))], kind)
    assert report in (None, read_report_text(text, kind))


@given(kind=KINDS, data=st.data())
def test_report_without_its_beginning_is_an_error_or_the_same(kind: str, data: st.DataObject) -> None:
    lines = EVERY_KIND[kind].split("\n")
    report = read_or_none("\n".join(lines[data.draw(st.integers(0, len(lines))) :]), kind)
    assert report in (None, read_report_text(EVERY_KIND[kind], kind))


@given(kind=KINDS, data=st.data())
def test_damaged_report_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    lines = EVERY_KIND[kind].split("\n")
    for _ in range(data.draw(st.integers(1, 4))):
        index = data.draw(st.integers(0, len(lines) - 1))
        lines[index] = data.draw(st.one_of(st.text(max_size=40), st.sampled_from(lines), st.just(lines[index][:-3])))
    read_or_none("\n".join(lines), kind)


@given(kind=KINDS, data=st.data())
def test_report_with_lost_characters_is_read_or_refused(kind: str, data: st.DataObject) -> None:
    text = EVERY_KIND[kind]
    for _ in range(data.draw(st.integers(1, 6))):
        start = data.draw(st.integers(0, len(text)))
        text = text[:start] + data.draw(st.sampled_from(["", "|", "+-", " ", "\n", "<", "-"])) + text[start + 1 :]
    read_or_none(text, kind)


@given(text=st.text(max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    assert read_or_none(text, "x") is None


@given(counts=st.tuples(*[st.integers(0, 10**9)] * 3), tiles=st.integers(0, 10**6))
def test_figures_come_back_as_they_were_printed(counts: tuple[int, int, int], tiles: int) -> None:
    lut, ff, dsp = counts
    report = read_report_text(utilization(bram36=str(tiles / 2), lut=lut, ff=ff, dsp=dsp), "x")
    assert (report.lut, report.ff, report.dsp, report.bram36) == (lut, ff, dsp, tiles / 2)


def test_no_figure_of_a_report_is_negative_but_slack() -> None:
    for kind, text in EVERY_KIND.items():
        for name, value in dataclasses.asdict(read_report_text(text, kind)).items():
            if isinstance(value, int | float) and name not in ("wns_ns", "tns_ns", "whs_ns"):
                assert value >= 0, (kind, name)
