"""Open the repository with DVC, find its default remote, and turn errors of transfers into UserErrors."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from dvc.config import NoRemoteError
from dvc.exceptions import DvcException
from dvc.fs import HTTPFileSystem
from dvc.lock import LockError
from dvc.repo import Repo, lock_repo
from dvc_objects.fs.errors import RemoteMissingDepsError

from patent_embeddings.core.errors import UserError


@contextmanager
def opened(patience: float = 0.0) -> Iterator[Repo]:
    """The repository of the current folder, locked against other DVC commands.

    Raises UserError where another command holds the lock for more than `patience` seconds, or DVC fails.
    """
    # DVC warns at length of every commit that lacks the outputs of a stage.
    logging.getLogger("dvc").setLevel(logging.ERROR)
    try:
        with Repo() as repo, ExitStack() as stack:
            _lock(repo, stack, time.monotonic() + patience)
            yield repo
    except LockError:
        raise UserError("another DVC command is at work in this clone; wait for it and try again") from None
    except DvcException as error:
        raise UserError(str(error)) from None


def _lock(repo: Repo, stack: ExitStack, until: float) -> None:
    """Lock the repository until the stack closes, trying again until `until`; each try takes seconds."""
    while True:
        try:
            stack.enter_context(lock_repo(repo))
        except LockError:
            if time.monotonic() >= until:
                raise
        else:
            return


def default_remote(repo: Repo, command: str) -> Any:
    """The default remote. Raises UserError where none is set, its library is lacking, or it cannot hold past runs."""
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
        raise UserError(f"{where}: {error} ({_reason(said.first)}); {again}") from None
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
