"""What a cell's vectors lose in fewer bytes: against runs that cut them, and against numpy and ir_measures."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import faiss
import handed
import ir_measures
import numpy as np
import pandas as pd
import pytest
from handed import L
from started import resolve, start
from workspaces import change

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.vectors import QUERY_ROWS
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.evaluation.outcomes import Judged
from patent_embeddings.evaluation.schemas import COMPRESSION, FORMS
from patent_embeddings.evaluation.values import MetricsValues
from patent_embeddings.retrieval import quantised
from patent_embeddings.retrieval.schemas import RUN

CELLS: dict[str, dict[str, Any]] = {
    "plain": {},
    "centred and cut": {"search__centre": "landscape", "search__dimensions": 12},
    "passages": {"passages": True, "embed__passages__tokens": 8, "search__passages": "top3"},
    "earlier": {"tasks__pool": "earlier"},
}
METRICS = {ir_measures.parse_measure(name): name for name in ("nDCG@10", "R@100")}


@pytest.fixture
def here(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = workspace / "cell"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def table() -> pd.DataFrame:
    return tables.read(layout.compression(L), COMPRESSION).set_index(["form", "scope", "metric"])


def measured(run: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the test queries by ir_measures [queries, metrics], less those whose judgements are all later."""
    qrels, queries = tables.read(layout.task(L, "qrels"), QRELS), tables.read(layout.task(L, "queries"), QUERIES)
    if params.load().tasks.pool == "earlier":
        found = reachable(qrels, tables.read(layout.task(L, "pool"), POOL), earlier=True)
        left = set(qrels.loc[found, "query_id"])
        qrels = qrels[qrels["query_id"].isin(left)]
    tests = set(queries.loc[queries["split"] == "test", "query_id"])
    judged = [
        ir_measures.Qrel(*row)
        for row in qrels[["query_id", "family_id", "relevance"]].itertuples(index=False)
        if row[0] in tests
    ]
    hits = [
        ir_measures.ScoredDoc(str(row.query_id), str(row.family_id), -float(row.rank))
        for row in run.itertuples()
        if row.query_id in tests
    ]
    values = pd.DataFrame(ir_measures.iter_calc(list(METRICS), judged, hits))
    return values.assign(measure=values["measure"].map(METRICS)).pivot(
        index="query_id", columns="measure", values="value"
    )


