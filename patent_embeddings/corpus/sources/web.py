"""Answers of HTTP servers, in limited time and size, and what is said of them without a password."""

from __future__ import annotations

import queue
import re
import threading
from collections.abc import Iterator

import requests
import urllib3

from patent_embeddings.core.limits import TooMuch, limited, stated

CHUNK = 1 << 20
TIMEOUT = (20, 60)  # seconds to connect, and without a byte
ANSWER = 90  # seconds until an answer begins, redirects included

# What can go wrong on the way, bodies that are not packed as they say and addresses that are none included.
FAULTS = (requests.RequestException, urllib3.exceptions.HTTPError, TimeoutError, ValueError)


def get(url: str, headers: dict[str, str], certificate: str | None = None) -> requests.Response:
    """Answer of an HTTP server, its body unread; `certificate` is a bundle to trust in place of the default."""
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


def body(response: requests.Response, most: int, what: str, *, decoded: bool) -> Iterator[bytes]:
    """Bytes of an answer in pieces of at least a MiB, as sent or decoded; what came before an error is given first.

    Raises TooMuch where there are more than `most`, or it says so itself, and TimeoutError where they come too slowly.
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
    """Bytes that an answer says to have, 0 where it does not."""
    return stated(response.headers.get("Content-Length", "")) or 0


def shown(url: str) -> str:
    """A URL, or what was to be one, without its user and password."""
    return re.sub(r"(?<=://)[^/?#]*@", "", url)


def reason(error: Exception) -> str:
    """Why a request failed, in a few words; the full text of such errors is long and may hold a password."""
    if isinstance(error, requests.HTTPError) and error.response is not None:
        return f"HTTP {error.response.status_code}"
    return str(error) if isinstance(error, TooMuch) else type(error).__name__
