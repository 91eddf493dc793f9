"""The page's section on memory: its table, and what its sentences make of planted numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from cells import write_cell
from workspaces import change

from patent_embeddings.core import layout, params, tables
from patent_embeddings.evaluation.schemas import COMPRESSION, FORMS
from patent_embeddings.grid import keys
from patent_embeddings.handover.sheets import Score
from patent_embeddings.handover.spreadsheet import comma_separated
from patent_embeddings.pages.cell import memory
from patent_embeddings.pages.cell.page import page
from patent_embeddings.pages.cell.report import gather
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.sheets import sheet

SIZES = {"float32": 4000, "half": 2000, "quarter": 1000, "float16": 2000, "int8": 1010, "binary": 125}


def planted(cell: CellResults, *changes: dict[str, tuple[float, float, float]], n: int = 40) -> CellResults:
    """The cell with landscapes whose forms change both metrics as said, from low over the change to high."""
    found = []
    for landscape, by_form in zip(cell.landscapes, changes, strict=False):
        rows = [
            (form, metric, "all", 0.5 + change_, change_, low, high, n, 250, SIZES[form], SIZES[form] / 4)
            for metric in ("nDCG@10", "R@100")
            for form, (low, change_, high) in {"float32": (0.0, 0.0, 0.0), **by_form}.items()
        ]
        table = tables.typed(pd.DataFrame(rows, columns=list(COMPRESSION.columns)), COMPRESSION)
        found.append(replace(landscape, compression=table))
    return replace(cell, landscapes=found)


@pytest.fixture
def cell(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> CellResults:
    folder = workspace / "cell"
    folder.mkdir()
    monkeypatch.chdir(folder)
    write_cell(folder)
    return gather(keys.report(params.load()))


def test_the_table_has_every_form_of_every_landscape_with_its_bytes_and_loss(cell: CellResults) -> None:
    shown = memory.compression(cell)
    assert shown is not None
    assert [(row[0], row[1]) for row in shown.rows] == [
        (name, memory.NAMES[form]) for name in ("sim-alpha", "sim-beta") for form in FORMS
    ]
    found = tables.read(layout.compression("sim-beta"), COMPRESSION).set_index(["form", "scope", "metric"])
    for row, form in zip(shown.rows[len(FORMS) :], FORMS, strict=True):
        one = found.loc[(form, "all", "nDCG@10")]
        assert row[2:8] == [384, round(one["bytes"] / 40), f"{one['bytes'] / 61485:.0%}", 10, one["value"], row[7]]
        assert row[7] == (None if form == "float32" else Score(one["difference"], one["low"], one["high"]))
    assert "data/compression/sim-alpha.parquet" in shown.source
    exported = sheet("compression", params.load())  # as `stages.export table compression` has it
    rows = list(csv.reader(io.StringIO(comma_separated(exported))))
    assert len(rows) == 13 and rows[0][7:10] == ["change of nDCG@10", "change of nDCG@10 low", "change of nDCG@10 high"]
    text = page(cell)
    assert '<h2 id="memory">' in text and '<a href="#memory">Memory</a>' in text
    assert all(text.count(f">{name}</td>") == 2 for name in memory.NAMES.values())


def test_the_takeaway_is_the_least_bytes_whose_intervals_exclude_a_loss_that_matters(cell: CellResults) -> None:
    sure, little, chance = (-0.03, -0.02, -0.01), (-0.0062, -0.0021, -0.0001), (-0.142, -0.04, 0.05)
    first = {"half": sure, "quarter": sure, "float16": (0.0, 0.0, 0.0), "int8": little, "binary": chance}
    second = {**first, "int8": (-0.001, 0.0015, 0.004), "quarter": (-0.09, -0.05, -0.001)}
    assert memory.takeaway(planted(cell, first, second)) == [
        "The smallest form whose intervals exclude a loss of 0.01 on sim-alpha and sim-beta: eight bits, 25% of "
        "float32. nDCG@10 and R@100 change by -0.0021 to +0.0015; the intervals reach a loss of 0.0062.",
        "Measurable losses, the largest of each form: half the dimensions (50%) -0.0200 (R@100, sim-alpha); a "
        "quarter of the dimensions (25%) -0.0500 (R@100, sim-beta).",
        "Undecided with so few queries, and the largest loss that the intervals allow: one bit, ranked again (3%) "
        "up to 0.1420.",
    ]
    only, level = memory.takeaway(planted(cell, dict.fromkeys(FORMS[1:], (0.0, 0.0, 0.0))))
    assert "on sim-alpha: one bit, ranked again, 3% of float32" in only and "the intervals include no loss." in only
    # 40 queries of which none changes are as likely as 5 % where 7.2 % of all do: .928 ** 40 = .05.
    assert level == (
        "In 2 of its 2 comparisons no query changed; with so few, up to 7.2% of all queries could still change."
    )
    none, losses = memory.takeaway(planted(cell, dict.fromkeys(FORMS[1:], sure)))
    assert (
        none == "No smaller form has intervals that exclude a loss of 0.01 on sim-alpha."
        and losses.count("-0.0200") == 5
    )


def test_what_is_not_told_is_said(cell: CellResults) -> None:
    nan = float("nan")
    few = planted(cell, dict.fromkeys(FORMS[1:], (nan, -0.1, nan)), n=5)
    few.landscapes[0].compression.loc[:, ["low", "high"]] = nan
    assert memory.takeaway(few) == [] and memory.compression(few) is not None
    assert memory.remarks(few) == ["sim-alpha: too few test queries (5) to tell a loss from chance."]
    level = dict.fromkeys(FORMS[1:], (0.0, 0.0, 0.0))
    scores = cell.scores.assign(n=9214)
    assert memory.remarks(replace(planted(cell, level, level, n=2000), scores=scores)) == [
        f"{name}: measured on 2,000 of the 9,214 test queries, chosen by a hash of the id."
        for name in ("sim-alpha", "sim-beta")
    ]
    assert memory.remarks(replace(planted(cell, level, level, n=9214), scores=scores)) == []
    empty = replace(cell, landscapes=[replace(one, compression=tables.empty(COMPRESSION)) for one in cell.landscapes])
    assert memory.remarks(empty)[0].startswith("sim-alpha: too many vectors")
    assert memory.compression(empty) is None
    unasked: Any = replace(empty, scores=cell.scores[cell.scores["task"] != "retrieval"])
    assert memory.remarks(unasked) == [] and 'id="memory"' not in page(unasked)


def test_late_interaction_is_said_not_to_be_measured(cell: CellResults) -> None:
    change(Path.cwd(), model="colbert-v2")
    late = gather(keys.report(params.load()))
    for landscape in late.landscapes:
        tables.write(tables.empty(COMPRESSION), layout.compression(landscape.name), COMPRESSION)
    text = page(gather(keys.report(params.load())))
    assert "Not measured: late interaction has a vector for every token" in text and 'id="memory"' in text
