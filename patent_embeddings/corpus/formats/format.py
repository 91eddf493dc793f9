"""A format of exports: its name, its looks and its reader."""

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
    """One row of the table of formats."""

    name: str  # as `--format` takes it
    title: str  # in words, for lists and messages
    looks: Callable[[Source], bool]  # whether a file is of this format, by its content alone
    read: Callable[[Source, Select], Iterator[Publication]]  # may leave out early what is not selected
    lacks: str = ""  # what an export of this format cannot give, and which one can; said by `add`
    joined: bool = False  # several files are parts of one export, such as its tables


Cells = dict[str, str]  # of a row by every known column, "" where there is none or nothing in it


def table(
    name: str,
    title: str,
    columns: Collection[str],
    fits: Callable[[set[str]], bool],
    dates: Collection[str],
    publication: Callable[[str, Cells, Report], Publication | None],
    lacks: str,
) -> Format:
    """A format that is one table, or several of one kind: a row a publication, or a family.

    Args:
        name: see `Format`, as `title` and `lacks`.
        title: see there.
        columns: that are known, as the database spells them.
        fits: whether a table with some of these is one of this format.
        dates: columns of dates.
        publication: what a row says, of its place and its cells; None where nothing, which it counts.
        lacks: see there.
    """

    def looks(source: Source) -> bool:
        return bool(sheet.members(source, columns, fits))

    def read(source: Source, select: Select) -> Iterator[Publication]:
        for place, row in ordered(sheet.each(source, columns, fits), dates):
            cells = {name: text.strip() for name, text in row.items() if not absent(text)}
            if one := publication(place, dict.fromkeys(columns, "") | cells, source.report):
                yield one

    return Format(name, title, looks, read, lacks)
