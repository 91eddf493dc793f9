"""Find a file on the package indexes that pip is configured with, without installing or building anything.

Indexes offer the simple repository API, as HTML (PEP 503) or JSON (PEP 691).
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urljoin, urlsplit
from urllib.request import url2pathname

from pydantic import BaseModel, ValidationError

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.limits import TooMuch
from patent_embeddings.corpus.sources.web import FAULTS, body, get, reason, shown

ACCEPT = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html;q=0.2, text/html;q=0.1"
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
        except ValidationError:
            tried.append(f"{shown(index)}: its answer is no page of a package index")
            continue
        except (TooMuch, *FAULTS, OSError) as error:
            tried.append(f"{shown(index)}: {reason(error)}")
            continue
        for link in links:
            if unquote(urlsplit(link).path).rsplit("/", 1)[-1] == filename:
                return link
        tried.append(f"{shown(index)}: not offered")
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


class _Page(BaseModel):
    class File(BaseModel):
        url: str

    files: list[File]


class _Anchors(HTMLParser):
    """The link targets of an HTML page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.targets: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the target of a link."""
        self.targets += [value for name, value in attrs if tag == "a" and name == "href" and value]


def _remote(page: str, certificate: str | None) -> list[str]:
    with get(page, {"Accept": ACCEPT}, certificate) as response:
        response.raise_for_status()
        content = b"".join(body(response, LARGEST, "its page", decoded=True))
        if "json" in response.headers.get("Content-Type", ""):
            targets = [file.url for file in _Page.model_validate_json(content).files]
        else:
            targets = _Anchors(content.decode("utf-8", errors="replace")).targets
        return _resolved(targets, response.url)


def _local(page: str) -> list[str]:
    path = Path(url2pathname(urlsplit(page).path), "index.html")
    return _resolved(_Anchors(path.read_text(encoding="utf-8")).targets, page)


def _resolved(targets: list[str], page: str) -> list[str]:
    links = []
    for target in targets:
        with suppress(ValueError):  # no address at all
            links.append(urldefrag(urljoin(page, target)).url)
    return links
