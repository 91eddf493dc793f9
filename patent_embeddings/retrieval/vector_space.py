"""The vectors of one landscape as the stage `search` compares them: cut, normalised and centred."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, vectors
from patent_embeddings.core.arrays import Booleans, Floats, Integers, Search
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import nearest, passages
from patent_embeddings.retrieval.values import SearchValues

_ROWS = 1 << 14  # passages that the mean is taken over at once: its sums are of such blocks


class Space:
    """The documents of a landscape, prepared once for any number of searches.

    Attributes:
        starts: first row of each document, and past the last row, int64 [documents + 1].
        rows: their vectors, [rows, dimension]; passages as stored, which `ready` prepares.
        mean: what is subtracted from documents and queries, [dimension]; None: nothing.
    """

    def __init__(self, documents: Vectors, ranked: Booleans, values: SearchValues) -> None:
        """`ranked` says which documents may be retrieved, [documents]. Raises UserError: too many dimensions asked."""
        self.values, self.first, self.mean = values, documents.first, None
        first = np.arange(len(documents.rows)) if documents.first is None else documents.first
        self.starts = np.append(first, len(documents.rows))
        dimensions, similarity = values.search.dimensions, values.similarity
        self.rows: Floats
        self.ready: passages.Ready
        if values.window is None:
            self.rows, self.ready = prepared(documents, dimensions, similarity), lambda rows: rows
        else:
            self.rows, self.ready = documents.rows, lambda rows: cut(rows, dimensions, similarity)
        if values.search.centre == "none":
            return
        mean = self.mean = self._centre(ranked)
        if values.window is None:
            self.rows = centred(self.rows, mean, similarity)
        else:
            self.ready = lambda rows: centred(cut(rows, dimensions, similarity), mean, similarity)

    def _centre(self, ranked: Booleans) -> Floats:
        """Mean of the ranked documents' prepared vectors, [dimension]: the part that all of a landscape share.

        The mean of Mu and Viswanath, "All-but-the-Top" (ICLR 2018), without the principal components. It is taken after
        a cut of dimensions, and for cosine over unit vectors. Under cosine a vector of zeros has no direction and does
        not count. Passages count each by itself.
        """
        mask = np.repeat(ranked, np.diff(self.starts))
        step = _ROWS if self.values.window is not None else max(1, len(self.rows))
        total, count = np.zeros(self.ready(self.rows[:1]).shape[1]), 0
        for start in range(0, len(self.rows), step):
            rows = self.ready(self.rows[start : start + step])
            counted = mask[start : start + step] & _placed(rows, self.values.similarity)
            total += rows.sum(axis=0, dtype=np.float64, where=counted[:, None])
            count += int(counted.sum())
        return (total / max(count, 1)).astype(np.float32)

    def asked(self, queries: Vectors) -> Floats:
        """Prepare queries as the documents are: float32 [rows, dimension]. Raises UserError: too many dimensions."""
        rows = prepared(queries, self.values.search.dimensions, self.values.similarity)
        return rows if self.mean is None else centred(rows, self.mean, self.values.similarity)

    def search(self, queries: Vectors) -> Search:
        """Search, for `ranking.retrieve`, of some queries. Raises UserError: too many dimensions asked."""
        asked, best = self.asked(queries), passages.BEST[self.values.search.passages]
        if self.first is None:
            return nearest.search(asked, self.rows)
        if queries.first is None:
            return passages.search(asked, self.rows, self.starts, best, self.ready)
        from patent_embeddings.retrieval import maxsim  # torch, which takes seconds: other searches do without

        return maxsim.search(asked, queries.first, self.rows, self.first)

    def every(self, query: Vectors) -> Floats:
        """Score of every document for one query, float32 [documents], as if it were the only query searched for."""
        if self.first is not None:
            scores, rows = self.search(query)(np.zeros(1, np.int64), len(self.first))
            return scores[0][rows[0].argsort()]
        places = np.arange(len(self.rows))
        return nearest.score(self.asked(query), self.rows, np.zeros_like(places), places)

    def passage(self, query: Vectors, document: int) -> int:
        """Number of the passage of a document that scores best for a query, the first among equals."""
        rows = self.ready(self.rows[self.starts[document] : self.starts[document + 1]])
        places = np.arange(len(rows))
        return int(nearest.score(self.asked(query), rows, np.zeros_like(places), places).argmax())


@dataclass(frozen=True)
class Searched:
    """Prepared vectors: one row a query, and one row a document or passage."""

    queries: Floats  # [queries, dimension]
    documents: Floats  # [rows, dimension]
    starts: Integers  # first row of each family, and past the last row, int64 [families + 1]
    best: int = 1  # how many of its rows a family's score is the mean of
    mean: Floats | None = None  # what was subtracted from both sides, [dimension]; None: nothing

    @property
    def several(self) -> bool:
        """Whether a family may have more than one row."""
        return len(self.starts) - 1 != len(self.documents)

    def search(self, queries: Floats, documents: Floats) -> Search:
        """Search, for `ranking.retrieve`, over these vectors in another form, with the same rows."""
        if not self.several:
            return nearest.search(queries, documents)
        return passages.search(queries, documents, self.starts, self.best, lambda part: part)


def require_queries(found: Vectors, queries: list[str], landscape: str) -> None:
    """Raise UserError if vectors of queries are not of the landscape's queries, or in another order."""
    if found.ids != queries:
        path = layout.vector_ids(landscape, "queries")
        raise UserError(f"{path}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")


