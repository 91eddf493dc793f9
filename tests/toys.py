"""A search engine in miniature, for what stands before the real one: ranks that are read off the texts by eye."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import FAMILIES
from patent_embeddings.retrieval.find import Finder, Question

L = "sim-alpha"
HOSTILE = "=cmd|'/c calc'!A1 <script>alert(1)</script> \x1b[31mred\x07"
ROWS = [
    {"family_id": "F1", "title": "Greenhouse vent", "ipc": ["A01G9/24"], "jurisdiction": "US", "date": "2013-04-25",
     "priority": "2011-10-20", "publication": "US20130099542A1", "url": "https://example.org/1",
     "publications": ["US20130099542A1", "EP2970120A1"], "applicants": ["Acme Corp.", "Beta Ltd"]},
    {"family_id": "F2", "title": HOSTILE, "ipc": ["A01G9/14"], "jurisdiction": "EP", "date": "2012-01-01",
     "url": "javascript:alert(1)", "applicants": ["@Evil"]},
    {"family_id": "F3", "title": "Hearing protector", "ipc": ["A61F11/00"], "jurisdiction": "EP", "date": "2002-01-30",
     "publications": ["EP1169021A1"]},
    {"family_id": "F4", "title": "Greenhouse heater", "ipc": ["A01G9/24"], "jurisdiction": "US", "date": "2001-05-05",
     "publications": ["US7000001B2"]},
]  # fmt: skip


class Toy(Finder):
    """BM25 counts the letters that the first words of a question and a title share; dense ranks by id, backwards."""

    def __init__(self, systems: Sequence[str] = ("bm25", "dense", "rrf", "interpolation")) -> None:
        self.landscape, self.systems = L, tuple(systems)
        self.families = [str(row["family_id"]) for row in ROWS]
        self.titles = {str(row["family_id"]): str(row["title"]) for row in ROWS}
        self.took = {"open": 0.5, "rank": 0.25}

    def question(self, text: str, id: str = "q1") -> Question:
        return Question(id, text, None)

    def like(self, family: str, id: str | None = None) -> Question:
        return Question(id or family, self.titles[family], family)

    def rank(
        self, questions: Sequence[Question], systems: Sequence[str], k: int, among: Booleans | None = None
    ) -> pd.DataFrame:
        if "broken" in questions[0].text:
            raise UserError("the vectors are damaged; run `dvc repro`")
        rows = []
        for one in questions:
            words = {word[:5].casefold() for word in one.text.split()}
            shared = {name: sum(word[:5].casefold() in words for word in title.split())
                      for name, title in self.titles.items()}  # fmt: skip
            open_ = [name for name in self.families if name != one.own]
            bm25 = sorted((name for name in open_ if shared[name]), key=lambda name: (-shared[name], name))
            dense = sorted(open_, reverse=True)
            rest = [*bm25, *(name for name in open_ if name not in bm25)]
            for system in systems:
                order = {"bm25": bm25, "dense": dense}.get(system, rest)
                passing = [name for name in order if among is None or among[self.families.index(name)]]
                rows += [
                    (one.id, system, name, rank, order.index(name) + 1, np.float32(1 / rank),
                     bm25.index(name) + 1 if name in bm25 else pd.NA, dense.index(name) + 1)
                    for rank, name in enumerate(passing[:k], 1)
                ]  # fmt: skip
        names = ["query_id", "system", "family_id", "rank", "rank_of_all", "score", "bm25_rank", "dense_rank"]
        return pd.DataFrame(rows, columns=names).astype({"bm25_rank": "Int64", "dense_rank": "Int64"})

    def passages(self, question: Question, families: Sequence[str]) -> dict[str, str]:
        return {family: f"It has a {self.titles[family]} that opens.\nIt closes." for family in families}


def write() -> None:
    """The families of the landscape, where the commands look for them."""
    tables.write(frame(ROWS), layout.families(L), FAMILIES)


@contextmanager
def opened(landscape: str) -> Iterator[Toy]:
    """As the real one is opened."""
    assert landscape == L
    yield Toy()
