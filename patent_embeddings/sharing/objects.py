"""DVC's objects (files and folders by hash): those that commits and past runs name, and whether they are undamaged.

A folder is an object that lists its files.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs.callbacks import TqdmCallback
from dvc.repo import Repo
from dvc.repo.experiments.utils import exp_refs
from dvc_data.hashfile.db import HashFileDB
from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.transfer import transfer as copy
from dvc_objects.fs.local import LocalFileSystem

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import workplace
from patent_embeddings.core.progress import say, track
from patent_embeddings.core.tables import MEND
from patent_embeddings.sharing import records
from patent_embeddings.sharing.records import Record
from patent_embeddings.sharing.repository import called, transfer

_AT_ONCE = 64  # records or lists of a remote held in memory


def commits(repo: Repo, name: str) -> list[str]:
    """Commits of the experiments of a name, whatever their base, sorted. Raises UserError where there is none."""
    found = [repo.scm.get_ref(str(ref)) for ref in exp_refs(repo.scm) if ref.name == name]
    if not found:
        mend = "`dvc exp list --all-commits` names them"
        raise UserError(f"no experiment {name!r} here or on the git remote; {mend}")
    return sorted(found)


def named(repo: Repo, *, push: bool = False, only: str | None = None) -> dict[str, HashInfo]:
    """Objects that the workspace, all branches, tags and experiments name, by hash.

    `push`: without outputs that are not to be pushed. `only`: of the experiments of this name alone, whatever their
    base. Raises UserError where there is none.
    """
    revisions: dict[str, Any] = {"all_branches": True, "all_tags": True, "all_experiments": True}
    if only is not None:
        revisions = {"revs": commits(repo, only)}
    found = {}
    for revision in repo.brancher(**revisions):
        if only is not None and revision == "workspace":
            continue
        try:
            outs = repo.index.outs
        except DvcException as error:
            if revision == "workspace":
                raise
            say(f"{ascii(revision)[1:-1]}: left out, as its pipeline cannot be read ({ascii(str(error))[1:80]})")
            continue
        for out in outs:
            oid = str(out.hash_info.value)
            wanted = out.use_cache and not out.stage.is_repo_import and (out.can_push or not push)
            # A commit's dvc.lock is not trusted: a hash becomes a path of the cache.
            if wanted and records.MD5.fullmatch(oid):
                found[oid] = _info(oid, str(out))
    return found


def of_records(found: Iterable[Record]) -> list[HashInfo]:
    """Objects that records name."""
    return [_info(oid, path) for one in found for path, oid in one.outs.items()]


@dataclass(frozen=True)
class Folders:
    """Lists of files of some folders, by hash (hash of each file by its path), or why a list was refused."""

    lists: Mapping[str, Mapping[str, str]]
    unfit: Mapping[str, str]

    def objects(self, named: Iterable[HashInfo]) -> set[HashInfo]:
        """The files among some objects, the folders whose list is known, and the files in those."""
        found = {one for one in named if not one.isdir or one.value in self.lists}
        lists = ((name(one), self.lists.get(str(one.value), {})) for one in found)
        return found | {_info(oid, f"{folder}/{path}") for folder, files in lists for path, oid in files.items()}

    def lacks(self, one: Record, gone: set[str]) -> bool:
        """Whether the list of a folder that a record names is unknown, or something that it names is gone."""
        unknown = any(oid.endswith(".dir") and oid not in self.lists for oid in one.outs.values())
        return unknown or any(gone.intersection([oid, *self.lists.get(oid, {}).values()]) for oid in one.outs.values())

    def refused(self, one: Record) -> str | None:
        """Why a folder that a record names was refused, if one was."""
        return next((f"{path}: {self.unfit[oid]}" for path, oid in one.outs.items() if oid in self.unfit), None)


def folders(repo: Repo, remote: Any, named: Iterable[HashInfo]) -> Folders:
    """Lists of the folders among some objects; those that this clone lacks come from the remote, if one is given.

    DVC writes whatever a list names, so each is checked here before it enters the cache.
    """
    oids = {str(one.value): name(one) for one in named if one.isdir}
    cache = repo.cache.local
    lists, unfit = {}, {}
    here = sorted(oid for oid in oids if Path(cache.oid_to_path(oid)).exists())
    away = sorted(set(oids) - set(here)) if remote else []
    for odb, some in ((cache, here), (remote and remote.odb, away)):
        found = contents(odb.fs, [odb.oid_to_path(oid) for oid in some]) if some else iter(())
        for oid, content in zip(some, found, strict=True):
            if not content and odb is not cache:
                continue
            try:
                lists[oid] = records.files(content, oid)
            except records.Unfit as reason:
                unfit[oid] = str(reason)
            else:
                if odb is not cache:
                    with workplace("list") as place:
                        (place / oid).write_bytes(content)
                        cache.add(str(place / oid), cache.fs, oid)
    return Folders(lists, unfit)


def contents(fs: Any, paths: list[str]) -> Iterator[bytes]:
    """First bytes of files, in order, up to one more than the largest allowed size; empty where there is no file."""

    def content(path: str) -> bytes:
        # Reading a named pipe would never end.
        if isinstance(fs, LocalFileSystem) and not Path(path).is_file():
            return b""
        try:
            with fs.open(path, "rb") as file:
                return bytes(file.read(records.LARGEST + 1))
        except FileNotFoundError:
            return b""

    with ThreadPoolExecutor(max_workers=fs.jobs) as pool:
        for first in range(0, len(paths), _AT_ONCE):
            yield from pool.map(content, paths[first : first + _AT_ONCE])


def exchanged(repo: Repo, remote: Any, command: str, named: Iterable[HashInfo]) -> Folders:
    """`folders` before a push or pull. Raises UserError at the first whose list in this clone's cache is damaged."""
    with transfer(called(remote), command):
        found = folders(repo, remote, named)
    for one in named:
        oid = str(one.value)
        if oid in found.unfit and has(repo.cache.local, one):
            raise _damaged(name(one), why(found.unfit[oid]))
    return found


