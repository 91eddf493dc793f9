"""Training pairs -> adapter of model x recipe x landscape."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Train the adapter of the cell; the zero-shot recipe writes a constant file instead."""
    from patent_embeddings.core import costs, distributed, layout, params, tables
    from patent_embeddings.pairs.schemas import DOCUMENTS, PAIRS
    from patent_embeddings.training import adapters
    from patent_embeddings.training.schemas import CURVE, SEEN, seen
    from patent_embeddings.training.values import FinetuneValues

    values = params.read("finetune", FinetuneValues)
    pairs = tables.read(layout.PAIRS, PAIRS)
    if pairs.empty:
        if distributed.rank() == 0:
            with costs.measured(layout.cost("finetune")):
                adapters.leave_out(layout.ADAPTER)
                tables.write(CURVE.arrow.empty_table().to_pandas(), layout.CURVE, CURVE)
                tables.write(seen(pairs), layout.SEEN, SEEN)
        return
    from patent_embeddings.training import tuning  # takes seconds to import

    documents = tables.read(layout.DOCUMENTS, DOCUMENTS) if values.hard_negatives else None
    if distributed.rank():  # under torchrun only the first process writes the outputs
        tuning.tune(values, pairs, layout.ADAPTER, documents)
        return
    with costs.measured(layout.cost("finetune")) as cost:
        trained = tuning.tune(values, pairs, layout.ADAPTER, documents)
        each = 2 + (values.hard_negatives.each if values.hard_negatives else 0)
        texts = each * int((pairs["split"] == "train").sum())
        cost.update(texts=texts, computed=each * trained.computed, device=trained.device)
        tables.write(trained.curve, layout.CURVE, CURVE)
        tables.write(seen(pairs, trained.negatives), layout.SEEN, SEEN)


if __name__ == "__main__":
    run(app)
