"""Search a landscape with the current cell: its families ranked for a question, exactly as in the cell's runs.

An example of a server that keeps a landscape open and answers questions in JSON:

    from http.server import BaseHTTPRequestHandler, HTTPServer
    from patent_embeddings.retrieval import find
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self):
            text = self.rfile.read(int(self.headers["Content-Length"])).decode()
            hits = finder.rank([finder.question(text)], ["interpolation"], k=10)
            self.send_response(200)
            self.end_headers()
            self.wfile.write(hits.to_json(orient="records").encode())
    with find.opened("sim-alpha") as finder:
        HTTPServer(("localhost", 8000), Answer).serve_forever()
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Booleans, Floats, Integers
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.splits import fold_of
from patent_embeddings.retrieval import excerpts, fusion, fusion_settings
from patent_embeddings.retrieval.landscape import Landscape
from patent_embeddings.retrieval.legs import Dense, Lexical, Order, stored
from patent_embeddings.retrieval.query_models import Asking, Clock

_SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
_RERANKED = "reranked"
_COLUMNS = ("query_id", "system", "family_id", "rank", "rank_of_all", "score", "bm25_rank", "dense_rank")


@dataclass(frozen=True)
class Question:
    """A query of the user: a text, or a family of the landscape."""

    id: str  # of the query; "q1", ... where none was given
    text: str
    own: str | None  # id of the family that the question is, which is never among its results; None: none


class Finder:
    """One landscape of the current cell, opened for any number of questions.

    Index and model are opened, built or loaded when first needed, and kept.

    Attributes:
        landscape: its id.
        families: ids of the ranked documents, ascending.
        systems: of the cell: bm25, dense, rrf, interpolation, and reranked where the cell has a reranker.
        took: seconds spent since it was opened on open (files, vectors, index), model, encode, rank and rerank.
    """

    def __init__(self, landscape: str, stack: ExitStack) -> None:
        """See `opened`; `stack` closes the index."""
        clock = Clock()
        self.landscape, self.took, self._clock = landscape, clock.took, clock
        with clock.timing("open"):
            self._here = Landscape(landscape)
            self._asking = Asking(self._here, clock)
            self._lexical = Lexical(self._here, stack, clock)
            self._dense = Dense(self._here, self._asking, clock)
        self.families = self._here.families
        self.systems = (*_SYSTEMS, *([_RERANKED] if self._here.rerank.reranker is not None else []))
        self._excerpts = excerpts.Excerpts(self._here.documents, self._lexical)

    def question(self, text: str, id: str = "q1") -> Question:
        """Return the question with a text; if a family has this text in the query view, the question is that family.

        Of several families with this text the one that `id` names, else the first by id, with a message. Raises
        UserError: the text is empty.
        """
        if not text.strip():
            raise UserError(f"question {id!r}: it has no text; ask in words")
        text = text.encode("utf-8", "replace").decode()  # bytes from a terminal or pipe may not be UTF-8
        with self._clock.timing("open"):
            known = self._here.asks(text, id)
        if known is None:
            return Question(id, text, None)
        name, exact = known
        return Question(id, exact, name if name in self._here.views else None)

    def like(self, family: str, id: str | None = None) -> Question:
        """Return a family of the landscape as a question, in the query view; its id is by default the family's.

        Raises UserError: no such family, or it has no text in the query view.
        """
        text = self._here.views.get(family)
        if text is None:
            raise UserError(f"{family!r}: no family of landscape {self.landscape!r}")
        if not text.strip():
            raise UserError(f"{family!r}: this family has no text in view {self._here.embed.query_view!r}")
        return Question(id or family, text, family)

    def rank(
        self, questions: Sequence[Question], systems: Sequence[str], k: int, among: Booleans | None = None
    ) -> pd.DataFrame:
        """The k best families for each question by each system, among those that the mask `among` admits, [families].

        A system ranks the families of its run, then the rest of the landscape: BM25 those that share a term with the
        question, a fusion those that neither leg ranks (score 0), by the sum of their reciprocal ranks in both. The
        reranker ranks only what it scores: of the admitted families the first, as many as in its run.

        Returns one row per hit, by question and system (in the order given) and rank: `query_id`, `system`,
        `family_id`, `rank` (from 1, among the admitted), `rank_of_all` and `score` (float32), both in the whole
        landscape, and `bm25_rank` and `dense_rank` (Int64; <NA> where that leg does not rank it). Raises UserError: the
        cell does not have the system, or a file that it needs is missing or damaged.
        """
        for system in systems:
            if system not in self.systems:
                has = f"this cell has {', '.join(self.systems)}{nearest(system, list(self.systems))}"
                mend = "; `rerank.model` names a reranker" if system == _RERANKED else ""
                raise UserError(f"system {system!r}: {has}{mend}")
        passing = np.ones(len(self.families), dtype=bool) if among is None else among
        found: list[pd.DataFrame] = []
        for question in questions:
            with self._clock.timing("rank"):
                found += self._ranked(question, systems, k, passing)
        return pd.concat(found, ignore_index=True) if found else pd.DataFrame(columns=list(_COLUMNS))

    def _ranked(self, question: Question, systems: Sequence[str], k: int, passing: Booleans) -> Iterator[pd.DataFrame]:
        """The hits of one question by each system."""
        here = self._here
        known = here.known(question.text, question.own, question.id)
        open_ = here.open_to(known)
        legs = {
            "bm25": self._lexical.order(question.text, open_),
            "dense": self._dense.order(question.text, known, open_),
        }
        ranks = [leg.ranks(len(self.families)) for leg in legs.values()]
        for system in systems:
            first = here.rerank.system if system == _RERANKED else system
            order = legs[first] if first in legs else self._fused(legs, first, known, open_)
            if system == _RERANKED:
                rows, scores, places = self._reranked(question.text, known, order, passing)
            else:
                places = np.flatnonzero(passing[order.rows])
                rows, scores, places = order.rows[places], order.scores[places], places + 1
            rows = rows[:k]
            names = pd.Series([self.families[row] for row in rows], dtype="str")
            in_legs = [pd.arrays.IntegerArray(rank[rows], rank[rows] == 0) for rank in ranks]
            hits = [question.id, system, names, np.arange(1, len(rows) + 1), places[:k], scores[:k].astype(np.float32)]
            yield pd.DataFrame(dict(zip(_COLUMNS, [*hits, *in_legs], strict=True)))

    def _fused(self, legs: dict[str, Order], method: str, known: str | None, open_: Booleans) -> Order:
        """A fusion with its tuned setting, followed by the families that neither leg ranks, with score 0."""
        here = self._here
        seed = here.fuse.cross_fitted
        fold = fold_of([known], seed)[known] if seed is not None and known in here.asked else None
        value = fusion_settings.tuned_to(here.fusion, method, fold, cross_fitted=seed is not None)
        listed = [leg.top(here.fuse.fuse.depth) for leg in legs.values()]
        runs = [(leg.scores[None], leg.rows[None].astype(np.int32)) for leg in listed]
        pair = fusion.both(fusion.Legs([""], self.families, *runs), np.zeros(1, np.int64))
        scores, rows = (values[0] for values in fusion.fuse(pair, method, value, pair.rows.shape[1]))
        scores, rows = scores[rows >= 0], rows[rows >= 0]
        left = open_.copy()
        left[rows] = False
        rest = np.flatnonzero(left)
        ranks = np.array([leg.ranks(len(open_))[rest] for leg in legs.values()])
        nearness = np.divide(1.0, ranks, out=np.zeros(ranks.shape), where=ranks > 0).sum(axis=0)
        rest = rest[np.lexsort((rest, -nearness))]
        depth = min(here.fuse.fuse.depth, len(rows))
        zeros = np.zeros(len(rest), np.float32)
        return Order(np.concatenate([rows, rest]), np.concatenate([scores, zeros]), depth)

    def _reranked(
        self, text: str, known: str | None, first: Order, passing: Booleans
    ) -> tuple[Integers, Floats, Integers]:
        """Families that the reranker scores, best first, their scores and their ranks in the whole landscape.

        It scores the first admitted families, as many as in the run. A family that it does not score in the whole
        landscape keeps its rank in the run that is reranked.
        """
        depth = self._here.rerank.depth
        whole = first.top(depth).rows
        run = stored(self._here, _RERANKED, known)
        if run is not None:
            self._asking.remember(text, [self.families[row] for row in run[1]], run[0])
        first_rank = first.ranks(len(self.families))
        read = first.rows[passing[first.rows]][: len(whole) if passing.all() else depth]
        orders = []
        for rows in (whole, read):
            scores = self._asking.scores(text, [self.families[row] for row in rows])
            given = np.array([scores[self.families[row]] for row in rows], np.float32)
            order = np.lexsort((rows, -given))
            orders.append((rows[order], given[order]))
        first_rank[orders[0][0]] = np.arange(1, len(whole) + 1)
        rows, given = orders[1]
        return rows, given, first_rank[rows]

    def passages(self, question: Question, families: Sequence[str]) -> dict[str, str]:
        """The best passage of each family for a question.

        In a cell with passages it is the window that scores best; else at most three sentences that share most of
        BM25's weight with the question, in the order of the text. "" for a family without text.
        """
        if self._here.search.window is None:
            return {family: self._excerpts.best(question.text, family) for family in families}
        known = self._here.known(question.text, question.own, question.id)
        vector = self._dense.vector(question.text, known)
        best = {family: self._dense.space.passage(vector, self._dense.rows[family]) for family in families}
        return {family: self._asking.windows(family)[place] for family, place in best.items()}


@contextmanager
def opened(landscape: str) -> Iterator[Finder]:
    """Open a landscape of the current cell; results of the stages are read, not computed again.

    Raises UserError: it is not a landscape of the cell, nothing is computed, or a file is missing or damaged.
    """
    with ExitStack() as stack:
        yield Finder(landscape, stack)
