"""HTTP requests with limits on time and size, and messages about them without passwords."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator

import requests
import urllib3

from patent_embeddings.core.limits import TooMuch, limited, stated

CHUNK = 1 << 20
TIMEOUT = (20, 60)  # seconds to connect, and between two bytes
ANSWER = 90  # seconds until an answer begins, redirects included

# Errors of a request, including wrongly compressed bodies and invalid URLs.
FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError, ValueError)


def get(url: str, headers: dict[str, str], certificate: str | None = None) -> requests.Response:
    """The response to a GET request, its body unread; `certificate` is a bundle to trust instead of the default."""
    answers: queue.SimpleQueue[requests.Response | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(requests.get(url, headers=headers, stream=True, timeout=TIMEOUT, verify=certificate or True))
        except Exception as error:
            answers.put(error)

    # In a thread, as the library's own timeout restarts with every byte of a header.
    threading.Thread(target=ask, daemon=True).start()
    try:
        answer = answers.get(timeout=ANSWER)
    except queue.Empty:
        raise requests.Timeout from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def body(response: requests.Response, most: int, what: str, *, decoded: bool) -> Iterator[bytes]:
    """Yield a response's body in pieces of a MiB or more, as sent or decoded; bytes before an error are yielded first.

    Raises TooMuch if it has, or announces, more than `most` bytes, and TimeoutError if they come too slowly.
    """
    size = length(response)
    if size > most:
        raise TooMuch(f"{what} has {size:,} bytes by its own account, more than {most:,}")
    gathered = bytearray()
    try:
        for piece in limited(iter(lambda: response.raw.read1(CHUNK, decode_content=decoded), b""), most, what):
            gathered += piece
            if len(gathered) >= CHUNK:
                yield bytes(gathered)
                gathered.clear()
    except Exception:
        yield bytes(gathered)
        raise
    yield bytes(gathered)


def length(response: requests.Response) -> int:
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
