"""`fracdse show`: what is on the screen at every width, without colours, and how neighbours differ."""

import io
import re
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.errors import InfeasibleError
from fracdse.figures import Figure
from fracdse.hardware.estimate import estimate
from fracdse.results.choose import choose
from fracdse.results.neighbours import differences
from fracdse.results.screen import design_screen

OBJECTIVES = {"accuracy": "maximize", "bram18": "minimize", "dsp": "minimize"}


@pytest.fixture
def records(make_record) -> list[Any]:
    def design(number: int) -> Design:
        return Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=4 + 4 * number))

    complete = [make_record(i, 0.7 + 0.1 * i, bram18=10 + i, dsp=4 - i, design=design(i)) for i in range(3)]
    failed = make_record(3, None, state="failed", reason="out of [red]memory[/red]", hardware=None, design=design(3))
    return [*complete, failed]


def screen(records: list[Any], trial: str = "best", width: int = 80, rule: str = "knee") -> str:
    console = Console(file=io.StringIO(), width=width)
    if trial == "best":
        choice = choose(records, rule, OBJECTIVES)
        record, words = choice.record, choice.rule
    else:
        record, words = next(record for record in records if record.number == int(trial)), ""
    console.print(design_screen(records, OBJECTIVES, record, words, "my study", width))
    return console.file.getvalue()  # type: ignore[attr-defined,no-any-return]


@pytest.mark.parametrize("width", [60, 80, 110, 140])
def test_a_screen_fits_its_width_and_needs_no_colour(records, width: int) -> None:
    text = screen(records, width=width)
    assert all(len(line) <= width for line in text.splitlines())
    assert "\x1b" not in text
    for part in ("stage3.block0.conv2", "◂ the slowest layer", "70,560", "BRAM18", "frames/s", "Neighbours"):
        assert part in text
    assert "fracdse deploy 1 'my study' --target board --board ADDRESS" in " ".join(text.split())


def test_a_wide_screen_says_what_layers_do_and_take(records) -> None:
    row = next(line for line in screen(records, "0", width=140).splitlines() if line.startswith("stem"))
    assert "binary conv" in row
    assert len(row.split()) >= 9
    assert "binary conv" not in screen(records, "0", width=80)


def test_sliced_lanes_are_shown_and_explained(records) -> None:
    slow = AcceleratorChoices(folding="smallest at fps", fps=1000)
    design = Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=16), slow)
    text = screen([replace(records[0], design=design)], "0")
    row = next(line for line in text.splitlines() if line.startswith("stage3.block0.conv2"))
    assert re.search(r" 1/\d+ ", row)
    assert "1/n: one lane that takes n cycles" in text
    assert "1/n" not in screen(records, "0")


def test_a_frame_that_takes_more_than_the_slowest_layer_is_said_so(records) -> None:
    def caption(design: Design) -> str:
        return " ".join(screen([replace(records[0], design=design)], "0", width=140).split())

    def fastest(width: int) -> Design:
        return Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=width), AcceleratorChoices())

    slow = replace(fastest(16), accelerator=AcceleratorChoices(folding="smallest at fps", fps=1000))
    assert "◂ the slowest layer: it sets the frame rate" in caption(slow)
    waiting = fastest(8)
    frame = estimate(waiting).cycles_per_frame.value
    assert f"wait for each other between frames, so a frame takes {frame:,.0f} cycles" in caption(waiting)


def test_neighbours_are_said_as_differences(records) -> None:
    near = differences(records, OBJECTIVES, records[1])
    assert [entry.record.number for entry in near] == [2, 0]
    assert [entry.accuracy_points for entry in near] == pytest.approx([10, -10])
    assert [(entry.figures["bram18"], entry.figures["dsp"]) for entry in near] == [(1, -1), (-1, 1)]
    row = next(line for line in screen(records, "1").splitlines() if line.split()[:1] == ["2"])
    assert row.split()[:5] == ["2", "+10", "+1", "−1", "+1"]
    assert "same" in row, "the rate is the same"


def test_a_dominated_trial_is_compared_with_the_best_of_the_front(records) -> None:
    worse = replace(
        records[0], number=9, accuracy=0.1, design=Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8))
    )
    assert [entry.record.number for entry in differences([*records, worse], OBJECTIVES, worse)] == [2, 1, 0]


def test_every_kind_of_figure_is_shown(records) -> None:
    measured = replace(records[1].hardware, fps=Figure.exact(77_777, "measured"))
    text = screen([replace(records[1], later={"measured": measured})], "1")
    assert "77,777  measured" in text
    assert "500,000  estimated" in text


def test_failed_and_engine_trials_are_shown_as_far_as_they_go(records) -> None:
    text = screen(records, "3")
    assert "Reason: out of [red]memory[/red]" in text
    assert "not trained" in text
    assert "fracdse deploy" not in text
    engine = replace(records[0].design, accelerator=AcceleratorChoices(architecture="engine"))
    assert "stage1.block0.conv1" in screen([replace(records[0], design=engine)], "0")


def test_an_empty_front_is_an_error(records) -> None:
    with pytest.raises(InfeasibleError):
        screen(records[3:])


def test_a_compact_design_shows_lanes_and_cycles_of_its_layers_and_of_a_frame(make_record) -> None:
    accelerator = AcceleratorChoices(architecture="compact", feature_bits=10, constant_bits=12)
    design = Design(ImageFormat(16, 16, 3, 10), NetworkChoices(depth=8, width=16), accelerator)
    text = screen([make_record(0, 0.7, design=design)], width=110)
    assert "resnet8 w16 R8 g3 compact: complete" in text
    frame = estimate(design).cycles_per_frame.value
    assert f"layers follow each other, and a frame takes {frame:,.0f} cycles" in " ".join(text.split())
    assert re.search(r"stage1\.block0\.conv1 .* 8 +1,0\d\d", text)
