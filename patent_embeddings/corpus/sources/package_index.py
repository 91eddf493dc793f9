"""Find a file on the package indexes that pip is configured with, without installing or building anything.

Indexes offer the simple repository API as HTML (PEP 503).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from lxml import etree

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.limits import TooMuch
from patent_embeddings.corpus.sources.fetch import FAULTS, body, get, reason, shown

ACCEPT = "application/vnd.pypi.simple.v1+html, text/html;q=0.5"
LARGEST = 4 << 20  # bytes of a page


@dataclass(frozen=True)
class Configured:
    """Pip's configuration: its indexes in order, and its certificate bundle if it has one."""

    indexes: tuple[str, ...]
    certificate: str | None


def configured() -> Configured:
    """Read pip's configuration: environment variables first, then files, then its default index.

    Raises UserError if pip is not installed, so that no index is known.
    """
    settings: dict[str, str] = {}
    for line in _pip("config", "list").splitlines():
        key, _, value = line.partition("=")
        with suppress(ValueError, SyntaxError):  # a warning among the settings
            settings[key] = str(ast.literal_eval(value))

    def setting(name: str) -> str:
        sections = (":env:", "download", "install", "global")
        return next(filter(None, (settings.get(f"{section}.{name}") for section in sections)), "")

    certificate = setting("cert") or None
    if setting("no-index").lower() in ("1", "true", "yes", "on"):
        return Configured((), certificate)
    return Configured((*(setting("index-url") or _default()).split(), *setting("extra-index-url").split()), certificate)


def locate(project: str, filename: str, pip: Configured) -> str:
    """The URL of a project's file on the first configured index that offers it. Raises UserError if none does."""
    tried = []
    for index in pip.indexes:
        page = f"{index.rstrip('/')}/{project}/"
        try:
            links = _local(page) if page.startswith("file:") else _remote(page, pip.certificate)
        except (TooMuch, *FAULTS, OSError) as error:
            tried.append(f"{shown(index)}: {reason(error)}")
            continue
        for link in links:
            if unquote(urlsplit(link).path).rsplit("/", 1)[-1] == filename:
                return link
        tried.append(f"{shown(index)}: {'not offered' if links else 'its answer is no page with links'}")
    where = f"on no package index that pip is configured with ({'; '.join(tried) or 'there is none'})"
    raise UserError(f"{filename}: {where}; set PIP_INDEX_URL to one that has it")


def _pip(*arguments: str) -> str:
    """The output of pip, with lines so wide that none is wrapped."""
    wide = {**os.environ, "COLUMNS": "2000"}
    done = subprocess.run([sys.executable, "-m", "pip", *arguments], capture_output=True, check=False, env=wide)
    return done.stdout.decode("utf-8", "replace")


def _default() -> str:
    """Pip's default index, as its help names it."""
    said = re.search(r"--index-url <url>[^()]*\(default (\S+)\)", _pip("download", "--help"))
    if said is None:
        mend = "run `python -m ensurepip`, or set PIP_INDEX_URL"
        raise UserError(f"pip is not installed here, so that no package index is known; {mend}")
    return said[1]


def _remote(page: str, certificate: str | None) -> list[str]:
    with get(page, {"Accept": ACCEPT}, certificate) as response:
        response.raise_for_status()
        content = b"".join(body(response, LARGEST, "its page", decoded=True))
        return _targets(content, response.url)


def _local(page: str) -> list[str]:
    return _targets(Path(url2pathname(urlsplit(page).path), "index.html").read_bytes(), page)


def _targets(content: bytes, page: str) -> list[str]:
    """The addresses that a page links to; none where it is no page."""
    links = []
    with suppress(etree.LxmlError):
        root = etree.fromstring(content, etree.HTMLParser())
        for target in [] if root is None else root.xpath("//a/@href"):
            with suppress(ValueError):  # no address at all
                links.append(urldefrag(urljoin(page, target)).url)
    return links
