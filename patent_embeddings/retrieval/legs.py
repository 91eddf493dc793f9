"""BM25 and dense search for one question: every family that a leg scores, those of the run first."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from patent_embeddings.core import layout, tables
from patent_embeddings.core.arrays import Booleans, Floats, Integers
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.retrieval import indexes, ranking
from patent_embeddings.retrieval.landscape import Landscape
from patent_embeddings.retrieval.lucene import Index
from patent_embeddings.retrieval.query_models import Asking, Clock
from patent_embeddings.retrieval.schemas import RUN
from patent_embeddings.retrieval.vector_space import Space, ranked_among, require_queries, sides


@dataclass(frozen=True)
class Order:
    """Families in the order of a leg or a fusion, best first."""

    rows: Integers  # positions among the ranked families, int64 [found]
    scores: Floats  # [found]
    listed: int  # how many of the first ones a run contains

    def ranks(self, families: int) -> Integers:
        """Rank of each family from 1, int64 [families]; 0 where it is not found."""
        ranks = np.zeros(families, np.int64)
        ranks[self.rows] = np.arange(1, len(self.rows) + 1)
        return ranks

    def top(self, depth: int) -> Order:
        """The part that a run of at most this depth contains."""
        kept = min(depth, self.listed)
        return Order(self.rows[:kept], self.scores[:kept], kept)


def ordered(scores: Floats, open_: Booleans, depth: int) -> Order:
    """Order all families that are open and scored (not -inf); equal scores by family id."""
    rows = np.flatnonzero(open_ & ~np.isneginf(scores))
    best = ranking.best(scores[None, rows], rows[None], len(rows))
    return Order(best[1][0], best[0][0], min(depth, len(rows)))


class Lexical:
    """BM25 over Lucene's index in the scratch folder."""

    def __init__(self, landscape: Landscape, stack: ExitStack, clock: Clock) -> None:
        self._landscape, self._stack, self._clock = landscape, stack, clock

    @cached_property
    def index(self) -> Index:
        """The opened index, built first where the scratch has none."""
        here, options = self._landscape, self._landscape.bm25.bm25.model_dump(include={"k1", "b", "query_side"})
        opened = indexes.index(list(here.documents.values()), **options, label=f"bm25 {here.name}: index")
        with self._clock.timing("open"):
            return self._stack.enter_context(opened)

    def order(self, text: str, open_: Booleans) -> Order:
        """Every open family that shares a term with the text."""
        scores = np.full(len(open_), -np.inf, np.float32)
        found, rows = self.index.search([text], max(1, len(self.index.rows)))
        scores[rows[rows >= 0]] = found[rows >= 0]
        return ordered(scores, open_, self._landscape.bm25.bm25.depth)


class Dense:
    """Exact search over the vectors that are on disk."""

    def __init__(self, landscape: Landscape, asking: Asking, clock: Clock) -> None:
        """Read the vectors. Raises UserError: a file is missing, damaged or of another run."""
        name, values = landscape.name, landscape.search
        self._landscape, self._asking, self._clock = landscape, asking, clock
        found = sides(name, values)
        self.documents, self._queries = found["documents"], found["queries"]
        require_queries(self._queries, landscape.queries, name)
        self._place = {query: place for place, query in enumerate(self._queries.ids)}
        self.rows = {family: row for row, family in enumerate(self.documents.ids)}
        self._ranked = ranked_among(self.documents.ids, landscape.pool, name)

    @cached_property
    def space(self) -> Space:
        """The prepared documents."""
        with self._clock.timing("open"):
            return Space(self.documents, self._ranked, self._landscape.search)

    @cached_property
    def _sides_are_one(self) -> bool:
        """Whether a family has the same vector as query and as document."""
        here = self._landscape
        both = [(place, self.rows[query]) for query, place in self._place.items() if query in self.rows]
        if here.embed.query_view != here.embed.document_view or self.documents.first is not None or not both:
            return False
        asking, found = np.array(both).T
        return np.array_equal(self._queries.rows[asking], self.documents.rows[found])

    def vector(self, text: str, known: str | None) -> Vectors:
        """The vector of a question: read from disk where it is there, else computed by the cell's encoder."""
        if known in self._place:
            return _only(self._queries, self._place[known])
        if known in self.rows and self._sides_are_one:
            return _only(self.documents, self.rows[known])
        return self._asking.vectors(text)

    def order(self, text: str, known: str | None, open_: Booleans) -> Order:
        """Order every open family; for a query of the landscape those of its run come first, in the run's order.

        The run may be of a machine that rounds otherwise.
        """
        listed, scores = stored(self._landscape, "dense", known), self.space.every(self.vector(text, known))
        order = ordered(scores[self._ranked], open_, self._landscape.search.search.depth)
        if listed is None:
            return order
        rest = ~np.isin(order.rows, listed[1])
        rows, scores = np.append(listed[1], order.rows[rest]), np.append(listed[0], order.scores[rest])
        return Order(rows, scores, len(listed[1]))


def stored(landscape: Landscape, system: str, query: str | None) -> tuple[Floats, Integers] | None:
    """Scores and positions of the families in a run for one of the landscape's queries, best first.

    None: it is not a query, or the run does not exist.
    """
    path = layout.run(landscape.name, system)
    if query not in landscape.asked or not path.exists():
        return None
    run = tables.read(path, RUN, only=("query_id", query))
    scores, rows = ranking.matrices([run], [query], landscape.families, len(landscape.families))
    return scores[0], rows[0]


def _only(vectors: Vectors, place: int) -> Vectors:
    """The vectors of one id."""
    ids, first = vectors.ids[place : place + 1], vectors.first
    if first is None:
        return Vectors(vectors.path, ids, vectors.rows[place : place + 1], None)
    starts = np.append(first, len(vectors.rows))
    return Vectors(vectors.path, ids, vectors.rows[starts[place] : starts[place + 1]], np.zeros(1, np.int64))
