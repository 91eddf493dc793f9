"""Second stage: the best families of a run ranked again by a cross-encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patent_embeddings.core.progress import track
from patent_embeddings.encoders.prompts import head

if TYPE_CHECKING:
    from patent_embeddings.encoders.cross import Cross


def run(
    best: pd.DataFrame, queries: Mapping[str, str], documents: Mapping[str, str], cross: Cross, label: str
) -> pd.DataFrame:
    """Order each query's families by the cross-encoder's score, equal scores by family id.

    `best` are rows of `RUN`, cut to the depth that is to be reranked. Returns such rows with the same families.
    """
    # A tokenizer keeps all that it cuts off, and of a pair in every combination: cut before it.
    cut = [{name: head(text, cross.length) for name, text in texts.items()} for texts in (queries, documents)]
    # A run's ids are read as categories, which sort by first appearance.
    ordered = best.astype({"query_id": "str", "family_id": "str"}).sort_values(["query_id", "rank"], kind="stable")
    blocks = [block for _, block in ordered.groupby("query_id", sort=False)]
    scores = []
    for block in track(blocks, len(blocks), label, unit="queries"):
        ids = zip(block["query_id"], block["family_id"], strict=True)
        pairs = [(cut[0][query], cut[1][family]) for query, family in ids]
        # Each distinct pair once, or the same text twice would differ in the last bit and not tie.
        distinct = sorted(set(pairs))
        known = dict(zip(distinct, cross.score(distinct), strict=True))
        scores += [known[pair] for pair in pairs]
    order = ["query_id", "score", "family_id"]
    found = ordered.assign(score=np.array(scores, np.float32))
    found = found.sort_values(order, ascending=[True, False, True], ignore_index=True)
    return found.assign(rank=found.groupby("query_id").cumcount() + 1)
