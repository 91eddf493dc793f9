"""Which cell and system to use on a landscape: the best by score, how sure its lead is, what it costs.

What is recommended is data: the command prints it as lines, the page of the grid shows it as a row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Lead:
    """The best candidate less the next best, on the units that both have."""

    result: Comparison
    p_holm: float
    comparisons: int  # that Holm's correction is over: all pairs of candidates
    decidable: bool  # whether any difference could be significant on so few units

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below the level."""
        return self.decidable and self.p_holm < ALPHA


@dataclass(frozen=True)
class Cost:
    """What a cell took, means over its runs: seconds, texts a second of embedding (NaN: unknown), device."""

    training: float
    embedding: float
    rate: float
    device: str


@dataclass(frozen=True)
class Advice:
    """The best of the candidates, which are cells under a system, and all that is said of it."""

    task: Task
    landscape: str
    simulated: bool
    best: Candidate
    score: float
    low: float  # of its interval; NaN where there is none
    high: float
    units: int
    candidates: int
    floor: float | None  # what random vectors reach in clustering: V-measure is not corrected for chance
    second: Candidate
    second_score: float
    lead: Lead | None  # None: the two share no unit
    cost: Cost | None  # None: BM25, or nothing was recorded

    @property
    def metric(self) -> str:
        """Of the score."""
        return LEADING[self.task][1]


def advise(grid: Grid, landscape: str, task: Task) -> Advice:
    """The best candidate by score, and the next best.

    The lead is tested among all pairs of candidates (Holm), since the best of many is best by luck too. Raises
    UserError where no cell is scored on this landscape for this task, or only one, or the cells share no fold.
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
    sides: dict[Candidate, pd.DataFrame] = dict(groups(comparisons.candidates(here, task), "config", "system"))
    scores = {key: score(part) for key, part in sides.items()}
    best, second = sorted(scores, key=lambda key: (-scores[key], key))[:2]
    low, high = score_interval(sides[best])
    return Advice(
        task=task, landscape=landscape, simulated=bool(here["simulated"].any()),
        best=best, score=scores[best], low=low, high=high, units=len(sides[best]), candidates=len(scores),
        floor=_floor(grid, best[0], landscape) if task == "clustering" else None,
        second=second, second_score=scores[second], lead=_lead(tested, best, second, sides),
        cost=None if best[1] == "bm25" else _cost(grid.costs, best[0]),
    )  # fmt: skip


def every(grid: Grid) -> tuple[list[Advice], list[str]]:
    """What is recommended for each task and landscape, and why nothing is for the others, a line a reason."""
    found = []
    lacking: dict[str, list[str]] = {}
    for task in LEADING:
        for landscape in sorted(grid.outcomes.loc[grid.outcomes["task"] == task, "landscape"].unique()):
            try:
                found.append(advise(grid, landscape, task))
            except UserError as reason:
                lacking.setdefault(str(reason).removeprefix(f"{landscape}: "), []).append(landscape)
    return found, [f"{', '.join(places)}: {reason.replace('`', '')}" for reason, places in lacking.items()]


def lines(advice: Advice, grid: Grid) -> list[str]:
    """What the command says: the candidate, the next best, its cost here and what its tuning does elsewhere."""
    interval, floor = _bracketed(advice.low, advice.high), advice.floor
    beside = "" if floor is None else f" (random vectors: {floor:.4f})"
    over = f"{advice.units} {'folds' if advice.task == 'clustering' else 'test units'}"
    out = [
        f"{advice.task} on {advice.landscape}: use {words(*advice.best)}",
        f"  {advice.metric} {advice.score:.4f}{interval}{beside} over {over}; "
        f"optimistic: the best of {advice.candidates} candidates, chosen on the same units",
        f"  next best: {words(*advice.second)}, {advice.second_score:.4f}",
        f"  lead: {lead_words(advice.lead)}",
        *([f"  cost: {cost_words(advice.cost)}"] if advice.cost else []),
        *_elsewhere(grid, advice.best[0], advice.landscape, advice.task),
    ]
    if advice.simulated:
        out.append(f"  {advice.landscape} is simulated: this says nothing about real patents")
    return out


def words(config: Config, system: str) -> str:
    """A candidate in words."""
    if system == "bm25":
        extra = "".join(f", {word}" for word in config.extra)
        return f"BM25, view {config.views}{extra}"
    trained = f" trained on {'+'.join(config.trained_on)}" if config.trained_on else ""
    extra = "".join(f", {word}" for word in config.extra)
    return f"{config.model}, {config.recipe}{trained}, view {config.views}{extra}, system {system}"


def lead_words(lead: Lead | None) -> str:
    """The difference, with the p-value that it has among all pairs."""
    if lead is None:
        return "the two share no test unit"
    among = f"after Holm over {lead.comparisons} comparisons"
    if not lead.decidable:
        so_few = f"cannot be decided: so few units give no p-value below {ALPHA} {among}"
        return f"{lead.result.difference:+.4f}{_bracketed(lead.result.low, lead.result.high, '+')}, {so_few}"
    return f"{_change(lead.result, lead.significant)} (p {lead.p_holm:.2g} {among})"


def cost_words(cost: Cost) -> str:
    """Seconds of training and of embedding, and on what."""
    speed = f" ({cost.rate:{',.0f' if cost.rate >= 10 else '.2g'}} texts a second)" if cost.rate == cost.rate else ""
    embedding = f"{cost.embedding:,.0f} s of embedding every landscape{speed}"
    training = f"{cost.training:,.0f} s of training" if cost.training else "no training"
    return f"{training}, {embedding}, on {cost.device}"


def _shared_folds(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Outcomes of the folds that every cell has: scores over other queries do not rank cells."""
    folds = [set(part["fold"]) for _, part in groups(outcomes, "config")]
    shared = set.intersection(*folds)
    if not shared:
        raise UserError("these cells have no fold in common; run the missing ones with -S tasks.fold=0,1,2,3,4")
    return outcomes[outcomes["fold"].isin(shared)]


