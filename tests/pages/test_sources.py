"""Every number says where it is from: which file, of which cell; and the README's figure says what it shows."""

from __future__ import annotations

import dataclasses
import html
import re
from pathlib import Path

import pandas as pd
import pytest
from cells import write_cell

from patent_embeddings.core import layout, params
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.grid import keys
from patent_embeddings.grid.cell import digest, full_name
from patent_embeddings.handover.sheets import Score, Sheet
from patent_embeddings.handover.spreadsheet import comma_separated
from patent_embeddings.pages.cell import pictures, report
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.results import CellResults


@pytest.fixture
def cell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CellResults:
    monkeypatch.chdir(tmp_path)
    write_cell(tmp_path)
    return report.gather(keys.report(params.load()))


def scored(cell: CellResults, *values: tuple[str, str, float]) -> CellResults:
    """The cell with these scores of its dense run and no others: landscape, scope, nDCG@10."""
    rows = [
        (name, True, "retrieval", "dense", scope, "nDCG@10", value, value - 0.1, value + 0.1, 20)
        for name, scope, value in values
    ]
    return dataclasses.replace(cell, scores=pd.DataFrame(rows, columns=list(SCORES.columns)))


def title(cell: CellResults) -> tuple[str, str]:
    finding = pictures.PLOTS["inout"].finding
    assert finding
    return finding(cell)


def test_a_source_names_files_that_are_there_and_the_cell_as_expected_scores_do(cell: CellResults) -> None:
    said = cell.source(layout.scores, layout.CURVE)
    files, of, name = said.partition(" of ")
    assert of and [Path(file).is_file() for file in files.split(", ")] == [True] * 3
    # What the registry says without an entry at hand is what the entry of the cell says.
    assert name == f"{full_name(params.load())} ({digest(params.load())})"


def test_the_page_names_a_file_and_the_cell_under_every_picture(cell: CellResults) -> None:
    made = html.unescape(page(cell))
    name = f"{full_name(cell.params, cell.recipe)} ({digest(cell.params, cell.recipe)})"
    figures = re.findall(r"<figure>.*?</figure>", made, flags=re.S)
    assert len(figures) > 5
    assert all(re.search(rf"From data/\S+\.parquet.* of {re.escape(name)}\.", figure) for figure in figures)


def test_the_figure_says_what_the_numbers_are(cell: CellResults) -> None:
    both = scored(
        cell,
        ("sim-alpha", "in-paired", 0.5),
        ("sim-alpha", "out-paired", 0.12),
        ("sim-beta", "in-paired", 0.4),
        ("sim-beta", "out-paired", 0.3),
    )
    words, beneath = title(both)
    assert words == "Out of domain the dense run keeps 24 % of its nDCG@10 on sim-alpha, 75 % on sim-beta"
    assert "Simulated" in beneath
    one = scored(cell, ("sim-beta", "in-paired", 0.4), ("sim-beta", "out-paired", 0.3))
    assert title(one)[0] == "Out of domain the dense run keeps 75 % of its nDCG@10 on sim-beta"


def test_the_figure_of_many_landscapes_says_least_and_most(cell: CellResults) -> None:
    names = ["a", "b", "c", "d"]
    many = dataclasses.replace(cell, landscapes=[dataclasses.replace(cell.landscapes[0], name=name) for name in names])
    found = scored(
        many,
        *[(name, "in-paired", 0.5) for name in names],
        *[(name, "out-paired", 0.1 * place) for place, name in enumerate(names, start=1)],
    )
    assert title(found)[0] == "Out of domain the dense run keeps 20 to 80 % of its nDCG@10 on 4 landscapes"


def test_the_figure_claims_no_share_where_there_is_none(cell: CellResults) -> None:
    nothing_in = scored(cell, ("sim-alpha", "in-paired", 0.0), ("sim-alpha", "out-paired", 0.0))
    for found in (scored(cell), nothing_in):
        assert "keeps" not in title(found)[0]
        plot = pictures.PLOTS["inout"]
        drawn = plot.figure(found, plot.data(found))
        assert drawn and title(found)[0] in drawn


def test_what_is_noted_beside_a_score_is_in_the_file_too() -> None:
    rows = [["a", Score(0.123456789, 0.1, 0.2, "best"), 3], ["b", Score(0.5, float("nan"), float("nan")), None]]
    assert comma_separated(Sheet(["cell", "score", "n"], rows)) == (
        "cell,score,score low,score high,score note,n\na,0.123456789,0.1,0.2,best,3\nb,0.5,,,,\n"
    )
