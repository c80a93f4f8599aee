"""The page of a study: its data, its safety, and what a reader can do with it in a real browser."""

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from fracdse.design import AcceleratorChoices, Design, ImageFormat, NetworkChoices
from fracdse.figures import Figure
from fracdse.results.html import render_page
from fracdse.results.page_data import PageContext, page_data

SCRIPT = "<script>document.title='hacked'</script><img src=x onerror=\"document.title='hacked'\">"
CONTEXT = PageContext(
    f"study {SCRIPT}",
    {"accuracy": "maximize", "bram18": "minimize", "dsp": "minimize"},
    f"name = '{SCRIPT}'",
    ["network.width", "network.gate_threshold"],
    {"seed": "1", SCRIPT: SCRIPT},
)


@pytest.fixture
def records(make_record) -> list[Any]:
    def design(number: int) -> Design:
        return Design(ImageFormat(8, 8, 1, 10), NetworkChoices(depth=8, width=4 + number))

    def params(number: int) -> dict[str, Any]:
        return {"network.width": 4 + number, "network.gate_threshold": -1.0 + number % 3}

    complete = [
        make_record(i, 0.6 + 0.03 * i, bram18=3 * i, dsp=i % 4, design=design(i), params=params(i)) for i in range(10)
    ]
    dominated = make_record(10, 0.5, bram18=90, dsp=90, design=design(10))
    failed = make_record(11, None, state="failed", reason=f"out of memory {SCRIPT}", design=design(11), hardware=None)
    return [*complete, dominated, failed]


def test_page_data_mark_the_front_and_describe_its_layers(records) -> None:
    data = page_data(records, CONTEXT)
    columns = data["columns"]
    assert data["rows"] == list(range(12))
    assert columns["front"][9]
    assert not columns["front"][10]
    assert columns["lut"][11] is None
    assert columns["lut_low"][3] < columns["lut"][3] < columns["lut_high"][3]
    assert "bram18_low" not in columns, "exact figures need no interval"
    names = [layer["name"] for layer in data["layers"][9]]
    assert names[0] == "stem"
    assert "stage3.block0.conv2" in names
    assert data["layer_hints"][9].startswith("The marked layer is the slowest")
    assert data["layer_hints"].keys() == data["layers"].keys()
    assert data["capacity"]["ultra96v2"] == {"lut": 70_560, "ff": 141_120, "bram18": 432, "dsp": 360}


def test_page_data_keep_whole_numbers_as_the_table_shows_them(make_record) -> None:
    record = make_record(0, 0.5)
    figures = replace(record.hardware, fps=Figure.exact(107_712.4), power_w=Figure.exact(3.1234567))
    columns = page_data([replace(record, hardware=figures)], CONTEXT)["columns"]
    assert (columns["fps"], columns["power_w"]) == ([107_712], [3.1235])


def test_page_data_say_what_the_best_of_the_front_are(records) -> None:
    data = page_data(records, CONTEXT)
    assert data["tiles"][:3] == [
        ["trials", "12", "10 on the front"], ["best accuracy", "87.0 %", "trial 9"], ["fewest BRAM18", "0", "trial 0"],
    ]  # fmt: skip
    assert (data["x"], data["y"], data["pinned"]) == ("bram18", "accuracy", [4])
    assert data["summary"] == "12 trials (11 complete, 1 failed); 10 on the front. ultra96v2"


def test_page_data_of_nothing_and_of_a_search_without_accuracy(make_record) -> None:
    assert page_data([], CONTEXT)["rows"] == []
    failed = page_data([make_record(0, None, state="failed", hardware=None)], CONTEXT)
    assert (failed["pinned"], failed["layers"], failed["panels"]) == ([], {}, ["accuracy", "bram18"])
    hardware_only = replace(CONTEXT, objectives={"lut": "minimize", "fps": "maximize"})
    data = page_data([make_record(i, None) for i in range(3)], hardware_only)
    assert (data["x"], data["y"]) == ("fps", "lut")
    assert "accuracy" not in data["panels"]


