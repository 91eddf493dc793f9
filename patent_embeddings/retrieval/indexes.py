"""Lucene indexes in the scratch folder: built once and opened for every later question."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from importlib.metadata import version
from pathlib import Path

import numpy as np

from patent_embeddings.core import layout, scratch
from patent_embeddings.core.files import held, read_json, replacing, sha256, writable, write_json
from patent_embeddings.core.progress import say
from patent_embeddings.retrieval import lucene

_ROWS = "rows.npy"
_FILES = "files.json"  # SHA-256 of every other file


@contextmanager
def index(texts: Sequence[str], *, k1: float, b: float, query_side: bool = False, label: str) -> Iterator[lucene.Index]:
    """Open the scratch's index of these texts for the time of the block; build it where there is none.

    The options are those of `lucene.Index`. Of two processes that need it at once, one builds and the other waits. A
    damaged index is built again, with a message. Raises UserError: no usable Java, or no space.
    """
    place = layout.scratch() / "lucene" / _key(texts)
    # Locked until its files are open: open files can be read even if removed.
    with writable(place), held(place.with_suffix(".lock"), f"{label}: another process builds it"):
        if made := not _whole(place):
            with replacing(place) as folder:
                _build(texts, folder, label)
        opened = lucene.Index(place / "index", k1, b, query_side, np.load(place / _ROWS))
    if made:
        scratch.clean(layout.scratch())
    with closing(opened):
        yield opened


def _key(texts: Sequence[str]) -> str:
    """Digest of everything that decides an index: the texts in order, Pyserini's version and our module."""
    digest = hashlib.sha256(f"{version('pyserini')} {sha256(Path(lucene.__file__))}\n".encode())
    for text in texts:
        digest.update(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())
    return digest.hexdigest()[:32]


def _build(texts: Sequence[str], folder: Path, label: str) -> None:
    lucene.build(texts, folder / "index", label)
    with closing(lucene.Index(folder / "index", 0.9, 0.4, False)) as built:
        np.save(folder / _ROWS, built.rows)
    write_json(folder / _FILES, _digests(folder))


def _whole(place: Path) -> bool:
    """Whether an index exists unchanged; a damaged one is reported."""
    if not place.exists():
        return False
    try:
        whole = bool(read_json(place / _FILES) == _digests(place))
    except Exception:  # whatever happened to its files, they are not as written
        whole = False
    if not whole:
        say(f"{place}: damaged index, built again")
    return whole


def _digests(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != _FILES)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
