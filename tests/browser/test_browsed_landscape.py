"""The page of a landscape in Chromium: draws every picture, wide or narrow, and asks for nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from cells import HOSTILE
from chromium import BROWSER, faults, opened

from patent_embeddings.core import registry
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.families import assemble
from patent_embeddings.corpus.summary import held
from patent_embeddings.pages.landscape import page

pytestmark = BROWSER


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [
        {"family_id": f"f{number:02d}", "title": HOSTILE, "abstract": "pump " * (number + 1), "claims": "1. A pump.",
         "description": "It pumps.", "domains": [HOSTILE] if number % 3 else ["42"], "date": f"20{number:02d}-01-01"}
        for number in range(40)
    ]  # fmt: skip
    cites = [(f"f{number:02d}", f"f{other:02d}") for number in range(20) for other in range(20, 21 + number % 4)]
    block = {"source": "simulated", "description": HOSTILE, "licence": "CC0-1.0", "seed": 1, "families": 50}
    path = tmp_path_factory.mktemp("landscape") / "page.html"
    found = held(assemble(rows, cites), "cited", seed=0, fold=0)
    entry = registry.validated("landscapes", "sim", block, Landscape)
    path.write_text(page("sim", found, entry), encoding="utf-8")
    return path


def test_page_is_sound_wide_and_narrow_light_and_dark(made: Path, chromium: Any) -> None:
    found = faults(chromium, made)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [1280, 400])
def test_page_draws_everything(made: Path, chromium: Any, width: int) -> None:
    opened(chromium, made, width)
    assert chromium.get_log("browser") == [] and chromium.title == "sim"
    sizes = chromium.execute_script(
        "return [...document.querySelectorAll('[data-chart] svg')].map(svg => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == 4
    assert all(200 < wide <= width and high > 60 for wide, high in sizes)
    assert chromium.execute_script("return document.querySelectorAll('li b, li script, main script').length") == 0
