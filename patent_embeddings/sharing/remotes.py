"""Share what this clone has computed, and restore what others have: workspace, experiments and past runs.

DVC's own push sends the records of past runs (the run cache) without the objects that they name;
here both go, objects first, so that a record on the remote never names what is not there.
"""

from __future__ import annotations

import itertools
import logging
import os
import re
import tempfile
from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dvc_data.hashfile.hash import file_md5
from dvc_data.hashfile.hash_info import HashInfo
from dvc_objects.fs.errors import RemoteMissingDepsError
from dvc_objects.fs.generic import copy
from dvc_objects.fs.local import LocalFileSystem

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track
from patent_embeddings.sharing import records

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.hash_info import HashInfo

    from patent_embeddings.sharing.records import Record

RECORD = re.compile(r"runs/[0-9a-f]{2}/([0-9a-f]{64})/([0-9a-f]{64})$")
_SHOWN = 100  # records that a message names, and messages that name records
_AT_ONCE = 64  # records or lists of a remote that are in memory


class _Said(logging.Handler):
    """Keeps what DVC would log of a transfer, to say it in one line."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.first is None and record.exc_info:
            self.first = record.exc_info[1]


@contextmanager
def _transfer(where: str, command: str) -> Iterator[None]:
    """Turn what goes wrong on the way to or from a remote into one line.

    Raises:
        UserError: the remote cannot be reached, refuses, or drops in the middle.
    """
    said = _Said()
    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    for logger in loggers:
        logger.addHandler(said)
        logger.propagate = False
    again = f"`python -m stages.share {command}` goes on where it stopped"
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error} ({_reason(said.first)}); {again}") from None
    except Exception as error:  # each kind of remote has a library and errors of its own
        raise UserError(f"{where}: {_reason(error)}; {again}") from error
    finally:
        for logger in loggers:
            logger.removeHandler(said)
            logger.propagate = True


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:300] if error else "no reason given"


@contextmanager
def _repository() -> Iterator[Repo]:
    """The repository of the current folder, locked against other DVC commands."""
    from dvc.exceptions import DvcException
    from dvc.lock import LockError
    from dvc.repo import Repo, lock_repo

    # Commits from before a stage ran lack its outputs: DVC warns of each, at length.
    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with Repo() as repo, lock_repo(repo):
            yield repo
    except LockError:
        raise UserError("another DVC command is at work in this clone; wait for it and try again") from None
    except DvcException as error:
        raise UserError(str(error)) from None


def _remote(repo: Repo, command: str) -> Any:
    """The default remote.

    Raises:
        UserError: none is set, its library is not installed, or it is of a kind that holds no records of runs.
    """
    from dvc.config import NoRemoteError
    from dvc.fs import HTTPFileSystem

    try:
        remote = repo.cloud.get_remote(command=command)
    except NoRemoteError:
        raise UserError("no default remote; `dvc remote add -d NAME URL` sets one, docs/sharing.md has a line for each kind") from None  # fmt: skip
    except RemoteMissingDepsError as error:
        raise UserError(f"{error.url}: its library is not installed; `pip install -c constraints.txt -e '.[{error.protocol}]'`") from None  # fmt: skip
    if isinstance(remote.fs, HTTPFileSystem) or remote.worktree or remote.fs.version_aware:
        raise UserError(f"remote {remote.name!r} ({remote.path}): holds no past runs; use a folder, SSH or S3 without `version_aware`")  # fmt: skip
    return remote


def _records(odb: HashFileDB) -> set[tuple[str, str]]:
    """Key and value of each past run that a cache or a remote has a record of."""
    folder = odb.fs.join(odb.path, "runs")
    found = odb.fs.find(folder) if odb.fs.exists(folder) else []
    matches = (RECORD.search(Path(path).as_posix()) for path in found)
    return {(match[1], match[2]) for match in matches if match}


def _send(source: HashFileDB, target: HashFileDB, pairs: list[tuple[str, str]]) -> int:
    """Copy the records that the target lacks; their number."""

    lacking = sorted(set(pairs) - _records(target))
    paths = [[odb.fs.join(odb.path, "runs", key[:2], key, value) for key, value in lacking] for odb in (source, target)]
    if lacking:
        for folder in sorted({target.fs.parent(path) for path in paths[1]}):
            target.fs.makedirs(folder, exist_ok=True)
        copy(source.fs, paths[0], target.fs, paths[1])
    return len(lacking)


@contextmanager
def _inbox(repo: Repo) -> Iterator[Path]:
    """A folder for what is not yet known to be good, beside the records, so that taking in is a rename."""
    repo.cache.legacy.makedirs(repo.cache.legacy.path)
    with tempfile.TemporaryDirectory(prefix=".inbox-", dir=repo.cache.legacy.path) as folder:
        yield Path(folder)


def _fetch_records(
    repo: Repo,
    remote: Any,
    inbox: Path,
    known: Iterable[records.Stage],
    allowed: Collection[tuple[str, str]] | None,
) -> tuple[list[Record], dict[tuple[str, str], str]]:
    """Records of the remote that are not here and may be used, their bytes in the inbox; why each other may not."""
    odb = remote.legacy_odb
    lacking = sorted(_records(odb) - _records(repo.cache.legacy))
    left = {pair: f"not in {layout.RECORDS}" for pair in lacking if allowed is not None and pair not in allowed}
    wanted = [pair for pair in lacking if pair not in left]
    paths = [odb.fs.join(odb.path, "runs", key[:2], key, value) for key, value in wanted]
    good = []
    for (key, value), content in zip(wanted, _contents(odb.fs, paths), strict=True):
        try:
            one = records.read(content, key, value)
            records.fit(one, known)
        except records.Unfit as reason:
            left[key, value] = str(reason)
        else:
            (inbox / value).write_bytes(content)
            good.append(one)
    return good, left


def _contents(fs: Any, paths: list[str]) -> Iterator[bytes]:
    """What files begin with, in order: a byte more than is taken in of any; empty where there is no such file."""

    def content(path: str) -> bytes:
        # A pipe in a folder would never end.
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


def _take_in(repo: Repo, inbox: Path, one: Record) -> None:
    """Make a record one of this clone's."""
    cache = repo.cache.legacy
    target = cache.fs.join(cache.path, "runs", one.key[:2], one.key, one.value)
    cache.makedirs(cache.fs.parent(target))
    # Of several DVC takes the newest: this clone's own, or else the same one in every clone.
    os.utime(inbox / one.value, (int(one.value[:7], 16),) * 2)
    cache.move(str(inbox / one.value), target)


