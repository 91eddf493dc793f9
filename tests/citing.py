"""A landscape of planted citations and labels, from which pairs are drawn."""

from __future__ import annotations

import numpy as np
import pandas as pd

from patent_embeddings.corpus.splits import split_of
from patent_embeddings.pairs.material import Material


def material() -> Material:
    """300 families that cite at random and carry one or two of 30 labels."""
    rng = np.random.default_rng(0)
    ids = [f"F-{i:03d}" for i in range(300)]
    edges = {(ids[i], ids[j]) for i in range(1, 300) for j in rng.integers(0, i, 3)}
    citations = pd.DataFrame(sorted(edges), columns=["citing_id", "cited_id"])
    sections = {name: [f"{name} {i}" for i in ids] for name in ("abstract", "claims")}
    return Material(
        families=pd.DataFrame({"family_id": ids, **sections}).astype("str"), citations=citations,
        labels={i: sorted({f"L{n}" for n in rng.integers(0, 30, 2)}) for i in ids},
        texts={i: f"text {i}" for i in ids}, splits=split_of(ids, 0, 0), queries=frozenset(citations["citing_id"]),
    )  # fmt: skip
