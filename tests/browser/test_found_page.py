"""The page of what `find` has found, in Chromium: legible wide and narrow, light and dark; no text of it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import toys
from chromium import BROWSER, faults, opened

from patent_embeddings.handover import hits
from patent_embeddings.pages.find.page import page

pytestmark = BROWSER


def test_the_page_of_several_questions_has_no_fault(chromium: Any, workspace: Path) -> None:
    toys.write()
    finder = toys.Toy()
    long = f"greenhouse {'vent ' * 100}{'x' * 300}"
    asked = [finder.question(long), finder.question("<img src=x onerror=alert(1)>", "q2")]
    answers = hits.answers(finder, hits.families(toys.L), asked, "dense", 4, None)
    path = workspace / "found.html"
    path.write_text(page(hits.Found("cell", toys.L, True, "dense", {"before": "2020-01-01"}, answers)))
    assert path.stat().st_size < 40_000  # without a picture there is nothing to draw them with
    assert faults(chromium, path) == []
    opened(chromium, path)
    links = chromium.execute_script("return [...document.querySelectorAll('h3 a')].map((a) => a.href)")
    assert links == ["https://example.org/1"] * 2
    assert chromium.execute_script("return document.querySelectorAll('main img, main script').length") == 0
    assert chromium.execute_script("return document.querySelector('mark').textContent") == "Greenhouse"
