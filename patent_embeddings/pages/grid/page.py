"""The page of the grid: recommendations, ledger, cells, pictures, comparisons and costs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.grid import comparisons as comparisons_
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.comparisons import Tested
from patent_embeddings.grid.findings import Judgement, command
from patent_embeddings.grid.gather import Grid, timed
from patent_embeddings.grid.recommendation import Advice, every, lead_words, words
from patent_embeddings.grid.scores import FLOOR, clustered, scored
from patent_embeddings.grid.units import groups, units
from patent_embeddings.handover.sheets import Score, Sheet, Shown
from patent_embeddings.pages.grid.picture import OUTCOMES, Picture, fitted, landscapes
from patent_embeddings.pages.shell import render

MOST = 2000  # comparisons on the page: they grow as the square of the cells


def page(
    grid: Grid,
    tested: Sequence[Tested],
    judged: Sequence[Judgement],
    entries: Mapping[str, Any],
    pictures: Mapping[str, Picture],
) -> str:
    """The whole page as HTML; `tested` are all comparisons declared, `entries` the findings by id."""
    advised, lacking = every(grid)
    simulated = grid.outcomes.loc[grid.outcomes["simulated"], "landscape"].unique()
    drawn = {name: picture.spec for name, picture in pictures.items() if picture.spec}
    shown = {name: fitted(spec) for name, spec in drawn.items()}
    return render(
        "grid.html.j2",
        charts={name: spec for name, (spec, _) in shown.items()}
        | {f"{name}-whole": drawn[name] for name, (_, told) in shown.items() if told},
        shown={name: told for name, (_, told) in shown.items()},
        count=len(grid.experiments),
        answer=recommended(advised),
        candidates=max((one.candidates for one in advised), default=0),
        lacking=[*lacking, *_left_out(advised)],
        landscapes=sorted(grid.outcomes["landscape"].unique()),
        simulated=sorted(simulated),
        folds=sorted({int(fold) for fold in grid.outcomes["fold"]}),
        seeds=sorted({int(seed) for seed in grid.outcomes["seed"]}),
        ledger=ledger(judged, entries),
        cells=cells(grid, tested),
        undecidable=undecidable(tested),
        pictures=pictures,
        comparisons=comparisons(tested, MOST),
        costs=costs(grid.costs),
    )


# One and several of what comparisons are over.
_UNITS = {"retrieval": ("query", "queries"), "classification": ("family", "families"), "clustering": ("fold", "folds")}


def recommended(found: Sequence[Advice]) -> Sheet | None:
    """The recommendation for each task and landscape, as `grid recommend` prints it; None where there is none."""
    rows: list[list[Shown]] = [
        [
            f"{one.task}, {one.metric}",
            f"{one.landscape} (simulated)" if one.simulated else one.landscape,
            words(*one.best),
            Score(one.score, one.low, one.high, "" if one.floor is None else f"random vectors {one.floor:.4f}"),
            f"{one.units:,} {_UNITS[one.task][one.units > 1]}",
            f"{lead_words(one.lead)}; next best: {words(*one.second)}",
            one.cost or None,
        ]
        for one in found
    ]
    head = ["task", "landscape", "use", "score", "n", "lead over the next best", "cost"]
    source = "data/outcomes and data/costs of the experiments"
    return Sheet(head, rows, texts=len(head), source=source).filled() if rows else None


def _left_out(advised: Sequence[Advice]) -> list[str]:
    """Cells that no recommendation is of, as `grid recommend` says."""
    why = "of another split or pool, whose scores are of other queries or rankings"
    left_out = ((f"{one.task} on {one.landscape}", one.left_out) for one in advised)
    return [f"{place}: not compared: {count} cell{'s' * (count > 1)} {why}" for place, count in left_out if count]


def ledger(judged: Sequence[Judgement], entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Findings in the registry's order, each with its judgement on real and on simulated landscapes."""
    found: dict[str, dict[str, Any]] = {}
    for one in judged:
        entry = entries[one.finding]
        shown = {key: getattr(entry, key) for key in ("statement", "decision", "plant")}
        line = found.setdefault(one.finding, {"id": one.finding, **shown, "grounds": []})
        rows: list[list[Shown]] = [
            [row["hypothesis"], Score(row["difference"], row["low"], row["high"]), *map(row.get, _TESTED)]
            for row in one.hypotheses
        ]
        hypotheses = Sheet(["comparison", "difference", "p", "p (Holm)", "effect", "n"], rows) if rows else None
        line["grounds"].append({"judgement": one, "hypotheses": hypotheses, "command": command(one)})
    return list(found.values())


_TESTED = ("p", "p_holm", "effect", "n")


