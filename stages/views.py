"""Families -> one text per family and view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Write every view of the registry for one landscape."""

    from patent_embeddings.core import costs, registry, tables
    from patent_embeddings.corpus.entries import view_entry
    from patent_embeddings.corpus.schemas import FAMILIES, VIEW
    from patent_embeddings.corpus.views import texts

    with costs.measured(layout.cost("views", landscape)) as cost:
        families = tables.read(layout.families(landscape), FAMILIES)
        for name in registry.ids("views"):
            tables.write(texts(families, view_entry(name)), layout.view(landscape, name), VIEW)
        cost["texts"] = len(families) * len(registry.ids("views"))


if __name__ == "__main__":
    run(app)
