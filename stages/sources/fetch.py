"""Downloads: pinned by sha256, kept in the user's cache, continued where they broke off."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

from stages import files, layout
from stages.errors import UserError
from stages.progress import say, track

if TYPE_CHECKING:
    import requests

CHUNK = 1 << 20
TIMEOUT = (20, 60)  # seconds to connect, and without a byte
ATTEMPTS = 3


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
    from filelock import FileLock

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


def get(url: str, headers: dict[str, str], certificate: str | None = None, stream: bool = False) -> requests.Response:
    """Answer of an HTTP server; `certificate` is a bundle to trust in place of the default. Raises what requests raises."""
    import requests

    return requests.get(url, headers=headers, stream=stream, timeout=TIMEOUT, verify=certificate or True)


def shown(url: str) -> str:
    """A URL without its user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def reason(error: Exception) -> str:
    """Why a request failed, in a few words; the full text of such errors is long and may hold a password."""
    response = getattr(error, "response", None)
    return f"HTTP {response.status_code}" if response is not None else type(error).__name__


def _download(url: str, partial: Path, label: str, mend: str, certificate: str | None) -> bool:
    """Fill `partial`; whether a part of it was there before."""
    import requests
    import urllib3

    resumed = False
    for attempt in range(1, ATTEMPTS + 1):
        have = partial.stat().st_size if partial.exists() else 0
        resumed |= have > 0
        try:
            _receive(url, partial, have, label, certificate)
            return resumed
        except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
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
        shutil.copyfile(source, partial)
        return
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with get(url, headers, certificate, stream=True) as response:
        if have and response.status_code == 416:  # nothing is missing; the hash will tell
            return
        response.raise_for_status()
        continued = response.status_code == 206
        length = int(response.headers.get("Content-Length", 0))
        with partial.open("ab" if continued else "wb") as handle:
            for chunk in track(_chunks(response), math.ceil(length / CHUNK), label, unit="MiB"):
                handle.write(chunk)


def _chunks(response: Any) -> Iterator[bytes]:
    # The bytes as sent: a server that marks an archive as compressed content must not have it unpacked.
    yield from response.raw.stream(CHUNK, decode_content=False)
