"""Share what this clone has computed, and restore what others have: workspace, experiments and past runs.

DVC's own push sends the records of past runs (the run cache) without the objects that they name;
here both go, objects first, so that a record on the remote never names what is not there.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stages.errors import UserError, run
from stages.progress import say, track

if TYPE_CHECKING:
    from dvc.repo import Repo
    from dvc_data.hashfile.db import HashFileDB
    from dvc_data.hashfile.hash_info import HashInfo

app = typer.Typer(add_completion=False, no_args_is_help=True)

RECORD = re.compile(r"runs/[0-9a-f]{2}/([0-9a-f]{64})/([0-9a-f]{64})")


@app.command()
def push() -> None:
    """Push results, experiments and past runs, with everything that they name, to the default remote."""
    with _repository() as repo:
        remote = _remote(repo, "push")
        records = sorted(_records(repo.cache.legacy))
        objects = _objects(repo, records, push=True)
        whole = _whole(repo, _absent(repo, objects, remote))
        with _transfer(f"remote {remote.name!r} ({remote.path})", "push"):
            result = repo.cloud.push(whole)
            if result.failed:
                raise UserError(f"{len(result.failed)} of {len(whole)} files are not sent")
            sent = _send(repo.cache.legacy, remote.legacy_odb, records)
        say(f"{remote.name}: {len(whole)} files and {sent} records of past runs sent; {len(objects)} files in all")
        _exchange_experiments(repo, "push")


@app.command()
def pull(experiment: Annotated[str | None, typer.Argument(help="Fetch this experiment only.")] = None) -> None:
    """Pull what others computed: past runs, experiments, and the workspace's files; nothing is run again."""
    with _repository() as repo:
        remote = _remote(repo, "pull")
        _exchange_experiments(repo, "pull", experiment)
        with _transfer(f"remote {remote.name!r} ({remote.path})", "pull"):
            records = sorted(_records(remote.legacy_odb)) if experiment is None else []
            received = _send(remote.legacy_odb, repo.cache.legacy, records)
            damaged = _drop_damaged_records(repo)
            objects = _objects(repo, records, only=experiment)
            remote.odb.verify = True
            result = repo.cloud.pull(objects, odb=remote.odb)
            if result.failed:
                raise UserError(f"{len(result.failed)} of {len(objects)} files are not here yet")
        gone = sorted({_name(one) for one in result.transferred if not _has(repo.cache.local, one)})
        if gone or damaged:
            raise UserError(
                f"remote {remote.name!r}: holds damaged files ({', '.join(gone[:5]) or f'{damaged} records of runs'}); they are not kept; "
                "delete them there and `make share` from a clone that has them whole"
            )
        say(f"{remote.name}: {len(result.transferred)} files and {received} records of past runs received")
        if experiment is None:
            _checkout(repo)
        else:
            say(f"`dvc exp apply {experiment}` brings it into the workspace")


@app.command()
def check() -> None:
    """Hash every file of DVC's cache; drop damaged ones, and what is linked to them, so that they are made again."""
    with _repository() as repo:
        cache = repo.cache.local
        known = {one.value: _name(one) for one in _objects(repo, sorted(_records(repo.cache.legacy)))}
        oids = sorted(cache.all())
        bad = [oid for oid in track(oids, len(oids), "check", unit="files") if not _intact(cache, oid)]
        broken = _drop_damaged_records(repo)
        for oid in bad:
            say(f"{known.get(oid, 'a file of the past')}: damaged in the cache ({cache.oid_to_path(oid)}), removed")
        links = _workspace_links(repo, bad)
        for oid in bad:
            Path(cache.oid_to_path(oid)).unlink()
        for path in links:
            say(f"{path}: the same file, removed")
            path.unlink()
        if bad or broken or links:
            raise UserError(f"{len(bad)} damaged files and {broken} damaged records of runs removed; `make restore` brings whole ones, `dvc repro` computes them again")  # fmt: skip
        say(f"{len(oids)} files are whole")


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
    from dvc_objects.fs.errors import RemoteMissingDepsError

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


def _send(source: HashFileDB, target: HashFileDB, records: list[tuple[str, str]]) -> int:
    """Copy the records that the target lacks; their number."""
    from dvc_objects.fs.generic import copy

    lacking = sorted(set(records) - _records(target))
    paths = [[odb.fs.join(odb.path, "runs", key[:2], key, value) for key, value in lacking] for odb in (source, target)]
    if lacking:
        for folder in sorted({target.fs.parent(path) for path in paths[1]}):
            target.fs.makedirs(folder, exist_ok=True)
        copy(source.fs, paths[0], target.fs, paths[1])
    return len(lacking)


def _drop_damaged_records(repo: Repo) -> int:
    """Remove records of this clone whose content is not what their name says; their number.

    Folders that hold none go as well: a kill may leave one, and DVC stumbles over it.
    """
    from dvc.stage.cache import _get_cache_hash
    from dvc.utils.serialize import YAMLFileCorruptedError, load_yaml

    damaged = 0
    for folder in sorted(Path(repo.stage_cache.cache_dir).glob("*/*")):
        for path in sorted(folder.iterdir()):
            try:
                whole = _get_cache_hash(load_yaml(path)) == path.name
            except (YAMLFileCorruptedError, AttributeError, TypeError, UnicodeDecodeError):
                whole = False
            if not whole:
                path.unlink()
                damaged += 1
        if not any(folder.iterdir()):
            folder.rmdir()
    return damaged


def _objects(
    repo: Repo, records: Iterable[tuple[str, str]], *, push: bool = False, only: str | None = None
) -> set[HashInfo]:
    """Files and folders that the workspace, all branches, tags and experiments, and the records name.

    Args:
        repo: the repository.
        records: past runs.
        push: leave out what its stage says not to push.
        only: of the revisions the workspace and this experiment alone.
    """
    from dvc.exceptions import CollectCacheError
    from dvc.repo.experiments.utils import resolve_name

    if only is None:
        used = repo.used_objs(all_branches=True, all_tags=True, all_experiments=True, push=push, skip_failed=True)
    else:
        ref = resolve_name(repo.scm, only)[only]
        if ref is None:
            raise UserError(f"no experiment {only!r} here or on the git remote; `dvc exp list --all-commits` names them")  # fmt: skip
        used = repo.used_objs(revs=[repo.scm.get_ref(str(ref))], push=push)
    found = {one for objects in used.values() for one in objects}
    for record in records:
        try:
            for objects in repo.stage_cache.get_used_objs([record]).values():
                found |= objects
        except CollectCacheError:  # its list of files is neither here nor on the remote
            continue
    return found


def _absent(repo: Repo, objects: set[HashInfo], remote: Any) -> set[HashInfo]:
    """What is here and not on the remote."""
    with _transfer(f"remote {remote.name!r} ({remote.path})", "push"):
        status = repo.cloud.status(objects, odb=remote.odb)
    if status.missing:
        say(f"{len(status.missing)} files are neither here nor on the remote, such as {_name(min(status.missing, key=_name))}")  # fmt: skip
    return set(status.new)


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
    from dvc_data.hashfile.hash import file_md5

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
        UserError: some are not on the remote, or a changed file would be lost.
    """
    from dvc.exceptions import CheckoutError

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
            exchange(git, all_commits=name is None, exp_names=name)
        say(f"{git}: {len(known)} experiments")


if __name__ == "__main__":
    run(app)
