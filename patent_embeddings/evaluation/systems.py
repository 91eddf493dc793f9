"""TODO."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


RETRIEVAL = ("bm25", "dense", "rrf", "interpolation", "reranked")
ORACLES = ("oracle-rrf", "oracle-interpolation")
CLASSIFICATION = ("probe", "knn", "prior")
CLUSTERING = ("kmeans", "random")
LABEL_SETS = ("ipc-section", "ipc-class", "ipc-subclass", "cpc-subclass", "own")
HEADLINE_LABELS = ("ipc-subclass", "own", "cpc-subclass", "ipc-class", "ipc-section")  # the first that there is

# Short name -> task, system, scope (None: the first of HEADLINE_LABELS), metric.
HEADLINE: dict[str, tuple[str, str, str | None, str]] = {
    "ndcg": ("retrieval", "dense", "all", "nDCG@10"),
    "out": ("retrieval", "dense", "out", "nDCG@10"),
    "fused": ("retrieval", "interpolation", "all", "nDCG@10"),
    "f1": ("classification", "probe", None, "micro-F1"),
    "ami": ("clustering", "kmeans", None, "AMI"),  # corrected for chance: V-measure of random vectors can be .7
}


def headline(scores: pd.DataFrame) -> dict[str, dict[str, float]]:
    """`reports/metrics.json`: up to five numbers a landscape, under names that fit `dvc exp show`.

    ndcg and out: nDCG@10 of the dense run, all relevant families and OUT ones; fused: of the
    interpolation; f1: micro-F1 of the probe and ami: AMI of k-means, on IPC subclasses where the
    landscape has them. What was not measured is left out.
    """
    numbers: dict[str, dict[str, float]] = {}
    for landscape in sorted(scores["landscape"].unique()):
        ours = scores[scores["landscape"] == landscape]
        picked = {short: pick(ours, *key) for short, key in HEADLINE.items()}
        numbers[landscape] = {short: round(value, 4) for short, value in picked.items() if value is not None}
    return numbers


def pick(scores: pd.DataFrame, task: str, system: str, scope: str | None, metric: str) -> float | None:
    """One score of a landscape, None where it was not measured; scope None: the first of HEADLINE_LABELS."""
    rows = scores[(scores["task"] == task) & (scores["system"] == system) & (scores["metric"] == metric)]
    values = dict(zip(rows["scope"], rows["value"], strict=True))
    for name in [scope] if scope else HEADLINE_LABELS:
        if name in values:
            return float(values[name])
    return None
