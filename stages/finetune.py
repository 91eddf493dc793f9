"""Training pairs -> adapter of model x recipe x landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.errors import run

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from stages.registry.entries import Recipe
    from stages.training import Trained

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Train the adapter of the cell; the zero-shot recipe writes a constant file instead."""
    import pandas as pd

    from stages import adapters, costs, params, registry, tables
    from stages.encoders import loading, processes
    from stages.files import replacing, workplace

    cell = params.load()
    recipe = registry.recipe(cell.recipe)
    pairs = tables.read(layout.PAIRS, tables.PAIRS)
    curve = pd.DataFrame(
        {"split": pd.Series(dtype="str"), "step": pd.Series(dtype="int64"), "loss": pd.Series(dtype="float64")}
    )
    scales = pd.DataFrame({"scale": [], "loss": [], "chosen": []}).astype({"chosen": "bool"})
    if processes.rank():
        if pairs.empty:
            return
        with workplace("finetune") as folder:  # the first process writes the outputs
            _train(recipe)(registry.model(cell.model), pairs, cell.finetune, folder, recipe)
        return
    with loading.offline(), costs.measured(layout.cost("finetune")) as cost:
        with replacing(layout.ADAPTER) as folder:
            folder.mkdir()
            if pairs.empty:
                (folder / adapters.ZERO_SHOT).write_text(adapters.PUBLISHED, encoding="utf-8")
            else:
                trained = _train(recipe)(registry.model(cell.model), pairs, cell.finetune, folder, recipe)
                curve, scales = trained.curve, scales if trained.scales is None else trained.scales
                cost["device"] = trained.device
                cost["texts"] = 2 * int((pairs["split"] == "train").sum())
                adapters.seal(folder)
        tables.write(curve, layout.CURVE, tables.CURVE)
        tables.write(scales, layout.SCALES, tables.SCALES)
        tables.write(seen(pairs), layout.SEEN, tables.SEEN)


def _train(recipe: Recipe) -> Callable[..., Trained]:
    """How the recipe trains; its imports take seconds."""
    from stages import merging, training

    return merging.train if recipe.merge else training.train


def seen(pairs: pd.DataFrame) -> pd.DataFrame:
    """Families that a training pair touches, as rows of `tables.SEEN`."""
    import pandas as pd

    train = pairs[pairs["split"] == "train"]
    return pd.DataFrame(
        {"family_id": pd.concat([train["anchor_id"], train["positive_id"]]).drop_duplicates().astype("str")}
    )


if __name__ == "__main__":
    run(app)
