"""Late interaction: exact search by MaxSim over token vectors."""

from __future__ import annotations

import numpy as np
import torch

from patent_embeddings.core.arrays import Floats, Integers, Search
from patent_embeddings.core.vectors import blocks

_PART = 1024  # tokens of a query held at once


def by_document(queries: Floats, firsts: Integers, documents: Floats, first: Integers) -> Search:
    """Return a search by MaxSim for `ranking.retrieve`.

    Vectors are float32 [tokens of all queries or documents, dimension]; `firsts` and `first` are int64, the first row
    of each query and document.
    """
    starts = np.append(firsts, len(queries))
    counts = np.diff(starts)

    def nearest(part: Integers, k: int) -> tuple[Floats, Integers]:
        tokens = np.concatenate([queries[starts[place] : starts[place + 1]] for place in part])
        begin = np.cumsum(counts[part]) - counts[part]
        return search(tokens, begin, documents, first, k)

    return nearest


def search(
    queries: Floats, begins: Integers, documents: Floats, offsets: Integers, depth: int, block: int = 1 << 15
) -> tuple[Floats, Integers]:
    """Exact MaxSim: for each token of the query the best token of the document, summed.

    The sum of Khattab and Zaharia, "ColBERT" (SIGIR 2020), equation 3. Memory is bounded by
    `block`, whatever the number of documents.

    Vectors and first rows are as in `by_document`; `documents` may be a memory map, of which `block` rows are held at
    once. Returns scores, float32 [queries, at most depth], falling, and rows of documents, int64 likewise; equal scores
    by row. A document without tokens scores 0.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokens = torch.from_numpy(np.ascontiguousarray(queries, np.float32)).to(device)
    split = tokens.tensor_split(torch.from_numpy(begins[1:].astype(np.int64)))
    starts = np.append(offsets, len(documents))
    scores, rows = np.zeros((len(begins), 0), np.float32), np.zeros((len(begins), 0), np.int64)
    for first, last in blocks(starts, block):
        chunk = torch.from_numpy(np.array(documents[starts[first] : starts[last]], np.float32)).to(device)
        counts = torch.from_numpy(np.diff(starts[first : last + 1]))
        owner = torch.arange(last - first).repeat_interleave(counts).to(device)
        found = torch.stack([_maxsim(query, chunk, owner, last - first) for query in split]).cpu().numpy()
        # Stable, and earlier blocks come first: equal scores stay in order of row.
        scores = np.concatenate([scores, found], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(np.arange(first, last), found.shape)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    return scores, rows


def _maxsim(query: torch.Tensor, chunk: torch.Tensor, owner: torch.Tensor, documents: int) -> torch.Tensor:
    """Scores of one query, float32 [documents]; `owner` is the document of each row of `chunk`."""
    total = torch.zeros(documents, device=chunk.device)
    for start in range(0, len(query), _PART):
        part = query[start : start + _PART]
        similarity = chunk @ part.T
        best = torch.full((documents, len(part)), -torch.inf, device=chunk.device)
        best.scatter_reduce_(0, owner[:, None].expand_as(similarity), similarity, "amax")
        total += best.sum(1)
    return total.nan_to_num(neginf=0.0)
