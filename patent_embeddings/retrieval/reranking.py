"""A run and the texts -> its best families ranked again by a cross-encoder; off unless `rerank.model` names one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.core.progress import track

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.encoders.cross import Cross


def rerank(
    best: pd.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], cross: Cross, label: str
) -> pd.DataFrame:
    """Order each query's families by the cross-encoder's score, equal scores by family id.

    Args:
        best: rows of `RUN`, cut to the depth that is to be reranked.
        queries: text of each query.
        documents: text of each family.
        cross: what scores a pair of texts.
        label: what the progress bar says.

    Returns:
        Rows of `RUN` with the same families for each query.
    """

    # A run's ids are read as categories, which sort by first appearance.
    ordered = best.astype({"query_id": "str", "family_id": "str"}).sort_values(["query_id", "rank"], kind="stable")
    blocks = [block for _, block in ordered.groupby("query_id", sort=False)]
    scores = []
    for block in track(blocks, len(blocks), label, unit="queries"):
        pairs = [(queries[query], documents[family]) for query, family in zip(block["query_id"], block["family_id"], strict=True)]  # fmt: skip
        # Each distinct pair once, or the same text twice would differ in the last bit and not tie.
        distinct = sorted(set(pairs))
        known = dict(zip(distinct, cross.score(distinct), strict=True))
        scores += [known[pair] for pair in pairs]
    order = ["query_id", "score", "family_id"]
    found = ordered.assign(score=np.array(scores, np.float32))
    found = found.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return found.assign(rank=found.groupby("query_id").cumcount() + 1)
