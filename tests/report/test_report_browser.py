"""The page in a browser: quiet, alone, and inside its window on a laptop and on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright to drive a browser")
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[object]:
    if CHROMIUM is None:
        pytest.skip("needs a Chromium of the system: chromium is not on the PATH")
    with playwright.sync_playwright() as driver:
        profile = tmp_path_factory.mktemp("profile")
        context = driver.chromium.launch_persistent_context(profile, executable_path=CHROMIUM, args=FLAGS)
        yield context
        context.close()


@pytest.mark.slow
@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_quiet_alone_and_inside_its_window(
    browser, page: str, tmp_path: Path, width: int, scheme: str
) -> None:
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    said: list[str] = []
    asked: list[str] = []
    tab = browser.new_page()
    try:
        tab.set_viewport_size({"width": width, "height": 800})
        tab.emulate_media(color_scheme=scheme)
        tab.on("console", lambda message: said.append(message.text))
        tab.on("pageerror", lambda error: said.append(str(error)))
        tab.on("request", lambda request: asked.append(request.url))
        tab.goto(file.as_uri())
        tab.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true })")
        wide = tab.evaluate("[document.documentElement.scrollWidth, document.documentElement.clientWidth]")
        unresolved = tab.evaluate(
            "[...document.querySelectorAll('svg [fill^=var], svg [stroke^=var]')]"
            ".filter(each => getComputedStyle(each).fill === 'rgb(0, 0, 0)'"
            " && each.getAttribute('fill')?.startsWith('var')).length"
        )
        shown = tab.evaluate(
            "[...document.querySelectorAll('svg')].filter(each => each.getClientRects().length).length"
        )
    finally:
        tab.close()
    assert said == []
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert wide[0] <= wide[1] <= width
    assert unresolved == 0
    assert shown == 7  # each picture in one of its two widths


@pytest.mark.slow
def test_the_printed_page_shows_what_was_folded(browser, page: str, tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(page, encoding="utf-8")
    tab = browser.new_page()
    try:
        tab.goto(file.as_uri())
        tab.emulate_media(media="print")
        folded = tab.evaluate(
            "[...document.querySelectorAll('details')].filter(each => !each.checkVisibility()"
            " || each.getBoundingClientRect().height < 5).length"
        )
    finally:
        tab.close()
    assert folded == 0
