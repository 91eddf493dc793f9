"""Scores -> reports: scores.csv, the headline numbers, pictures and one page for the cell."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import typer

from patent_embeddings.core.errors import UserError, run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main(
    show: Annotated[bool, typer.Option("--show", help="Only print the table of the last report.")] = False,
) -> None:
    """Write the report of the cell, and print its short table and the page's path."""

    from patent_embeddings.core import params
    from patent_embeddings.core.progress import say
    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.evaluation import calibration as calibration_
    from patent_embeddings.pages.report import _print_table, gather, write
    from patent_embeddings.pairs.entries import recipe_entry

    asked = params.load()
    cell = None
    if show:
        model = model_entry(asked.model)
        # DVC sees the entry and not the folder: the table may be of other weights than are there now.
        if fault := weights.changed(model):
            say(fault)
        calibration = calibration_.calibration(asked, model, recipe_entry(asked.recipe))
        with suppress(UserError):  # of a cell that is not here, only the scores are in git
            cell = gather(asked)
    else:
        cell = gather(asked)
        write(cell)
        calibration = cell.calibration
    _print_table(cell, calibration)


if __name__ == "__main__":
    run(app)
