"""Validate params.yaml and the registry entries that it names, and write the values that each stage reads."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main(
    carry: Annotated[
        bool, typer.Option("--carry", help="Before checking, copy entries of an older layout to registry/.")
    ] = False,
) -> None:
    """Check params.yaml against the registry; write the values that each stage reads."""
    from patent_embeddings.core import environment, params
    from patent_embeddings.core.progress import say
    from patent_embeddings.grid import check, keys, migration
    from patent_embeddings.retrieval import lucene

    environment.verify()
    for line in migration.carry() if carry else []:
        say(line)
    if note := migration.note():
        say(note)
    cell = params.load()
    check.validate(cell)
    # bm25 needs Java minutes later: fail now if it is missing.
    lucene.java_home()
    check.prune(cell.evaluate_on)
    keys.write(cell)


if __name__ == "__main__":
    run(app)
