"""Open the repository with DVC, see what changed, find the default remote, and make failed transfers UserErrors."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException, NoOutputOrStageError, NotDvcRepoError
from dvc.fs import HTTPFileSystem, LocalFileSystem
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc.stage.exceptions import StageNotFound
from dvc_objects.fs.errors import RemoteMissingDepsError

from patent_embeddings.core.errors import UserError

_GONE = ("deleted", "not in cache")  # no change: reading such a file fails with its own message
_PATIENCE = 60.0  # seconds to wait for other commands in this clone, such as a search of another landscape


@contextmanager
def unlocked() -> Iterator[Repo]:
    """The repository of the current folder. Raises UserError where there is none, or DVC fails."""
    try:
        with Repo() as repo:
            yield repo
    except DvcException as error:
        said = " ".join(str(error).split())
        outside = isinstance(error, NotDvcRepoError) or said.endswith("is not a git repository")
        mend = "; run this at the root of a clone that `git clone` made" if outside else ""
        raise UserError(f"{said}{mend}") from None


@contextmanager
def opened(patience: float = 0.0) -> Iterator[Repo]:
    """The repository, locked against other DVC commands.

    Raises UserError where another command holds the lock for more than `patience` seconds, or as `unlocked`.
    """
    # DVC warns at length of every commit that lacks the outputs of a stage.
    logging.getLogger("dvc").setLevel(logging.ERROR)
    until = time.monotonic() + patience
    with unlocked() as repo, ExitStack() as stack:
        while True:  # each try takes seconds
            try:
                stack.enter_context(lock_repo(repo))
                break
            except LockError:
                if time.monotonic() >= until:
                    why = "another DVC command is at work in this clone"
                    raise UserError(f"{why}; wait for it and try again") from None
        yield repo


def changes(stages: tuple[str, ...]) -> dict[str, list[str]] | None:
    """Changes, in words, of some stages and of those that they depend on; None where there is no such stage.

    Raises UserError where DVC fails, or another command holds the lock.
    """
    with opened(_PATIENCE) as repo:
        try:
            needed = {one.addressing for stage in stages for one in repo.stage.collect(stage, with_deps=True)}
            status = repo.status(targets=list(stages), with_deps=True)
        except (NoOutputOrStageError, StageNotFound):
            return None
    return {stage: list(_changed(stage, status.get(stage, []))) for stage in sorted(needed)}


def _changed(stage: str, said: list[Any]) -> Iterator[str]:
    """Changes of a stage's command, dependencies and outputs in words; `said` is DVC's status of the stage."""
    for one in said:
        if not isinstance(one, Mapping):
            yield f"{one} of stage {stage}"
            continue
        for paths in one.values():
            yield from (f"{path} is {what}" for path, what in sorted(paths.items()) if what not in _GONE)


def default_remote(repo: Repo, command: str) -> Any:
    """The default remote.

    Raises UserError where none is set, its library is lacking, it cannot hold past runs, or there is no folder to pull
    from.
    """
    try:
        remote = repo.cloud.get_remote(command=command)
    except NoRemoteError:
        mend = "`dvc remote add -d NAME URL` sets one, docs/sharing.md has a line for each kind"
        raise UserError(f"no default remote; {mend}") from None
    except RemoteMissingDepsError as error:
        install = f"`pip install -c constraints.txt -e '.[{error.protocol}]'`"
        raise UserError(f"{error.url}: its library is not installed; {install}") from None
    if isinstance(remote.fs, HTTPFileSystem) or remote.worktree or remote.fs.version_aware:
        raise UserError(f"{called(remote)}: holds no past runs; use a folder, SSH or S3 without `version_aware`")
    if command == "pull" and isinstance(remote.fs, LocalFileSystem) and not Path(remote.path).is_dir():
        raise UserError(f"{called(remote)}: no such folder; mount it, or run `make share` where something is computed")
    return remote


def called(remote: Any) -> str:
    """Name of a remote in messages."""
    return f"remote {remote.name!r} ({remote.path})"


@contextmanager
def transfer(where: str, command: str) -> Iterator[None]:
    """Turn any failure of a transfer to or from a remote into a UserError of one line."""
    said = _Said()
    loggers = [logging.getLogger(name) for name in ("dvc", "dvc_data", "dvc_objects")]
    for logger in loggers:
        logger.addHandler(said)
        logger.propagate = False
    again = f"`python -m stages.share {command}` goes on where it stopped"
    try:
        yield
    except UserError as error:
        raise UserError(f"{where}: {error} ({_reason(error.__cause__ or said.first)}); {again}") from None
    except Exception as error:  # each kind of remote has its own library and errors
        raise UserError(f"{where}: {_reason(error)}; {again}") from error
    finally:
        for logger in loggers:
            logger.removeHandler(said)
            logger.propagate = True


class _Said(logging.Handler):
    """Keeps the first exception that DVC logs during a transfer."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.first: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        if self.first is None and record.exc_info:
            self.first = record.exc_info[1]


def _reason(error: BaseException | None) -> str:
    return f"{type(error).__name__}: {error}"[:300] if error else "no reason given"
