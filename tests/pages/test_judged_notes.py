"""What a cell's page says of judgements of the user's own: the true reason, and what stands for what."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

from patent_embeddings.pages.cell import notes


def cell(signals: list[str], kept: int = 0) -> Any:
    """A cell whose scores are of retrieval alone."""
    scores = pd.DataFrame({"landscape": ["own"], "task": "retrieval", "scope": "all"})
    return SimpleNamespace(
        scores=scores, recipe=SimpleNamespace(signals=signals), trained_on=["own"] if signals else [],
        costs={"own": {"download": {"notes": {"citations kept": kept} if kept else {}}}},
        params=SimpleNamespace(tasks=SimpleNamespace(pool="earlier")),
    )  # fmt: skip


def landscape(judged: bool = True) -> Any:
    """A landscape of one query in its own words, with fusions that nothing was chosen for."""
    return SimpleNamespace(
        name="own", judged=judged, entry=SimpleNamespace(threshold=1), cross_fitted=[],
        queries=pd.DataFrame({"query_id": ["q"], "split": "test", "text": "a pump"}),
        qrels=pd.DataFrame({"query_id": ["q"], "family_id": "a", "relevance": 1, "scope": "unknown"}),
        fusion=pd.DataFrame({"split": ["test"]}), labels=pd.DataFrame(),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("signals", "judged", "said"),
    [([], True, "scored queries of one fold only"), ([], False, "no dev query"), (["citation"], True, "no dev query")],
)
def test_why_fusions_are_not_tuned(signals: list[str], judged: bool, said: str) -> None:
    (line,) = [line for line in notes.missing(cell(signals), landscape(judged)) if "not tuned" in line]
    assert line.startswith(f"own has {said}")


def test_queries_out_of_reach_are_not_said_to_be_none() -> None:
    none = cell([])
    none.scores = none.scores.head(0)
    found = notes.missing(none, landscape())
    assert "own has no test query with a relevant family that was published before it: no retrieval scores." in found
    none.params.tasks.pool = "all"
    assert "own has no test query with a relevant family that is ranked: no retrieval scores." in (
        notes.missing(none, landscape())
    )


def test_without_judgements_it_is_not_citations_that_lack() -> None:
    empty = landscape()
    empty.qrels = empty.qrels.head(0)
    assert notes.missing(cell([]), empty)[0] == "own has no judgements: no retrieval and no fusion."


def test_what_stands_for_views_and_citations() -> None:
    found = " ".join(notes.judged(cell(["citation"]), landscape()))
    assert "1 of 1 queries are texts, not families; they are used as written" in found
    assert "the citation pairs of training are judgements of its train queries" in found
    assert "there are no citations" not in " ".join(notes.judged(cell(["citation"], kept=3), landscape()))
    assert "there are no citations" not in " ".join(notes.judged(cell([]), landscape()))
    assert notes.judged(cell([]), landscape(judged=False)) == []
