"""Search in one landscape of the workspace's cell: from questions to hits, or to rows to judge."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pandas as pd

from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import say
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.corpus.user import query_files
from patent_embeddings.grid.cell import digest, full_name
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.handover import hits, judging
from patent_embeddings.retrieval.filters import Filters, mask
from patent_embeddings.retrieval.find import Finder, Question, opened

_LIKE = re.compile(r"^like\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Search:
    """A landscape opened for search, with the system and filters that rank its families."""

    finder: Finder
    cell: str  # its name, which is unique
    simulated: bool
    system: str
    k: int
    filters: Filters
    known: pd.DataFrame  # see `hits.families`
    among: Booleans | None  # whether each family passes the filters; None: all do
    began: dict[str, float]  # seconds before the first question by part, without the Finder's: check, families

    @property
    def took(self) -> dict[str, float]:
        """Seconds spent on each part."""
        return self.began | self.finder.took

    def of_text(self, text: str, id: str = "q1") -> Question:
        """A question in words. Raises UserError where it is empty, or is an id or a number of a patent."""
        words = " ".join(text.split())
        if not any(sign.isalnum() for sign in words):
            raise UserError("the question is empty; write it in words, or name a patent by --like")
        if self._pool.family(words):
            raise UserError(
                f"{words!r:.80} is a family of {self.finder.landscape!r}; search for similar families by --like"
            )
        if query_files.spelled(words):
            self._pool.required(words)
        return self.finder.question(words, id)

    def like(self, number: str, id: str | None = None) -> Question:
        """A family as the question, by its id or a member's number. Raises UserError where there is no such family."""
        return self.finder.like(self._pool.required(number.strip()), id)

    def of_file(self, path: Path) -> list[Question]:
        """The questions of a file, in its order. Raises UserError as `query_files.read` does."""
        found, notes = query_files.read(path, self._pool)
        for what, value in notes.items():
            say(f"{path}: {what}: {value}")
        return [self.finder.like(one.family, one.id) if one.family else self.finder.question(one.text, one.id)
                for one in found]  # fmt: skip

    def of_line(self, line: str, id: str) -> Question:
        """A question of --interactive: a text, or the id or number of a patent with or without `like` before it."""
        name = _LIKE.sub("", line.strip())
        if self._pool.family(name) or query_files.spelled(name):
            return self.like(name, id)
        return self.of_text(line, id)

    def found(self, questions: Sequence[Question]) -> hits.Found:
        """The best families of each question."""
        answers = hits.answers(self.finder, self.known, questions, self.system, self.k, self.among)
        return hits.Found(
            self.cell, self.finder.landscape, self.simulated, self.system, self.filters.said(), answers
        )  # fmt: skip

    def judge(self, questions: Sequence[Question], path: Path) -> judging.Judging:
        """Write the best families by all systems of the cell for somebody to judge; see `judging.write`."""
        judging.held_by(path, questions)  # a file that cannot be added to is refused before minutes of work
        rows = judging.pooled(self.finder, self.known, questions, self.cell, self.k, self.among)
        return judging.write(path, rows, questions, self.cell)

    @cached_property
    def _pool(self) -> query_files.Pool:
        return query_files.Pool.of(self.known, {})


@contextmanager
def opened_search(
    cell: Params, landscape: str | None, system: str | None, k: int, filters: Filters
) -> Iterator[Search]:
    """Open a landscape, which may be None where the cell has only one, and its last system where none is named.

    Prints how many families pass the filters. Raises UserError where there is no such landscape or system, results are
    out of date, or no family passes the filters.
    """
    place = _landscape(cell, landscape)
    entry = landscape_entry(place)
    start = time.perf_counter()
    require_current(cell, f"fuse@{place}", f"rerank@{place}")
    began = {"check": time.perf_counter() - start}
    with opened(place) as finder:
        if system and system not in finder.systems:
            has = f"the cell has {', '.join(finder.systems)}"
            more = (
                "; set rerank.model for a second stage" if system == "reranked" else nearest(system, [*finder.systems])
            )
            raise UserError(f"--system {system}: {has}{more}")
        start = time.perf_counter()
        known = hits.families(place)
        among, lines = mask(filters, known.loc[finder.families], place)
        began["families"] = time.perf_counter() - start
        for line in lines:
            say(line)
        if among is not None:
            say(f"{int(among.sum()):,} of {len(among):,} ranked families of {place} pass all filters")
        if entry.simulated:
            say(f"{place} is simulated: what is found there says nothing about real patents")
        name = f"{full_name(cell)}-{digest(cell)[:4]}"
        yield Search(finder, name, entry.simulated, system or finder.systems[-1], k, filters, known, among, began)


def _landscape(cell: Params, asked: str | None) -> str:
    every = cell.evaluate_on
    if asked is None and len(every) == 1:
        return every[0]
    if asked in every:
        return str(asked)
    said = "several landscapes" if asked is None else f"no landscape {asked!r:.60}"
    raise UserError(f"the current cell has {said}; name one of them by --landscape: {', '.join(every)}")
