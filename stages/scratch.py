"""Keep the scratch folder small: drop what is old, then the least recently used until it fits."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import run
from patent_embeddings.core.progress import say
from patent_embeddings.core.scratch import DAYS, GIB, clean

app = typer.Typer(add_completion=False)


@app.command()
def main(
    days: Annotated[float, typer.Option(min=0, help="Remove files that were not used for this many days.")] = DAYS,
    gib: Annotated[
        float,
        typer.Option(min=0, help="Then remove the least recently used files until at most this many GiB are left."),
    ] = GIB,
) -> None:
    """Clean the scratch of half-finished embeddings and training runs."""
    freed, left = clean(layout.scratch(), days, gib)
    say(f"{layout.scratch()}: {freed / 2**20:,.0f} MiB freed, {left / 2**20:,.0f} MiB left")


if __name__ == "__main__":
    run(app)
