"""What the stage that draws pairs reads of the recipe's entry and of params.yaml."""

from __future__ import annotations

from pydantic import Field

from patent_embeddings.core.entries import Entry, HardNegatives
from patent_embeddings.core.params import Identifier, Values


class Drawn(Entry):
    """What pairs are drawn from."""

    signals: list[Identifier] = []  # empty: zero-shot; several: equal shares
    sections: tuple[str, str] = ("abstract", "claims")  # that a section pair joins
    label_set: str = "ipc-subclass"  # that a label pair shares a label of, and a hard negative none
    hard_negatives: HardNegatives | None = None


class Amount(Entry):
    """How many pairs are drawn, and in which order."""

    seed: int
    pairs: int  # distinct ones
    steps: int
    batch: int  # pairs a step


class PairsValues(Values):
    """The stage `pairs`."""

    recipe: Drawn
    amount: Amount = Field(alias="finetune")
    trained_on: list[Identifier]  # landscapes that pairs are drawn on
    evaluate_on: list[Identifier]
    judged: list[Identifier]  # of these, landscapes with judgements of the user's own
    document_view: Identifier
