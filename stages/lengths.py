"""How long the texts of each view are under the cell's tokenizer, how many are cut, which views coincide."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Count the tokens of every view of one landscape, and the texts that are cut."""
    from patent_embeddings.core import costs, layout, params, tables
    from patent_embeddings.corpus.lengths import measure, sampled
    from patent_embeddings.corpus.schemas import LENGTHS, VIEW
    from patent_embeddings.encoders.tokens import tokenizer
    from patent_embeddings.encoders.values import LengthsValues

    with costs.measured(layout.cost("lengths", landscape)) as cost:
        values = params.read("lengths", LengthsValues, landscape)
        model = values.model
        views = {name: tables.read(layout.view(landscape, name), VIEW) for name in values.views}
        frame = measure(views, tokenizer(model), model.length, model.prompts.document)
        tables.write(frame, layout.lengths(landscape), LENGTHS)
        cost["texts"] = sampled(frame)


if __name__ == "__main__":
    run(app)
