"""Vectors as they are searched: cut to some dimensions, at unit length under cosine, less the landscape's mean."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Booleans, Floats
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.core.vectors import Vectors


def prepared(vectors: Vectors, dimensions: int | None, similarity: str) -> Floats:
    """Vectors as they are searched: the first `dimensions` kept, and of unit length where similarity is cosine.

    Token vectors come at unit length and are only brought back to it after a cut. A vector of
    zeros stays so: its cosine with anything counts 0.

    Raises UserError: the vectors have fewer dimensions.
    """
    rows = vectors.rows
    if not len(rows):  # nothing was encoded, so that nothing says how many dimensions there are
        return rows
    if dimensions is not None and dimensions > rows.shape[1]:
        have = f"the vectors of {vectors.path} have {rows.shape[1]}; use fewer, or null for all"
        raise UserError(f"{layout.PARAMS}: search.dimensions is {dimensions}, {have}")
    if similarity == "cosine" and (empty := int((rows[:, :dimensions] == 0).all(axis=1).sum())):
        say(f"{vectors.path}: {empty} vectors of zeros, which score 0 with everything")
    return cut(rows, dimensions, similarity)


def cut(rows: Floats, dimensions: int | None, similarity: str) -> Floats:
    """`prepared` of rows [rows, dimension], with nothing said or refused."""
    kept = rows[:, :dimensions]
    if similarity == "cosine" or (similarity == "maxsim" and dimensions is not None):
        kept = _unit(kept)
    return kept if similarity == "maxsim" else np.ascontiguousarray(kept)


def centre(parts: Iterable[tuple[Floats, Booleans]], dimension: int, similarity: str) -> Floats:
    """Mean of the ranked documents' vectors, [dimension]: what all of a landscape share, which tells none apart.

    The mean of Mu and Viswanath, "All-but-the-Top" (ICLR 2018), without the principal components. It is taken over
    vectors as they are searched, so after a cut of dimensions, and for cosine over unit vectors. Under cosine a
    vector of zeros has no place and does not count. The mean of passages is that of all of them.

    `parts` are rows as `prepared` gives them, float32 [rows, dimension], with which of them may be retrieved.
    """
    total, count = np.zeros(dimension), 0
    for rows, ranked in parts:
        counted = ranked & _placed(rows, similarity)
        total += rows.sum(axis=0, dtype=np.float64, where=counted[:, None])
        count += int(counted.sum())
    return (total / max(count, 1)).astype(np.float32)


def centred(rows: Floats, mean: Floats, similarity: str) -> Floats:
    """Vectors of either side less the mean; for cosine at unit length again, a vector of zeros left as it is.

    Under the inner product nothing is brought to unit length. Taken from documents alone, the mean m would lower
    every score of a query by the same q.m and change no rank; taken from queries, it lowers each document's by m.d,
    so that those which are near everything no longer lead every list. It is taken from both.
    """
    if not len(rows):
        return rows
    moved = np.where(_placed(rows, similarity)[:, None], rows - mean, rows)
    return _unit(moved) if similarity == "cosine" else moved


def _placed(rows: Floats, similarity: str) -> Booleans:
    """Rows that have a direction; under the inner product zeros are a place like any other."""
    placed: Booleans = (rows != 0).any(axis=1) | (similarity != "cosine")
    return placed


def _unit(rows: Floats) -> Floats:
    """Rows brought to unit length; a row of zeros stays so."""
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.divide(rows, length, out=np.zeros_like(rows), where=length > 0)
