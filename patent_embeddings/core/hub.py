"""Download a pinned revision from the Hugging Face hub into its cache, and verify every file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from patent_embeddings.core.errors import UserError, user_message
from patent_embeddings.core.files import sha256
from patent_embeddings.core.limits import limited, stated

Kind = Literal["model", "dataset"]

UNSTATED = 64 << 20  # most bytes of an answer without a stated length: lists, and small compressed files


def download(
    repository: str,
    revision: str,
    kind: Kind,
    patterns: Sequence[str],
    *,
    skip: Sequence[str] = (),
    pins: dict[str, str] | None = None,
    needs: Sequence[str] = (),
    retry: str,
) -> Path:
    """Download files of one commit into the hub's cache and return the folder; partial downloads are resumed.

    Args:
        repository: hub id.
        revision: full commit.
        kind: of the repository.
        patterns: glob patterns of the files.
        skip: glob patterns of files to leave out.
        needs: patterns that must match a file, or the cached folder is incomplete.
        pins: path -> sha256 of files pinned in the registry.
        retry: command that tries again, for the messages.

    Raises:
        UserError: the hub is unreachable or gives no valid answer, does not know the repository or revision, requires
            the user to accept terms, or a file differs from its checksum (it is then removed).
    """
    # Imported here, as commands that only list models import this module.
    from huggingface_hub import errors, snapshot_download

    files = {"allow_patterns": list(patterns), "ignore_patterns": list(skip)}
    with _asked(repository, kind, revision, retry):
        try:
            folder = snapshot_download(repository, repo_type=kind, revision=revision, local_files_only=True, **files)
            if not all(any(Path(folder).glob(pattern)) for pattern in needs):  # another program downloaded a part
                raise errors.LocalEntryNotFoundError("incomplete")
        except errors.LocalEntryNotFoundError:
            _reached()
            folder = snapshot_download(repository, repo_type=kind, revision=revision, **files)
    if name := _changed(Path(folder), pins or {}):
        (Path(folder) / name).resolve().unlink()
        (Path(folder) / name).unlink(missing_ok=True)
        raise UserError(
            f"{repository}: {name} is not the file that was pinned (its checksum differs); it was removed, "
            f"run `{retry}`, and if it differs again, do not use it"
        )
    return Path(folder)


@dataclass(frozen=True)
class File:
    """A file of a commit."""

    id: str  # git's id of the content, or of the pointer to a large file
    size: int  # bytes
    sha256: str | None  # of a large file; None: not known


def newest(repository: str, kind: Kind, *, retry: str) -> str:
    """The full commit at the head of a repository's main branch. Raises UserError as `download`."""
    from huggingface_hub import HfApi

    with _asked(repository, kind, "main", retry):
        _reached()
        return str(HfApi().repo_info(repository, repo_type=kind, revision="main", timeout=60).sha)


def listing(repository: str, revision: str, kind: Kind, *, retry: str) -> dict[str, File]:
    """The files of a commit by path. Raises UserError as `download`."""
    from huggingface_hub import HfApi, RepoFile

    with _asked(repository, kind, revision, retry):
        _reached()
        found = HfApi().list_repo_tree(repository, repo_type=kind, revision=revision, recursive=True)
        files = [one for one in found if isinstance(one, RepoFile)]
    return {one.path: File(one.blob_id, one.size, one.lfs.sha256 if one.lfs else None) for one in files}


@contextmanager
def _asked(repository: str, kind: Kind, revision: str, retry: str) -> Iterator[None]:
    """Turn any failure of a request to the hub into a UserError of one line; see `download`."""
    from huggingface_hub import constants, errors

    page = f"{constants.ENDPOINT}/{'datasets/' if kind == 'dataset' else ''}{repository}"
    try:
        yield
    except errors.GatedRepoError:
        said = f"its owners want you to accept their terms: do so at {page}, run `hf auth login`, then `{retry}`"
        raise UserError(f"{repository}: {said}") from None
    except errors.RepositoryNotFoundError:
        said = f"the hub shows no such {kind} to you; see {page}, run `hf auth login` if it is private, then `{retry}`"
        raise UserError(f"{repository}: {said}") from None
    except errors.RevisionNotFoundError:
        raise UserError(f"{repository}: no revision {revision} at {page}; mend `revision` in its entry") from None
    except Exception as error:  # invalid answers raise errors of any type
        if user_message(error) is not None:
            raise
        said = f"could not be read from {page} ({_reason(error)}); connect, then run `{retry}`"
        raise UserError(f"{repository}: {said}") from None


def _reached() -> None:
    """Send one request to the hub without the client's five retries, so that being offline is reported at once."""
    from huggingface_hub import constants, get_session

    _limit(get_session())
    get_session().head(constants.ENDPOINT, timeout=10)


def _limit(session: Any) -> None:
    """Limit the size and duration of answers to the hub's client."""
    from httpx2 import SyncByteStream  # the client's own library

    class Limited(SyncByteStream):
        def __init__(self, stream: Any, most: int) -> None:
            self.stream, self.most = stream, most

        def __iter__(self) -> Iterator[bytes]:
            return limited(self.stream, self.most, "an answer")

        def close(self) -> None:
            self.stream.close()

    def limit(response: Any) -> None:
        size = stated(response.headers.get("Content-Length", ""))
        response.stream = Limited(response.stream, UNSTATED if size is None else size)

    hooks = session.event_hooks
    if not any(hook.__name__ == limit.__name__ for hook in hooks["response"]):
        session.event_hooks = {**hooks, "response": [*hooks["response"], limit]}


def _changed(folder: Path, pins: dict[str, str]) -> str | None:
    """The first file that differs from its checksum in the commit or in the registry, or None.

    The cache names each blob by the commit's checksum: sha256 of a large file, git's id of a small one.
    """
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        name, blob = path.relative_to(folder).as_posix(), path.resolve()
        right = name not in pins or sha256(blob) == pins[name]
        if path.is_symlink():
            right = right and blob.name == (sha256(blob) if len(blob.name) == 64 else _git_id(blob.read_bytes()))
        if not right:
            return name
    return None


def _git_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _reason(error: BaseException) -> str:
    """The root cause of a chain of errors, in a few words."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else 'no detail'}"[:120]
