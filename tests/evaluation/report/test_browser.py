"""The page in a browser: opened from disk, without a network."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator
from typing import Any

import pytest

from transfer.evaluation.report import write_report

CHROMIUM = shutil.which("chromium")
sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started
        started.close()


def open_page(browser: Any, path: Any) -> tuple[Any, list[str]]:
    """Open a page; return it and a list that gets its console messages and its requests."""
    page = browser.new_context(viewport={"width": 1280, "height": 900}, offline=True).new_page()
    noted: list[str] = []
    page.on("console", lambda message: noted.append(message.text))
    page.on("pageerror", lambda error: noted.append(str(error)))
    page.on("request", lambda request: noted.append(request.url))
    page.goto(path.as_uri())
    return page, [each for each in noted if each != path.as_uri()]


def test_a_cell_leads_to_its_photos_and_the_focus_returns(
    browser: Any, make_predictions: Any, make_run: Any
) -> None:
    path = write_report(make_run(make_predictions(["a", "b"]), images=True))
    page, noted = open_page(browser, path)
    cell = page.locator('.matrix a[href="#c0-1"]')
    cell.focus()
    page.keyboard.press("Enter")
    box = page.locator("#c0-1")
    assert box.is_visible()
    assert box.locator(".thumb").count() == int(cell.inner_text())
    box.locator(".thumb").first.click()
    assert page.locator(".box:target .big").is_visible()
    page.keyboard.press("Escape")
    assert page.locator(".box:target").count() == 0
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#c0-1"
    assert [each for each in noted if not each.startswith("data:")] == []


def test_the_switch_changes_the_cells_and_a_click_sorts_the_classes(
    browser: Any, make_predictions: Any, make_run: Any
) -> None:
    path = write_report(make_run(make_predictions(["a", "b", "c"], [10, 30, 20])))
    page, noted = open_page(browser, path)
    cell = page.locator('.matrix a[href="#c0-0"]')
    count = int(cell.inner_text())
    page.get_by_label("% of row").check()
    assert int(cell.inner_text()) == 10 * count
    page.get_by_label("mistakes only").check()
    assert not cell.is_visible()
    page.get_by_role("button", name="Images").click()
    names = page.locator("#classes ~ .scroll tbody th bdi").all_inner_texts()
    assert names == ["a", "c", "b"]
    assert [each for each in noted if not each.startswith("data:")] == []


def test_axe_finds_nothing(browser: Any, make_predictions: Any, make_run: Any) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    names = ["고양이", "שלום", "<b>", "n" * 60, *(f"class {i}" for i in range(30))]
    path = write_report(make_run(make_predictions(names, 6)))
    for width, scheme in itertools.product((390, 1280), ("light", "dark")):
        size = {"width": width, "height": 900}
        context = browser.new_context(viewport=size, color_scheme=scheme, bypass_csp=True)
        page = context.new_page()
        page.goto(path.as_uri())
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth") == width
        context.close()
