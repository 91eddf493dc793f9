"""Preparation of vectors for search: cut to some dimensions, normalised under cosine, and centred."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Booleans, Floats
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.core.vectors import Vectors


def prepared(vectors: Vectors, dimensions: int | None, similarity: str) -> Floats:
    """Keep the first `dimensions` of each vector, and normalise it where similarity is cosine.

    Token vectors are stored at unit length and are normalised again only after a cut. A vector of zeros stays as it
    is: its cosine with any other counts as 0.

    Raises UserError: the vectors have fewer dimensions.
    """
    rows = vectors.rows
    if not len(rows):  # without a vector the number of dimensions is unknown
        return rows
    if dimensions is not None and dimensions > rows.shape[1]:
        have = f"the vectors of {vectors.path} have {rows.shape[1]}; use fewer, or null for all"
        raise UserError(f"{layout.PARAMS}: search.dimensions is {dimensions}, {have}")
    if similarity == "cosine" and (empty := int((rows[:, :dimensions] == 0).all(axis=1).sum())):
        say(f"{vectors.path}: {empty} vectors of zeros, which score 0 with everything")
    return cut(rows, dimensions, similarity)


def cut(rows: Floats, dimensions: int | None, similarity: str) -> Floats:
    """`prepared` of rows [rows, dimension], without checks or messages."""
    kept = rows[:, :dimensions]
    if similarity == "cosine" or (similarity == "maxsim" and dimensions is not None):
        kept = _unit(kept)
    return kept if similarity == "maxsim" else np.ascontiguousarray(kept)


def centre(parts: Iterable[tuple[Floats, Booleans]], dimension: int, similarity: str) -> Floats:
    """Mean of the ranked documents' prepared vectors, [dimension]: the part that all of a landscape share.

    The mean of Mu and Viswanath, "All-but-the-Top" (ICLR 2018), without the principal components. It is taken after
    a cut of dimensions, and for cosine over unit vectors. Under cosine a vector of zeros has no direction and does not
    count. Passages count each by itself.

    `parts` are prepared rows, float32 [rows, dimension], each with a mask of those that may be retrieved.
    """
    total, count = np.zeros(dimension), 0
    for rows, ranked in parts:
        counted = ranked & _placed(rows, similarity)
        total += rows.sum(axis=0, dtype=np.float64, where=counted[:, None])
        count += int(counted.sum())
    return (total / max(count, 1)).astype(np.float32)


def centred(rows: Floats, mean: Floats, similarity: str) -> Floats:
    """Subtract the mean from the vectors of documents or queries; under cosine normalise them again.

    A vector of zeros stays as it is under cosine. Subtracted from documents alone, the mean m would lower every score
    of a query by the same q.m and change no rank; subtracted from queries, it lowers a document's score by m.d, so that
    documents near to everything no longer lead every ranking. It is subtracted from both.
    """
    if not len(rows):
        return rows
    moved = np.where(_placed(rows, similarity)[:, None], rows - mean, rows)
    return _unit(moved) if similarity == "cosine" else moved


def _placed(rows: Floats, similarity: str) -> Booleans:
    """Mark rows that have a direction; under the inner product all count, zeros too."""
    placed: Booleans = (rows != 0).any(axis=1) | (similarity != "cosine")
    return placed


def _unit(rows: Floats) -> Floats:
    """Normalise rows to unit length; a row of zeros stays as it is."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
