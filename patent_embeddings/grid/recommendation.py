"""Which cell and system to use on a landscape: the best by score, how sure its lead is, what it costs."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.evaluation.systems import LEADING, Task
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.cell import FIELDS, Config
from patent_embeddings.grid.comparisons import Candidate, Tested
from patent_embeddings.grid.gather import Grid
from patent_embeddings.grid.intervals import ALPHA, score, score_interval
from patent_embeddings.grid.scores import clustered
from patent_embeddings.grid.units import groups, paired


def advice(grid: Grid, landscape: str, task: Task) -> list[str]:
    """Lines that name the best candidate, the next best, its cost here and what its tuning does elsewhere.

    A candidate is a cell under a system; the lead is tested among all pairs of candidates (Holm), since the best of
    many is best by luck too. Raises UserError where no cell is scored on this landscape for this task, or only one.
    """
    known = sorted(grid.outcomes["landscape"].unique())
    here = grid.outcomes[grid.outcomes["landscape"] == landscape]
    if here.empty:
        hint = nearest(landscape, known)
        raise UserError(f"no cell is scored on {landscape!r}{hint}; landscapes of these cells: {', '.join(known)}")
    here = _shared_folds(here)
    tested = comparisons.every_pair(here, "candidates", "candidates", task)
    if not tested:
        mend = "run more cells with `python -m stages.grid run`"
        raise UserError(f"{landscape}: fewer than two candidates for {task}; {mend}")
    rows = comparisons.candidates(here, task)
    sides: dict[Candidate, pd.DataFrame] = dict(groups(rows, "config", "system"))
    scores = {key: score(part) for key, part in sides.items()}
    first, second = sorted(scores, key=lambda key: (-scores[key], key))[:2]
    interval = _bracketed(*score_interval(sides[first]))
    over = f"{len(sides[first])} {'folds' if task == 'clustering' else 'test units'}"
    lines = [
        f"{task} on {landscape}: use {_words(*first)}",
        f"  {LEADING[task][1]} {scores[first]:.4f}{interval}{_floor(grid, first[0], landscape, task)} over {over}; "
        f"optimistic: the best of {len(scores)} candidates, chosen on the same units",
        f"  next best: {_words(*second)}, {scores[second]:.4f}",
        f"  lead: {_lead(tested, first, second, paired(sides[first], sides[second], FIELDS))}",
        *_cost(grid.costs, *first),
        *_elsewhere(grid, first[0], landscape, task),
    ]
    if here["simulated"].any():
        lines.append(f"  {landscape} is simulated: this says nothing about real patents")
    return lines


def _shared_folds(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the folds that every cell has: scores over other queries do not rank cells."""
    folds = [set(part["fold"]) for _, part in groups(outcomes, "config")]
    shared = set.intersection(*folds)
    if not shared:
        raise UserError("these cells have no fold in common; run the missing ones with -S tasks.fold=0,1,2,3,4")
    return outcomes[outcomes["fold"].isin(shared)]


def _words(config: Config, system: str) -> str:
    if system == "bm25":
        return f"BM25, view {config.query_view}"
    trained = f" trained on {'+'.join(config.trained_on)}" if config.trained_on else ""
    extra = "".join(f", {word}" for word in config.extra)
    return f"{config.model}, {config.recipe}{trained}, view {config.views}{extra}, system {system}"


def _lead(tested: list[Tested], first: Candidate, second: Candidate, pairs: pd.DataFrame) -> str:
    """The difference, with the p-value that it has among all pairs."""
    among = f"after Holm over {len(tested)} comparisons"
    for one in tested:
        if {one.first, one.second} == {first, second}:
            result = comparisons.pooled(pairs)
            if comparisons.undecidable(tested):
                change = f"{result.difference:+.4f}{_bracketed(result.low, result.high, '+')}"
                return f"{change}, cannot be decided: so few units give no p-value below {ALPHA} {among}"
            return f"{_change(result, one.significant)} (p {one.p_holm:.2g} {among})"
    return "the two share no test unit"


def _floor(grid: Grid, config: Config, landscape: str, task: Task) -> str:
    """What random vectors reach in clustering: V-measure is not corrected for chance."""
    if task != "clustering":
        return ""
    rows = clustered(grid.scores, floor=True)
    ours = rows[(rows["landscape"] == landscape) & (rows["config"] == config)]
    return f" (random vectors: {ours['value'].mean():.4f})" if len(ours) else ""


def _cost(costs: pd.DataFrame, config: Config, system: str) -> Iterator[str]:
    if system == "bm25":
        return
    ours = costs[costs["config"] == config]
    runs = max(ours["cell"].nunique(), 1)
    training = ours.loc[ours["stage"] == "finetune", "seconds"].sum() / runs
    embed = ours[ours["stage"] == "embed"]
    rate = embed["texts_per_second"].mean()
    speed = f" ({rate:,.0f} texts a second)" if rate == rate else ""
    device = ", ".join(sorted(set(embed["device"].dropna()))) or "an unnamed device"
    embedding = f"{embed['seconds'].sum() / runs:,.0f} s of embedding every landscape{speed}"
    yield f"  cost: {training:,.0f} s of training, {embedding}, on {device}"


def _elsewhere(grid: Grid, config: Config, landscape: str, task: Task) -> list[str]:
    """What the tuning of the chosen cell changes on other landscapes, against its zero-shot model."""
    if not config.trained_on:
        return []
    lines = []
    for one in comparisons.every_pair(grid.outcomes, "tuned", "tuned", task):
        if one.first[0] == config and one.landscape != landscape:
            lines.append(f"  on {one.landscape}, against zero-shot: {_change(one.result, one.significant)}")
    return lines or ["  elsewhere: no cell says what this tuning costs on other landscapes"]


def _change(result: Comparison, significant: bool) -> str:
    span = _bracketed(result.low, result.high, "+")
    return f"{result.difference:+.4f}{span}, {'significant' if significant else 'not significant'}"


def _bracketed(low: float, high: float, sign: str = "") -> str:
    """An interval in brackets, nothing where there is none."""
    return f" ({low:{sign}.4f} to {high:{sign}.4f})" if low == low else ""
