"""The page of a study: its data, its safety, and what a reader can do with it in a real browser."""

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fracdse.design import Design, ImageFormat, NetworkChoices
from fracdse.results.html import PageContext, page_data, render_page

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

    complete = [make_record(i, 0.6 + 0.03 * i, bram18=3 * i, dsp=i % 4, design=design(i)) for i in range(10)]
    dominated = make_record(10, 0.5, bram18=90, dsp=90, design=design(10))
    failed = make_record(11, None, state="failed", reason=f"out of memory {SCRIPT}", design=design(11), hardware=None)
    return [*complete, dominated, failed]


def test_page_data_mark_the_front_and_describe_its_layers(records) -> None:
    data = page_data(records, CONTEXT)
    rows = {row[0]: dict(zip(data["names"], row, strict=True)) for row in data["rows"]}
    assert rows[9]["front"]
    assert not rows[10]["front"]
    assert rows[11]["lut"] is None
    assert rows[3]["lut_low"] < rows[3]["lut"] < rows[3]["lut_high"]
    assert rows[3]["bram18_low"] is None, "an exact figure needs no interval"
    names = [layer["name"] for layer in data["layers"][9]]
    assert names[0] == "stem"
    assert "stage3.block0.conv2" in names
    assert data["capacity"]["ultra96v2"] == {"lut": 70_560, "ff": 141_120, "bram18": 432, "dsp": 360}


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
    assert len(render_page(many, CONTEXT).encode()) < 6_000_000


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
def page(browser: Any, records: list[Any], tmp_path: Path) -> Iterator[Any]:
    """The page opened at desktop size; at the end, nothing may have gone wrong in it or left it."""
    file = tmp_path / "study.html"
    file.write_text(render_page(records, CONTEXT), encoding="utf-8")
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    opened = context.new_page()
    opened.set_default_timeout(120_000)
    faults: list[str] = []
    opened.on("pageerror", lambda error: faults.append(str(error)))
    opened.on("console", lambda message: faults.append(message.text) if message.type == "error" else None)
    opened.on("request", lambda request: faults.append(request.url) if request.url.startswith("http") else None)
    opened.goto(file.as_uri())
    opened.wait_for_selector("html[data-ready=yes]")
    yield opened
    assert opened.title() == f"fracdse: {CONTEXT.study}", "a script from a file ran"
    assert faults == []
    context.close()


def numbers(page: Any) -> list[int]:
    return [int(text) for text in page.locator("#trials tbody tr td:first-child").all_text_contents()]


def test_sorting_filtering_and_text_from_files(page: Any, tmp_path: Path) -> None:
    assert numbers(page)[0] == 9, "the most accurate trial comes first"
    page.get_by_role("button", name="BRAM18").click()
    page.get_by_role("button", name="BRAM18").click()
    assert numbers(page)[0] == 0
    page.locator("#filters input[data-key=accuracy]").fill("80")
    assert sorted(numbers(page)) == [7, 8, 9]
    assert "3 of 12 trials" in page.locator("#shown").inner_text()
    page.get_by_role("button", name="Clear filters").click()
    page.wait_for_function("document.querySelectorAll('#trials tbody tr').length === 12")
    assert SCRIPT in page.locator("#trials").inner_text()
    assert SCRIPT in page.locator("#title").inner_text()
    page.screenshot(path=tmp_path / "page.png", full_page=True)


def test_pinning_with_mouse_and_keyboard_compares_up_to_four(page: Any) -> None:
    rows = page.locator("#trials tbody tr")
    for place in range(3):
        rows.nth(place).click()
    rows.nth(3).press("Enter")
    rows.nth(4).press(" ")
    titles = page.locator("#pinned h3").all_text_contents()
    assert [title.split(":")[0] for title in titles] == ["Trial 8", "Trial 7", "Trial 6", "Trial 5"]
    assert page.locator("#pinned .network").count() == 4
    page.get_by_role("button", name="Unpin").first.click()
    assert page.locator("#pinned article").count() == 3


def test_hovering_a_point_shows_its_design_and_clicking_pins_it(page: Any) -> None:
    box = page.locator("#scatter .trace path.point").last.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_selector("#hover h3")
    assert "LUT" in page.locator("#hover").inner_text()
    page.mouse.down()
    page.mouse.up()
    page.wait_for_selector("#pinned article")


def test_a_phone_in_the_dark_needs_no_sideways_scrolling(browser: Any, records: list[Any], tmp_path: Path) -> None:
    file = tmp_path / "study.html"
    file.write_text(render_page(records, CONTEXT), encoding="utf-8")
    context = browser.new_context(viewport={"width": 390, "height": 844}, color_scheme="dark")
    page = context.new_page()
    page.goto(file.as_uri(), timeout=120_000)
    page.wait_for_selector("html[data-ready=yes]", timeout=120_000)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 28)"
    page.screenshot(path=tmp_path / "phone.png")
    context.close()
