"""Late interaction and a reranker in a whole cell, through DVC: both legs, fusions, second stage, scores and page."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import tiny
import yaml

from collaboration import clones
from collaboration.clones import MODEL, Clone, L, ran

pytestmark = pytest.mark.pipeline

LATE = {"encoder": "late", "pooling": "tokens", "similarity": "maxsim", "dimension": 8}
CROSS = {name: MODEL[name] for name in ("source", "parameters", "max_length", "licence")} | {
    "hub": "tiny/cross", "length": 16,
}  # fmt: skip
DEPTH = 3


def test_a_late_interaction_cell_with_a_reranker_runs_end_to_end(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    late = tiny.late(tmp_path / "late", tiny.bert(tmp_path / "base"))
    cross = tiny.bert(tmp_path / "cross", "classifier")
    blocks = {
        "models": {"tiny-late": {**MODEL, **LATE, "path": str(late), "digest": tiny.pinned(late)}},
        "rerankers": {"tiny-cross": {**CROSS, "path": str(cross), "digest": tiny.pinned(cross)}},
    }
    for name, block in blocks.items():
        with (clone.path / f"registry/{name}.yaml").open("a", encoding="utf-8") as file:
            file.write("\n" + yaml.safe_dump(block))
    clone.commit_here()
    changes = ("recipe=zero-shot", "model=tiny-late", "rerank.model=tiny-cross", f"rerank.depth={DEPTH}")
    said = clone.quick("exp", "run", *(part for change in changes for part in ("-S", change)))
    assert not {f"download@{L}", f"tasks@{L}", f"bm25@{L}"} & set(ran(said))
    scores = pd.read_csv(clone.path / "reports/scores.csv")
    retrieval = scores[(scores["task"] == "retrieval") & (scores["metric"] == "nDCG@10") & (scores["scope"] == "all")]
    assert {"bm25", "dense", "rrf", "interpolation", "reranked"} <= set(retrieval["system"])
    before, after = (pd.read_parquet(clone.path / f"data/runs/{L}/{system}.parquet") for system in ("rrf", "reranked"))
    top = [run[run["rank"] <= DEPTH].groupby("query_id")["family_id"].agg(list) for run in (before, after)]
    assert (top[0].map(sorted) == top[1].map(sorted)).all() and (top[0] != top[1]).any()
    page = (clone.path / "reports/index.html").read_text(encoding="utf-8")
    assert "tiny-late" in page and "reranked" in page
