"""Compare two cells query by query, in a table and on a page."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

Cell = Annotated[str, typer.Argument(help="An experiment by its name, a commit, or `workspace` for the current cell.")]


@app.command()
def main(
    first: Cell,
    second: Cell,
    landscape: Annotated[
        str | None, typer.Option(help="Compare on this landscape only; by default on all that both cells have.")
    ] = None,
) -> None:
    """Compare two cells, query by query, and write a page to reports/comparisons/."""
    from patent_embeddings.core import params
    from patent_embeddings.pages.comparison import report

    print("\n".join(report.compare(first, second, params.load(), landscape)))


if __name__ == "__main__":
    run(app)
