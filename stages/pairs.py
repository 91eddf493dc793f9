"""Training split of the cell's landscape -> the pairs and batches of its recipe."""

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
    """Draw the training and dev pairs of the cell's recipe on the landscapes that it trains on."""

    from dataclasses import replace

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus.schemas import QUERIES
    from patent_embeddings.pairs.drawing import empty, laid_out, read
    from patent_embeddings.pairs.entries import recipe_entry
    from patent_embeddings.pairs.schemas import PAIRS

    cell = params.load()
    recipe = recipe_entry(cell.recipe)
    with costs.measured(layout.cost("pairs")) as cost:
        frame = empty()
        sources = cell.trained_on(recipe)
        if sources:
            # Also of landscapes that it is only scored on: they may share families with those that it trains on.
            held = frozenset().union(*(tables.read(layout.task(name, "queries"), QUERIES)["query_id"] for name in cell.evaluate_on))  # fmt: skip
            materials = {name: replace(read(name, cell.document_view, recipe), queries=held) for name in sources}
            frame = laid_out(materials, recipe, cell.finetune)
        tables.write(frame, layout.PAIRS, PAIRS)
        cost["texts"] = 2 * len(frame)
    used = len(frame.loc[frame["split"] == "train", ["anchor_id", "positive_id", "signal"]].drop_duplicates())
    room = cell.finetune.steps * cell.finetune.batch
    if recipe.signals and room < cell.finetune.pairs:
        say(f"{cell.finetune.steps} steps of {cell.finetune.batch} have room for {room} of the {cell.finetune.pairs} pairs asked for; raise finetune.steps to use them all")  # fmt: skip
    if recipe.signals and used < min(room, cell.finetune.pairs):
        say(
            f"{', '.join(sources)}: {used} distinct training pairs for {cell.recipe}, fewer than the {cell.finetune.pairs} asked for; all are used, steps stay {cell.finetune.steps}"
        )


if __name__ == "__main__":
    run(app)
