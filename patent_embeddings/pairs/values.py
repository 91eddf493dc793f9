"""Parameters and registry fields that the stage `pairs` reads."""

from __future__ import annotations

from pydantic import Field

from patent_embeddings.core.entries import Entry, HardNegatives
from patent_embeddings.core.params import Identifier, Values


class Drawn(Entry):
    """The fields of a recipe that decide which pairs are drawn."""

    signals: list[Identifier] = []  # empty: zero-shot; several: equal shares
    sections: tuple[str, str] = ("abstract", "claims")  # the two texts of a section pair
    label_set: str = "ipc-subclass"  # a label pair shares a label of it, a hard negative none
    hard_negatives: HardNegatives | None = None


class Amount(Entry):
    """Number, batches and seed of the pairs."""

    seed: int
    pairs: int  # distinct ones
    steps: int
    batch: int  # pairs a step


class PairsValues(Values):
    """Values of the stage `pairs`."""

    recipe: Drawn
    amount: Amount = Field(alias="finetune")
    trained_on: list[Identifier]  # landscapes that pairs are drawn on
    evaluate_on: list[Identifier]
    judged: list[Identifier]  # those with judgements of the user's own
    document_view: Identifier
