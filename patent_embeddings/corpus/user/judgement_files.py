"""Read the user's own queries and judgements from files in common forms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.cell_values import absent, cause
from patent_embeddings.corpus.reading import records
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.schemas import ASKED, RELATIONS
from patent_embeddings.corpus.user import query_files
from patent_embeddings.corpus.user.query_files import DOCUMENT, QUERY, Pool, worded

_GRADE = ("relevance", "grade", "rel", "score", "label")
JUDGING: records.Columns = {"query": (*QUERY, "query"), "document": DOCUMENT, "grade": _GRADE}
_UNFILLED = "rows whose grade is empty, not judged, left out"
_UNKNOWN, _SHARED = "that no family of the landscape is", "whose number several families have"


def read(
    queries: Path | None, qrels: Path, families: pd.DataFrame, also: Mapping[str, str]
) -> tuple[pd.DataFrame, pd.DataFrame, dict[str, Any]]:
    """Read a file of queries and a file of judgements.

    Args:
        queries: ids with texts, or ids of families, or publication numbers; None: the queries are families.
        qrels: the graded judgements.
        families: rows of `FAMILIES`.
        also: marked number -> family id, for publications that the families do not list.

    Returns:
        Rows of `ASKED`, rows of `RELATIONS` without scopes, and notes.

    Raises:
        UserError: a file is unreadable or of no known form; a query has neither a text nor a family, or both; a grade
            is not an integer; no judged document is a family of the landscape, or none is relevant.
    """
    pool = Pool.of(families, also)
    found, notes = query_files.read(queries, pool) if queries else ([], {})
    rows = sorted((one.id, one.text, one.codes, one.date) for one in found if not one.family)
    asked = tables.typed(pd.DataFrame(rows, columns=list(ASKED.columns)), ASKED)
    named = {name: one.family or one.id for one in found for name in (one.id, one.family or one.id)}
    relations, counted = _relations(qrels, pool, named if queries else None)
    judged, answered = (set(rows["query_id"]) for rows in (relations, relations[relations["relevance"] > 0]))
    for what, lacking in (
        ("queries without judgements, not scored", sorted(set(named.values()) - judged)),
        ("queries without a relevant family, not scored", sorted(judged - answered)),
    ):
        if lacking:
            notes[what] = f"{len(lacking):,}, such as {lacking[0]!r}"
    return asked, relations, notes | counted


_FORMS = "a table with the columns query_id, family_id and relevance, or lines as TREC has them: query 0 family 1"


def _judged(line: str) -> dict[str, str] | None:
    """Parse a line of TREC's qrels, whose ids may contain blanks, as publication numbers do; None if it is none."""
    parts = [part.strip() for part in line.split("\t")] if line.count("\t") == 3 else line.split()
    if len(parts) < 4:
        return None
    at = 1 if len(parts) == 4 else next((i for i in range(1, len(parts) - 2) if parts[i] in ("0", "Q0")), 0)
    query, document = " ".join(parts[:at]), " ".join(parts[at + 1 : -1])
    return {"query": query, "document": document, "grade": parts[-1]} if at else None


def _relations(path: Path, pool: Pool, named: Mapping[str, str] | None) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Rows of `RELATIONS` and notes.

    `named`: name of a query -> its id, or that of its family; None if the queries are families.
    """
    source = Source(path)
    report = source.report
    grades: dict[tuple[str, str], int] = {}
    graded = set()
    unread: dict[str, None] = {}
    for place, record in records.read(source, JUDGING, "document", _judged, _FORMS):
        where = f"{path}: {place}"
        asked, document = worded(record.get("query")), worded(record.get("document"))
        if not asked or not document:
            raise UserError(f"{where}: no {'document' if asked else 'query'} is named; write {_FORMS}")
        unread |= dict.fromkeys(record.get(records.UNREAD, ()))
        graded.add("grade" in record)
        if False in graded and (record.get(records.UNREAD) or len(graded) > 1):
            others = ", ".join(record.get(records.UNREAD, []))
            though = f"there are {others:.80}" if others else "others have it"
            said = f"no column {_GRADE[0]!r}, though {though}"
            raise UserError(f"{where}: {said}; name the grades so, or keep only the columns of query and family")
        if absent(record.get("grade", "1")):
            report.count(_UNFILLED, f"{document!r} for {asked!r}")
            continue
        grade = _grade(record.get("grade", "1"), where)
        query = pool.family(asked) if named is None else named.get(asked) or named.get(pool.family(asked), "")
        if not query and named is None:
            said = f"query {asked!r:.80} is no family of the landscape{cause(asked)}"
            raise UserError(f"{where}: {said}; name a family, or give the texts of the queries with --queries")
        family = pool.family(document)
        if not query:
            report.count("judgements of queries that are not among the queries, left out", f"{asked}{cause(asked)}")
        elif not family:
            what = _SHARED if pool.shared(document) else _UNKNOWN
            report.count(f"judged documents {what}, left out", f"{document!r} for {asked!r}{cause(document)}")
        elif family == query:
            report.count("judgements of a query's own family, left out", asked)
        else:
            before = grades.get((query, family))
            if before is not None:
                what = "given twice, counted once" if before == grade else "with two grades, of which the higher counts"
                report.count(f"judgements of one family {what}", f"{family!r} for {query!r}")
            grades[query, family] = grade if before is None else max(before, grade)
    if not grades:
        lost = {what: value for what, value in report.notes().items() if "left out" in what}
        if not lost:
            raise UserError(f"{path}: no judgement in it; write {_FORMS}")
        said = "; ".join(f"{what}: {value}" for what, value in lost.items())
        if set(lost) == {_UNFILLED}:
            raise UserError(f"{path}: nothing is judged yet ({said}); fill in 0 (no answer), 1, 2, ...")
        mend = "name families by id or number, and queries as their file does"
        raise UserError(f"{path}: no judgement remains ({said}); {mend}")
    if max(grades.values()) < 1:
        raise UserError(f"{path}: none of {len(grades):,} judgements is relevant; a grade of 1 or more says so")
    if False in graded:
        report.count("documents named without a grade, taken for relevant", number=len(grades))
    rows = [(*pair, grade, "unknown") for pair, grade in sorted(grades.items())]
    counts = sorted(Counter(grades.values()).items())
    given: dict[str, Any] = {"judgements by grade": ", ".join(f"{count:,} of {grade}" for grade, count in counts)}
    given |= {"columns of the judgements ignored": [*unread]} if unread else {}
    return tables.typed(pd.DataFrame(rows, columns=list(RELATIONS.columns)), RELATIONS), {**given, **report.notes()}


def _grade(value: Any, where: str) -> int:
    """A grade as an integer; negative grades, which mean judged and not relevant, become 0."""
    text = str(value).strip()
    if isinstance(value, bool) or not re.fullmatch(r"[+-]?[0-9]{1,9}([.,]0+)?", text):
        raise UserError(f"{where}: the grade {text!r:.40} is no whole number; write 0, 1, 2, ...")
    return max(0, int(re.split("[.,]", text)[0]))
