"""Landscapes of the registry: add your own, list them, show one."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import yaml
from filelock import FileLock, Timeout

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, sha256
from patent_embeddings.corpus.entries import Landscape

if TYPE_CHECKING:
    import pandas as pd


def summary(
    families: pd.DataFrame, citations: pd.DataFrame, relevance: str, notes: Mapping[str, Any] = MappingProxyType({})
) -> list[str]:
    """What a landscape holds, one line each: sections, queries, codes, labels, dates, and what cannot be scored.

    Args:
        families: rows of `FAMILIES`, at least one.
        citations: rows of `CITATIONS`, or who is relevant to whom in the same columns.
        relevance: `cited`, `linked` or `judged`; decides which families are queries.
        notes: what the source counted, where it is known: citations that lead nowhere are not none.
    """
    total = len(families)

    def having(column: str) -> str:
        count = int((families[column].str.len() > 0).sum())
        return f"{count:,} families ({count / total:.1%})"

    def distinct(column: str) -> int:
        return families[column].explode().dropna().nunique()

    ends = ["citing_id", "cited_id"] if relevance == "linked" else ["citing_id"]
    queries = len(set(citations[ends].to_numpy().ravel()))
    dates = families["date"][families["date"] != ""]
    lines = [f"families: {total:,}"]
    lines += [f"{section}: {having(section)}" for section in ("title", "abstract", "claims", "description")]
    lines += [
        f"queries: {queries:,} families with a relevant one ({relevance}), {len(citations):,} {'judged' if relevance == 'judged' else 'citation'} pairs"
    ]
    lines += [f"{column}: {having(column)}, {distinct(column):,} distinct" for column in ("ipc", "cpc", "labels")]
    lines += [f"date: {having('date')}" + (f", {dates.min()} to {dates.max()}" if len(dates) else "")]
    labelled = any(distinct(column) for column in ("ipc", "cpc", "labels"))
    if not queries:
        outside = notes.get("citations dropped, outside the landscape", 0)
        lost = f"none of the {outside:,} cited ids is a family of the landscape" if outside else "no citations"
        lines.append(f"{lost}: retrieval cannot be scored")
    if not labelled:
        lines.append("no codes or labels: classification and clustering cannot be scored")
    if queries and not distinct("ipc"):
        lines.append("no IPC codes: in-domain and out-of-domain cannot be told apart")
    return lines


def _counted(notes: Mapping[str, Any]) -> list[str]:
    return [
        f"{key}: {', '.join(value) if isinstance(value, list) else f'{value:,}' if isinstance(value, int) else value}"
        for key, value in notes.items()
        if value
    ]


def _next(name: str, families: pd.DataFrame) -> str:
    command = f"dvc exp run -S landscape={name} -S 'evaluate_on=[{name}]'"
    if (families["claims"] == "").all():
        command += " -S recipe=zero-shot -S query_view=ta -S document_view=ta"
    elif (families["abstract"] == "").all():
        command += " -S recipe=zero-shot" if (families["description"] == "").all() else " -S recipe=r3-cd"
    return command


# Words that YAML or the grammar of `dvc exp run -S` takes for truth, nothing or a number, in any case.
_TAKEN = {"y", "yes", "on", "true", "n", "no", "off", "false", "none", "null", "nil", "nan", "inf", "infinity"}
_LONGEST = 64  # of an id, which is part of the names of files


def _is_text(name: str) -> bool:
    """Whether YAML reads a name as that text."""

    try:
        return bool(yaml.safe_load(name) == name)
    except (ValueError, yaml.YAMLError):  # 9999-99-99 looks like a date
        return False


def _is_number(name: str) -> bool:
    """Whether Python, YAML 1.1 or YAML 1.2 reads a number: 08, 1e5, 0x10, 0o7, 0b1."""
    for read in (float, lambda text: int(text, 0)):
        try:
            read(name)
            return True
        except ValueError:
            pass
    return False


def _check_id(name: str) -> None:
    from patent_embeddings.core import registry

    path = layout.registry("landscapes")
    if not registry.IDENTIFIER.fullmatch(name):
        raise UserError(f"landscape id {name!r:.80}: ids are made of a-z, 0-9 and '-' only; choose another")
    if name.startswith("-"):
        raise UserError(f"landscape id {name!r}: command lines read it as an option; begin with a letter")
    if len(name) > _LONGEST:
        raise UserError(f"landscape id {name!r:.80}: has {len(name)} characters; use at most {_LONGEST}")
    if name in _TAKEN or _is_number(name) or not _is_text(name):
        raise UserError(f"landscape id {name!r}: YAML reads it as something else than text, or a command line does; choose one that is a word")  # fmt: skip
    if name == layout.CELL:
        raise UserError(f"landscape id {name!r}: stands for the cell's own stages in costs; choose another")
    if name in registry.ids("landscapes"):
        raise UserError(f"landscape {name!r} is already in {path}; choose another id, or remove that entry first")


def _sha256(file: Path) -> str:

    try:
        return sha256(file)
    except OSError as error:
        raise UserError(f"{file}: cannot read ({error.strerror}); check path and permissions") from None


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the registry, waiting for another `add` to end."""

    lock = FileLock(layout.ADDING, timeout=120)
    try:
        layout.ADDING.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError(f"{layout.ADDING}: another landscape is being added; run again when that is done") from None
    except OSError as error:
        raise UserError(f"{layout.ADDING}: cannot write ({error.strerror}); check permissions and free space") from None
    try:
        yield
    finally:
        lock.release()


