"""Scores -> reports/: scores.csv, headline numbers, pictures and the page of the cell."""

from __future__ import annotations

from contextlib import suppress
from typing import Annotated

import typer

from patent_embeddings.core.command import run
from patent_embeddings.core.errors import UserError

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
    from patent_embeddings.grid.values import ReportValues
    from patent_embeddings.pages.cell.last_lines import kept

    if show:
        values = keys.report(params.load())
        # DVC tracks the model's entry, not its folder: the weights may have changed since the table was made.
        if fault := weights.changed(values.model):
            say(fault)
        if lines := kept():
            print(lines)
            return
    from patent_embeddings.pages.cell import report  # seconds of imports

    if templates:
        report.write_templates()
        return
    cell = None
    if show:
        calibration = report.calibrated(values)
        with suppress(UserError):  # where the cell was not restored, only its scores are here, from git
            cell = report.gather(values)
    else:
        cell = report.gather(params.read("report", ReportValues))
        report.write(cell)
        calibration = cell.calibration
    print(report.summary(cell, calibration))


if __name__ == "__main__":
    run(app)
