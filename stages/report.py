"""Scores -> reports/: scores.csv, headline numbers, pictures and the page of the cell."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main(
    show: Annotated[bool, typer.Option("--show", help="Only print the table of the last report.")] = False,
    templates: Annotated[bool, typer.Option("--templates", help="Only write the templates of `dvc plots`.")] = False,
) -> None:
    """Write the report of the cell, and print its short table and the page's path."""

    from patent_embeddings.core import params
    from patent_embeddings.core.progress import say
    from patent_embeddings.encoders import weights
    from patent_embeddings.grid import keys
    from patent_embeddings.pages.cell.last_lines import kept

    if show:
        now = params.load()
        # DVC tracks the model's entry, not its folder: the weights may have changed since the table was made.
        if fault := weights.changed(keys.report(now).model):
            say(fault)
        if fault := next(keys.outdated(now, "report"), None):
            say(f"this table was computed before a change: {fault}; run `dvc repro`")
        if lines := kept():
            print(lines)
            return
    from patent_embeddings.pages.cell import report  # seconds of imports

    if templates:
        report.write_templates()
        return
    cell = None  # the scores may have come with git, and what lies in data/ be of another cell
    if not show:
        cell = report.gather(params.read("report", keys.ReportValues))
        report.write(cell)
    print(report.summary(cell))


if __name__ == "__main__":
    run(app)