def _register(name: str, block: dict[str, Any], file: Path, target: Path) -> None:
    """Copy, track and register a checked file; on any failure all three are as before.

    The new registry lies complete beside the old one before anything else is touched, and takes
    its place by one rename at the very end.

    Raises:
        UserError: something is in the way, the disk is full, the file changed meanwhile, or DVC refuses.
    """

    pointer = Path(f"{target}.dvc")
    for path in (target, pointer):
        if path.exists():
            raise UserError(f"{path} is in the way though {name!r} is no landscape; move it elsewhere and add again")
    registry = layout.registry("landscapes")
    with replacing(registry) as temporary:
        temporary.write_bytes(_appended(registry, name, block).encode("utf-8"))
        try:
            with replacing(target) as copy:
                shutil.copyfile(file, copy)
                if sha256(copy) != block["sha256"]:
                    raise UserError(f"{file}: changed while it was read; add it again")
            _dvc_add(target)
        except BaseException:
            target.unlink(missing_ok=True)
            pointer.unlink(missing_ok=True)
            raise


def _appended(path: Path, name: str, block: dict[str, Any]) -> str:

    from patent_embeddings.core import registry

    registry.validated("landscapes", name, block, Landscape)
    for key in ("description", "licence"):
        if not block[key].isprintable():
            raise UserError(f"--{key} {block[key]!r:.80}: has a character that cannot be printed; write plain text")
    old = path.read_text(encoding="utf-8")
    if name in yaml.safe_load(old):
        raise UserError(f"landscape {name!r} has just been added to {path} by someone else; choose another id")
    # On one line: git merges what two clones add line by line (.gitattributes), and blocks have lines in common.
    entry = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    new = f"{old.rstrip()}\n\n{name}: {entry}"
    try:
        if yaml.safe_load(new) == yaml.safe_load(old) | {name: block}:
            return new
    except yaml.YAMLError:
        pass
    raise UserError(f"{path}: an entry put at its end would not be read as one; write every entry as an indented block")


def _dvc_add(path: Path) -> None:

    done = subprocess.run(
        [sys.executable, "-m", "dvc", "add", path.as_posix()],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        said = " ".join(done.stderr.replace("ERROR:", "").split())
        raise UserError(f"{path}: `dvc add` failed ({said[:300]}); mend that and add again")
