"""The command `python -m stages.find`, from its options to its output."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TextIO

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_text
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import say
from patent_embeddings.handover.hits import Found, as_csv, as_json, as_lines
from patent_embeddings.pages.find.search import Search, opened_search
from patent_embeddings.retrieval.filters import Filters
from patent_embeddings.retrieval.find import Question

_WIDTH = 100  # letters of a line where the output is no terminal
_BRIEF = 0.005  # shorter times are not printed
_PROMPT = "question, or `like NUMBER` (an empty line ends)> "
_FAIR = (
    "fill in the column relevance: 0 is not relevant, 1, 2, ... the higher the better; a hit that nobody judged counts "
    "as not relevant, so run this again in every cell that you compare before you judge, to pool their hits"
)


@dataclass(frozen=True)
class Request:
    """The options of the command."""

    text: str | None
    queries: Path | None
    like: str | None
    interactive: bool
    landscape: str | None
    system: str | None
    k: int
    form: str  # table, csv, json, html
    out: Path | None
    judge: Path | None
    filters: Filters

    def checked(self) -> None:
        """Raise UserError where not exactly one question is given, or options do not go together."""
        asked = {"TEXT": self.text is not None, "--queries": self.queries, "--like": self.like is not None,
                 "--interactive": self.interactive}  # fmt: skip
        given = [name for name, value in asked.items() if value]
        if len(given) != 1:
            said = f"{' and '.join(given)} are given" if given else "no question is given"
            raise UserError(f"{said}; give one of {', '.join(asked)}")
        if self.queries and not self.queries.is_file():
            raise UserError(f"--queries {self.queries}: no such file; check the path")
        if self.interactive and (self.out or self.judge or self.form not in ("table", "json")):
            raise UserError("--interactive answers here, as a table or json; leave out --out, --judge, csv and html")
        if self.judge and (self.out or self.system or self.form != "table"):
            raise UserError(
                "--judge writes the hits of all systems into its file; leave out --system, --format and --out"
            )


def run(cell: Params, request: Request) -> None:
    """Answer the request. Raises UserError where that is not possible."""
    request.checked()
    try:
        with opened_search(cell, request.landscape, request.system, request.k, request.filters) as search:
            if request.interactive:
                _converse(search, request, sys.stdin)
            elif request.judge:
                print(f"{request.judge}: {search.judge(_questions(search, request), request.judge)}")
                say(_FAIR)
                _times(search, {})
            else:
                _answer(search, request)
    except BrokenPipeError:  # the reader has seen enough, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _questions(search: Search, request: Request) -> list[Question]:
    if request.queries:
        return search.of_file(request.queries)
    return [search.of_text(request.text) if request.text is not None else search.like(request.like or "")]


def _answer(search: Search, request: Request) -> None:
    text = _text(search.found(_questions(search, request)), request)
    if request.out:
        write_text(request.out, text)
        say(f"{request.out}: written")
    else:
        print(text, end="", flush=True)
    _times(search, {})


def _converse(search: Search, request: Request, stream: TextIO) -> None:
    """Answer one question after another; an error is printed, and the next question is read."""
    before: dict[str, float] = {}
    for number, line in enumerate(_lines(stream), start=1):
        try:
            found = search.found([search.of_line(line, f"q{number}")])
        except UserError as error:
            say(f"error: {error}")
            continue
        print(_text(found, request), end="", flush=True)
        before = _times(search, before)


def _lines(stream: TextIO) -> Iterator[str]:
    """Lines up to an empty one or the end, with a prompt on a terminal."""
    read = partial(input, _PROMPT) if stream.isatty() else partial(next, stream)
    while True:
        try:
            line = read().strip()
        except (EOFError, StopIteration):
            return
        if not line:
            return
        yield line


def _text(found: Found, request: Request) -> str:
    if request.form == "csv":
        return as_csv(found)
    if request.form == "json":
        return as_json(found, None if request.interactive else 2)
    if request.form == "html":
        from patent_embeddings.pages.find.page import page  # scikit-learn, which takes a second

        return page(found)
    terminal = sys.stdout.isatty() and not request.out
    return as_lines(found, shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH)


def _times(search: Search, before: dict[str, float]) -> dict[str, float]:
    """Print the seconds that each part took since `before`, and return its seconds in all."""
    spent = {part: seconds - before.get(part, 0.0) for part, seconds in search.took.items()}
    say("took " + ", ".join(f"{part} {seconds:.2f} s" for part, seconds in spent.items() if seconds >= _BRIEF))
    return search.took