def test_choices_are_numbers_or_names_and_none_hides_a_figure(make_record) -> None:
    context = replace(CONTEXT, searched=["network.power_of_two", "accelerator.fps", "network.body"])
    params = {"network.power_of_two": True, "accelerator.fps": 1000.0, "network.body": "resnet"}
    data = page_data([make_record(0, 0.5, params=params)], context)
    assert data["choices"] == ["power_of_two", "accelerator fps", "body"]
    assert data["names"] == {"power_of_two": ["yes"], "body": ["resnet"]}
    assert data["columns"]["fps"] == [500_000]


def test_page_has_no_request_to_any_host_and_nothing_from_files_as_markup(records) -> None:
    page = render_page(records, CONTEXT)
    assert SCRIPT not in page
    head = page[: page.index('id="data"')]
    assert not re.search(r"(src|href)\s*=\s*[\"']?(https?:)?//", head)
    embedded = re.search(r'id="data">(.*?)</script>', page, re.DOTALL)
    assert embedded is not None
    assert json.loads(embedded.group(1))["study"] == CONTEXT.study


def test_a_page_of_two_thousand_trials_is_small(records) -> None:
    many = [replace(records[i % 10], number=i) for i in range(2000)]
    assert len(render_page(many, CONTEXT).encode()) < 2_000_000


def test_the_drawing_library_is_the_published_file() -> None:
    file = resources.files("fracdse.results") / "page" / "vendor" / "d3.min.js"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    assert digest == "912111098ea99503a6f4967361d2bbdc9dbf58cf9c678c8e27e5b02d1a07f0c1"


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    sync_api = pytest.importorskip("playwright.sync_api")
    chromium = os.environ.get("FRACDSE_TEST_CHROMIUM") or shutil.which("chromium")
    if not chromium:
        pytest.skip("no Chromium; install Debian's package chromium or set FRACDSE_TEST_CHROMIUM")
    options = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-sync"]
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium, args=options)
        yield running
        running.close()


