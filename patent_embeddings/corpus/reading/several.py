"""Several files that are parts of one export, read like one folder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

from patent_embeddings.corpus.reading.source import Report, Source


class Several(Source):
    """Files, archives or folders as one source; members are named relative to their common folder."""

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
    def _opened(self, member: str, *, progress: bool = False) -> Iterator[BinaryIO]:
        part, inner = self._parts[member]
        with part._opened(inner, progress=progress) as stream:
            yield stream
