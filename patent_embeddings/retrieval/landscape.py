"""A landscape of the current cell for ad-hoc search: its texts, its queries, and which families each may find."""

from __future__ import annotations

from collections import defaultdict
from functools import cached_property

import numpy as np

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.progress import say
from patent_embeddings.corpus import texts
from patent_embeddings.corpus.pool import Candidates, candidates
from patent_embeddings.corpus.schemas import POOL, QUERIES
from patent_embeddings.encoders.values import EmbedValues
from patent_embeddings.retrieval.schemas import FUSION
from patent_embeddings.retrieval.values import Bm25Values, FuseValues, RerankValues, SearchValues

_FIRST = 8  # words by which texts are looked up before whole texts are compared


class Landscape:
    """What the stages computed for a landscape and a question needs, except vectors and index."""

    def __init__(self, name: str) -> None:
        """Read its files. Raises UserError: not a landscape of the cell, or a file is missing or damaged."""
        require(name)
        self.name = name
        self.embed = params.read("embed", EmbedValues, name)
        self.bm25 = params.read("bm25", Bm25Values, name)
        self.search = params.read("search", SearchValues, name)
        self.fuse = params.read("fuse", FuseValues, name)
        self.rerank = params.read("rerank", RerankValues, name)
        self.fusion = tables.read(layout.fusion(name), FUSION)
        self.pool = tables.read(layout.task(name, "pool"), POOL)
        self.families: list[str] = self.pool.loc[self.pool["ranked"], "family_id"].tolist()
        every = texts.texts(name, self.bm25.document_view)
        self.documents = texts.chosen(every, self.families, layout.view(name, self.bm25.document_view))
        same = self.bm25.query_view == self.bm25.document_view
        self.views = every if same else texts.texts(name, self.bm25.query_view)  # every family in the query view
        asked = tables.read(layout.task(name, "queries"), QUERIES, ["query_id", "text"])
        self.queries: list[str] = asked["query_id"].tolist()
        self.asked = frozenset(self.queries)
        self._warned = False
        # Queries that are no families, by their own words.
        self.own_words = {query: text for query, text in zip(asked["query_id"], asked["text"], strict=True) if text}

    def asks(self, text: str, id: str) -> tuple[str, str] | None:
        """Id and exact text of the family or query with this text, ignoring white space; None: there is none.

        Of several the one that `id` names, else the first by id with exactly this text, with a message.
        """
        found = self._alike(text)
        if not found:
            return None
        chosen = id if id in found else found[0]
        same = [one for one in found if self.text(one) == text] or found
        if len(same) > 1 and id not in found:
            say(f"{self.name}: {len(same)} families or queries have this text; taken for {chosen}, the first by id")
        return chosen, self.text(chosen)

    def text(self, id: str) -> str:
        """Text of a family in the query view, or a query's own text where it is no family."""
        return self.own_words[id] if id in self.own_words else self.views[id]

    def _alike(self, text: str) -> list[str]:
        """Ids of families and queries with the same words as a text, those with exactly this text first, then by id."""
        words = text.split()
        found = [id for id in self._by_start.get(_start(text), []) if self.text(id).split() == words]
        return sorted(found, key=lambda id: self.text(id) != text)

    @cached_property
    def _by_start(self) -> dict[tuple[str, ...], list[str]]:
        """Families and queries by the first words of their texts; splitting whole texts would take seconds."""
        found: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for id in sorted({*self.views, *self.own_words}):
            found[_start(self.text(id))].append(id)
        return found

    def known(self, text: str, own: str | None, id: str) -> str | None:
        """Id of the family that a question is, else of the landscape's query with the same words; None: a new text."""
        if own is not None:
            return own
        found = [one for one in self._alike(text) if one in self.own_words]
        return id if id in found else next(iter(found), None)

    def open_to(self, known: str | None) -> Booleans:
        """Mark the families that may be found, [families]: for a known family or query as in its run, else all."""
        if known is None:
            if self.search.pool == "earlier" and not self._warned:
                say(f"{self.name}: a question of its own has no date, so that all families are ranked for it")
                self._warned = True
            return np.ones(len(self.families), dtype=bool)
        place = self._open.queries.index(known)
        open_: Booleans = self._open.born < self._open.before[place]
        if self._open.own[place] >= 0:
            open_[self._open.own[place]] = False
        if self.search.pool == "earlier" and not open_.any():
            say(f"{self.name}: no family is known to be earlier than {known!r}, so that none is ranked for it")
        return open_

    @cached_property
    def _open(self) -> Candidates:
        ids = self.pool["family_id"].tolist()
        return candidates(self.families, ids, self.pool, earlier=self.search.pool == "earlier")


def require(name: str) -> None:
    """Raise UserError if a landscape is not one of the cell's, or nothing is computed."""
    if not layout.VALUES.is_dir():
        raise UserError(f"{layout.VALUES}: no such folder, so that no cell is computed here; run `dvc repro` first")
    known = sorted(path.name for path in layout.VALUES.iterdir() if path.is_dir() and path.name != layout.CELL)
    if name not in known:
        has = f"the current cell has {', '.join(known)}{nearest(name, known)}"
        raise UserError(f"landscape {name!r}: {has}; name one of them, or add it to evaluate_on and run `dvc repro`")


def _start(text: str) -> tuple[str, ...]:
    return tuple(text.split(None, _FIRST)[:_FIRST])
