"""Pooling of hits for relevance judgement: one table of the hits of all systems of one cell or several.

Each family is listed once for each question. Pooling several systems is how TREC builds its collections (Voorhees and
Harman, 2005): a system whose hits were not judged would look worse than it is.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_text
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.handover.hits import beside, name, shown
from patent_embeddings.handover.spreadsheet import plain, written
from patent_embeddings.retrieval.find import Finder, Question

COLUMNS = ("query_id", "family_id", "relevance", "question", "publication", "title", "passage", "found_by")
_LONGEST = 1000  # most characters of a text; a cell of a spreadsheet holds 32,767
_MARK = "\ufeff"  # byte order mark, by which spreadsheets recognise UTF-8
_LETTERS = re.compile(r"[^A-Za-z0-9]+")

Row = dict[str, str]
Key = tuple[str, str]  # query_id, family_id


@dataclass(frozen=True)
class Judging:
    """Number of rows of the file after writing."""

    rows: int
    added: int
    judged: int  # rows with a relevance

    def __str__(self) -> str:
        return f"{self.rows:,} rows, {self.added:,} of them new, {self.judged:,} judged"


def pooled(finder: Finder, known: pd.DataFrame, asked: Sequence[Question], cell: str, k: int,
           among: Booleans | None) -> list[Row]:  # fmt: skip
    """The k best families for each question by every system of a cell, each family once, as rows of `COLUMNS`.

    `known` as of `hits.families`; `found_by` has the form `CELL: bm25 1, dense 4`.
    """
    found = finder.rank(asked, finder.systems, k, among)
    by: dict[str, dict[str, list[str]]] = {question.id: {} for question in asked}
    for query, family, system, rank in found[["query_id", "family_id", "system", "rank"]].itertuples(index=False):
        by[query].setdefault(family, []).append(f"{system} {rank}")
    rows = []
    for question in asked:
        ours = by[question.id]
        passages = finder.passages(question, [*ours])
        for family, ranks in ours.items():
            one: Any = known.loc[family]
            texts = [
                shown(text)[:_LONGEST]
                for text in (question.text, name(one), one["title"], beside(one, passages[family]))
            ]
            found_by = f"{cell}: {', '.join(ranks)}"
            rows.append(dict(zip(COLUMNS, [question.id, family, "", *texts, found_by], strict=True)))
    return rows


def write(path: Path, rows: Sequence[Row], asked: Sequence[Question], cell: str) -> Judging:
    """Write rows to be judged, or add them to a file that is there, whose rows are kept as they are.

    The rows of a question are in the order of a hash, so that it does not show which system found them. Raises
    UserError where the file there is not of this kind, is damaged or has other questions, or where a spreadsheet would
    run an id as a formula.
    """
    names, held = held_by(path, asked)
    merged = {key: dict(row) for key, row in held.items()}
    for row in rows:
        key = row["query_id"], row["family_id"]
        if bad := [one for one in key if plain(one) != one]:
            raise UserError(f"--judge {path}: id {bad[0]!r:.60} is a formula to a spreadsheet; give it another")
        one = merged.setdefault(key, row | {"found_by": ""})
        one["found_by"] = _joined(one["found_by"], row["found_by"], cell)
    places = {question.id: place for place, question in enumerate(asked)}
    ordered = sorted(merged, key=lambda key: (places[key[0]], _hash(key)))
    text = written(names, ([merged[key].get(column, "") for column in names] for key in ordered))
    write_text(path, f"{_MARK}{text}")
    judged = sum(bool(row["relevance"].strip()) for row in merged.values())
    return Judging(len(merged), len(merged) - len(held), judged)


def held_by(path: Path, asked: Sequence[Question]) -> tuple[list[str], dict[Key, Row]]:
    """Columns of the file for `write`, and the rows that are in it already. Raises UserError as `write`."""
    if path.suffix.lower() != ".csv":
        raise UserError(f"--judge {path}: judgements are kept as CSV; name a file that ends in .csv")
    return _read(path, asked) if path.exists() else ([*COLUMNS], {})


def _read(path: Path, asked: Sequence[Question]) -> tuple[list[str], dict[Key, Row]]:
    """Columns and rows of a file of judgements, in whichever form of CSV a spreadsheet saved it."""
    source = Source(path)
    if source.kind == "sheet" or len(source.members) != 1:
        raise UserError(f"--judge {path}: no CSV file; save it as CSV, or name another")
    names = [one for one in sheet.header(source, COLUMNS) if one]
    if lacking := [one for one in COLUMNS if one not in names]:
        said = f"is there and has no column {lacking[0]!r}, so it is no file of this command"
        raise UserError(f"--judge {path}: {said}; name another")
    table = sheet.rows(source, names)
    with closing(table):
        rows = list(table.rows)
    if sheet.CUT_ROW in source.report.notes():
        raise UserError(f"--judge {path}: its last row is cut off; mend it, or what it says would be lost")
    texts = {question.id: question.text for question in asked}
    held: dict[Key, Row] = {}
    for place, row in rows:
        query, key = row["query_id"], (row["query_id"], row["family_id"])
        if query not in texts or _letters(row["question"]) != _letters(shown(texts[query])[:_LONGEST]):
            what = "another text" if query in texts else "none of the questions that are asked now"
            mend = "ask the same questions, or name another file"
            raise UserError(f"--judge {path}: {place}: query {query!r:.60} is {what}; {mend}")
        if key in held:
            raise UserError(
                f"--judge {path}: {place}: family {key[1]!r:.60} is there twice for {query!r:.60}; keep one"
            )
        held[key] = row
    return names, held


def _joined(before: str, now: str, cell: str) -> str:
    """`found_by` with the part of this cell replaced."""
    others = [part for part in before.split("; ") if part and not part.startswith(f"{cell}: ")]
    return "; ".join(sorted({*others, now}))


def _letters(text: str) -> str:
    """The characters of a text that survive any encoding in which a spreadsheet saves it."""
    return _LETTERS.sub("", text)


def _hash(key: Key) -> str:
    return hashlib.sha256("\0".join(key).encode()).hexdigest()
