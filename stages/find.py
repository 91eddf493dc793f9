"""Search a landscape with the current cell: rank its families for a text, a file of questions, or a patent."""

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
    text: Annotated[str | None, typer.Argument(help="A question, in words.")] = None,
    queries: Annotated[Path | None, _option(help="A file of questions; each is a text or a patent.")] = None,
    like: Annotated[str | None, _option(metavar="NUMBER", help="Patent to find similar ones to: number or id.")] = None,
    interactive: Annotated[bool, _option("--interactive", help="Ask one question after another.")] = False,
    landscape: Annotated[str | None, _option(help="Landscape to search; needed only if the cell has several.")] = None,
    system: Annotated[str | None, _option(help="System that ranks; by default reranked, else interpolation.")] = None,
    k: Annotated[int, _option("-k", min=1, help="Number of hits for each question.")] = 10,
    form: Annotated[Form, _option("--format", help="Format of the hits.")] = "table",
    out: Annotated[Path | None, _option(help="File to write the hits to; by default they are printed.")] = None,
    before: Annotated[str, _option(help="Only families with a priority (else publication) before YYYY-MM-DD.")] = "",
    classes: Annotated[str, _option("--class", help="Only families in these IPC or CPC classes: A61,H04L29.")] = "",
    jurisdiction: Annotated[str, _option(help="Only families with a member in these countries: EP,US.")] = "",
    not_applicant: Annotated[list[str] | None, _option(help="Leave out this applicant's families; repeatable.")] = None,
    judge: Annotated[Path | None, _option(help="Add the hits of all systems to this CSV file, to be judged.")] = None,
) -> None:  # fmt: skip
    """Rank the families of a landscape for a question, with the current cell; filters leave scores as they are."""
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
