"""Which cell and system to use on a landscape: the best by score, with its lead over the next best and its cost.

`advise` returns data: the command prints it as lines, and the page of the grid shows it as a row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pandas as pd

from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.evaluation.statistics import Comparison
from patent_embeddings.evaluation.systems import LEADING, Task
from patent_embeddings.grid import comparisons
from patent_embeddings.grid.cell import FIELDS, Config, Options, reads
from patent_embeddings.grid.comparisons import Candidate, Tested
from patent_embeddings.grid.gather import Grid, timed
from patent_embeddings.grid.intervals import ALPHA, score, score_interval
from patent_embeddings.grid.scores import clustered
from patent_embeddings.grid.units import groups, paired, where


@dataclass(frozen=True)
class Lead:
    """The best candidate minus the next best, on the units that both have."""

    result: Comparison
    p_holm: float
    comparisons: int  # in Holm's correction: all pairs of candidates
    decidable: bool  # whether any difference could be significant on so few units

    @property
    def significant(self) -> bool:
        """Whether the adjusted p-value is below the level."""
        return self.decidable and self.p_holm < ALPHA


@dataclass(frozen=True)
class Advice:
    """The best candidate, which is a cell under a system, and what is reported about it."""

    task: Task
    landscape: str
    simulated: bool
    best: Candidate
    score: float
    low: float  # of its interval; NaN where there is none
    high: float
    units: int
    candidates: int
    left_out: int  # cells of another split or another pool
    floor: float | None  # score of random vectors in clustering: V-measure is not corrected for chance
    second: Candidate
    second_score: float
    lead: Lead | None  # None: the two share no unit
    cost: str  # in words, a mean over its runs; "": BM25, or nothing was recorded

    @property
    def metric(self) -> str:
        """Metric of the score."""
        return LEADING[self.task][1]


def advise(grid: Grid, landscape: str, task: Task) -> Advice:
    """Return the best candidate by score, and the next best.

    The best of many is partly so by luck, so its lead is tested among all pairs of candidates (Holm). Raises UserError
    where fewer than two candidates are scored on this landscape for this task, or the cells share no fold.
    """
    known = sorted(grid.outcomes["landscape"].unique())
    here = grid.outcomes[grid.outcomes["landscape"] == landscape]
    if here.empty:
        hint = nearest(landscape, known)
        raise UserError(f"no cell is scored on {landscape!r}{hint}; landscapes of these cells: {', '.join(known)}")
    here, left_out = _comparable(here[here["task"] == task], task)
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
        left_out=left_out, floor=_floor(grid, best, landscape) if task == "clustering" else None,
        second=second, second_score=scores[second], lead=_lead(tested, best, second, sides),
        cost="" if best[1] == "bm25" else _cost(grid.costs, best),
    )  # fmt: skip


def every(grid: Grid) -> tuple[list[Advice], list[str]]:
    """The advice for each task and landscape; for those that have none, the reasons, one a line."""
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
    """Lines for a terminal: the candidate, the next best, its cost, and what its fine-tuning changes elsewhere."""
    interval = _bracketed(advice.low, advice.high)
    floor = "" if advice.floor is None else f" (random vectors: {advice.floor:.4f})"
    over = f"{advice.units} {'folds' if advice.task == 'clustering' else 'test units'}"
    out = [
        f"{advice.task} on {advice.landscape}: use {words(*advice.best)}",
        f"  {advice.metric} {advice.score:.4f}{interval}{floor} over {over}; "
        f"optimistic: the best of {advice.candidates} candidates, chosen on the same units",
        f"  next best: {words(*advice.second)}, {advice.second_score:.4f}",
        f"  lead: {lead_words(advice.lead)}",
        *([f"  cost: {advice.cost}"] if advice.cost else []),
        *_elsewhere(grid, advice.best, advice.landscape, advice.task),
    ]
    if advice.left_out:
        cells = f"{advice.left_out} cell{'s' * (advice.left_out > 1)}"
        out.append(f"  not compared: {cells} of another split or pool, whose scores are of other queries or rankings")
    if advice.simulated:
        out.append(f"  {advice.landscape} is simulated: this says nothing about real patents")
    return out


def words(config: Config, system: str) -> str:
    """A candidate in words."""
    if system == "bm25":
        return ", ".join(["BM25", f"view {config.views}", *config.extra])
    trained = f" trained on {'+'.join(config.trained_on)}" if config.trained_on else ""
    about = [config.model, f"{config.recipe}{trained}", f"view {config.views}", *config.extra]
    return ", ".join([*about, f"system {system}"])


def lead_words(lead: Lead | None) -> str:
    """The difference with its interval, and its p-value after correction for all pairs."""
    if lead is None:
        return "the two share no test unit"
    among = f"after Holm over {lead.comparisons} comparisons"
    if not lead.decidable:
        so_few = f"cannot be decided: so few units give no p-value below {ALPHA} {among}"
        return f"{lead.result.difference:+.4f}{_bracketed(lead.result.low, lead.result.high, '+')}, {so_few}"
    return f"{_change(lead.result, lead.significant)} (p {lead.p_holm:.2g} {among})"


def _comparable(outcomes: pd.DataFrame, task: Task) -> tuple[pd.DataFrame, int]:
    """Outcomes of the cells whose scores rank one another, and how many cells were left out.

    These are the cells with the commonest split and pool, in the folds that all of them have. Takes outcomes of one
    landscape and task. Raises UserError where they share no fold.
    """
    system = LEADING[task][0]
    splits: dict[Config, Options] = {
        config: tuple((key, value) for key, value in config.options if key.startswith("tasks.") and reads(system, key))
        for config in outcomes["config"].unique()
    }
    counts = Counter(splits.values())
    if not counts:
        return outcomes, 0
    usual = max(counts, key=lambda options: (counts[options], not options, options))
    kept = where(outcomes, lambda config: splits[config] == usual)
    folds = set.intersection(*(set(part["fold"]) for _, part in groups(kept, "config")))
    if not folds:
        raise UserError("these cells have no fold in common; run the missing ones with -S tasks.fold=0,1,2,3,4")
    return kept[kept["fold"].isin(folds)], len(splits) - counts[usual]


def _lead(
    tested: Sequence[Tested], best: Candidate, second: Candidate, sides: dict[Candidate, pd.DataFrame]
) -> Lead | None:
    for one in tested:
        if {one.first, one.second} == {best, second}:
            result = comparisons.pooled(paired(sides[best], sides[second], FIELDS))
            return Lead(result, one.p_holm, len(tested), not comparisons.undecidable(tested))
    return None


def _floor(grid: Grid, best: Candidate, landscape: str) -> float | None:
    rows = _of(clustered(grid.scores, floor=True), best)
    values = rows.loc[rows["landscape"] == landscape, "value"]
    return float(values.mean()) if len(values) else None


def _cost(costs: pd.DataFrame, best: Candidate) -> str:
    """Seconds of training and of embedding, and the device."""
    ours = _of(timed(costs), best)
    if ours.empty:
        return ""
    embed, runs = ours[ours["stage"] == "embed"], ours["cell"].nunique()
    spent, rate = ours.loc[ours["stage"] == "finetune", "seconds"].sum() / runs, embed["texts_per_second"].mean()
    training = f"{spent:,.0f} s of training" if spent else "no training"
    speed = f" ({rate:{',.0f' if rate >= 10 else '.2g'}} texts a second)" if rate == rate else ""
    device = ", ".join(sorted(set(embed["device"].dropna()))) or "an unnamed device"
    return f"{training}, {embed['seconds'].sum() / runs:,.0f} s of embedding every landscape{speed}, on {device}"


def _of(rows: pd.DataFrame, candidate: Candidate) -> pd.DataFrame:
    """Rows of the cells that a candidate stands for: they differ only in options that its system does not read."""
    config, system = candidate
    return where(rows, lambda one: one.read_by(system) == config)


def _elsewhere(grid: Grid, best: Candidate, landscape: str, task: Task) -> Iterator[str]:
    """What fine-tuning changes for the best candidate on other landscapes, against its zero-shot model."""
    config, system = best
    if not config.trained_on:
        return
    changes = [
        f"  on {one.landscape}, against zero-shot: {_change(one.result, one.significant)}"
        for one in comparisons.every_pair(grid.outcomes, "tuned", "tuned", task, system=system)
        if one.first[0] == config and one.landscape != landscape
    ]
    yield from changes or ["  elsewhere: no cell says what this fine-tuning costs on other landscapes"]


def _change(result: Comparison, significant: bool) -> str:
    span = _bracketed(result.low, result.high, "+")
    return f"{result.difference:+.4f}{span}, {'significant' if significant else 'not significant'}"


def _bracketed(low: float, high: float, sign: str = "") -> str:
    """An interval in brackets, nothing where there is none."""
    return f" ({low:{sign}.4f} to {high:{sign}.4f})" if low == low else ""
