"""Published figures and expected scores beside a cell's own, over all queries and only where the cell matches."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from patent_embeddings.core import layout, params, registry, tables
from patent_embeddings.corpus.entries import landscape_entry, view_entry
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation import calibration, published
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.grid import keys
from patent_embeddings.pages.cell import report
from patent_embeddings.pairs.entries import recipe_entry

L = "dapfam"


@pytest.fixture
def paecter(workspace: Path, set_params: Callable[..., None]) -> Callable[..., None]:
    """The cell of which others printed figures, its dense nDCG@100 over all queries as asked."""

    def measured(mean: float) -> None:
        set_params(model="paecter", recipe="zero-shot", landscape=L, evaluate_on=[L])
        # The test queries alone would give another mean.
        values = {"train": mean + 0.1, "dev": mean, "test": mean - 0.1}
        rows = [
            ("dense", "retrieval", "all", "nDCG@100", f"q-{split}", split, value) for split, value in values.items()
        ]
        tables.write(pd.DataFrame(rows, columns=list(OUTCOMES.columns)), layout.outcomes(L), OUTCOMES)

    return measured


def lines() -> list[str]:
    return report.calibrated(keys.report(params.load()))


def figures() -> pd.DataFrame:
    cell = params.load()
    return calibration.beside(cell, L, trained=bool(recipe_entry(cell.recipe).signals))


def test_figures_stand_beside_the_mean_over_all_queries(paecter: Callable[..., None]) -> None:
    paecter(0.34)
    found = figures()
    assert found["value"].tolist() == [0.3424, 0.3860, 0.0598, 0.343, 0.387, 0.060]
    measured = found["scope"] == "all"
    assert found.loc[measured, "ours"].tolist() == pytest.approx([0.34, 0.34])
    assert np.isnan(found.loc[~measured, "ours"]).all()


def test_cut_or_centred_vectors_are_not_the_model_as_published(
    paecter: Callable[..., None], set_params: Callable[..., None]
) -> None:
    paecter(0.34)
    before = set(figures()["system"])
    set_params(model="paecter", recipe="zero-shot", landscape=L, evaluate_on=[L], search__centre="landscape")
    assert "dense" in before and set(figures()["system"]) <= {"bm25"}


@pytest.mark.parametrize("other", [{"tasks__pool": "earlier"}, {"query_view": "title"}])
def test_no_figure_is_comparable_with_another_pool_or_view(
    workspace: Path, set_params: Callable[..., None], other: dict[str, object]
) -> None:
    """Not even one of BM25, which is comparable with every recipe."""
    nano = "nano-dapfam-all"
    set_params(recipe="r1", landscape=nano, evaluate_on=[nano], query_view="tac", document_view="tac")
    row = ("bm25", "retrieval", "all", "nDCG@10", "q", "test", 0.5)
    tables.write(pd.DataFrame([row], columns=list(OUTCOMES.columns)), layout.outcomes(nano), OUTCOMES)
    found = calibration.beside(params.load(), nano, trained=True)
    assert found[["system", "ours"]].to_numpy().tolist() == [["bm25", 0.5]]
    set_params(**other)
    assert calibration.beside(params.load(), nano, trained=True).empty


@pytest.mark.parametrize(
    ("mean", "said"), [(0.3491, ": OK"), (0.3357, ": OK"), (0.3355, "off by -2.0%"), (0.0407, "off by -88.1%")]
)
def test_calibration_says_ok_within_two_percent_and_else_how_far(
    paecter: Callable[..., None], mean: float, said: str
) -> None:
    paecter(mean)
    [line] = lines()
    assert said in line and f"{mean:.4f}, expected 0.3424" in line
    assert ("usual causes" in line) == ("off by" in line)


@pytest.mark.parametrize(
    "other", [{"recipe": "r1"}, {"query_view": "ta"}, {"embed__length": 256}, {"search__dimensions": 128}]
)
def test_another_cell_is_not_calibrated(
    paecter: Callable[..., None], set_params: Callable[..., None], other: dict[str, object]
) -> None:
    paecter(0.34)
    set_params(**other)
    assert lines() == []


def test_a_tuned_model_is_not_held_against_the_published_one(
    paecter: Callable[..., None], set_params: Callable[..., None]
) -> None:
    paecter(0.34)
    set_params(recipe="r1")
    assert figures().empty


def test_every_expected_score_names_what_is_registered() -> None:
    stated = [(name, one) for name in registry.ids("models") for one in model_entry(name).expected]
    assert len(stated) >= 4
    for name, one in stated:
        assert landscape_entry(one.landscape) and view_entry(one.view)
        assert one.metric in ("nDCG@10", "nDCG@100", "R@100") and not math.isnan(one.value)
        assert one.value in published.beside(one.landscape, name, one.view)["value"].tolist()
