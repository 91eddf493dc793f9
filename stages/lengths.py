"""How long the texts of each view are under the cell's tokenizer, how many are cut, which views coincide."""

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
    """Measure every view of one landscape."""

    from patent_embeddings.core import costs, params, registry, tables
    from patent_embeddings.corpus.lengths import measure, taken, token_ids
    from patent_embeddings.corpus.schemas import LENGTHS, VIEW
    from patent_embeddings.encoders import factory
    from patent_embeddings.encoders.entries import model_entry

    cell = params.load()
    entry = model_entry(cell.model)
    length = entry.kept(cell.embed.length)
    with costs.measured(layout.cost("lengths", landscape)) as cost:
        views = {name: tables.read(layout.view(landscape, name), VIEW) for name in registry.ids("views")}
        tokenizer = factory.tokenizer(entry)
        frame = measure(views, lambda texts: token_ids(tokenizer, texts), length, *taken(tokenizer, entry))
        tables.write(frame, layout.lengths(landscape), LENGTHS)
        cost["texts"] = int(frame.loc[frame["statistic"] == "sampled", "value"].sum())


if __name__ == "__main__":
    run(app)