def _here(repo: Repo) -> tuple[list[Record], dict[tuple[str, str], str]]:
    """Records of this clone, and why each one that is removed is no good: DVC would believe or stumble over it.

    Folders that hold none go as well: a kill may leave one.
    """
    good, bad = [], {}
    for folder in sorted(Path(repo.stage_cache.cache_dir).glob("*/*")):
        for path in sorted(folder.iterdir()):
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


def _name_each(why: Mapping[tuple[str, str], str], what: str) -> None:
    """Say what became of records, a line for each reason; one is called by the start of its path in `runs/`."""
    names: dict[str, list[str]] = {}
    for (key, value), reason in sorted(why.items()):
        names.setdefault(reason, []).append(f"{ascii(key[:10])[1:-1]}/{ascii(value[:10])[1:-1]}")
    for reason, found in itertools.islice(names.items(), _SHOWN):
        more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        say(f"{len(found)} records {what}: {reason}: {', '.join(found[:_SHOWN])}{more}")
    if len(names) > _SHOWN:
        say(f"{sum(map(len, list(names.values())[_SHOWN:]))} records more {what}")


def _named(repo: Repo, *, push: bool = False, only: str | None = None) -> dict[str, HashInfo]:
    """Files and folders that the workspace, all branches, tags and experiments name, by hash.

    Args:
        repo: the repository.
        push: leave out what its stage says not to push.
        only: of the revisions the workspace and this experiment alone.
    """
    from dvc.exceptions import DvcException
    from dvc.repo.experiments.utils import resolve_name

    revisions: dict[str, Any] = {"all_branches": True, "all_tags": True, "all_experiments": True}
    if only is not None:
        ref = resolve_name(repo.scm, only)[only]
        if ref is None:
            raise UserError(f"no experiment {only!r} here or on the git remote; `dvc exp list --all-commits` names them")  # fmt: skip
        revisions = {"revs": [repo.scm.get_ref(str(ref))]}
    found = {}
    for revision in repo.brancher(**revisions):
        try:
            outs = repo.index.outs
        except DvcException as error:
            if revision == "workspace":
                raise
            say(f"{ascii(revision)[1:-1]}: left out, as its pipeline cannot be read ({ascii(str(error))[1:80]})")
            continue
        for out in outs:
            oid = str(out.hash_info.value)
            # A commit's dvc.lock may say anything; a hash becomes a path of the cache.
            if out.use_cache and records.MD5.fullmatch(oid) and not out.stage.is_repo_import and (out.can_push or not push):  # fmt: skip
                found[oid] = _info(oid, str(out))
    return found