def sizes(fs: Any, folder: str) -> dict[tuple[str, str], int]:
    """Size in bytes of every file below a folder of a cache or remote, by the names of its own folder and of itself."""
    walked = fs.fs.walk(folder, detail=True)
    return {(fs.name(place), name): found["size"] for place, _, files in walked for name, found in files.items()}


def send(repo: Repo, remote: Any, folders: Folders, objects: Iterable[HashInfo]) -> tuple[int, set[str]]:
    """Send the objects that the remote lacks; return their number, and the hashes of those that are nowhere.

    Raises UserError where a content does not have its hash, so that no damage is sent, or something cannot be sent.
    """
    # By sizes, and not by DVC's index of the remote: for that every file of a folder is there as long as its list is,
    # while somebody may have deleted one, and a broken connection leaves half a file under its name.
    with transfer(called(remote), "push"):
        there = sizes(remote.odb.fs, remote.odb.path)
    cache = repo.cache.local
    names = {str(one.value): name(one) for one in objects}
    here = {oid: path.stat().st_size for oid in names if (path := Path(cache.oid_to_path(oid))).exists()}
    gone = {oid for oid in names if oid not in here and (oid[:2], oid[2:]) not in there}
    new = sorted(oid for oid, size in here.items() if there.get((oid[:2], oid[2:])) != size)
    if gone:
        say(f"{len(gone)} files are neither here nor on the remote, such as {min(names[oid] for oid in gone)}")
    for oid in track(new, len(new), "check", unit="files"):
        if not intact(cache, oid):
            raise _damaged(names[oid])
    lists = [oid for oid in new if oid in folders.lists]
    with transfer(called(remote), "push"):
        _add(cache, remote.odb, [oid for oid in new if oid not in folders.lists], there)
        # A list says that its files are there, so it comes last, and not without them.
        _add(cache, remote.odb, [oid for oid in lists if not gone.intersection(folders.lists[oid].values())], there)
    return len(new), gone


def _add(cache: HashFileDB, target: HashFileDB, oids: list[str], there: Collection[tuple[str, str]]) -> None:
    """Copy objects from the cache to a remote, in place of what is there. Raises UserError where some cannot be."""
    failed: list[BaseException] = []
    for oid in oids:
        if (oid[:2], oid[2:]) in there:
            with suppress(FileNotFoundError):  # somebody else's push removed it
                target.delete(oid)
    paths = [cache.oid_to_path(oid) for oid in oids]
    with TqdmCallback(desc=f"Pushing to {target.path}", unit="file") as bar:
        target.add(paths, cache.fs, oids, check_exists=False, callback=bar, on_error=lambda _, why: failed.append(why))
    if failed:
        raise UserError(f"{len(failed)} of {len(oids)} files are not sent") from failed[0]


def receive(repo: Repo, remote: Any, objects: set[HashInfo]) -> set[str]:
    """Receive the objects that this clone lacks, and return their hashes; damaged ones are not kept.

    Raises UserError where something cannot be received.
    """
    cache = repo.cache.local
    with transfer(called(remote), "pull"), TqdmCallback(desc=f"Fetching from {remote.path}", unit="file") as bar:
        result = copy(remote.odb, cache, objects, cache_odb=cache, verify=True, callback=bar)
        if result.failed:
            raise UserError(f"{len(result.failed)} of {len(objects)} files are not here yet")
    return {str(one.value) for one in result.transferred}


def intact(cache: HashFileDB, oid: str) -> bool:
    """Whether a file of the cache has the hash in its name; DVC itself trusts files that are read-only."""
    return file_md5(cache.oid_to_path(oid), cache.fs) == oid.split(".")[0]


def has(cache: HashFileDB, one: HashInfo) -> bool:
    """Whether a cache has a file of this name."""
    return Path(cache.oid_to_path(str(one.value))).exists()


def name(one: HashInfo) -> str:
    """Name of an object in messages: its path, or else its hash."""
    return str(one.obj_name or one.value)


def why(reason: str) -> str:
    """A reason in brackets; "" for plain damage."""
    return "" if reason == records.DAMAGED else f" ({reason})"


def _damaged(path: str, reason: str = "") -> UserError:
    return UserError(f"{path}: damaged in DVC's cache{reason}; {MEND}")


def _info(oid: str, path: str) -> HashInfo:
    return HashInfo("md5", oid, obj_name=path)
