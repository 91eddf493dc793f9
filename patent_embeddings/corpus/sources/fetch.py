"""Downloads, pinned by sha256, kept in the user's cache, and resumed after a broken connection.

Pooch also pins, but it cannot resume, does not limit an answer's size, and logs passwords in URLs.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import requests
import urllib3
from filelock import FileLock

from patent_embeddings.core import files, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.limits import TooMuch, limited, stated
from patent_embeddings.core.progress import meter, say

LARGEST = 1 << 30  # bytes of a file; those that are fetched have tens of MiB
ATTEMPTS = 3
_CHUNK = 1 << 20
_TIMEOUT = (20, 60)  # seconds to connect, and between two bytes
# Errors of a request, including wrongly compressed bodies and invalid URLs.
FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError, ValueError)


def place(sha256: str) -> Path:
    """The path in the cache of the file with this hash."""
    return layout.scratch() / "downloads" / sha256[:16]


def downloaded(sha256: str) -> Path | None:
    """The file with this hash if it is in the cache, else None; a damaged file is reported and deleted."""
    path = place(sha256)
    if not path.is_file():
        return None
    if files.sha256(path) == sha256:
        return path
    say(f"{path}: damaged, downloading it again")
    path.unlink()
    return None


def fetch(url: str, sha256: str, label: str, mend: str = "check the network", certificate: str | None = None) -> Path:
    """Return the path of a file in the cache, downloading it first if it is not there.

    Args:
        url: http, https or file URL; a user and password in it are used, never shown.
        sha256: hex hash that the file must have.
        label: name of the download, for progress and errors.
        mend: advice for the message if the URL cannot be reached.
        certificate: bundle of certificates to trust instead of the default.

    Raises:
        UserError: the URL is unreachable, the connection broke too often (a later call resumes), or the hash differs.
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
                # The earlier part may be of another version of the file.
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
    """Download into `partial`; returns whether a part of it was there before."""
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
        # The bytes as sent: an archive that the server marks as compressed content must not be unpacked.
        pieces = body(response, LARGEST - (have if continued else 0), shown(url), decoded=False)
        with partial.open("ab" if continued else "wb") as handle, meter(_length(response), label, "B") as seen:
            for piece in pieces:
                handle.write(piece)
                seen(len(piece))


def get(url: str, headers: dict[str, str], certificate: str | None = None) -> requests.Response:
    """The response to a GET request, its body unread; `certificate` is a bundle to trust instead of the default."""
    return requests.get(url, headers=headers, stream=True, timeout=_TIMEOUT, verify=certificate or True)


def body(response: requests.Response, most: int, what: str, *, decoded: bool) -> Iterator[bytes]:
    """Yield a response's body in pieces, as sent or decoded; bytes before an error are yielded first.

    Raises TooMuch if it has, or announces, more than `most` bytes, and TimeoutError if they come too slowly.
    """
    if (size := _length(response)) > most:
        raise TooMuch(f"{what} has {size:,} bytes by its own account, more than {most:,}")
    yield from limited(iter(lambda: response.raw.read1(_CHUNK, decode_content=decoded), b""), most, what)


def _length(response: requests.Response) -> int:
    """The length that a response announces in bytes, 0 if it announces none."""
    return stated(response.headers.get("Content-Length", "")) or 0


def shown(url: str) -> str:
    """A URL without its user and password."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def reason(error: Exception) -> str:
    """Why a request failed, in a few words; the error's own text is long and may contain a password."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    return str(error) if isinstance(error, TooMuch) else type(error).__name__
