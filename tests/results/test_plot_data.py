"""What each plot shows, computed without drawing, and that every plot is drawn from it."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.errors import ConfigError
from fracdse.figures import Figure
from fracdse.results.importance import by_choice, importances
from fracdse.results.plots.all_plots import all_plots
from fracdse.results.plots.cycles_plot import layer_cycles, layer_notes
from fracdse.results.plots.front_data import best_line, front_points, number_labels, upward_figure
from fracdse.results.plots.front_plot import plot_front
from fracdse.results.plots.kinds_plot import comparisons
from fracdse.results.plots.layers_plot import part_shares
from fracdse.results.plots.progress_plot import hypervolume_progress
from fracdse.results.plots.style import save_figure, tick_text

OBJECTIVES = {"accuracy": "maximize", "bram18": "minimize"}
LAYERS = [
    {"name": "stem", "lut": 100, "ff": 50, "bram18": 0, "dsp": 0, "cycles": 64.0, "lanes": 1, "slices": 1},
    {
        "name": "stage1.block0.conv1",
        "lut": 200,
        "ff": 60,
        "bram18": 2,
        "dsp": 1,
        "cycles": 90.0,
        "lanes": 2,
        "slices": 1,
    },
    {
        "name": "stage1.block0.conv2",
        "lut": 300,
        "ff": 70,
        "bram18": 3,
        "dsp": 1,
        "cycles": 90.0,
        "lanes": 2,
        "slices": 1,
    },
    {"name": "system", "lut": 400, "ff": 80, "bram18": 0, "dsp": 0, "cycles": 0.0, "lanes": 0, "slices": 1},
]


def test_front_points_mark_the_front_and_keep_the_interval(make_record) -> None:
    records = [make_record(0, 0.9, bram18=5), make_record(1, 0.8, bram18=9), make_record(2, None, state="failed")]
    points = front_points(records, OBJECTIVES, "lut")
    assert [(point.number, point.on_front) for point in points] == [(0, True), (1, False)]
    assert [point.x_low for point in points] == pytest.approx([950, 950.95])


def test_front_points_show_the_strongest_evidence(make_record) -> None:
    record = make_record(0, 0.9)
    measured = replace(record.hardware, fps=Figure.exact(77, "measured"))
    point = front_points([replace(record, later={"measured": measured})], OBJECTIVES, "fps")[0]
    assert (point.x, point.kind) == (77, "measured")


def test_the_line_joins_the_best_accuracy_at_each_cost(make_record) -> None:
    records = [make_record(0, 0.9, bram18=9), make_record(1, 0.8, bram18=5), make_record(2, 0.8, bram18=5)]
    assert best_line(front_points(records, OBJECTIVES, "bram18"), "bram18") == [(5, 80), (9, 90)]
    assert best_line([], "bram18") == []


def test_more_frames_a_second_are_better(make_record) -> None:
    fast, slow = make_record(0, 0.8, bram18=1), make_record(1, 0.9)
    fast = replace(fast, hardware=replace(fast.hardware, fps=Figure.exact(900_000)))
    assert best_line(front_points([fast, slow], OBJECTIVES, "fps"), "fps") == [(900_000, 80), (500_000, 90)]


def test_without_accuracy_the_first_objective_goes_up(make_record) -> None:
    objectives = {"lut": "minimize", "fps": "maximize"}
    records = [make_record(0, None), make_record(1, None)]
    records[1] = replace(records[1], hardware=replace(records[1].hardware, fps=Figure.exact(900_000)))
    assert upward_figure(records, objectives) == "lut"
    points = front_points(records, objectives, "fps", "lut")
    assert [(point.x, point.y) for point in points] == [(500_000, 1000), (900_000, 1001)]
    assert points[0].y_low == pytest.approx(950)
    assert best_line(points, "fps", "lut") == [(900_000, 1001), (500_000, 1000)], "fewer LUTs at a lower rate"
    assert upward_figure([make_record(0, 0.9)], objectives) == "accuracy"


def test_of_many_bottlenecks_the_first_speaks_for_all() -> None:
    sliced = layer_cycles([{"name": "conv", "cycles": 1200.0, "lanes": 1, "slices": 12}])
    assert layer_notes(sliced) == ["1,200, 1 lane, 12 slices  ◂ slowest"]
    assert layer_notes(layer_cycles(LAYERS)) == ["64, 1 lane", "90, 2 lanes  ◂ slowest (2 layers)", "90, 2 lanes"]


def test_points_in_one_place_share_a_label(make_record) -> None:
    records = [make_record(0, 0.9, bram18=5), make_record(1, 0.9, bram18=5), make_record(2, 0.95, bram18=50)]
    points = front_points(records, OBJECTIVES, "bram18")
    assert [text for _, _, text in number_labels(points, points)] == ["0, 1", "2"]


def test_parts_add_up_to_the_layers_and_are_shares_of_the_device() -> None:
    shares = part_shares(LAYERS, {"lut": 1000, "ff": 1000, "bram18": 10, "dsp": 4})
    lut = [(share.part, share.used, share.share) for share in shares if share.resource == "lut"]
    assert lut == [("stem", 100, 0.1), ("stage1", 500, 0.5), ("system", 400, 0.4)]


def test_layers_as_slow_as_the_slowest_are_bottlenecks() -> None:
    assert [(layer.name, layer.bottleneck) for layer in layer_cycles(LAYERS)] == [
        ("stem", False), ("stage1.block0.conv1", True), ("stage1.block0.conv2", True),
    ]  # fmt: skip


def test_hypervolume_of_a_front_of_two(make_record) -> None:
    # Scaled, (0.8, 5) is at (1, 0) and (0.9, 9) at (0, 1): 0.1 · 1.1 of 1.21 each, and 0.01 less for both.
    records = [
        make_record(0, None, state="failed"), make_record(1, 0.8, bram18=5), make_record(2, 0.9, bram18=9),
        make_record(3, 0.8, bram18=9), make_record(4, None, state="pruned"),
    ]  # fmt: skip
    steps = hypervolume_progress(records, OBJECTIVES)
    assert [step.trials for step in steps] == [2, 3, 5]
    assert [step.share for step in steps] == pytest.approx([0.11 / 1.21, 0.21 / 1.21, 0.21 / 1.21])
    assert hypervolume_progress(records[:1], OBJECTIVES) == []


def test_the_choice_that_makes_the_difference_is_the_important_one(make_record) -> None:
    records = [
        make_record(i, 0.5 + 0.1 * (i % 4), params={"network.width": i % 4, "network.body": "ab"[i // 4 % 2]})
        for i in range(16)
    ]  # fmt: skip
    table = by_choice(importances(records, ["accuracy", "dsp"]))
    assert table["network.width"]["accuracy"] > 0.9
    assert table["network.body"]["accuracy"] < 0.05
    assert table["network.width"]["dsp"] == 0, "every trial has the same"
    assert importances(records[:7], ["accuracy"]) == []


def test_the_shares_of_all_choices_are_at_most_the_whole(make_record) -> None:
    records = [make_record(i, (i % 3) * (i % 5) / 10, params={"a": i % 3, "b": i % 5}) for i in range(30)]
    assert 0.5 < sum(entry.share for entry in importances(records, ["accuracy"])) <= 1 + 1e-9


def test_comparisons_leave_out_what_was_only_carried_on(make_record) -> None:
    record = make_record(3, 0.9)
    simulated = replace(record.hardware, cycles_per_frame=Figure.exact(505, "simulated"))
    implemented = replace(simulated, lut=Figure.exact(1050, "implemented"))
    record = replace(record, later={"simulated": simulated, "implemented": implemented})
    found = comparisons([record, make_record(4, None, hardware=None)])
    assert [(entry.figure, entry.kind, entry.inside) for entry in found] == [
        ("cycles_per_frame", "simulated", False), ("lut", "implemented", True),
    ]  # fmt: skip


def test_every_plot_that_has_data_is_drawn(make_record, tmp_path: Path) -> None:
    records = []
    for i in range(9):
        design = Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=4 + i))
        records.append(make_record(i, 0.5 + 0.02 * i, bram18=i, params={"network.width": 4 + i}, design=design))
    synthesised = replace(records[0].hardware, lut=Figure.exact(990, "synthesised"))
    records[0] = replace(records[0], later={"synthesised": synthesised})
    names = []
    for name, figure in all_plots(records, OBJECTIVES):
        names.append(name)
        save_figure(figure, tmp_path / f"{name}.png")
        with Image.open(tmp_path / f"{name}.png") as image:
            assert min(image.size) > 300
    assert names == ["front", "resources", "cycles", "hypervolume", "importance", "estimate-against-found"]


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0"), (0.25, "0.25"), (12_000.0, "12,000"), (1_400_000.0, "1,400,000")]
)
def test_ticks_are_written_out(value: float, text: str) -> None:
    assert tick_text(value) == text


def test_plots_of_nothing_and_by_an_unknown_rule_say_so(make_record) -> None:
    failed = [make_record(0, None, state="failed")]
    (name, figure), *more = all_plots(failed, OBJECTIVES)
    assert (name, more) == ("front", [])
    assert not any(len(axis.get_xticks()) or len(axis.get_yticks()) for axis in figure.axes)
    with pytest.raises(ConfigError, match="no such rule"):
        list(all_plots([make_record(0, 0.5)], OBJECTIVES, "nice"))


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf"])
def test_plot_is_written_in_each_format(make_record, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / "new" / f"front{suffix}"
    save_figure(plot_front([make_record(0, 0.9), make_record(1, 0.8)], OBJECTIVES), path)
    assert path.stat().st_size > 1000


def test_a_front_of_one_or_no_trial_is_drawn(make_record, tmp_path: Path) -> None:
    save_figure(plot_front([make_record(0, 0.9)], OBJECTIVES, ["lut"]), tmp_path / "one.png")
    save_figure(plot_front([], OBJECTIVES, ["lut", "dsp", "fps"]), tmp_path / "none.png")
    assert (tmp_path / "none.png").exists()


def test_an_unknown_plot_format_is_refused(make_record, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"written as one of .png, .svg, .pdf, not '.gif'"):
        save_figure(plot_front([make_record(0, 0.9)], OBJECTIVES), tmp_path / "front.gif")
