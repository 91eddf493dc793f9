"""Read the user's files as a landscape. A file in our own form is stored unchanged, exports are converted to it."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.core.progress import say
from patent_embeddings.corpus import formats, own
from patent_embeddings.corpus.families import Raw, checked
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import UNMET, Select
from patent_embeddings.corpus.publication_numbers import is_number
from patent_embeddings.corpus.reading.source import Source
from patent_embeddings.corpus.schemas import ASKED, RELATIONS
from patent_embeddings.corpus.user import judgement_files, stored_judgements

OWN = "own"  # the name of our own form in `--format`


@dataclass(frozen=True)
class Request:
    """The user's files and how to read them."""

    files: Sequence[Path]
    format: str | None = None  # None: detected
    select: Select = field(default_factory=Select)
    queries: Path | None = None  # texts, or families of the files
    qrels: Path | None = None  # the user's own judgements


@dataclass(frozen=True)
class Taken:
    """A landscape that was read, and the files to store."""

    raw: Raw
    suffix: str  # of the stored file
    write: Callable[[Path], None]  # writes it
    read: dict[str, Any] | None  # the entry's `read`, if the stored file was converted from others
    judged: Mapping[str, Callable[[Path], None]] = field(default_factory=dict)  # writers of `queries` and `qrels`


def take(request: Request) -> Taken:
    """Read all files. Raises UserError if one is unreadable or invalid, or nothing is selected."""
    if request.queries and not request.qrels:
        said = "has no judgements, so no family is known to be relevant"
        raise UserError(f"--queries {request.queries}: {said}; name the judgements by --qrels")
    for path in (*request.files, *filter(None, (request.queries, request.qrels))):
        if not path.exists():
            raise UserError(f"{path}: no such file or folder; check the path")
    taken = _families(request)
    if not request.qrels:
        return taken
    queries, relations, notes = judgement_files.read(request.queries, request.qrels, taken.raw.families, taken.raw.also)
    raw = replace(taken.raw, queries=queries, relations=relations, notes=taken.raw.notes | notes)
    judged = {"qrels": partial(stored_judgements.write, relations, RELATIONS, notes=notes)}
    if request.queries:
        judged["queries"] = partial(stored_judgements.write, queries, ASKED, notes=notes)
    return replace(taken, raw=raw, judged=judged)


def _families(request: Request) -> Taken:
    if request.format and request.format != OWN:
        formats.named(request.format, OWN)
    if not _is_own(request):
        raw = _exported(request)
        (name,) = (one.name for one in formats.FORMATS if [one.title] == raw.notes["format"])
        return _converted(raw, request, name)
    if len(request.files) > 1:
        raise UserError(f"{request.files[1]}: a second file in our own form; join them, or add each as a landscape")
    (path,) = request.files
    say(f"reading {path}")
    if request.select.said():
        return _converted(_selected(_parsed(path), request), request, OWN)
    digest = _digest(path)

    def copy(target: Path) -> None:
        shutil.copyfile(path, target)
        if sha256(target) != digest:
            raise UserError(f"{path}: changed while it was read; add it again")

    return Taken(checked(_parsed(path), str(path)), own.suffix(path), copy, None)


def _exported(request: Request) -> Raw:
    """Read exports of one format. Raises UserError, with its own message for an archive of files in our own form."""
    try:
        return formats.read(list(request.files), request.format, request.select)
    except UserError:
        source = Source(request.files[0])
        if (inner := own.packed(source)) and not any(one.looks(source) for one in formats.FORMATS):
            said = f"{inner} in it is in our own form, or holds a file that is, which is read by itself"
            mend = "name that file" if source.kind == "folder" else "unpack it, and name that file"
            raise UserError(f"{source.path}: {said}; {mend}") from None
        raise


def _is_own(request: Request) -> bool:
    """Whether the files are in our own form: by `--format`, or by content or name if they are no known export."""
    if request.format:
        return request.format == OWN
    first = request.files[0]
    named = first.is_file() and first.name.lower().endswith(tuple(own.READERS))
    every = map(Source, request.files)  # the first may be empty
    return bool(named or own.kind(Source(first))) and not any(
        one.looks(file) for file in every for one in formats.FORMATS
    )


def _parsed(path: Path) -> Raw:
    """Read a file in our own form. Raises UserError, which also says if the file is no known export either."""
    try:
        return own.parse(path)
    except UserError as error:
        if own.kind(Source(path)):
            raise
        raise UserError(f"{error}; nor is it an export that is known, see `landscape formats`") from None


def _converted(raw: Raw, request: Request, name: str) -> Taken:
    """An export or a selection, to be stored in our own form, with its origin in `read`."""
    files = [{"name": one.name, "sha256": _digest(one)} for one in request.files]
    read: dict[str, Any] = {"format": name, "files": files}
    read |= {"select": select} if (select := request.select.said()) else {}
    return Taken(checked(raw, str(request.files[0])), ".parquet", lambda path: own.write(raw, path), read)


def _selected(raw: Raw, request: Request) -> Raw:
    """The selected families of a file in our own form; each is matched as if it were a publication."""
    select, families, citations = request.select, raw.families, raw.citations
    wanted = [
        row["family_id"]
        for row in families.to_dict("records")
        if select.wants(
            Publication(
                place=row["family_id"], family=row["family_id"], numbers=_numbers(row),
                dates=[row["date"]], ipc=row["ipc"], cpc=row["cpc"], jurisdiction=row["jurisdiction"],
            )
        )
    ][: select.limit or None]  # fmt: skip
    if not wanted:
        raise UserError(f"{request.files[0]}: {select.nothing()}; widen the selection")
    kept = citations[citations["citing_id"].isin(wanted) & citations["cited_id"].isin(wanted)]
    notes = raw.notes | {"families that were not selected": len(families) - len(wanted), "citations kept": len(kept)}
    notes |= {"citations dropped, of families not selected": len(citations) - len(kept)}
    notes |= {UNMET: select.unmet()} if select.unmet() else {}
    families = families[families["family_id"].isin(wanted)].reset_index(drop=True)
    return replace(raw, families=families, citations=kept.reset_index(drop=True), notes=notes)


def _numbers(row: Mapping[Any, Any]) -> list[str]:
    """The publication numbers of a family, with its id if that is one, as in `publication_numbers.owners`."""
    found = [*row["publications"], row["publication"], *([row["family_id"]] if is_number(row["family_id"]) else [])]
    return list(filter(None, found))


def _digest(path: Path) -> str:
    """SHA-256 of a file, or of the names and hashes of all files in a folder."""
    if path.is_file():
        return sha256(path)
    files = sorted(one for one in path.rglob("*") if one.is_file())
    lines = "".join(f"{sha256(one)}  {one.relative_to(path).as_posix()}\n" for one in files)
    return hashlib.sha256(lines.encode()).hexdigest()
