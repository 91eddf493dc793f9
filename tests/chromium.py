"""Pages in Chromium: one browser for all of a worker's tests, and what every page must hold in it."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

BROWSER = [
    pytest.mark.pipeline,
    pytest.mark.skipif(
        not (shutil.which("chromium") and shutil.which("chromedriver")),
        reason="needs Debian's chromium and chromium-driver on PATH",
    ),
]
WIDTHS = (1280, 400)
SCHEMES = ("light", "dark")
READY = """
return document.readyState === "complete"
    && document.querySelectorAll("[data-chart]").length === document.querySelectorAll("[data-drawn]").length
    && (!document.getElementById("failures") || performance.getEntriesByName("failures").length > 0)
"""
# Contrast is what takes axe long, and further rows of a table look like its first ones.
UNFOLD = """
for (const fold of document.querySelectorAll("details")) fold.open = true;
document.head.append(Object.assign(document.createElement("style"), {
    textContent: "tbody tr:nth-child(n + 13) { display: none }"
}));
"""
SECONDS = 120  # to wait for a page or a script on a busy machine


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = shutil.which("chromium") or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(shutil.which("chromedriver")))
    driver.set_script_timeout(SECONDS)
    yield driver
    driver.quit()


def opened(driver: Any, path: Path, width: int = 1280, scheme: str = "light", part: str = "") -> list[str]:
    """Open the page (at a part: `#...`) and wait for its pictures and queries; the addresses that it asked for."""
    from selenium.webdriver.support.ui import WebDriverWait

    shape(driver, width, scheme)
    driver.get("about:blank")  # a change of the part alone would not load the page again
    for log in ("performance", "browser"):
        driver.get_log(log)
    driver.get(path.as_uri() + part)
    WebDriverWait(driver, SECONDS).until(lambda d: d.execute_script(READY))
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    return [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]


def shape(driver: Any, width: int, scheme: str) -> None:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


def faults(driver: Any, path: Path) -> list[str]:
    """What is wrong with a page, wide and narrow, light and dark, with everything that folds unfolded.

    A request, a message of the console, a sideways scroll, a violation that axe finds.
    """
    found = []
    for width in WIDTHS:
        asked = opened(driver, path, width)
        driver.execute_script(UNFOLD)
        seen = [f"asks for {address}" for address in asked if not address.startswith(("file:", "data:"))]
        seen += [*sideways(driver, width), *violations(driver)]
        shape(driver, width, "dark")
        seen += [f"dark: {one}" for one in violations(driver, "color-contrast")]  # nothing else differs
        seen += [entry["message"] for entry in driver.get_log("browser")]
        found += [f"{width} pixels: {one}" for one in seen]
    return found


def sideways(driver: Any, width: int) -> list[str]:
    """Tables and pictures scroll in their own place: the page itself is never wider than the window."""
    wide = driver.execute_script("return document.documentElement.scrollWidth")
    return [f"{wide} pixels wide"] if wide > width else []


def violations(driver: Any, *rules: str) -> list[str]:
    """What axe-core finds by some rules or by all: a rule, how many elements break it, and how the first one does."""
    driver.execute_script(_axe())
    found = driver.execute_async_script(
        "const [rules, done] = arguments;"
        "const only = rules.length ? { runOnly: rules } : {};"
        "axe.run({ resultTypes: ['violations'], ...only }).then((result) => done(result.violations))",
        rules,
    )
    return [
        f"{one['id']}, {len(one['nodes'])} times: {one['nodes'][0]['html'][:200]} {one['nodes'][0]['failureSummary']}"
        for one in found
    ]


@cache
def _axe() -> str:
    """The script of axe-core, from the package that ships the newest one. The package itself is never imported."""
    spec = importlib.util.find_spec("axe_playwright_python")
    assert spec and spec.submodule_search_locations, "needs axe-playwright-python"
    return (Path(spec.submodule_search_locations[0]) / "axe.min.js").read_text(encoding="utf-8")