def cells(grid: Grid, tested: Sequence[Tested]) -> Sheet:
    """The leading score of every task by cell and landscape, folds pooled and seeds averaged."""
    best = winners(tested)
    folds = grid.outcomes.groupby(["config", "landscape"], observed=True)["fold"].unique()
    keys = ["config", "landscape", "simulated"]
    lines: dict[tuple[str, Config, str], dict[str, Shown]] = {}
    counts: dict[str, dict[str, set[int]]] = {}
    parts: dict[str, pd.DataFrame] = {
        task: scored(units(grid.outcomes, task), keys) for task in LEADING if task != "clustering"
    }
    parts |= {"clustering": clustered(grid.scores), FLOOR: clustered(grid.scores, floor=True)}
    for task, rows in parts.items():
        for row in records(rows.assign(shown=landscapes(rows))):
            config = row["config"]
            pooled = ", ".join(map(str, sorted(folds[config, row["landscape"]])))
            read = config.read_by(LEADING[task][0]) if task in LEADING else config
            note = "best" if (row["landscape"], task, read) in best else ""
            line = lines.setdefault((row["shown"], config, pooled), {})
            line[task] = Score(row["value"], row["low"], row["high"], note)
            if task != FLOOR:
                counts.setdefault(row["shown"], {}).setdefault(task, set()).add(row["n"])
    out: list[list[Shown]] = [
        [shown, *config.words[:3], config.views, ", ".join(config.extra), pooled, *map(line.get, (*LEADING, FLOOR))]
        for (shown, config, pooled), line in sorted(lines.items(), key=lambda one: one[0])
    ]
    heads = [*(f"{task}, {metric}" for task, (_, metric) in LEADING.items()), "the same of random vectors"]
    texts = ["landscape", "model", "recipe", "trained on", "view", "other options", "folds"]
    said = [f"n on {shown}: {', '.join(map(_counted, of, of.values()))}" for shown, of in sorted(counts.items())]
    return Sheet([*texts, *heads], out, "; ".join(said), texts=len(texts), source=OUTCOMES).filled()


def _counted(task: str, counts: set[int]) -> str:
    """Least and greatest number of units of a task's scores."""
    spread = f"{min(counts):,}" if len(counts) == 1 else f"{min(counts):,} to {max(counts):,}"
    return f"{spread} {'queries' if task == 'retrieval' else 'families'} ({task})"


def undecidable(tested: Sequence[Tested]) -> list[str]:
    """Landscapes and tasks with too few units for any cell to win significantly."""
    places = _places(tested).items()
    return [f"{landscape} ({task})" for (landscape, task), ours in places if comparisons_.undecidable(ours)]


def winners(tested: Sequence[Tested]) -> set[tuple[str, str, Config]]:
    """(landscape, task, configuration) of cells that are significantly better than every other one there."""
    found = set()
    for place, ours in _places(tested).items():
        every = {config for one in ours for config, _ in (one.first, one.second)}
        better = [one.first if one.result.difference > 0 else one.second for one in ours if one.significant]
        won = Counter(config for config, _ in better)
        found |= {(*place, config) for config, count in won.items() if count == len(every) - 1}
    return found


def _places(tested: Sequence[Tested]) -> dict[tuple[str, str], list[Tested]]:
    """The comparisons of cells with each other, by landscape and task."""
    places: dict[tuple[str, str], list[Tested]] = {}
    for one in tested:
        if one.hypotheses == "cells":
            places.setdefault((one.landscape, one.task), []).append(one)
    return places


def comparisons(tested: Sequence[Tested], most: int | None = None) -> Sheet:
    """The comparisons declared; of more than `most` those with the lowest p, as the caption then says."""
    rows: list[list[Shown]] = []
    caption = ""
    if most is not None and len(tested) > most:
        caption = (
            f"{most:,} of {len(tested):,} comparisons: those with the lowest p after Holm's correction, among equals "
            f"the largest effect; all are in {layout.GRID_COMPARISONS.as_posix()}"
        )
        sizes = [abs(one.result.effect) if one.result.n > 1 else 0.0 for one in tested]  # a single unit has none
        least = sorted(range(len(tested)), key=lambda at: (tested[at].p_holm, -sizes[at]))
        tested = [tested[at] for at in sorted(least[:most])]
    for one in tested:
        found = one.result
        difference = Score(found.difference, found.low, found.high, "*" if one.significant else "")
        about = [one.hypotheses, one.landscape, one.task, *one.titles]
        rows.append([*about, difference, one.p_holm, found.effect, found.n])
    heads = ["hypotheses", "landscape", "task", "first", "second", "first - second", "p (Holm)", "effect", "n"]
    return Sheet(heads, rows, caption, texts=5, source=layout.GRID_COMPARISONS.as_posix())


def costs(costs: pd.DataFrame) -> Sheet:
    """Time, throughput, memory and energy of each cell; means over folds and seeds."""
    rows: list[list[Shown]] = []
    known = timed(costs)
    for config, ours in groups(costs, "config"):
        part = known[known["cell"].isin(ours["cell"])]
        runs = part["cell"].nunique()
        embed, training = (part[part["stage"] == stage] for stage in ("embed", "finetune"))
        seconds = [_known(one["seconds"].sum(min_count=1) / max(runs, 1)) for one in (part, training, embed)]
        device = ", ".join(sorted(set(part["gpu"].astype(object).fillna(part["device"]).dropna())))
        rates = [_known(embed[key].mean()) for key in ("texts_per_second", "tokens_per_second")]
        busy = f"{embed['busy'].mean():.0%}" if embed["busy"].notna().any() else None
        peaks = [_known(part[key].max()) for key in ("peak_mib", "peak_gpu_mib")]
        # Stages without a GPU have neither.
        sums = [_known(part[key].sum(min_count=1) / max(runs, 1)) for key in ("gpu_seconds", "watt_hours")]
        rows.append([config.title, *seconds, *rates, busy, *peaks, *sums, device])
    heads = ["cell", "seconds, all stages", "training", "embedding", "texts a second", "tokens a second", "busy"]
    heads += ["peak MiB", "peak GPU MiB", "GPU seconds", "Wh", "device"]
    caption = "Texts and tokens a second and busy are those of embedding; each cell's own page has all stages"
    if len(known) < len(costs):
        caption += "; runs that took results from the scratch, which cost them nothing, are left out"
    return Sheet(heads, rows, caption, source="data/costs of every experiment").filled()


def _known(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
