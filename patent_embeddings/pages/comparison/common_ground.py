"""Landscapes on which two cells can be compared: both scored there on shared queries by the same judgements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.corpus.schemas import POOL, QRELS
from patent_embeddings.pages.comparison.cells import Compared
from patent_embeddings.pages.failures.data import named
from patent_embeddings.pages.failures.queries import outcomes, wide


@dataclass(frozen=True)
class Ground:
    """A landscape, and the outcomes of both cells on the test queries that they share (rows of `queries.tested`)."""

    landscape: str
    outcomes: tuple[pd.DataFrame, pd.DataFrame]
    unshared: int  # test queries that only one of the cells has

    @property
    def systems(self) -> list[str]:
        """Systems that both cells have, in the order of the table of systems."""
        first, second = (wide(rows) for rows in self.outcomes)
        return [name for name in named(first) if name in second]


def grounds(cells: tuple[Compared, Compared], landscape: str | None) -> tuple[list[Ground], list[str]]:
    """Every landscape on which both can be compared, or only `landscape`; and why others are left out.

    Raises UserError where none is left.
    """
    first, second = cells
    both = [name for name in first.params.evaluate_on if name in second.params.evaluate_on]
    if landscape is not None and landscape not in both:
        said = f"both are scored on {', '.join(both)}" if both else "no landscape has scores of both"
        raise UserError(f"landscape {landscape!r}{nearest(landscape, both)} has no scores of both cells; {said}")
    if not both:
        places = (f"{one.name} on {', '.join(one.params.evaluate_on)}" for one in cells)
        raise UserError(
            f"no landscape has scores of both: {' and '.join(places)}; compute one with `-S evaluate_on=...`"
        )
    found, left_out = [], []
    for name in sorted(both if landscape is None else [landscape]):
        rows = tuple(outcomes(one.source, name) for one in cells)
        reason = next(_reasons(cells, name, rows), None)
        if reason:
            left_out.append(f"{name}: {reason}")
        else:
            first_ids, second_ids = (set(part["query_id"]) for part in rows)
            one, other = (part[part["query_id"].isin(first_ids & second_ids)] for part in rows)
            found.append(Ground(name, (one, other), len(first_ids ^ second_ids)))
    if not found:
        raise UserError(f"{first.name} and {second.name} cannot be compared: {'; '.join(left_out)}")
    return found, left_out


def _reasons(cells: tuple[Compared, Compared], name: str, rows: tuple[pd.DataFrame, ...]) -> Iterator[str]:
    """Reasons why the outcomes of both cannot be compared."""
    asked = [set(part["query_id"]) for part in rows]
    for cell, queries in zip(cells, asked, strict=True):
        if not queries:
            yield f"{cell.name} has no test query with a relevant family there"
    shared = asked[0] & asked[1]
    if not shared:
        folds = " and ".join(str(cell.params.tasks.fold) for cell in cells)
        yield f"they share no test query (their folds are {folds})"
    pools = [cell.params.tasks.pool for cell in cells]
    if pools[0] != pools[1]:
        yield f"they rank other families for a query (tasks.pool is {pools[0]} and {pools[1]})"
    judged, ranked = [], []
    for cell in cells:
        qrels = cell.source.read(layout.task(name, "qrels"), QRELS, list(QRELS.columns), ("query_id", shared))
        judged.append(qrels.sort_values(list(QRELS.key), ignore_index=True))
        pool = cell.source.read(layout.task(name, "pool"), POOL, ["family_id", "ranked", "date", "before"])
        ranked.append(pool.sort_values("family_id", ignore_index=True))
    if not judged[0].equals(judged[1]):
        yield "other families are relevant to the queries that they share"
    if not ranked[0].equals(ranked[1]):
        yield "the landscape has changed between them: other families are ranked, or other dates are known"