def read(landscape: str, pool: pd.DataFrame, values: SearchValues) -> tuple[dict[str, Vectors], Booleans, list[str]]:
    """Read the vectors of `documents` and `queries`, mark the ranked families, [families], and list their ids.

    `pool` are rows of `POOL`. Not for late interaction. Raises UserError: a file is absent or damaged, or a ranked
    family has no vector.
    """
    found = sides(landscape, values)
    ranked = ranked_among(found["documents"].ids, pool, landscape)
    return found, ranked, [family for family, kept in zip(found["documents"].ids, ranked, strict=True) if kept]


def sides(landscape: str, values: SearchValues) -> dict[str, Vectors]:
    """Read the vectors of `documents` and `queries`. Raises UserError: a file is absent or damaged."""
    windows = {"documents": values.window, "queries": None}
    return {
        side: vectors.read(landscape, side, ragged=vectors.several(values.similarity, window))
        for side, window in windows.items()
    }


def ranked_among(documents: list[str], pool: pd.DataFrame, landscape: str) -> Booleans:
    """Which of the documents with a vector are ranked, [documents], by rows of `POOL`.

    Raises UserError: a ranked family has no vector, so that it could never be found.
    """
    ranked = pool.loc[pool["ranked"], "family_id"]
    if len(missing := ranked[~ranked.isin(documents)]):
        path = layout.vector_ids(landscape, "documents")
        raise UserError(f"{path}: family {missing.iloc[0]!r} of the landscape's pool has no vector; run `dvc repro`")
    return pd.Index(documents).isin(ranked)


def searched(sides: dict[str, Vectors], ranked: Booleans, values: SearchValues) -> Searched:
    """Prepare the vectors of `documents` and `queries`; not for late interaction.

    `ranked` marks the families that may be retrieved, [families]; the others are left out. Raises UserError: the
    vectors have fewer dimensions than `search.dimensions`.
    """
    space = Space(sides["documents"], ranked, values)
    counts = np.diff(space.starts)
    kept = space.ready(space.rows[np.repeat(ranked, counts)])
    starts = np.append(0, np.cumsum(counts[ranked]))
    return Searched(space.asked(sides["queries"]), kept, starts, passages.BEST[values.search.passages], space.mean)


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
