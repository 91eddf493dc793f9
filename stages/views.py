"""Families -> the text of each family in each view."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Write every view of the registry for one landscape."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.corpus.schemas import FAMILIES, VIEW
    from patent_embeddings.corpus.values import ViewsValues
    from patent_embeddings.corpus.views import texts

    with costs.measured(layout.cost("views", landscape)) as cost:
        views = params.read("views", ViewsValues, landscape).views
        families = tables.read(layout.families(landscape), FAMILIES)
        for name, view in views.items():
            tables.write(texts(families, view), layout.view(landscape, name), VIEW)
        cost["texts"] = len(families) * len(views)


if __name__ == "__main__":
    run(app)
