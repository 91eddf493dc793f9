"""Training pairs -> adapter of model x recipe x landscape."""

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
    """Train the adapter of the cell; the zero-shot recipe writes a constant file instead."""

    import pandas as pd

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.files import replacing, workplace
    from patent_embeddings.encoders import loading, processes
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.pairs.entries import recipe_entry
    from patent_embeddings.pairs.schemas import PAIRS, SEEN
    from patent_embeddings.training import adapters
    from patent_embeddings.training.recipes import _train, seen
    from patent_embeddings.training.schemas import CURVE, SCALES

    cell = params.load()
    recipe = recipe_entry(cell.recipe)
    pairs = tables.read(layout.PAIRS, PAIRS)
    curve = pd.DataFrame(
        {"split": pd.Series(dtype="str"), "step": pd.Series(dtype="int64"), "loss": pd.Series(dtype="float64")}
    )
    scales = pd.DataFrame({"scale": [], "loss": [], "chosen": []}).astype({"chosen": "bool"})
    if processes.rank():
        if pairs.empty:
            return
        with workplace("finetune") as folder:  # the first process writes the outputs
            _train(recipe)(model_entry(cell.model), pairs, cell.finetune, folder, recipe)
        return
    with loading.offline(), costs.measured(layout.cost("finetune")) as cost:
        with replacing(layout.ADAPTER) as folder:
            folder.mkdir()
            if pairs.empty:
                (folder / adapters.ZERO_SHOT).write_text(adapters.PUBLISHED, encoding="utf-8")
            else:
                trained = _train(recipe)(model_entry(cell.model), pairs, cell.finetune, folder, recipe)
                curve, scales = trained.curve, scales if trained.scales is None else trained.scales
                cost["device"] = trained.device
                cost["texts"] = 2 * int((pairs["split"] == "train").sum())
                adapters.seal(folder)
        tables.write(curve, layout.CURVE, CURVE)
        tables.write(scales, layout.SCALES, SCALES)
        tables.write(seen(pairs), layout.SEEN, SEEN)


if __name__ == "__main__":
    run(app)
