"""Which cell and system to use on a landscape: the best by score, how sure its lead is, what it costs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.comparisons import CONFIG, HEADLINE, LEVEL
from patent_embeddings.pages.grid_figures import clustered

if TYPE_CHECKING:
    import pandas as pd

    from patent_embeddings.evaluation.statistics import Comparison
    from patent_embeddings.grid.gather import Grid


def advice(grid: Grid, landscape: str, task: str) -> list[str]:
    """Lines that name the best candidate, the next best, its cost here and what its tuning does elsewhere.

    A candidate is a cell under a system; the lead is tested among all pairs of candidates (Holm), since the
    best of many is best by luck too.

    Raises:
        UserError: no cell is scored on this landscape for this task, or only one.
    """
    known = sorted(grid.outcomes["landscape"].unique())
    here = grid.outcomes[grid.outcomes["landscape"] == landscape]
    if here.empty:
        raise UserError(f"no cell is scored on {landscape!r}{nearest(landscape, known)}; landscapes of these cells: {', '.join(known)}")  # fmt: skip
    here = _shared_folds(here)
    tested = comparisons.every_pair(here, "candidates", "candidates", task)
    if not tested:
        raise UserError(f"{landscape}: fewer than two candidates for {task}; run more cells with `python -m stages.grid run`")  # fmt: skip
    rows = comparisons.candidates(here, task)
    sides = {tuple(key): part for key, part in rows.groupby([*CONFIG, "system"], observed=True)}
    scores = {config: comparisons.score(part) for config, part in sides.items()}
    first, second = sorted(scores, key=lambda config: (-scores[config], config))[:2]
    metric = HEADLINE[task][1]
    units = "folds" if task == "clustering" else "test units"
    lines = [
        f"{task} on {landscape}: use {_words(first)}",
        f"  {metric} {scores[first]:.4f}{_span(*comparisons.score_interval(sides[first]))}{_floor(grid, first, landscape, task)} over {len(sides[first])} {units}; "
        f"optimistic: the best of {len(scores)} candidates, chosen on the same units",
        f"  next best: {_words(second)}, {scores[second]:.4f}",
        f"  lead: {_lead(tested, first, second, comparisons.paired(sides[first], sides[second], CONFIG))}",
        *_cost(grid.costs, first),
        *_elsewhere(grid, first, landscape, task),
    ]
    if here["simulated"].any():
        lines.append(f"  {landscape} is simulated: this says nothing about real patents")
    return lines


def _shared_folds(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the folds that every cell has: scores over other queries do not rank cells."""
    folds = [set(part) for _, part in outcomes.groupby(CONFIG, observed=True)["fold"]]
    shared = set.intersection(*folds)
    if not shared:
        raise UserError("these cells have no fold in common; run the missing ones with -S tasks.fold=0,1,2,3,4")
    return outcomes[outcomes["fold"].isin(shared)]


def _words(config: tuple[object, ...]) -> str:
    model, recipe, trained_on, query_view, document_view, dimensions, variant, system = config
    if system == "bm25":
        return f"BM25, view {query_view}"
    cell = f"{model}, {recipe}{f' trained on {trained_on}' if trained_on else ''}"
    views = query_view if query_view == document_view else f"{query_view} to {document_view}"
    extra = "".join(f", {word}" for word in (f"{dimensions} dimensions" if dimensions else "", variant) if word)
    return f"{cell}, view {views}{extra}, system {system}"


def _lead(tested: list[comparisons.Tested], first: tuple[object, ...], second: tuple[object, ...], pairs: pd.DataFrame) -> str:  # fmt: skip
    """The difference, with the p-value that it has among all pairs."""
    among = f"after Holm over {len(tested)} comparisons"
    for one in tested:
        if {one.first_config, one.second_config} == {first, second}:
            result = comparisons.pooled(pairs)
            if comparisons.undecidable(tested):
                return f"{result.difference:+.4f}{_span(result.low, result.high, '+')}, cannot be decided: so few units give no p-value below {LEVEL} {among}"  # fmt: skip
            return f"{_change(result, one.significant)} (p {one.p_holm:.2g} {among})"
    return "the two share no test unit"


def _floor(grid: Grid, config: tuple[object, ...], landscape: str, task: str) -> str:
    """What random vectors reach in clustering: V-measure is not corrected for chance."""

    if task != "clustering":
        return ""
    rows = clustered(grid, floor=True)
    ours = rows[(rows["landscape"] == landscape) & (rows[CONFIG] == list(config[:-1])).all(axis=1)]
    return f" (random vectors: {ours['value'].mean():.4f})" if len(ours) else ""


def _cost(costs: pd.DataFrame, config: tuple[object, ...]) -> list[str]:
    if config[-1] == "bm25":
        return []
    ours = costs[(costs[CONFIG] == list(config[:-1])).all(axis=1)]
    runs = max(ours["cell"].nunique(), 1)
    training = ours.loc[ours["stage"] == "finetune", "seconds"].sum() / runs
    embed = ours[ours["stage"] == "embed"]
    rate = embed["texts_per_second"].mean()
    speed = f" ({rate:,.0f} texts a second)" if rate == rate else ""
    device = ", ".join(sorted(set(embed["device"].dropna())))
    return [f"  cost: {training:,.0f} s of training, {embed['seconds'].sum() / runs:,.0f} s of embedding every landscape{speed}, on {device or 'an unnamed device'}"]  # fmt: skip


def _elsewhere(grid: Grid, config: tuple[object, ...], landscape: str, task: str) -> list[str]:
    """What the tuning of the chosen cell changes on other landscapes, against its zero-shot model."""
    if config[1] in ("", "zero-shot"):
        return []
    lines = []
    for one in comparisons.every_pair(grid.outcomes, "tuned", "tuned", task):
        if one.first_config[:-1] == config[:-1] and one.landscape != landscape:
            lines.append(f"  on {one.landscape}, against zero-shot: {_change(one.result, one.significant)}")
    return lines or ["  elsewhere: no cell says what this tuning costs on other landscapes"]


def _change(result: Comparison, significant: bool) -> str:
    span = _span(result.low, result.high, "+")
    return f"{result.difference:+.4f}{span}, {'significant' if significant else 'not significant'}"


def _span(low: float, high: float, sign: str = "") -> str:
    """An interval in brackets, nothing where there is none."""
    return f" ({low:{sign}.4f} to {high:{sign}.4f})" if low == low else ""