@pytest.fixture
def open_page(browser: Any, records: list[Any], tmp_path: Path) -> Iterator[Callable[..., Any]]:
    """A function that opens the page; at the end, nothing may have gone wrong in any page or left it."""
    file = tmp_path / "study.html"
    file.write_text(render_page(records, CONTEXT), encoding="utf-8")
    faults: list[str] = []
    contexts: list[Any] = []

    def opened(width: int = 1280, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: faults.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(file.as_uri())
        page.wait_for_selector("html[data-ready=yes]")
        return page

    yield opened
    for context in contexts:
        for page in context.pages:
            assert page.title() == f"fracdse: {CONTEXT.study}", "a script from a file ran"
        context.close()
    assert faults == []


def numbers(page: Any) -> list[int]:
    return [int(text) for text in page.locator("#trials tbody tr td:first-child").all_text_contents()]


def pinned(page: Any) -> list[str]:
    return [text.split("×")[0][1:] for text in page.locator(".comparison th[scope=col]").all_text_contents()]


def test_sorting_filtering_and_text_from_files(open_page: Any) -> None:
    page = open_page()
    assert numbers(page)[0] == 9, "the most accurate trial comes first"
    page.locator("#trials").get_by_role("button", name="BRAM18").click()
    assert numbers(page)[:2] == [0, 1], "the smallest first"
    page.locator("#trials").get_by_role("button", name="BRAM18").click()
    assert numbers(page)[0] == 10
    page.locator("#filters input[data-key=accuracy]").fill("80")
    assert sorted(numbers(page)) == [7, 8, 9]
    assert "3 of 12 trials" in page.locator("#shown").inner_text()
    assert page.locator("#scatter .point.front").count() == 3
    page.get_by_role("button", name="Clear limits").click()
    assert len(numbers(page)) == 12
    assert SCRIPT in page.locator("#trials").inner_text()
    assert SCRIPT in page.locator("#title").inner_text()


def test_the_front_has_a_line_of_the_best_at_each_cost(open_page: Any) -> None:
    page = open_page()
    line = page.locator("#scatter .front-line").get_attribute("d")
    places = page.locator("#scatter .point.front").evaluate_all(
        "marks => marks.map(mark => mark.getAttribute('transform'))"
    )
    corners = [[float(value) for value in text[len("translate(") : -1].split(",")] for text in places]
    assert len(corners) == 10
    for x, y in corners:
        assert f"{x:.0f}," in re.sub(r"(\d+)\.\d+", lambda m: f"{float(m.group()):.0f}", line), (x, y)


def test_pinning_with_mouse_and_keyboard_compares_up_to_four(open_page: Any) -> None:
    page = open_page()
    assert pinned(page) == ["Trial 4"], "the choice of deploy is pinned at first"
    rows = page.locator("#trials tbody tr")
    for place in range(3):
        rows.nth(place).click()
    rows.nth(3).press("Enter")
    assert pinned(page) == ["Trial 9", "Trial 8", "Trial 7", "Trial 6"], "the first pin gives way to the fifth"
    assert page.locator("#networks .network").count() == 4
    assert page.locator("#scatter .pin").count() == 4
    assert page.locator(".comparison td.best").first.inner_text().startswith("87.0 %")
    page.get_by_role("button", name="Unpin trial 9").click()
    assert len(pinned(page)) == 3


def test_sliced_lanes_are_shown_and_explained(open_page: Any, records: list[Any], tmp_path: Path) -> None:
    slow = AcceleratorChoices(folding="smallest at fps", fps=1000.0)
    records[4] = replace(records[4], design=replace(records[4].design, accelerator=slow))
    (tmp_path / "study.html").write_text(render_page(records, CONTEXT), encoding="utf-8")
    page = open_page()
    lanes = page.locator("#networks td.number").all_inner_texts()
    assert any(re.fullmatch(r"1/\d+", text) for text in lanes)
    assert "Lanes 1/n" in page.locator("#networks .hint").inner_text()


def test_hovering_a_point_shows_its_design_and_clicking_pins_it(open_page: Any) -> None:
    page = open_page()
    box = page.locator("#scatter .point[data-number='9']").bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    assert "Trial 9" in page.locator("#hover h3").inner_text()
    assert "LUT" in page.locator("#hover").inner_text()
    page.mouse.down()
    page.mouse.up()
    assert pinned(page) == ["Trial 4", "Trial 9"]


def test_everything_is_reached_with_the_keyboard_alone(open_page: Any) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skip to the table
    page.locator("#scatter").focus()
    for key in ("ArrowRight", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    assert pinned(page) == ["Trial 4", "Trial 6"], "two further along the front"
    page.locator("#trials tbody tr").first.focus()
    page.keyboard.press("ArrowDown")
    assert "Trial 8" in page.locator("#hover h3").inner_text()
    page.keyboard.press(" ")
    assert "Trial 8" in pinned(page)
    page.locator("summary", has_text="More limits").press("Enter")
    page.get_by_label("width at most").fill("8")
    assert sorted(numbers(page)) == [0, 1, 2, 3, 4]


def test_a_drag_along_an_axis_limits_the_whole_page(open_page: Any) -> None:
    page = open_page()
    page.locator("#parallel").scroll_into_view_if_needed()
    page.wait_for_selector("#parallel .brush .overlay")
    box = page.locator("#parallel .axis:has-text('BRAM18') .overlay").bounding_box()
    x = box["x"] + box["width"] / 2
    page.mouse.move(x, box["y"] + box["height"] * 0.9)
    page.mouse.down()
    page.mouse.move(x, box["y"] + box["height"], steps=3)
    page.mouse.up()
    assert 0 < len(numbers(page)) < 5
    assert page.locator("#filters input[data-key=bram18]").input_value() != ""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_screenshots_on_a_desk_and_a_phone(open_page: Any, scheme: str, tmp_path_factory: Any) -> None:
    """They are kept in FRACDSE_TEST_SCREENSHOTS, where that is set, else with pytest's temporary files."""
    folder = Path(os.environ.get("FRACDSE_TEST_SCREENSHOTS") or tmp_path_factory.mktemp("screenshots"))
    folder.mkdir(parents=True, exist_ok=True)
    for name, width, height in (("desk", 1280, 900), ("phone", 390, 844)):
        page = open_page(width, height, color_scheme=scheme)
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == ("rgb(255, 255, 255)" if scheme == "light" else "rgb(18, 22, 27)")
        page.get_by_role("button", name="Light or dark").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != ground
        page.get_by_role("button", name="Light or dark").click()
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), "no sideways scrolling"
        page.locator("#parallel").scroll_into_view_if_needed()
        page.wait_for_selector("#parallel svg")
        file = folder / f"page-{name}-{scheme}.png"
        page.screenshot(path=file, full_page=True)
        assert file.stat().st_size > 50_000
