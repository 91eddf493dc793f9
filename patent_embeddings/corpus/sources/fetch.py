"""Downloads: pinned by sha256, kept in the user's cache, continued where they broke off.

Pooch pins, but continues nothing, sets no limit to an answer, and logs the password of an address.
"""

from __future__ import annotations

import math
import shutil
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from filelock import FileLock

from patent_embeddings.core import files, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.limits import TooMuch
from patent_embeddings.core.progress import say, track
from patent_embeddings.corpus.sources.web import CHUNK, FAULTS, body, get, length, reason, shown

LARGEST = 1 << 30  # bytes of a file; those that are fetched here have tens of MiB
ATTEMPTS = 3


def place(sha256: str) -> Path:
    """Where the file of this hash lies, or would lie."""
    return layout.scratch() / "downloads" / sha256[:16]


def downloaded(sha256: str) -> Path | None:
    """The file of this hash if it was downloaded before; a damaged one is named and deleted."""
    path = place(sha256)
    if not path.is_file():
        return None
    if files.sha256(path) == sha256:
        return path
    say(f"{path}: damaged, downloading it again")
    path.unlink()
    return None


def fetch(url: str, sha256: str, label: str, mend: str = "check the network", certificate: str | None = None) -> Path:
    """Download a file unless it was downloaded before.

    Args:
        url: http, https or file URL; a user and password in it are used, never shown.
        sha256: hex hash that the file must have.
        label: what is being downloaded, for progress and errors.
        mend: what the user can do where the URL cannot be reached.
        certificate: bundle of certificates to trust in place of the default.

    Raises:
        UserError: unreachable, broken off too often (a later call continues), or the hash differs.
    """
    target = place(sha256)
    partial = target.with_name(f"{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{target}.lock"):
            if found := downloaded(sha256):
                return found
            resumed = _download(url, partial, label, mend, certificate)
            if resumed and files.sha256(partial) != sha256:
                # What was there before may have come from another version of the file.
                partial.unlink()
                _download(url, partial, label, mend, certificate)
            if (came := files.sha256(partial)) != sha256:
                partial.unlink()
                said = f"{shown(url)} has sha256 {came[:16]}..., expected {sha256[:16]}..."
                raise UserError(f"{label}: {said}; the source changed or the mirror is wrong, so it is not used")
            return partial.replace(target)
    except OSError as error:
        mend = "free space or set XDG_CACHE_HOME to another folder"
        raise UserError(f"{target}: cannot write ({error.strerror or error}); {mend}") from None


def _download(url: str, partial: Path, label: str, mend: str, certificate: str | None) -> bool:
    """Fill `partial`; whether a part of it was there before."""
    resumed = False
    for attempt in range(1, ATTEMPTS + 1):
        have = partial.stat().st_size if partial.exists() else 0
        resumed |= have > 0
        try:
            _receive(url, partial, have, label, certificate)
            return resumed
        except TooMuch as error:
            partial.unlink(missing_ok=True)
            raise UserError(
                f"{label}: {error}; it is not the file that was pinned, so it is not kept; {mend}"
            ) from None
        except FAULTS as error:
            answer = getattr(error, "response", None)
            if attempt == ATTEMPTS or (answer is not None and answer.status_code < 500):
                size = partial.stat().st_size if partial.exists() else None
                kept = "" if size is None else f"; {size:,} bytes are kept, the next run continues"
                raise UserError(f"{label}: cannot download {shown(url)} ({reason(error)}){kept}; {mend}") from None
    return resumed


def _receive(url: str, partial: Path, have: int, label: str, certificate: str | None) -> None:
    if url.startswith("file:"):
        source = Path(url2pathname(urlsplit(url).path))
        if not source.is_file():
            raise UserError(f"{label}: {source} is no file; correct the index or mirror that names it")
        if source.stat().st_size > LARGEST:
            raise TooMuch(f"{source} has more than {LARGEST:,} bytes")
        shutil.copyfile(source, partial)
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get(url, headers, certificate) as response:
        if have and response.status_code == 416:  # nothing is missing; the hash will tell
            return
        response.raise_for_status()
        continued = response.status_code == 206
        # The bytes as sent: a server that marks an archive as compressed content must not have it unpacked.
        pieces = body(response, LARGEST - (have if continued else 0), shown(url), decoded=False)
        with partial.open("ab" if continued else "wb") as handle:
            for piece in track(pieces, math.ceil(length(response) / CHUNK), label, unit="MiB"):
                handle.write(piece)
