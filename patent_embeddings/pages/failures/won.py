"""Tables of who won and lost how many queries."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pandas as pd

from patent_embeddings.evaluation.wins import wins
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.failures.data import METRIC, named
from patent_embeddings.pages.failures.queries import SCOPES, wide

SAID = {"all": "all", "in": "IN", "out": "OUT"}


def systems(landscapes: Iterable[tuple[str, pd.DataFrame]]) -> Sheet | None:
    """Every system against each one before it, by landscape and scope; None where there is no test query.

    `landscapes`: a name, and its rows of `queries.tested`.
    """
    rows: list[list[Shown]] = []
    for name, outcomes in landscapes:
        for scope in SCOPES:
            table = wide(outcomes, scope)
            for second, first in itertools.combinations(named(table), 2):
                found = wins(table[first].to_numpy(), table[second].to_numpy())
                counts = [found.n, found.won, found.lost, found.tied]
                rows.append([name, SAID[scope], first, second, *counts, found.difference, found.p])
    if not rows:
        return None
    head = ["landscape", "relevant", "system", "against", "n", "won", "lost", "tied", "mean difference", "p"]
    caption = (
        f"Test queries on which a system has a higher, a lower or the same {METRIC} as another, and p of the sign test "
        "(two-sided, exact, ties left out), of each pair by itself"
    )
    return Sheet(head, rows, caption, texts=4)
