"""Parameters and registry fields that the stage `finetune` reads."""

from __future__ import annotations

from pydantic import Field

from patent_embeddings.core.entries import HardNegatives
from patent_embeddings.core.params import Values
from patent_embeddings.encoders.values import Embedder


class FinetuneValues(Values):
    """Values of the stage `finetune`; number and batches of the pairs are in their table."""

    model: Embedder = Field(alias="tuned")
    seed: int = Field(alias="finetune.seed")
    length: int = Field(alias="finetune.length")  # tokens that a text is cut to
    rate: float = Field(alias="finetune.rate")  # peak learning rate
    rank: int = Field(alias="finetune.rank")  # of the LoRA matrices
    evaluations: int = Field(alias="finetune.evaluations")  # number of dev evaluations, and of checkpoints
    merge: bool = Field(alias="recipe.merge")
    weight: float = Field(alias="recipe.weight")
    hard_negatives: HardNegatives | None = Field(alias="recipe.hard_negatives")