@pytest.mark.parametrize("cell", list(CELLS))
def test_fewer_dimensions_are_those_of_a_run_that_cuts_them(cell: str, here: Path) -> None:
    handed.write(here, **CELLS[cell])
    lost, rows = table(), len(np.load(layout.vectors(L, "documents")))
    whole = params.load().search.dimensions or handed.DIMENSION
    exact = measured(tables.read(layout.run(L, "dense"), RUN))
    ranked = tables.read(layout.task(L, "pool"), POOL)["ranked"].sum()
    for form, kept in (("float32", whole), ("half", whole // 2), ("quarter", whole // 4)):
        change(here, search__dimensions=kept)
        start("search", L)
        cut = measured(tables.read(layout.run(L, "dense"), RUN))
        for metric in METRICS.values():
            row = lost.loc[(form, "all", metric)]
            assert row["value"] == pytest.approx(cut[metric].mean(), abs=1e-9), (form, metric)
            assert row["difference"] == pytest.approx((cut[metric] - exact[metric]).mean(), abs=1e-9)
            assert (row["dimensions"], row["n"]) == (kept, len(cut))
            if cell != "passages":
                assert row["bytes"] == len(faiss.serialize_index(faiss.IndexFlatIP(kept))) + 4 * kept * ranked
            assert row["bytes_per_family"] == pytest.approx(row["bytes"] / ranked)
    assert rows >= ranked
    assert (lost["difference"] != 0).any()


def coded(documents: np.ndarray) -> dict[str, np.ndarray]:
    """The documents as each form keeps them, by numpy."""
    low, high = documents.min(axis=0), documents.max(axis=0)
    levels = np.floor((documents - low) / (high - low) * 255).clip(0, 255)
    return {
        "float16": documents.astype(np.float16).astype(np.float64),
        "int8": low + (levels + 0.5) / 255 * (high - low).astype(np.float64),
        "binary": np.where(documents > 0, 1.0, -1.0),
    }


def test_fewer_bytes_are_those_of_an_independent_computation(here: Path) -> None:
    handed.write(here)
    lost, pool = table(), tables.read(layout.task(L, "pool"), POOL)
    ranked = pool["ranked"].to_numpy()
    families, asked = pool.loc[ranked, "family_id"].tolist(), tables.read(layout.vector_ids(L, "queries"), QUERY_ROWS)
    documents, queries = (np.load(layout.vectors(L, side)) for side in ("documents", "queries"))
    documents, queries = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (documents[ranked], queries))
    exact = measured(tables.read(layout.run(L, "dense"), RUN))
    for form, kept in coded(documents).items():  # so few that all are ranked again where bits are
        hits = []
        for query, name in zip(queries, asked["query_id"], strict=True):
            scores = kept @ query.astype(np.float64)
            order = [families[row] for row in np.argsort(-scores, kind="stable") if families[row] != name]
            hits += [(name, family, rank) for rank, family in enumerate(order, 1)]
        found = measured(pd.DataFrame(hits, columns=["query_id", "family_id", "rank"]))
        resampled = np.random.default_rng(5).integers(0, len(found), (4000, len(found)))
        for metric in METRICS.values():
            row, change_ = lost.loc[(form, "all", metric)], (found[metric] - exact[metric]).to_numpy()
            assert row["value"] == pytest.approx(found[metric].mean(), abs=1e-9), (form, metric)
            assert row["difference"] == pytest.approx(change_.mean(), abs=1e-9)
            bounds = np.quantile(change_[resampled].mean(axis=1), [0.025, 0.975])
            assert [row["low"], row["high"]] == pytest.approx(bounds, abs=0.1 * np.ptp(bounds) + 1e-9)
    assert lost.loc[("binary", "all", "nDCG@10"), "difference"] != 0


def judged(**changed: Any) -> Judged:
    """The cell's judgements, some of them replaced."""
    queries, qrels = tables.read(layout.task(L, "queries"), QUERIES), tables.read(layout.task(L, "qrels"), QRELS)
    return replace(Judged(queries, qrels, np.ones(len(qrels), bool), pd.DataFrame()), **changed)


def values(**changed: Any) -> MetricsValues:
    resolve("metrics", L)
    return params.read("metrics", MetricsValues, L).model_copy(update=changed)


def test_what_cannot_be_measured_has_no_rows(here: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    handed.write(here)
    pool, queries = tables.read(layout.task(L, "pool"), POOL), judged().queries
    assert len(quantised.measure(L, judged(), pool, values()))
    for case in (
        quantised.measure(L, judged(), pool, values(similarity="maxsim")),
        quantised.measure(L, judged(queries=queries.assign(split="train")), pool, values()),
        quantised.measure(L, judged(reachable=np.zeros(len(judged().qrels), bool)), pool, values()),
    ):
        tables.write(case, layout.compression(L), COMPRESSION)
        assert tables.read(layout.compression(L), COMPRESSION).empty
    with pytest.raises(UserError, match="not the queries of"):
        quantised.measure(L, judged(queries=queries.iloc[1:]), pool, values())
    monkeypatch.setattr(quantised, "LARGEST", 40 * handed.DIMENSION - 1)
    assert quantised.measure(L, judged(), pool, values()).empty
    assert f"its vectors are {40 * handed.DIMENSION} numbers" in capsys.readouterr().err


def test_of_many_queries_those_of_the_least_hashes_are_asked(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    handed.write(here)
    pool, whole = tables.read(layout.task(L, "pool"), POOL), judged()
    tests = whole.queries.loc[whole.queries["split"] == "test", "query_id"]
    chosen = sorted(tests, key=lambda name: hashlib.sha256(name.encode()).hexdigest())[:6]
    monkeypatch.setattr(quantised, "MOST", 6)
    mine = quantised.measure(L, whole, pool, values()).set_index(["form", "scope", "metric"])
    assert (mine.xs("all", level="scope")["n"] == 6).all()
    exact = measured(tables.read(layout.run(L, "dense"), RUN)).loc[chosen]
    for metric in METRICS.values():
        assert mine.loc[("float32", "all", metric), "value"] == pytest.approx(exact[metric].mean(), abs=1e-9)


def test_the_same_rows_again_in_every_form(here: Path) -> None:
    handed.write(here)
    before = layout.compression(L).read_bytes()
    tables.write(
        quantised.measure(L, judged(), tables.read(layout.task(L, "pool"), POOL), values()),
        layout.compression(L),
        COMPRESSION,
    )
    assert layout.compression(L).read_bytes() == before
    assert set(table().index.get_level_values("form")) == set(FORMS)
