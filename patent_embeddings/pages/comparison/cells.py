"""The two cells of a comparison, experiments or the workspace, and the landscapes on which they can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.git import git
from patent_embeddings.core.params import Params
from patent_embeddings.corpus.schemas import POOL, QRELS
from patent_embeddings.grid.experiments import finished, of_this_code, parsed
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.pages.failures.queries import named, outcomes, wide
from patent_embeddings.pages.failures.source import WORKSPACE, Source
from patent_embeddings.sharing import outputs

AT_HAND = "workspace"
_SHORT = 7  # digits of a commit that are shown


@dataclass(frozen=True)
class Compared:
    """A cell and the name that the user gave; `commit` is "" for the workspace."""

    name: str
    commit: str
    params: Params
    source: Source


@contextmanager
def opened(first: str, second: str, at_hand: Params) -> Iterator[tuple[Compared, Compared]]:
    """Open two cells, whose tables can be read inside the block; `at_hand` are the parameters of the workspace.

    Raises UserError where there is no such cell, both are the same, or the workspace is out of date.
    """
    known = outputs.experiments()
    found = [_found(word, known) for word in (first, second)]
    if found[0][1] == found[1][1]:
        both = f"{first!r} and {second!r} are the same cell" if first != second else f"{first!r} is named twice"
        raise UserError(f"{both}; name two cells, such as an experiment and {AT_HAND!r}")
    with outputs.cache() as cache:

        def cell(name: str, commit: str) -> Compared:
            if not commit:
                stages = [f"{stage}@{one}" for stage in ("lengths", "metrics") for one in at_hand.evaluate_on]
                require_current(at_hand, *stages)
                return Compared(name, commit, at_hand, WORKSPACE)
            params = finished(commit)
            if params is None:
                mend = "it was not computed to its end, or by another version of the code; compute it again"
                raise UserError(f"{name}: commit {commit[:_SHORT]} holds no cell that can be read here; {mend}")
            held = outputs.Outputs.of(cache, name.partition("@")[0], commit, parsed(commit, layout.LOCK.as_posix()))
            return Compared(name, commit, params, Source(name, held.read))

        one, other = (cell(*pair) for pair in found)
        yield one, other


def _found(word: str, known: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Name and commit of the cell that the user named; the commit is "" for the workspace."""
    if word == AT_HAND:
        return word, ""
    commits = sorted({commit for name, commit in known if word in (name, f"{name}@{commit[:_SHORT]}")})
    if len(commits) > 1:  # runs of several versions of the code: prefer the one of this version
        ours = [commit for commit in commits if of_this_code(commit)]
        commits = ours if len(ours) == 1 else commits
    if len(commits) > 1:
        digits = ", ".join(commit[:_SHORT] for commit in commits)
        raise UserError(f"{len(commits)} experiments are called {word!r}; name one by its commit: {digits}")
    if commits:
        return word, commits[0]
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}").strip()
    except UserError:
        names = sorted({AT_HAND, *(name for name, _ in known)})
        mend = "`dvc exp list --all-commits` names them, `make restore` fetches those that others share"
        raise UserError(f"no experiment or commit {word!r}{nearest(word, names)}; {mend}") from None
    short = commit[:_SHORT]
    return next((f"{name}@{short}" for name, one in known if one == commit), short), commit


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
