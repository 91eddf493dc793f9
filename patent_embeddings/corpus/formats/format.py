"""A format of exports: its name, how it is recognised, and its reader."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.formats.dates import ordered
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import Report, Source


@dataclass(frozen=True)
class Format:
    """A format of exports of a patent database."""

    name: str  # as `--format` takes it
    title: str  # for lists and messages
    looks: Callable[[Source], bool]  # whether a file has this format, by its content alone
    read: Callable[[Source, Select], Iterator[Publication]]  # may skip publications that are not selected
    lacks: str = ""  # what such an export does not contain, and which one does; printed by `add`
    joined: bool = False  # several files are read as one export, such as its tables


Cells = dict[str, str]  # known column -> its cell in a row, "" where it is absent


def table(
    name: str,
    title: str,
    columns: Collection[str],
    fits: Callable[[set[str]], bool],
    dates: Collection[str],
    publication: Callable[[str, Cells, Report], Publication | None],
    lacks: str,
) -> Format:
    """A format that is one or more tables with a row for each publication or family.

    Args:
        name: see `Format`.
        title: see `Format`.
        columns: known column names, as the database spells them.
        fits: whether a table with these known columns has this format.
        dates: columns of dates.
        publication: parses a row, given its place and cells; returns None for one that it counts and leaves out.
        lacks: see `Format`.
    """

    def looks(source: Source) -> bool:
        return bool(sheet.members(source, columns, fits))

    def read(source: Source, select: Select) -> Iterator[Publication]:
        for place, row in ordered(sheet.each(source, columns, fits), dates):
            cells = {name: text.strip() for name, text in row.items() if not absent(text)}
            if one := publication(place, dict.fromkeys(columns, "") | cells, source.report):
                yield one

    return Format(name, title, looks, read, lacks)
