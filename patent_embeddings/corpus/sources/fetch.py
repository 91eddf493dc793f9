"""Downloads: pinned by sha256, kept in the user's cache, continued where they broke off."""

from __future__ import annotations

import math
import queue
import re
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3
from filelock import FileLock

from patent_embeddings.core import files, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 20
TIMEOUT = (20, 60)  # seconds to connect, and without a byte
ANSWER = 90  # seconds until an answer begins, redirects included
SLOWEST = 1 << 10  # bytes a second, on average; less is no download
GRACE = 30  # seconds after which that counts
LARGEST = 1 << 30  # bytes of a file; those that are fetched here have tens of MiB
ATTEMPTS = 3


class TooMuch(Exception):
    """An answer is larger than what was asked for can be."""


def held(sha256: str) -> Path | None:
    """The file of this hash if it was downloaded before; a damaged one is named and deleted."""
    path = place(sha256)
    if not path.is_file():
        return None
    if files.sha256(path) == sha256:
        return path
    say(f"{path}: damaged, downloading it again")
    path.unlink()
    return None


def place(sha256: str) -> Path:
    """Where the file of this hash lies, or would lie."""
    return layout.scratch() / "downloads" / sha256[:16]


def fetch(url: str, sha256: str, label: str, mend: str = "check the network", certificate: str | None = None) -> Path:
    """Download a file unless it is held already.

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
            if found := held(sha256):
                return found
            resumed = _download(url, partial, label, mend, certificate)
            if resumed and files.sha256(partial) != sha256:
                # What was there before may have come from another version of the file.
                partial.unlink()
                _download(url, partial, label, mend, certificate)
            found_hash = files.sha256(partial)
            if found_hash != sha256:
                partial.unlink()
                raise UserError(f"{label}: {shown(url)} has sha256 {found_hash[:16]}..., expected {sha256[:16]}...; "
                                "the source changed or the mirror is wrong, so it is not used")  # fmt: skip
            return partial.replace(target)
    except OSError as error:
        raise UserError(f"{target}: cannot write ({error.strerror or error}); free space or set XDG_CACHE_HOME to another folder") from None  # fmt: skip


def get(url: str, headers: dict[str, str], certificate: str | None = None) -> requests.Response:
    """Answer of an HTTP server, its body unread; `certificate` is a bundle to trust in place of the default.

    Raises what requests raises.
    """

    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=headers, stream=True, timeout=TIMEOUT, verify=certificate or True))
        except Exception as error:
            answers.put(error)

    # In a thread, as the library's own limit begins anew with every byte of a header.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER)
    except queue.Empty:
        raise requests.Timeout from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def body(response: requests.Response, largest: int, *, decoded: bool) -> Iterator[bytes]:
    """Bytes of an answer in pieces of at least a MiB, as sent or, where it is compressed, decoded.

    Raises:
        TooMuch: there are more than `largest`.
        requests.Timeout: they come too slowly.
    """

    began, size, held = time.monotonic(), 0, bytearray()
    if stated(response) > largest:
        raise TooMuch(f"has {stated(response):,} bytes by its own account, more than {largest:,}")
    try:
        while piece := response.raw.read1(CHUNK, decode_content=decoded):
            size += len(piece)
            held += piece
            if size > largest:
                raise TooMuch(f"does not end after {largest:,} bytes")
            if (passed := time.monotonic() - began) > GRACE and size < SLOWEST * passed:
                raise requests.Timeout
            if len(held) >= CHUNK:
                yield bytes(held)
                held.clear()
    except Exception:
        yield bytes(held)
        raise
    yield bytes(held)


def stated(response: requests.Response) -> int:
    """Bytes that an answer says to have; 0 where it says none, or what is no number."""
    length = response.headers.get("Content-Length", "")
    return int(length) if length.isdecimal() and len(length) < 20 else 0


def shown(url: str) -> str:
    """A URL, or what was to be one, without its user and password."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def reason(error: Exception) -> str:
    """Why a request failed, in a few words; the full text of such errors is long and may hold a password."""

    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    return type(error).__name__


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
            raise UserError(f"{label}: {shown(url)} {error}; it is not the file that was pinned, so it is not kept; {mend}") from None  # fmt: skip
        except (requests.RequestException, urllib3.exceptions.HTTPError, ValueError) as error:
            answer = getattr(error, "response", None)
            if attempt == ATTEMPTS or (answer is not None and answer.status_code < 500):
                kept = (
                    f"; {partial.stat().st_size:,} bytes are kept, the next run continues" if partial.exists() else ""
                )
                raise UserError(f"{label}: cannot download {shown(url)} ({reason(error)}){kept}; {mend}") from None
    return resumed


def _receive(url: str, partial: Path, have: int, label: str, certificate: str | None) -> None:
    if url.startswith("file:"):
        source = Path(url2pathname(urlsplit(url).path))
        if not source.is_file():
            raise UserError(f"{label}: {source} is no file; correct the index or mirror that names it")
        if source.stat().st_size > LARGEST:
            raise TooMuch(f"has more than {LARGEST:,} bytes")
        shutil.copyfile(source, partial)
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get(url, headers, certificate) as response:
        if have and response.status_code == 416:  # nothing is missing; the hash will tell
            return
        response.raise_for_status()
        continued = response.status_code == 206
        # The bytes as sent: a server that marks an archive as compressed content must not have it unpacked.
        pieces = body(response, LARGEST - (have if continued else 0), decoded=False)
        with partial.open("ab" if continued else "wb") as handle:
            for piece in track(pieces, math.ceil(stated(response) / CHUNK), label, unit="MiB"):
                handle.write(piece)
