"""Build the families of a landscape from publications; all export formats share this step."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby
from typing import Any

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.cell_values import is_date, storable
from patent_embeddings.corpus.citation_resolution import index, resolved
from patent_embeddings.corpus.families import Raw, frame
from patent_embeddings.corpus.family_grouping import joined, source_family
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.publication_numbers import OFFICES, bare
from patent_embeddings.corpus.reading.source import Report
from patent_embeddings.corpus.schemas import CITATIONS
from patent_embeddings.corpus.text_choice import SECTIONS, chosen, country, published

_NO_ID = re.compile(r"[\s/\\]+")
_NO_TEXT = re.compile("[\0\ud800-\udfff]")


def merged(publications: Iterable[Publication], report: Report) -> Raw:
    """The landscape of the publications, whatever their order; each has a number.

    The notes count what joined publications, what became of citations, and what the report counted.
    """
    records = _ordered([_sound(one, report) for one in publications], report)
    groups, by, alone = joined(records)
    families = _named(groups)
    owners = index(families)
    cited, counted = resolved(families, owners)
    del records, groups  # each family's records are freed once its row is made, so that no text is in memory twice
    rows = frame(_family(name, families.pop(name), report) for name in list(families))
    notes: dict[str, Any] = {
        "publications": int(rows["publications"].map(len).sum()),
        "families": len(rows),
        "publications joined": [f"{count:,} {rule}" for rule, count in by.items()],
        "families of one publication, as nothing says more": alone,
    }
    pairs = tables.typed(pd.DataFrame(cited, columns=list(CITATIONS.columns)), CITATIONS)
    return Raw(rows, pairs, notes={**notes, **counted, **report.notes()}, also=owners)


def _sound(one: Publication, report: Report) -> Publication:
    """The record without invalid dates, which are counted."""
    for date in one.dates:
        if not is_date(date):
            report.count("dates that are none, read as empty", f"{date} in {one.place}")
    one.dates = [date for date in one.dates if is_date(date)]
    one.priority = one.priority if is_date(one.priority) else ""
    return one


def _ordered(records: list[Publication], report: Report) -> list[Publication]:
    """Records by date, number and key, ties by content, so that the order of rows changes nothing.

    Identical records, as from overlapping files, are taken once.
    """

    def cheap(one: Publication) -> tuple[Any, ...]:
        return published(one), one.numbers, one.key

    found: list[Publication] = []
    for _, alike in groupby(sorted(records, key=cheap), key=cheap):
        several = list(alike)
        if len(several) > 1:
            distinct = {repr(replace(one, place="")): one for one in several}
            report.count("records that are there twice, read once", several[0].numbers[0], len(several) - len(distinct))
            several = [distinct[said] for said in sorted(distinct)]
        found += several
    return found


def _named(groups: list[list[Publication]]) -> dict[str, list[Publication]]:
    """Families by id, ascending: the source's id, else the smallest key of the members, else country and number."""
    found: dict[str, list[Publication]] = {}
    for group in sorted(groups, key=lambda group: not any(map(source_family, group))):
        name, number = _name(group), 1
        while name in found:
            number += 1
            name = f"{_name(group)}-{number}"
        found[name] = group
    return dict(sorted(found.items()))


def _name(group: Sequence[Publication]) -> str:
    keys = {one.key for one in group} - {""}
    if keys:
        keys |= {member for one in group for member in one.members if member[:2].upper() not in OFFICES}
    bared = filter(None, (bare(number, one.jurisdiction) for one in group for number in one.numbers))
    numbers = sorted(bared, key=lambda number: (len(number), number))
    name = next(filter(None, map(source_family, group)), "") or min(keys, default="")
    name = _NO_ID.sub("-", name or next(iter(numbers), group[0].numbers[0]))
    return "".join(sign if sign.isprintable() else "-" for sign in name)[:190]


def _family(name: str, group: Sequence[Publication], report: Report) -> dict[str, Any]:
    """The row of a family, from its records in order of publication."""
    found = {section: chosen(section, group, report) for section in SECTIONS}
    shown = found["title"][1] if found["title"] else group[0]
    numbers = [shown.numbers[0], *(number for one in group for number in one.numbers)]
    row = {
        "family_id": name,
        **{section: text[0].text.strip() if text else "" for section, text in found.items()},
        **{column: _union(group, column) for column in ("ipc", "cpc", "labels", "domains", "applicants")},
        "jurisdiction": country(group[0]),
        "date": min((date for one in group for date in one.dates), default=""),
        "priority": min((one.priority for one in group if one.priority), default=""),
        "publication": shown.numbers[0],
        "url": shown.url,
        "publications": list(dict.fromkeys(numbers)),
    }
    return {column: _written(value, report) for column, value in row.items()}


def _union(group: Sequence[Publication], column: str) -> list[str]:
    return list(dict.fromkeys(entry for one in group for entry in getattr(one, column) if entry.strip()))


def _written(value: Any, report: Report) -> Any:
    """A text or list of texts without NUL and surrogates, which no table can hold."""
    if isinstance(value, list):
        return [_written(entry, report) for entry in value]
    if not storable(value):
        report.count("texts with characters that no text has, read as the sign of replacement", value)
        return _NO_TEXT.sub("\ufffd", value)
    return value