def _sound(repo: Repo, unfit: Mapping[str, str], named: Iterable[HashInfo]) -> None:
    """Refuse to go on with a folder whose list in this clone's own cache is damaged.

    Raises:
        UserError: there is one; it is named.
    """
    for one in named:
        oid = str(one.value)
        if oid in unfit and _has(repo.cache.local, one):
            raise UserError(f"{_name(one)}: damaged in DVC's cache{_why(unfit[oid])}; run `python -m stages.share check`, then `dvc repro`")  # fmt: skip


def _why(reason: str) -> str:
    return "" if reason == records.DAMAGED else f" ({reason})"


def _outs(found: Iterable[Record]) -> list[HashInfo]:
    """Files and folders that records name."""
    return [_info(oid, path) for one in found for path, oid in one.outs.items()]


def _folders(objects: Iterable[HashInfo]) -> dict[str, str]:
    """Hash -> path of those that are folders."""
    return {str(one.value): _name(one) for one in objects if one.isdir}


def _lists(repo: Repo, remote: Any, oids: Collection[str]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Files of each folder, and why some folders are not taken in; what this clone lacks comes from the remote.

    DVC writes whatever a list names: none is in the cache before it is read here.
    """
    cache = repo.cache.local
    lists, unfit = {}, {}
    here = sorted(oid for oid in oids if Path(cache.oid_to_path(oid)).exists())
    away = sorted(set(oids) - set(here)) if remote else []
    for odb, some in ((cache, here), (remote and remote.odb, away)):
        found = _contents(odb.fs, [odb.oid_to_path(oid) for oid in some]) if some else iter(())
        for oid, content in zip(some, found, strict=True):
            if not content and odb is not cache:
                continue
            try:
                lists[oid] = records.files(content, oid)
            except records.Unfit as reason:
                unfit[oid] = str(reason)
            else:
                if odb is not cache:
                    with tempfile.TemporaryDirectory() as folder:
                        (Path(folder) / oid).write_bytes(content)
                        cache.add(str(Path(folder) / oid), cache.fs, oid)
    return lists, unfit


def _objects(named: Iterable[HashInfo], lists: Mapping[str, Mapping[str, str]]) -> set[HashInfo]:
    """Files, folders whose list is known, and the files of these."""
    found = {one for one in named if not one.isdir or one.value in lists}
    within = {_info(oid, f"{_name(one)}/{path}") for one in found for path, oid in lists.get(str(one.value), {}).items()}  # fmt: skip
    return found | within


def _complete(one: Record, lists: Mapping[str, Mapping[str, str]]) -> bool:
    """Whether the files of every folder that a record names are known."""
    return all(oid in lists for oid in one.outs.values() if oid.endswith(".dir"))


def _needs(one: Record, lists: Mapping[str, Mapping[str, str]]) -> set[str]:
    """Hashes of everything that a record names."""
    return {*one.outs.values(), *(oid for folder in one.outs.values() for oid in lists.get(folder, {}).values())}


def _info(oid: str, name: str) -> HashInfo:

    return HashInfo("md5", oid, obj_name=name)


def _absent(repo: Repo, objects: set[HashInfo], remote: Any) -> tuple[set[HashInfo], set[HashInfo]]:
    """What is here and not on the remote, and what is on neither."""
    with _transfer(f"remote {remote.name!r} ({remote.path})", "push"):
        status = repo.cloud.status(objects, odb=remote.odb)
    if status.missing:
        say(f"{len(status.missing)} files are neither here nor on the remote, such as {_name(min(status.missing, key=_name))}")  # fmt: skip
    return set(status.new), set(status.missing)


def _whole(repo: Repo, objects: set[HashInfo]) -> set[HashInfo]:
    """The objects themselves, hashed.

    Raises:
        UserError: one is damaged; nothing damaged leaves this clone.
    """
    for one in track(sorted(objects, key=_name), len(objects), "check", unit="files"):
        if not _intact(repo.cache.local, str(one.value)):
            raise UserError(f"{_name(one)}: damaged in DVC's cache; run `python -m stages.share check`, then `dvc repro`")  # fmt: skip
    return objects


def _intact(cache: HashFileDB, oid: str) -> bool:
    """Whether a file of the cache has the content that its name says; DVC itself trusts what is read-only."""

    return file_md5(cache.oid_to_path(oid), cache.fs) == oid.split(".")[0]


def _has(cache: HashFileDB, one: HashInfo) -> bool:
    return Path(cache.oid_to_path(str(one.value))).exists()


def _name(one: HashInfo) -> str:
    return str(one.obj_name or one.value)


def _workspace_links(repo: Repo, oids: list[str]) -> list[Path]:
    """Files of the workspace that are links to these files of the cache."""
    damaged = {_inode(Path(repo.cache.local.oid_to_path(oid))) for oid in oids}
    found = []
    for out in repo.index.outs:
        root = Path(out.fs_path)
        for path in [root, *root.rglob("*")] if damaged and out.use_cache and root.exists() else []:
            if path.is_file() and _inode(path) in damaged:
                found.append(path.relative_to(repo.root_dir))
    return sorted(found)


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _checkout(repo: Repo) -> None:
    """Bring the workspace's files to what dvc.lock says.

    Raises:
        UserError: some are not on the remote, a changed file would be lost, or a link leads out of the repository.
    """
    from dvc.exceptions import CheckoutError

    root = Path(repo.root_dir)
    for out in repo.index.outs:
        # A file may be a link into the cache, a folder holds such links.
        folder = Path(out.fs_path) if out.is_dir_checksum else Path(out.fs_path).parent
        if not folder.resolve().is_relative_to(root.resolve()):
            raise UserError(f"{folder.relative_to(root)}: a link leads out of the repository, where nothing may be written; make it a folder")  # fmt: skip
    try:
        stats = repo.checkout()["stats"]
    except CheckoutError as error:
        raise UserError(f"not on the remote: {', '.join(sorted(error.target_infos)[:5])}; who computed it runs `make share`, or `dvc repro` computes it here") from None  # fmt: skip
    say(f"workspace: {stats['added']} files added, {stats['modified']} changed, {stats['deleted']} removed")


def _exchange_experiments(repo: Repo, command: str, name: str | None = None) -> None:
    """Push or pull the git references of experiments, where there is a git remote."""
    from dvc.repo.experiments.utils import exp_refs

    remotes = list(repo.scm.pygit2.repo.remotes.names())
    if not remotes:
        say("no git remote: experiments stay in this clone, past runs are shared all the same")
        return
    git = "origin" if "origin" in remotes else remotes[0]
    with _transfer(f"git remote {git!r}", command):
        known = [ref.name for ref in exp_refs(repo.scm, git if command == "pull" else None)]
        if known and (name is None or name in known):
            exchange = repo.experiments.push if command == "push" else repo.experiments.pull
            exchanged = exchange(git, all_commits=name is None, exp_names=name)
            if command == "pull":
                _look_at(repo, set(exchanged))
        say(f"{git}: {len(known)} experiments")


def _look_at(repo: Repo, names: Collection[str]) -> None:
    """Name the experiments that bring more than parameters and results: who applies one and runs it runs that.

    One whose YAML nobody would write is not kept: DVC reads that of every experiment.
    """
    from dvc.repo.experiments.utils import exp_refs

    from patent_embeddings.grid.experiments import git

    for ref in [ref for ref in exp_refs(repo.scm) if ref.name in names]:
        base, commit = ref.baseline_sha, repo.scm.get_ref(str(ref))
        try:
            public = git("for-each-ref", "--count=1", "--contains", base, "refs/heads", "refs/remotes", "refs/tags")
            fields = git("diff", "--raw", "--no-renames", "-z", base, commit).split("\0")
        except UserError:  # it is not even here
            public, fields = "", []
        changes = [(change, path) for change, path in itertools.pairwise(fields) if change.startswith(":")]
        changed, path = {path for _, path in changes}, "names of its files"
        try:
            for path in git("ls-tree", "-r", "-z", "--name-only", commit).split("\0"):
                if path.endswith((".yaml", ".lock", ".dvc")) and (not public or path in changed):
                    records.plain(git("show", f"{commit}:{path}"))
        except (records.Unfit, UserError) as reason:
            say(f"experiment {ref.name}: {ascii(path)[1:-1]}: {reason}; left out")
            repo.scm.remove_ref(str(ref))
            continue
        more = [path for change, path in changes if not _result(change, path)]
        if not public:
            say(f"experiment {ref.name}: begins at a commit of no branch or tag; look at it before `dvc exp apply`: `git log -p {commit[:12]}`")  # fmt: skip
        elif more:
            others = f" and {len(more) - 1} files more" if len(more) > 1 else ""
            say(f"experiment {ref.name}: changes {ascii(more[0])[1:-1]}{others}; look at it before `dvc exp apply`: `git diff {base[:12]} {commit[:12]}`")  # fmt: skip


def _result(change: str, path: str) -> bool:
    """Whether a change of git's raw format is that of a parameter or a result, and no link to somewhere else."""
    plain = change.split()[1] in ("100644", "000000")
    return plain and (path in (str(layout.PARAMS), str(layout.LOCK)) or path.startswith(f"{layout.REPORTS}/"))
