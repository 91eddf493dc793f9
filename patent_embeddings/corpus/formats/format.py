"""A format of exports: its name, its looks and its reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Source


@dataclass(frozen=True)
class Format:
    """One row of the table of formats."""

    name: str  # as `--format` takes it
    title: str  # in words, for lists and messages
    looks: Callable[[Source], bool]  # whether a file is of this format, by its content alone
    read: Callable[[Source, Select], Iterator[Publication]]  # may leave out early what is not selected
    lacks: str = ""  # what an export of this format cannot give, and which one can; said by `add`
    joined: bool = False  # several files are parts of one export, such as its tables
