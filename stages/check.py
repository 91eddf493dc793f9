"""Refuse bad parameters and ids before anything is touched, and prune landscapes no longer evaluated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Check params.yaml against the registries; write a constant file that every stage depends on."""

    from patent_embeddings.core import environment, params
    from patent_embeddings.core.files import write_text
    from patent_embeddings.grid.check import prune, validate
    from patent_embeddings.retrieval import lucene

    environment.verify()
    cell = params.load()
    validate(cell)
    # Java is needed minutes later, by bm25: said now, before anything is computed.
    lucene.java_home()
    prune(cell.evaluate_on)
    write_text(layout.CHECKED, "checked\n")


if __name__ == "__main__":
    run(app)
