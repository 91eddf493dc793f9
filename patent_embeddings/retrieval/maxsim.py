"""TODO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    import torch

    from patent_embeddings.core.arrays import Floats, Integers, Search


def late_interaction(vectors: dict[str, Floats], offsets: dict[str, Integers]) -> Search:
    """Exact search by MaxSim over token vectors, each side float32 [tokens, dimension] with its first rows."""

    starts = np.append(offsets["queries"], len(vectors["queries"]))
    counts = np.diff(starts)

    def nearest(part: Integers, k: int) -> tuple[Floats, Integers]:
        tokens = np.concatenate([vectors["queries"][starts[place] : starts[place + 1]] for place in part])
        first = np.cumsum(counts[part]) - counts[part]
        return search(tokens, first, vectors["documents"], offsets["documents"], k)

    return nearest


_PART = 1024  # tokens of a query held at once


def search(
    query_vectors: np.ndarray,
    query_offsets: np.ndarray,
    document_vectors: np.ndarray,
    document_offsets: np.ndarray,
    depth: int,
    block: int = 1 << 15,
) -> tuple[np.ndarray, np.ndarray]:
    """Exact MaxSim: for each token of the query the best token of the document, summed.

    The sum of Khattab and Zaharia, "ColBERT" (SIGIR 2020), equation 3. Memory is bounded by
    `block`, whatever the number of documents.

    Args:
        query_vectors: float32 [tokens of all queries, dimension].
        query_offsets: int64 [queries], first row of each query.
        document_vectors: float32 [tokens of all documents, dimension]; may be a memory map.
        document_offsets: int64 [documents], first row of each document.
        depth: documents kept for each query.
        block: rows of documents held at once.

    Returns:
        Scores, float32 [queries, kept], falling, and rows of documents, int64 [queries, kept];
        equal scores by row. A document without tokens scores 0.
    """

    device = "cuda" if torch.cuda.is_available() else "cpu"
    tokens = torch.from_numpy(np.ascontiguousarray(query_vectors, np.float32)).to(device)
    queries = tokens.tensor_split(torch.from_numpy(query_offsets[1:].astype(np.int64)))
    starts = np.append(document_offsets, len(document_vectors))
    scores, rows = np.zeros((len(query_offsets), 0), np.float32), np.zeros((len(query_offsets), 0), np.int64)
    for first, last in blocks(starts, block):
        chunk = torch.from_numpy(np.array(document_vectors[starts[first] : starts[last]], np.float32)).to(device)
        counts = torch.from_numpy(np.diff(starts[first : last + 1]))
        owner = torch.arange(last - first).repeat_interleave(counts).to(device)
        found = torch.stack([_maxsim(query, chunk, owner, last - first) for query in queries]).cpu().numpy()
        # Stable, and earlier blocks come first: equal scores stay in order of row.
        scores = np.concatenate([scores, found], axis=1)
        rows = np.concatenate([rows, np.broadcast_to(np.arange(first, last), found.shape)], axis=1)
        order = np.argsort(-scores, axis=1, kind="stable")[:, :depth]
        scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
    return scores, rows


def blocks(starts: np.ndarray, block: int) -> Iterator[tuple[int, int]]:
    """Runs of documents, first and past the last, of at most `block` rows (or one document)."""
    first, documents = 0, len(starts) - 1
    while first < documents:
        last = max(first + 1, int(starts.searchsorted(starts[first] + block, side="right")) - 1)
        yield first, last
        first = last


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
