"""The page in Chromium: everything drawn, nothing asked of a network, untrusted text stays text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cells import HOSTILE, write_cell

from patent_embeddings.core import layout, params
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import report
from patent_embeddings.pages.cell.page import page

pytestmark = [
    pytest.mark.pipeline,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs Debian's chromium and chromium-driver on PATH",
    ),
]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished cell's page."""
    root = tmp_path_factory.mktemp("cell")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_cell(root)
        path = root / layout.PAGE
        path.parent.mkdir()
        path.write_text(page(report.gather(keys.report(params.load()))), encoding="utf-8")
    yield path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    yield driver
    driver.quit()


def opened(driver: Any, path: Path, width: int) -> list[str]:
    """Open the page at a width and wait for its pictures; the addresses that it asked for."""
    from selenium.webdriver.support.ui import WebDriverWait

    driver.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride", {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    )
    driver.get_log("performance")
    driver.get(path.as_uri())
    WebDriverWait(driver, 60).until(
        lambda d: d.execute_script(
            "return document.querySelectorAll('[data-chart]').length"
            " === document.querySelectorAll('[data-drawn]').length"
        )
    )
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


@pytest.mark.parametrize("width", [1280, 400])
def test_page_draws_everything_and_asks_for_nothing(made: Path, chromium: Any, width: int) -> None:
    asked = opened(chromium, made, width)
    assert made.as_uri() in asked
    assert [address for address in asked if not address.startswith(("file:", "data:"))] == []
    assert chromium.get_log("browser") == []
    sizes = chromium.execute_script(
        "return [...document.querySelectorAll('[data-chart] svg')].map(svg => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == 6
    assert all(wide > 200 and high > 60 for wide, high in sizes)
    assert all(wide <= width for wide, _ in sizes)
    # Tables scroll in their own place: the page itself is never wider than the window.
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width


def test_title_with_markup_is_shown_as_text(made: Path, chromium: Any) -> None:
    opened(chromium, made, 1280)
    assert chromium.title == "minilm, r3, sim-alpha"
    shown = chromium.find_element("css selector", ".quote").text
    assert shown == " ".join(HOSTILE.replace("\u2028", " ").split()) or shown == HOSTILE
    assert (
        chromium.execute_script("return document.querySelectorAll('.quote *, .example b, .example script').length") == 0
    )


def test_no_script_of_the_page_may_fetch(made: Path, chromium: Any) -> None:
    """The page's own policy stops a request even if something on it tried one."""
    opened(chromium, made, 1280)
    outcome = chromium.execute_async_script(
        "const done = arguments[0];fetch('http://127.0.0.1:9/').then(() => done('sent'), error => done(String(error)));"
    )
    assert "TypeError" in outcome
    refusals = [entry["message"] for entry in chromium.get_log("browser")]
    assert any("Content Security Policy" in refusal for refusal in refusals)
