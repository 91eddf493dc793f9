"""What the stage that trains reads of the entries and of params.yaml."""

from __future__ import annotations

from pydantic import Field

from patent_embeddings.core.entries import HardNegatives
from patent_embeddings.core.params import Values
from patent_embeddings.encoders.values import Embedder


class FinetuneValues(Values):
    """How an adapter is trained on its pairs; how many these are and in which batches, their table says."""

    model: Embedder = Field(alias="tuned")
    seed: int = Field(alias="finetune.seed")
    length: int = Field(alias="finetune.length")  # tokens that a text is cut to
    rate: float = Field(alias="finetune.rate")  # of learning, at its highest
    rank: int = Field(alias="finetune.rank")  # of the LoRA matrices
    evaluations: int = Field(alias="finetune.evaluations")  # on dev, and as many checkpoints
    merge: bool = Field(alias="recipe.merge")
    weight: float = Field(alias="recipe.weight")
    hard_negatives: HardNegatives | None = Field(alias="recipe.hard_negatives")
