"""Train and dev splits of the landscapes that the recipe trains on -> training and dev pairs, in batches."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Draw the training and dev pairs of the cell's recipe on the landscapes that it trains on."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.core.progress import say
    from patent_embeddings.pairs.drawing import drawn, fewer
    from patent_embeddings.pairs.schemas import DOCUMENTS, PAIRS
    from patent_embeddings.pairs.values import PairsValues

    with costs.measured(layout.cost("pairs")) as cost:
        values = params.read("pairs", PairsValues)
        frame, documents = drawn(values)
        tables.write(frame, layout.PAIRS, PAIRS)
        if documents is None:
            layout.DOCUMENTS.unlink(missing_ok=True)  # of an earlier recipe
        else:
            tables.write(documents, layout.DOCUMENTS, DOCUMENTS)
        cost["texts"] = 2 * len(frame)
    for line in fewer(frame, values):
        say(line)


if __name__ == "__main__":
    run(app)
