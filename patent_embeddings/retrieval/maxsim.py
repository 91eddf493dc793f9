"""Late interaction: exact search by MaxSim over token vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from patent_embeddings.core.arrays import Doubles, Floats, Integers, Search
from patent_embeddings.core.vectors import blocks
from patent_embeddings.retrieval import proposals, ranking
from patent_embeddings.retrieval.passages import rows_of

_BLOCK = 1 << 15  # tokens of documents held at once: bounds memory, not the result
_PART = 1024  # tokens of a query held at once
_GRID = 2.0**-24  # exact scores are of vectors rounded to multiples of it
_STEP = 2.0**-36  # and sums of products rounded to multiples of it


def search(queries: Floats, firsts: Integers, documents: Floats, first: Integers) -> Search:
    """Return an exact search by MaxSim: for each token of the query the best token of the document, summed.

    The sum of Khattab and Zaharia, "ColBERT" (SIGIR 2020), equation 3. A document without tokens scores 0. Products in
    float32 propose documents. Their exact scores are of vectors rounded to multiples of 2^-24, whose products float64
    holds without an error (of lengths up to 5), as it holds the sum of up to 100,000 of them rounded to multiples of
    2^-36 (of unit length, as tokens are): they depend neither on what is computed together nor on the device. Equal
    scores are ordered by row. Memory is bounded, whatever the number of documents.

    Vectors are float32 [tokens of all queries or documents, dimension], those of documents possibly a memory map;
    `firsts` and `first` are int64, the first row of each query and document.
    """
    device = "cuda" if torch.cuda.is_available() else "cpu"
    torch.backends.cuda.matmul.allow_tf32 = False
    asks, starts = np.append(firsts, len(queries)), np.append(first, len(documents))
    dimension = queries.shape[1]

    def held(rows: Floats, exact: bool) -> torch.Tensor:
        tokens = torch.from_numpy(np.array(rows, np.float32)).to(device)
        return tokens.double().div_(_GRID).round_() if exact else tokens

    def scored(asked: list[Floats], exact: bool) -> Iterator[tuple[int, Floats, float]]:
        """The first document of each block, the block's scores, and the length of its longest token."""
        tokens = [held(query, exact) for query in asked]
        for here, last in blocks(starts, _BLOCK):
            rows = documents[starts[here] : starts[last]]
            counts, chunk = np.diff(starts[here : last + 1]), held(rows, exact)
            yield here, np.stack([_maxsim(query, chunk, counts) for query in tokens]), proposals.longest(rows)

    def run(part: Integers, k: int) -> tuple[Floats, Integers]:
        asked = [queries[asks[place] : asks[place + 1]] for place in part]
        if k >= len(first):  # nothing to choose from
            found = np.hstack([scores for _, scores, _ in scored(asked, exact=True)])
            return ranking.best(found, np.tile(np.arange(len(first)), (len(part), 1)), k)
        tokens = np.array([len(query) for query in asked])
        length = np.array([proposals.lengths(query).sum() for query in asked])

        def proposed() -> Iterator[tuple[int, Floats, Doubles]]:
            for here, scores, longest in scored(asked, exact=False):
                rounded = proposals.sums(3 * dimension + tokens + 2) * length * longest
                moved = dimension**0.5 * _GRID / 2  # by which a vector on the grid is off, at most
                error = rounded + moved * length + tokens * (moved * (longest + moved) + _STEP)
                yield here, scores, error if proposals.unforced() else np.full(len(part), np.inf)

        def exact(query: Integers, document: Integers) -> Floats:
            found = np.empty(len(query), np.float32)
            counts = np.diff(starts)[document]
            portion = np.stack([query, np.cumsum(counts) // _BLOCK])
            for pairs in np.split(np.arange(len(query)), np.flatnonzero(np.diff(portion).any(axis=0)) + 1):
                rows = documents[rows_of(starts, document[pairs])]
                found[pairs] = _maxsim(held(asked[query[pairs[0]]], True), held(rows, True), counts[pairs])
            return found

        return ranking.proposed(proposed(), exact, len(part), k)

    return run


def _maxsim(query: torch.Tensor, chunk: torch.Tensor, counts: Integers) -> Floats:
    """Scores of one query, float32 [documents]; `chunk` has so many rows of each document. In float64 of the grid."""
    documents, device, exact = len(counts), chunk.device, chunk.dtype == torch.float64
    owner = torch.arange(documents).repeat_interleave(torch.from_numpy(counts)).to(device)
    total = torch.zeros(documents, device=device, dtype=chunk.dtype)
    for start in range(0, len(query), _PART):
        part = query[start : start + _PART]
        similarity = chunk @ part.T
        best = torch.full((documents, len(part)), -torch.inf, device=device, dtype=chunk.dtype)
        best.scatter_reduce_(0, owner[:, None].expand_as(similarity), similarity, "amax")
        total += (best * (_GRID**2 / _STEP)).round().sum(1) if exact else best.sum(1)
    found: Floats = (total.nan_to_num(neginf=0.0) * (_STEP if exact else 1.0)).float().cpu().numpy()
    return found
