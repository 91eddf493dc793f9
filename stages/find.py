"""Search a landscape with the cell at hand: its families ranked for a text, a file of questions, or a patent."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False, help=__doc__)

Form = Literal["table", "csv", "json", "html"]
_option = typer.Option


@app.command()
def main(
    text: Annotated[str | None, typer.Argument(help="A question in words.")] = None,
    queries: Annotated[Path | None, _option(help="A file of questions: texts, or patents.")] = None,
    like: Annotated[str | None, _option(metavar="NUMBER", help="What is like this patent; in any spelling.")] = None,
    interactive: Annotated[bool, _option("--interactive", help="Question after question.")] = False,
    landscape: Annotated[str | None, _option(help="May be left out where the cell has one.")] = None,
    system: Annotated[str | None, _option(help="Of the cell; its best by default.")] = None,
    k: Annotated[int, _option("-k", min=1, help="How many hits.")] = 10,
    form: Annotated[Form, _option("--format", help="Of the hits.")] = "table",
    out: Annotated[Path | None, _option(help="File to write to; else they are printed.")] = None,
    before: Annotated[str, _option(help="Of an earlier priority (publication where unknown): YYYY-MM-DD.")] = "",
    classes: Annotated[str, _option("--class", help="Of these IPC or CPC classes: A61,H04L29.")] = "",
    jurisdiction: Annotated[str, _option(help="With a member in these countries: EP,US.")] = "",
    not_applicant: Annotated[list[str] | None, _option(help="Of none of these; repeatable.")] = None,
    judge: Annotated[Path | None, _option(help="Add what all systems find to a CSV file, to be judged.")] = None,
) -> None:  # fmt: skip
    """Rank the families of a landscape; nothing is computed twice, and filters leave scores as they are."""
    from patent_embeddings.core import params
    from patent_embeddings.pages.find import command
    from patent_embeddings.retrieval.filters import filters

    asked = filters(before, classes, jurisdiction, not_applicant or ())
    request = command.Request(
        text, queries, like, interactive, landscape, system, k, form, out, judge, asked
    )  # fmt: skip
    command.run(params.load(), request)


if __name__ == "__main__":
    run(app)
