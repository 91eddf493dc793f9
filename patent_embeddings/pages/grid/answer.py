"""What the page of a grid opens with: what to use for each task on each landscape, as `grid recommend` says it."""

from __future__ import annotations

from collections.abc import Sequence

from patent_embeddings.grid.recommendation import Advice, cost_words, lead_words, words
from patent_embeddings.handover.sheets import Score, Sheet, Shown

HEAD = ("task", "landscape", "use", "score", "lead over the next best", "cost")


def answer(found: Sequence[Advice]) -> Sheet | None:
    """A row for each task and landscape; None where nothing can be recommended."""
    rows: list[list[Shown]] = [
        [
            f"{one.task}, {one.metric}",
            f"{one.landscape} (simulated)" if one.simulated else one.landscape,
            words(*one.best),
            Score(one.score, one.low, one.high, "" if one.floor is None else f"random vectors {one.floor:.4f}"),
            f"{lead_words(one.lead)}; next best: {words(*one.second)}",
            cost_words(one.cost) if one.cost else None,
        ]
        for one in found
    ]
    source = "data/outcomes and data/costs of the experiments"
    return Sheet(HEAD, rows, texts=len(HEAD), source=source).filled() if rows else None