def _lead(
    tested: Sequence[Tested], best: Candidate, second: Candidate, sides: dict[Candidate, pd.DataFrame]
) -> Lead | None:
    for one in tested:
        if {one.first, one.second} == {best, second}:
            result = comparisons.pooled(paired(sides[best], sides[second], FIELDS))
            return Lead(result, one.p_holm, len(tested), not comparisons.undecidable(tested))
    return None


def _floor(grid: Grid, config: Config, landscape: str) -> float | None:
    rows = clustered(grid.scores, floor=True)
    ours = rows[(rows["landscape"] == landscape) & (rows["config"] == config)]
    return float(ours["value"].mean()) if len(ours) else None


def _cost(costs: pd.DataFrame, config: Config) -> Cost | None:
    ours = costs[costs["config"] == config]
    if ours.empty:
        return None
    runs = ours["cell"].nunique()
    embed = ours[ours["stage"] == "embed"]
    return Cost(
        training=float(ours.loc[ours["stage"] == "finetune", "seconds"].sum() / runs),
        embedding=float(embed["seconds"].sum() / runs),
        rate=float(embed["texts_per_second"].mean()),
        device=", ".join(sorted(set(embed["device"].dropna()))) or "an unnamed device",
    )


def _elsewhere(grid: Grid, config: Config, landscape: str, task: Task) -> Iterator[str]:
    """What the tuning of the chosen cell changes on other landscapes, against its zero-shot model."""
    if not config.trained_on:
        return
    changes = [
        f"  on {one.landscape}, against zero-shot: {_change(one.result, one.significant)}"
        for one in comparisons.every_pair(grid.outcomes, "tuned", "tuned", task)
        if one.first[0] == config and one.landscape != landscape
    ]
    yield from changes or ["  elsewhere: no cell says what this tuning costs on other landscapes"]


def _change(result: Comparison, significant: bool) -> str:
    span = _bracketed(result.low, result.high, "+")
    return f"{result.difference:+.4f}{span}, {'significant' if significant else 'not significant'}"


def _bracketed(low: float, high: float, sign: str = "") -> str:
    """An interval in brackets, nothing where there is none."""
    return f" ({low:{sign}.4f} to {high:{sign}.4f})" if low == low else ""
