"""The page in Chromium: everything drawn, nothing asked of a network, untrusted text stays text."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cells import HOSTILE, write_cell
from chromium import BROWSER, faults, opened

from patent_embeddings.core import layout, params
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import report
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.queries import failures

pytestmark = BROWSER


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A finished cell's page."""
    root = tmp_path_factory.mktemp("cell")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        write_cell(root)
        path = root / layout.PAGE
        path.parent.mkdir()
        cell = report.gather(keys.report(params.load()))
        path.write_text(page(cell, failures(cell)), encoding="utf-8")
    yield path


@pytest.mark.parametrize("width", [1280, 400])
def test_page_draws_everything(made: Path, chromium: Any, width: int) -> None:
    asked = opened(chromium, made, width)
    assert made.as_uri() in asked
    sizes = chromium.execute_script(
        "return [...document.querySelectorAll('[data-chart] svg')].map(svg => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == 6
    assert all(wide > 200 and high > 60 for wide, high in sizes)
    assert all(wide <= width for wide, _ in sizes)


def test_page_is_sound_wide_and_narrow_light_and_dark(made: Path, chromium: Any) -> None:
    found = faults(chromium, made)
    assert not found, "\n".join(found)


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


def test_what_failed_lists_every_test_query_and_opens_one(made: Path, chromium: Any) -> None:
    opened(chromium, made, 400)
    assert chromium.find_element("css selector", "[data-counted]").text == "20 queries"  # ten of each landscape
    chromium.find_element("css selector", ".failures tbody a").click()
    dialog = chromium.find_element("css selector", ".failures dialog")
    assert dialog.is_displayed()
    assert len(dialog.find_elements("css selector", "article.right")) == 2
    assert len(dialog.find_elements("css selector", "article.wrong")) == 3
