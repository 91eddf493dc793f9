"""Formats of exports of patent databases: each has a module and a row in `FORMATS`."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus import own
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.family_building import merged
from patent_embeddings.corpus.formats import (
    bigquery,
    derwent,
    espacenet,
    google_patents,
    hupd,
    lens,
    patentscope,
    patentsview,
    uspto,
)
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import UNMET, Select
from patent_embeddings.corpus.publication_numbers import bare
from patent_embeddings.corpus.reading import spreadsheet
from patent_embeddings.corpus.reading.source import HEAD, Report, Source
from patent_embeddings.corpus.reading.text import Lines

_TOP = 30  # rows of a spreadsheet among which the first that is not empty is shown
FORMATS: tuple[Format, ...] = (
    lens.FORMAT,
    bigquery.FORMAT,
    uspto.FORMAT,
    patentsview.FORMAT,
    derwent.FORMAT,
    espacenet.FORMAT,
    patentscope.FORMAT,
    hupd.FORMAT,
    google_patents.FORMAT,
)
_BLANK = b"\xef\xbb\xbf \t\r\n"  # a byte order mark and white space
_FEW, _MANY = 5, 1000  # files of a folder that are named in a message, and that are looked at


def named(name: str, *others: str) -> Format:
    """The format called `name`. Raises UserError where there is none; the message lists `others` as formats too."""
    for one in FORMATS:
        if one.name == name:
            return one
    names = [*(one.name for one in FORMATS), *others]
    raise UserError(f"no format {name!r:.40}{nearest(name, names)}; formats are {', '.join(names)}")


def recognise(source: Source) -> Format:
    """The only format that a file looks like. Raises UserError where there is none, or more than one."""
    fitting = _fitting(source)
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        names = " and ".join(one.name for one in fitting)
        raise UserError(f"{source.path}: looks like {names}; name one by --format")
    if source.members and source.kind not in ("folder", "sheet"):
        with source.open(source.members[0], progress=False) as stream:
            stream.read(1)  # raises where it is damaged, or packed too many times
    if not (beginning := _beginning(source)):
        raise UserError(f"{source.path}: no complete file in it; check the path, or export or copy it again")
    known = ", ".join(f"{one.name} ({one.title})" for one in FORMATS)
    raise UserError(f"{source.path}: no known export; it begins with {beginning}; known formats are {known}")


def _checked(source: Source, kind: Format) -> Format:
    """The format that the user named. Raises UserError where the file looks like another one only, or is our own."""
    if not kind.looks(source):
        fitting = _fitting(source)
        if fitting:
            others = " or ".join(one.name for one in fitting)
            raise UserError(f"{source.path}: no export of {kind.name}; it looks like {others}; name that by --format")
        if own.kind(source):
            raise UserError(f"{source.path}: no export of {kind.name}, but in our own form; leave out --format")
    return kind


def _fitting(source: Source) -> list[Format]:
    return [one for one in FORMATS if one.looks(source)]


def _beginning(source: Source) -> str:
    """What a file begins with, for messages: its first line, or the names of its members; "" where it is empty."""
    names = source.members
    if len(names) != 1 or source.kind == "folder":
        return f"the files {', '.join(names[:_FEW])}{', ...' if len(names) > _FEW else ''}" if names else ""
    if source.kind == "sheet":
        first = [", ".join(filter(None, row)) for row in spreadsheet.top(source, _TOP) if any(row)]
    else:
        first = [line.strip() for line in Lines(io.BytesIO(source.head()), Report()) if line.strip()]
    return repr(f"{first[0]:.120}") if first else ""


def read(paths: list[Path], name: str | None, select: Select) -> Raw:
    """Read the selected publications of one or several exports of one format as a landscape.

    `name` is the format; None recognises it by content. Raises UserError where a file cannot be read, has no or another
    format, or nothing of it is selected.
    """
    report = Report()
    sources = _filled([Source(path, report) for path in _apart(paths, report)], report)
    if len(sources) > 1 and any(one.joined for source in sources for one in _fitting(source)):
        sources = [_Several([one.path for one in sources], report)]
    kinds = [_checked(source, named(name)) if name else recognise(source) for source in sources]
    for source, kind in zip(sources, kinds, strict=True):
        if kind is not kinds[0]:
            mixed = f"a file of {kind.name}, but {sources[0].path.name} is one of {kinds[0].name}"
            raise UserError(f"{source.path}: {mixed}; add each as a landscape of its own")
    publications = (one for source in sources for one in kinds[0].read(source, select) if _is_numbered(one, report))
    raw = merged(select.chosen(publications), report)
    if raw.families.empty:
        where = ", ".join(str(source.path) for source in sources)
        if select.refused:
            raise UserError(f"{where}: {select.nothing()}")
        if not any(map(kinds[0].looks, sources)):
            mend = "name its format by --format, or none"
            raise UserError(f"{where}: no export of {kinds[0].name}; it begins with {_beginning(sources[0])}; {mend}")
        counted = "; ".join(f"{what}: {count}" for what, count in report.notes().items()) or "is it whole?"
        raise UserError(f"{where}: no publication in it; {counted}")
    notes = {"format": [kinds[0].title], "what such an export lacks": kinds[0].lacks, **raw.notes}
    notes |= {f"publications left out by {why or 'the selection'}": count for why, count in select.refused.items()}
    notes |= {UNMET: select.unmet()} if select.unmet() else {}
    return replace(raw, notes=notes)


def _apart(paths: list[Path], report: Report) -> list[Path]:
    """Each path once. A folder of archives or spreadsheets, such as of years, is replaced by the exports in it."""
    found: dict[Path, None] = {}
    for path in paths:
        inner = [path / member for member in Source(path).members] if path.is_dir() else []
        if any(_is_alone(Source(one)) for one in inner[:_MANY]):
            fitting = [one for one in inner if _may_be_export(Source(one))]
            for one in inner:
                report.count("files of no known export, left out", one.name, one not in fitting)
            inner = fitting
        else:
            inner = []
        found.update(dict.fromkeys(inner or [path]))
    return list(found)


def _is_alone(source: Source) -> bool:
    """Whether a file has to be read by itself: a spreadsheet, or an archive of several files."""
    return source.kind in ("sheet", "tar") or (source.kind == "zip" and len(source.members) > 1)


def _may_be_export(source: Source) -> bool:
    """Whether a file is an export, or an archive: a cut one looks like no export, and reading it tells the cause."""
    unknown = source.kind != "sheet" and (_is_alone(source) or not source.head())
    return unknown or bool(_fitting(source))


def _filled(sources: list[Source], report: Report) -> list[Source]:
    """Those that are not empty; empty parts of an export are counted. Raises UserError where all are empty."""
    empty = [one for one in sources if _is_empty(one)]
    if len(empty) == len(sources):
        raise UserError(f"{empty[0].path}: is empty; export or copy it again")
    for one in empty:
        report.count("files that are empty, left out", one.path.name)
    return [one for one in sources if one not in empty]


def _is_empty(source: Source) -> bool:
    """Whether a file has no content. Raises UserError where it is damaged from the start."""
    if source.kind not in ("plain", "gzip") or source.head().strip(_BLANK):
        return False
    seen = Report()
    with Source(source.path, seen).open() as stream:
        return not stream.read(HEAD).strip(_BLANK) and not seen.counts


def _is_numbered(one: Publication, report: Report) -> bool:
    """Whether a publication has a number, with a digit in it; counts one that has none."""
    numbered = any(bare(number, one.jurisdiction) for number in one.numbers)
    report.count("records without a number, left out", " ".join([one.place, *one.numbers]), not numbered)
    return numbered


class _Several(Source):
    """Files, archives or folders that are parts of one export, as one folder; members are named from their own."""

    def __init__(self, paths: list[Path], report: Report) -> None:
        super().__init__(Path(os.path.commonpath([path.absolute().parent for path in paths])), report)
        self.paths = paths

    @cached_property
    def kind(self) -> str:
        """`folder`, as for any place that holds files."""
        return "folder"

    @cached_property
    def members(self) -> list[str]:
        """Sorted names of the members of all files."""
        return sorted(self._parts)

    @cached_property
    def _parts(self) -> dict[str, tuple[Source, str]]:
        found = {}
        for path in dict.fromkeys(self.paths):
            part, name = Source(path, self.report), path.absolute().relative_to(self.path).as_posix()
            found.update({f"{name}/{member}" if member else name: (part, member) for member in part.members})
        return found

    @contextmanager
    def _opened(self, member: str) -> Iterator[tuple[BinaryIO, BinaryIO, int]]:
        part, inner = self._parts[member]
        with part._opened(inner) as opened:
            yield opened
