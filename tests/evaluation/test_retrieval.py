"""Retrieval metrics against ir-measures and against values worked out by hand."""

from __future__ import annotations

import ir_measures
import numpy as np
import pandas as pd
import pytest

from patent_embeddings.evaluation import retrieval


def planted(seed: int, queries: int = 60, families: int = 300, depth: int = 150) -> tuple[pd.DataFrame, ...]:
    """Random run, graded qrels with rows of relevance 0, and queries, some of which the run has nothing for."""
    rng = np.random.default_rng(seed)
    ids = np.array([f"F{i:04d}" for i in range(families)])
    judged, ranked = [], []
    for query in range(queries):
        chosen = rng.choice(families, rng.integers(1, 40), replace=False)
        for family in chosen:
            judged.append(
                (f"Q{query:03d}", ids[family], int(rng.integers(0, 4)), str(rng.choice(["in", "out", "unknown"])))
            )
        if query % 7 == 0:
            continue
        found = rng.choice(families, rng.integers(1, depth + 1), replace=False)
        ranked += [(f"Q{query:03d}", ids[family], rank + 1, 0.5) for rank, family in enumerate(found)]
    qrels = pd.DataFrame(judged, columns=["query_id", "family_id", "relevance", "scope"])
    run = pd.DataFrame(ranked, columns=["query_id", "family_id", "rank", "score"])
    names = sorted(qrels["query_id"].unique())
    return run, qrels, pd.DataFrame({"query_id": names, "split": ["train", "dev", "test"] * (queries // 3)})


def reference(run: pd.DataFrame, qrels: pd.DataFrame) -> dict[tuple[str, str], float]:
    """What ir-measures gives when it sees ranks as strictly decreasing scores."""
    provider = ir_measures.providers.registry["pytrec_eval"]
    measures = [ir_measures.parse_measure(name) for name in retrieval.METRICS]
    judged = qrels.rename(columns={"family_id": "doc_id"})[["query_id", "doc_id", "relevance"]]
    ranked = run.rename(columns={"family_id": "doc_id"})[["query_id", "doc_id"]].assign(
        score=-run["rank"].astype(float)
    )
    found = provider.iter_calc(measures, judged, ranked.sample(frac=1.0, random_state=0))
    return {(str(row.measure), row.query_id): row.value for row in found}


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scope", retrieval.SCOPES)
def test_equals_ir_measures(seed: int, scope: str) -> None:
    run, qrels, queries = planted(seed)
    positive = qrels[qrels["relevance"] > 0]
    both = set.intersection(*(set(positive.loc[positive["scope"] == side, "query_id"]) for side in ("in", "out")))
    side = scope.split("-")[0]
    if side != "all":
        qrels, positive = qrels[qrels["scope"] == side], positive[positive["scope"] == side]
    wanted = set(positive["query_id"]) & (both if scope.endswith("paired") else set(queries["query_id"]))
    truth = reference(run, qrels)
    ours = retrieval.per_query(run, planted(seed)[1], queries).query("scope == @scope")
    assert len(ours) == len(wanted) * len(retrieval.METRICS)
    assert set(ours["query_id"]) == wanted
    theirs = np.array([truth[metric, query] for metric, query in zip(ours["metric"], ours["query_id"], strict=True)])
    np.testing.assert_allclose(ours["value"], theirs, rtol=0, atol=1e-9)
    assert ours["value"].std() > 0


def test_by_hand() -> None:
    run = pd.DataFrame({"query_id": ["q"] * 4, "family_id": ["a", "b", "c", "d"], "rank": [1, 2, 3, 4]})
    qrels = pd.DataFrame(
        [("q", "b", 1, "in"), ("q", "d", 2, "out"), ("q", "z", 1, "in"), ("q", "a", 0, "in"), ("other", "a", 1, "in")],
        columns=["query_id", "family_id", "relevance", "scope"],
    )
    queries = pd.DataFrame({"query_id": ["q"], "split": ["test"]})
    scored = retrieval.per_query(run, qrels, queries).set_index(["scope", "metric"])["value"]
    ideal = 2 + 1 / np.log2(3) + 1 / 2
    assert scored["all", "nDCG@10"] == pytest.approx((1 / np.log2(3) + 2 / np.log2(5)) / ideal)
    assert scored["all", "R@100"] == pytest.approx(2 / 3)
    assert scored["all", "AP"] == pytest.approx((1 / 2 + 2 / 4) / 3)
    assert scored["all", "RR"] == pytest.approx(1 / 2)
    assert scored["out", "RR"] == scored["out-paired", "RR"] == pytest.approx(1 / 4)
    assert scored["in", "AP"] == pytest.approx((1 / 2) / 2)


def test_order_of_rows_and_scores_are_ignored() -> None:
    run, qrels, queries = planted(3)
    shuffled = run.sample(frac=1.0, random_state=1).assign(score=np.arange(len(run), dtype=float))
    pd.testing.assert_frame_equal(
        retrieval.per_query(run, qrels, queries), retrieval.per_query(shuffled, qrels, queries)
    )


def test_categorical_ids_and_parts_change_nothing() -> None:
    run, qrels, queries = planted(4)
    whole = retrieval.per_query(run, qrels, queries)
    encoded = run.assign(query_id=run["query_id"].astype("category"), family_id=run["family_id"].astype("category"))
    pd.testing.assert_frame_equal(whole, retrieval.per_query(encoded, qrels, queries))
    found = retrieval.found((encoded[at : at + 37] for at in range(0, len(run), 37)), qrels, queries)
    pd.testing.assert_frame_equal(whole, retrieval.outcomes(found, qrels, queries))


def test_queries_without_results_count_as_zero() -> None:
    run, qrels, queries = planted(5)
    counted = retrieval.per_query(run[:0], qrels, queries)
    whole = retrieval.per_query(run, qrels, queries)
    assert len(counted) == len(whole) and (counted["value"] == 0).all()
    assert (whole["value"] == 0).any()


def test_no_queries_gives_an_empty_frame_with_the_columns() -> None:
    run, qrels, queries = planted(6)
    scored = retrieval.per_query(run, qrels[:0], queries[:0])
    assert len(scored) == 0
    assert list(scored.columns) == ["scope", "metric", "query_id", "split", "value"]


def test_an_unknown_metric_is_refused() -> None:
    run, qrels, queries = planted(7)
    with pytest.raises(ValueError, match="ERR"):
        retrieval.per_query(run, qrels, queries, ["ERR@10"])


@pytest.mark.parametrize(
    ("found", "value"),
    [
        ([1, 3], (1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3))),  # 0.7967
        ([3, 0, 1], (3 + 1 / 2) / (3 + 1 / np.log2(3))),  # 0.9639
        ([0, 1, 0, 3], (1 / np.log2(3) + 3 / np.log2(5)) / (3 + 1 / np.log2(3))),
    ],
)
def test_grades_are_linear_gains(found: list[int], value: float) -> None:
    """Of a query whose only relevant families have grades 3 and 1, those of the ranking in order, by hand."""
    ids = [f"f{place}" for place in range(len(found))]
    run = pd.DataFrame({"query_id": "q", "family_id": ids, "rank": range(1, len(found) + 1)})
    qrels = pd.DataFrame({"query_id": "q", "family_id": ids, "relevance": found, "scope": "unknown"})
    queries = pd.DataFrame({"query_id": ["q"], "split": ["test"]})
    scored = retrieval.per_query(run, qrels, queries, ["nDCG@10"])
    assert scored.loc[scored["scope"] == "all", "value"].tolist() == pytest.approx([value], abs=1e-12)
    assert reference(run, qrels)["nDCG@10", "q"] == pytest.approx(value, abs=1e-9)
    assert found != [1, 3] or round(value, 4) == 0.7967


@pytest.mark.parametrize("threshold", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_a_threshold_and_what_is_judged_at_all_equal_ir_measures(seed: int, threshold: int) -> None:
    run, qrels, queries = planted(seed)
    names = {"R@100": f"R(rel={threshold})@100", "AP": f"AP(rel={threshold})", "RR": f"RR(rel={threshold})",
             "nDCG@10": "nDCG@10", "Judged@10": "Judged@10"}  # fmt: skip
    ours = retrieval.per_query(run, qrels, queries, list(names), threshold=threshold)
    judged = qrels.rename(columns={"family_id": "doc_id"})
    ranked = run.rename(columns={"family_id": "doc_id"}).assign(score=-run["rank"].astype(float))
    measures = {ir_measures.parse_measure(theirs): name for name, theirs in names.items()}
    found = ir_measures.iter_calc([*measures], judged, ranked[["query_id", "doc_id", "score"]])
    truth = {(measures[row.measure], row.query_id): row.value for row in found}
    every = ours[ours["scope"] == "all"]
    assert set(every["query_id"]) == set(qrels.loc[qrels["relevance"] > 0, "query_id"])
    for metric, query, value in zip(every["metric"], every["query_id"], every["value"], strict=True):
        assert value == pytest.approx(truth.get((metric, query), 0.0), abs=1e-9), (metric, query)
    # In whatever scope: what was judged does not depend on it.
    shares = ours[ours["metric"] == "Judged@10"].drop_duplicates(["query_id", "value"])
    assert shares["query_id"].is_unique and 0 < shares["value"].mean() < 1
