"""Find a file on the package indexes that pip is configured with, without installing or building anything.

Indexes speak the simple repository interface, as HTML (PEP 503) or JSON (PEP 691).
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

import requests
import urllib3

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.sources.fetch import TooMuch, body, get, reason, shown

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
LARGEST = 4 << 20  # bytes of a page


@dataclass(frozen=True)
class Configured:
    """What pip is configured with: indexes in the order they are asked, and its certificate bundle if it has its own."""

    indexes: tuple[str, ...]
    certificate: str | None


def configured() -> Configured:
    """Read pip's configuration: its environment variables first, then its files, else its default index."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    settings: dict[str, str] = {}
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        with suppress(ValueError, SyntaxError):  # a warning among the settings
            settings[key] = str(ast.literal_eval(value))

    def setting(name: str) -> str:
        return next((settings[key] for key in (f":env:.{name}", f"download.{name}", f"install.{name}", f"global.{name}") if key in settings), "")  # fmt: skip

    asked = "" if setting("no-index").lower() in ("1", "true", "yes", "on") else f"{setting('index-url') or _default()} {setting('extra-index-url')}"  # fmt: skip
    return Configured(tuple(asked.split()), setting("cert") or None)


def locate(project: str, filename: str, pip: Configured) -> str:
    """URL of a project's file on the first configured index that offers it.

    Raises:
        UserError: no index is configured, or none of them offers the file.
    """

    tried = []
    for index in pip.indexes:
        page = f"{index.rstrip('/')}/{project}/"
        try:
            links = _local(page) if page.startswith("file:") else _remote(page, pip.certificate)
        except TooMuch as error:
            tried.append(f"{shown(index)}: its page {error}")
            continue
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as error:
            tried.append(f"{shown(index)}: {reason(error)}")
            continue
        except (ValueError, RecursionError):
            tried.append(f"{shown(index)}: its answer is no page of a package index")
            continue
        for link in links:
            if unquote(urlsplit(link).path).rsplit("/", 1)[-1] == filename:
                return link
        tried.append(f"{shown(index)}: not offered")
    raise UserError(
        f"{filename}: on no package index that pip is configured with ({'; '.join(tried) or 'there is none'}); "
        "set PIP_INDEX_URL to one that has it"
    )


def _default() -> str:
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        raise UserError("pip is not installed here, so that no package index is known; run `python -m ensurepip`, or set PIP_INDEX_URL") from None  # fmt: skip

    return str(PyPI.simple_url)


def _remote(page: str, certificate: str | None) -> list[str]:
    with get(page, {"Accept": ACCEPT}, certificate) as response:
        response.raise_for_status()
        content = b"".join(body(response, LARGEST, decoded=True))
        if "json" in response.headers.get("Content-Type", ""):
            return _resolved(_urls(json.loads(content)), response.url)
        return _links(content.decode("utf-8", errors="replace"), response.url)


def _urls(answer: Any) -> list[str]:
    """Addresses of the files that a page in JSON lists.

    Raises:
        ValueError: it is another JSON.
    """
    files = answer.get("files") if isinstance(answer, dict) else None
    if not isinstance(files, list) or not all(isinstance(file, dict) and isinstance(file.get("url"), str) for file in files):  # fmt: skip
        raise ValueError("no list of files")
    return [file["url"] for file in files]


def _local(page: str) -> list[str]:
    return _links(Path(url2pathname(urlsplit(page).path), "index.html").read_text(encoding="utf-8"), page)


def _links(text: str, page: str) -> list[str]:
    reader = _Anchors()
    reader.feed(text)
    return _resolved(reader.targets, page)


def _resolved(targets: list[str], page: str) -> list[str]:
    links = []
    for target in targets:
        with suppress(ValueError):  # no address at all
            links.append(urldefrag(urljoin(page, target)).url)
    return links


class _Anchors(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep where a link leads."""
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]
