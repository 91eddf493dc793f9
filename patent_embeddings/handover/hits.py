"""Results of a search, with the metadata of each hit, as CSV, as JSON, and as lines for a terminal."""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.progress import aligned
from patent_embeddings.corpus.schemas import FAMILIES
from patent_embeddings.handover.spreadsheet import written
from patent_embeddings.retrieval import filters
from patent_embeddings.retrieval.find import Finder, Question

_SHOWN = tuple(dict.fromkeys((*filters.COLUMNS, "title", "abstract", "publication", "url")))
_PASSAGE = 6  # most lines of a passage on a terminal
_BEGINNING = 300  # most characters of an abstract
_TITLE_ENDS = r"(?:\s*\Z|\s*[\n…]\s*|\s+(?=[^a-z\s]))"  # not `Drill bit having` nor `Drill bits` after `Drill bit`
_NARROWEST = 60  # least characters of a line on a terminal


@dataclass(frozen=True)
class Hit:
    """One family retrieved for one question."""

    query_id: str
    rank: int  # among the families that pass the filters
    rank_of_all: int  # in the whole landscape
    score: float  # in the whole landscape; six significant digits
    bm25_rank: int | None  # in the whole landscape; None where BM25 does not score it
    dense_rank: int | None
    publication: str  # number that represents the family; the family's id where none is known
    family_id: str
    publications: list[str]  # of all members of the family
    applicants: list[str]
    date: str
    priority: str
    jurisdiction: str
    title: str
    passage: str  # that matches the question best
    url: str


@dataclass(frozen=True)
class Answer:
    """A question and its hits, by rank."""

    question: Question
    hits: list[Hit]


@dataclass(frozen=True)
class Found:
    """The questions asked of a cell, and their answers."""

    cell: str
    landscape: str
    simulated: bool
    system: str
    filters: dict[str, str | list[str]]
    answers: list[Answer]


def families(landscape: str) -> pd.DataFrame:
    """Columns of `FAMILIES` that hits show and filters read, indexed by family id."""
    rows = tables.read(layout.families(landscape), FAMILIES, list(_SHOWN))
    return rows.set_index("family_id", drop=False).rename_axis(None)


def answers(
    finder: Finder, known: pd.DataFrame, questions: Sequence[Question], system: str, k: int, among: Booleans | None
) -> list[Answer]:
    """The k best families for each question by a system, of those that pass the filters; `known` as of `families`."""
    ranked = finder.rank(questions, [system], k, among)
    rows: dict[str, list[Any]] = {question.id: [] for question in questions}
    for row in ranked.itertuples(index=False):
        rows[str(row.query_id)].append(row)
    return [Answer(question, _hits(finder, known, question, rows[question.id])) for question in questions]


def _hits(finder: Finder, known: pd.DataFrame, question: Question, rows: Sequence[Any]) -> list[Hit]:
    passages = finder.passages(question, [row.family_id for row in rows])
    found = []
    for row in rows:
        family = known.loc[row.family_id]
        bm25, dense = (None if pd.isna(rank) else int(rank) for rank in (row.bm25_rank, row.dense_rank))
        found.append(
            Hit(
                query_id=question.id, rank=int(row.rank), rank_of_all=int(row.rank_of_all),
                score=float(f"{row.score:.6g}"), bm25_rank=bm25, dense_rank=dense,
                publication=name(family), family_id=str(row.family_id), publications=[*family["publications"]],
                applicants=[*family["applicants"]], date=family["date"], priority=family["priority"],
                jurisdiction=family["jurisdiction"], title=family["title"],
                passage=beside(family, passages[row.family_id]),
                url=family["url"],
            )
        )  # fmt: skip
    return found


def name(family: Any) -> str:
    """Number shown for a row of `FAMILIES`: its publication, else that of a member, else the family's id."""
    return str(family["publication"] or next(iter(family["publications"]), family["family_id"]))


def beside(family: Any, passage: str) -> str:
    """The passage shown next to the title of a row of `FAMILIES`, without the title that a view begins with.

    The beginning of the abstract, where nothing else is left of the passage.
    """
    begins = re.match(re.escape(family["title"]) + _TITLE_ENDS, passage) if family["title"] else None
    rest = passage[begins.end() :] if begins else passage
    return rest or textwrap.shorten(family["abstract"], _BEGINNING, placeholder=" …")


def as_csv(found: Found) -> str:
    """One row for each hit; a list is one cell, and no cell is run as a formula by a spreadsheet."""
    hits = (asdict(hit).values() for answer in found.answers for hit in answer.hits)
    rows = (("; ".join(value) if isinstance(value, list) else value for value in hit) for hit in hits)
    return written([field.name for field in fields(Hit)], rows)


def as_json(found: Found, indent: int | None = 2) -> str:
    """One object with the cell, the landscape, the system, the filters, and each question with its hits."""
    return json.dumps(asdict(found), indent=indent, ensure_ascii=False) + "\n"


def as_lines(found: Found, width: int) -> str:
    """Lines for a terminal `width` characters wide, without control characters from texts."""
    width = max(width, _NARROWEST)
    return "\n".join(line for answer in found.answers for line in _lines(answer, width, bool(found.filters))) + "\n"


def _lines(answer: Answer, width: int, filtered: bool) -> Iterator[str]:
    question = f"{answer.question.id}: {shown(answer.question.text)}"
    yield from textwrap.wrap(question, width, max_lines=2, placeholder=" …")
    head = ["rank", "of all", "score", "bm25", "dense", "publication", "date", "priority", "office"]
    rows = [
        [str(hit.rank), str(hit.rank_of_all), f"{hit.score:.4f}",
         *("–" if rank is None else str(rank) for rank in (hit.bm25_rank, hit.dense_rank)),
         shown(hit.publication)[:40], hit.date, hit.priority, shown(hit.jurisdiction)]
        for hit in answer.hits
    ]  # fmt: skip
    # Empty columns are left out; without filters both ranks are the same.
    columns = [
        [title, *cells]
        for title, *cells in zip(head, *rows, strict=True)
        if any(cells) and (filtered or title != "of all")
    ]
    numbers = [place for place, (title, *_) in enumerate(columns) if title in head[:5]]
    lines = aligned([*zip(*columns, strict=True)], numbers) if rows else []
    yield from (line[:width] for line in lines[:1])
    for line, hit in zip(lines[1:], answer.hits, strict=True):
        yield line[:width]
        members = [one for one in hit.publications if one != hit.publication]
        applicants = "; ".join(hit.applicants)
        for text in (hit.title, applicants, f"also {', '.join(members)}" if members else ""):
            yield from _wrapped(text, width, 2)
        yield from _wrapped(hit.passage, width, _PASSAGE)
        if hit.url:
            yield f"      {shown(hit.url)}"
    if not answer.hits:
        yield "  no family has a score"
    yield ""


def _wrapped(text: str, width: int, lines: int) -> list[str]:
    indent = " " * 6
    return textwrap.wrap(
        shown(text), width, initial_indent=indent, subsequent_indent=indent, max_lines=lines, placeholder=" …"
    )


def shown(text: str) -> str:
    """A text on one line, without control characters."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())
