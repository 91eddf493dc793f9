"""Records of past runs (DVC's run cache), in this clone and on a remote, and their transfer."""

from __future__ import annotations

import itertools
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_data.hashfile.db import HashFileDB
from dvc_objects.fs.generic import copy

from patent_embeddings.core import layout
from patent_embeddings.core.files import workplace
from patent_embeddings.core.progress import say
from patent_embeddings.sharing import records
from patent_embeddings.sharing.objects import contents, sizes
from patent_embeddings.sharing.records import Record

_HASH = re.compile(r"[0-9a-f]{64}")
_SHOWN = 100  # most records that a message names, and most messages

Pair = tuple[str, str]  # key and value of a record


def here(repo: Repo) -> tuple[list[Record], dict[Pair, str]]:
    """Records of this clone, and the reasons of those that were removed as DVC would trust them or fail on them.

    Empty folders, which a killed process may leave, are removed as well.
    """
    good, bad = [], {}
    for folder in sorted(Path(repo.stage_cache.cache_dir).glob("*/*")):
        # Any other name is of a record that a clone which shares this cache is writing now.
        for path in sorted(path for path in folder.iterdir() if _HASH.fullmatch(path.name)):
            try:
                with path.open("rb") as file:
                    good.append(records.read(file.read(records.LARGEST + 1), folder.name, path.name))
            except records.Foreign:  # of another repository, where they share a cache
                continue
            except records.Unfit as reason:
                path.unlink()
                bad[folder.name, path.name] = str(reason)
        if not any(folder.iterdir()):
            folder.rmdir()
    return good, bad


def send(source: HashFileDB, target: HashFileDB, pairs: list[Pair]) -> int:
    """Copy the records that the target lacks or has in part, and return their number."""
    there = _pairs(target)
    lacking = sorted(pair for pair in pairs if there.get(pair) != Path(_path(source, pair)).stat().st_size)
    if lacking:
        copies = [_path(target, pair) for pair in lacking]
        for folder in sorted({target.fs.parent(path) for path in copies}):
            target.fs.makedirs(folder, exist_ok=True)
        copy(source.fs, [_path(source, pair) for pair in lacking], target.fs, copies)
    return len(lacking)


@contextmanager
def inbox(repo: Repo) -> Iterator[Path]:
    """A folder for unchecked records, on the file system of the checked ones so that accepting one is a rename."""
    repo.cache.legacy.makedirs(repo.cache.legacy.path)
    with workplace("inbox", Path(repo.cache.legacy.path)) as folder:
        yield folder


def fetch(
    repo: Repo, remote: Any, inbox: Path, known: Iterable[records.Stage], allowed: Collection[Pair] | None
) -> tuple[list[Record], dict[Pair, str]]:
    """Put acceptable records of the remote that are not here into the inbox; return them, and why others are refused.

    `known` are the stages of dvc.yaml; `allowed` are the records in reports/records.txt, if it exists.
    """
    odb = remote.legacy_odb
    lacking = sorted(_pairs(odb).keys() - _pairs(repo.cache.legacy).keys())
    left = {pair: f"not in {layout.RECORDS}" for pair in lacking if allowed is not None and pair not in allowed}
    wanted = [pair for pair in lacking if pair not in left]
    good = []
    for (key, value), content in zip(wanted, contents(odb.fs, [_path(odb, pair) for pair in wanted]), strict=True):
        try:
            records.fit(one := records.read(content, key, value), known)
        except records.Unfit as reason:
            left[key, value] = str(reason)
        else:
            (inbox / value).write_bytes(content)
            good.append(one)
    return good, left


def take_in(repo: Repo, inbox: Path, one: Record) -> None:
    """Move a record from the inbox into this clone's run cache."""
    cache = repo.cache.legacy
    target = _path(cache, (one.key, one.value))
    cache.makedirs(cache.fs.parent(target))
    # DVC takes the newest of several records: this clone's own, or else the same one in every clone.
    os.utime(inbox / one.value, (int(one.value[:7], 16),) * 2)
    cache.move(str(inbox / one.value), target)


def name_each(reasons: Mapping[Pair, str], what: str) -> None:
    """Report on records, one line for each reason; a record is named by the start of its path in `runs/`."""
    names: dict[str, list[str]] = {}
    for (key, value), reason in sorted(reasons.items()):
        names.setdefault(reason, []).append(f"{ascii(key[:10])[1:-1]}/{ascii(value[:10])[1:-1]}")
    for reason, found in itertools.islice(names.items(), _SHOWN):
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        say(f"{len(found)} records {what}: {reason}: {', '.join(found[:_SHOWN])}{more}")
    if len(names) > _SHOWN:
        say(f"{sum(map(len, list(names.values())[_SHOWN:]))} records more {what}")


def _pairs(odb: HashFileDB) -> dict[Pair, int]:
    """Size of each record of a cache or a remote, by its key and value."""
    found = sizes(odb.fs, odb.fs.join(odb.path, "runs"))
    return {pair: size for pair, size in found.items() if all(map(_HASH.fullmatch, pair))}


def _path(odb: HashFileDB, pair: Pair) -> str:
    key, value = pair
    return str(odb.fs.join(odb.path, "runs", key[:2], key, value))
