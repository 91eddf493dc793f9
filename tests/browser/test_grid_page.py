"""The page of the grid in Chromium: sorts, filters, draws every picture, asks for nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from chromium import BROWSER, faults, opened
from planted import Planted

from patent_embeddings.core import registry
from patent_embeddings.grid import comparisons, findings
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.entries import Finding, Hypotheses
from patent_embeddings.grid.gather import COSTS, KEYS, Grid
from patent_embeddings.grid.units import where
from patent_embeddings.pages.grid import page as grid_
from patent_embeddings.pages.grid.picture import Material
from patent_embeddings.pages.grid.pictures import pictures
from patent_embeddings.pages.grid.report import sizes_of

pytestmark = BROWSER
HOSTILE = "<script>document.title='owned'</script>"
PICTURES = ["recipes", "transfer", "inout", "views", "scaling", "dimensions", "jurisdictions", "matched", "cost"]


def planted() -> Grid:
    """Cells for every picture."""
    plant = Planted(15, folds=2)
    for place in ("a", "b"):
        for model, level in (("minilm", 0.4), ("e5-base", 0.5), ("e5-small", 0.45)):
            plant.cell(level, place, model=model, tasks=("retrieval", "classification", "clustering"))
        for view in ("ta", "title"):
            plant.cell(0.35, place, model="minilm", view=view)
        for dimensions in (64, 128):
            plant.cell(0.3 + dimensions / 2000, place, model="minilm", dimensions=dimensions)
        for recipe in ("r1", "r3"):
            for home in ("a", "b"):
                for seed in (0, 1):
                    plant.cell(
                        0.48 if place == home else 0.33,
                        place,
                        model="minilm",
                        recipe=recipe,
                        trained_on=home,
                        seed=seed,
                        tasks=("retrieval", "classification", "clustering"),
                    )
    outcomes = plant.frame()
    clusters = outcomes[outcomes["task"] == "clustering"]
    scores = (
        clusters.groupby([*KEYS, "landscape", "simulated", "task", "system", "scope", "metric"], sort=True)["value"]
        .mean()
        .reset_index()
    )
    scores = scores.assign(ci_low=scores["value"] - 0.02, ci_high=scores["value"] + 0.02, n=15)
    costs = (
        outcomes[list(KEYS)]
        .drop_duplicates()
        .assign(where="a", stage="embed", seconds=12.5, texts_per_second=80.0, peak_mib=700, device="cpu")
        .reindex(columns=list(COSTS))
    )
    asked = outcomes.loc[outcomes["task"] == "retrieval", ["landscape", "query_id"]].drop_duplicates()
    places = [HOSTILE if number % 2 else "EP" for number in range(len(asked))]
    return Grid(outcomes, scores, costs, asked.assign(jurisdiction=places), {})


def every_comparison(grid: Grid) -> list[comparisons.Tested]:
    return comparisons.declared(grid.outcomes, registry.every("hypotheses", Hypotheses))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    grid = planted()
    sizes = sizes_of(grid.models)
    compared = every_comparison(grid)
    entries = registry.every("findings", Finding)
    judged = findings.judge(grid.outcomes, entries, sizes, resamples=500)
    drawn = pictures(Material(grid, compared, sizes))
    assert [name for name, picture in drawn.items() if picture.spec] == PICTURES
    path = tmp_path_factory.mktemp("grid") / "index.html"
    path.write_text(grid_.page(grid, compared, judged, entries, drawn), encoding="utf-8")
    yield path


def column(driver: Any, table: str, number: int) -> list[str]:
    found: list[str] = driver.execute_script(
        "return [...document.querySelectorAll(`#${arguments[0]} tbody tr:not([hidden])`)]"
        ".map(row => row.cells[arguments[1]].dataset.sort)",
        table,
        number,
    )
    return found


def test_page_is_sound_wide_and_narrow_light_and_dark(made: Path, chromium: Any) -> None:
    found = faults(chromium, made)
    assert not found, "\n".join(found)


@pytest.mark.parametrize("width", [1280, 400])
def test_every_picture_is_drawn(made: Path, chromium: Any, width: int) -> None:
    opened(chromium, made, width)
    assert chromium.get_log("browser") == []
    sizes = chromium.execute_script(
        "return [...document.querySelectorAll('[data-chart] svg')].map(svg => [svg.clientWidth, svg.clientHeight])"
    )
    assert len(sizes) == len(PICTURES)
    assert all(wide > 200 and high > 60 for wide, high in sizes)
    assert chromium.title.startswith("Grid of")


def test_legends_name_landscapes_and_a_recipe_once_whatever_its_home(made: Path, chromium: Any) -> None:
    opened(chromium, made, 1280)
    named = {
        name: chromium.execute_script(
            "return [...document.querySelectorAll(`[data-chart=${arguments[0]}] .role-legend-label text`)]"
            ".map(label => label.textContent)",
            name,
        )
        for name in ("matched", "jurisdictions")
    }
    assert named["matched"] == ["a", "b"]
    recipes = ["e5-base zero-shot", "e5-small zero-shot", "minilm r1", "minilm r3", "minilm zero-shot"]
    assert sorted(named["jurisdictions"]) == recipes


def test_tables_sort_by_number_and_by_word(made: Path, chromium: Any) -> None:
    opened(chromium, made, 1280)
    heads = chromium.find_elements("css selector", "#cells th button")
    number = [head.text for head in heads].index("retrieval, nDCG@10")
    heads[number].click()
    values = [float(value) for value in column(chromium, "cells", number)]
    assert values == sorted(values, reverse=True)
    heads[number].click()
    assert [float(value) for value in column(chromium, "cells", number)] == values[::-1]
    assert chromium.find_elements("css selector", "#cells th")[number].get_attribute("aria-sort") == "ascending"
    heads[1].click()
    models = column(chromium, "cells", 1)
    assert models == sorted(models)
    # A cell that has no such score stays at the end, whichever way.
    clustering = [head.text for head in heads].index("clustering, V-measure")
    for _ in range(2):
        heads[clustering].click()
        shown = column(chromium, "cells", clustering)
        filled = [value for value in shown if value]
        assert shown == filled + [""] * (len(shown) - len(filled))
        assert len(filled) < len(shown)


def test_tables_filter_by_all_words(made: Path, chromium: Any) -> None:
    opened(chromium, made, 400)
    block = chromium.find_element("css selector", "input[aria-controls=comparisons]")
    rows = len(column(chromium, "comparisons", 0))
    block.send_keys("Tuned retrieval r3")
    assert set(column(chromium, "comparisons", 0)) == {"tuned"}
    assert set(column(chromium, "comparisons", 2)) == {"retrieval"}
    shown = len(column(chromium, "comparisons", 0))
    assert 0 < shown < rows
    assert f"{shown} of {rows} rows" in chromium.find_element("css selector", ".sortable:has(#comparisons)").text
    block.clear()
    block.send_keys(" ")
    assert len(column(chromium, "comparisons", 0)) == rows


def test_only_significant_winners_are_marked(made: Path, chromium: Any) -> None:
    opened(chromium, made, 1280)
    marked = chromium.find_elements("css selector", "#cells .note")
    compared = every_comparison(planted())
    best = {(one.landscape, one.task) for one in compared if one.hypotheses == "cells"}
    assert len(marked) == len(grid_.winners(compared)) <= len(best)


def test_a_finding_opens(made: Path, chromium: Any) -> None:
    opened(chromium, made, 400)
    summary = chromium.find_element("css selector", "#out-below-in summary")
    assert "supported" in summary.text
    summary.click()
    assert "interval lies within" in chromium.find_element("id", "out-below-in").text


def test_missing_cells_are_named(made: Path, tmp_path: Path) -> None:
    grid = planted()
    usual = Config("minilm", "zero-shot", (), "tac", "tac")
    alone = where(grid.outcomes[grid.outcomes["landscape"] == "a"], lambda one: one == usual)
    small = Grid(
        alone,
        grid.scores.iloc[:0],
        grid.costs.iloc[:0],
        pd.DataFrame(columns=["landscape", "query_id", "jurisdiction"]),
        {},
    )
    drawn = pictures(Material(small, every_comparison(small), sizes_of(["minilm"])))
    assert [name for name, picture in drawn.items() if picture.spec] == ["inout"]
    html = grid_.page(small, [], [], {}, drawn)
    assert html.count("No cells for it yet") == len(PICTURES) - 1
    assert "python -m stages.grid run --preset views" in html
