"""Training pairs -> adapter of model x recipe x landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from patent_embeddings.training import merging, trainer

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from patent_embeddings.pairs.entries import Recipe
    from patent_embeddings.training.trainer import Trained


def _train(recipe: Recipe) -> Callable[..., Trained]:
    """How the recipe trains; its imports take seconds."""

    return merging.train if recipe.merge else trainer.train


def seen(pairs: pd.DataFrame) -> pd.DataFrame:
    """Families that a training pair touches, as rows of `SEEN`."""

    train = pairs[pairs["split"] == "train"]
    return pd.DataFrame(
        {"family_id": pd.concat([train["anchor_id"], train["positive_id"]]).drop_duplicates().astype("str")}
    )
