"""The page of the grid: ledger, cells, pictures, comparisons and costs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from patent_embeddings.grid import comparisons as comparisons_
from patent_embeddings.grid.comparisons import CONFIG, HEADLINE
from patent_embeddings.grid.findings import command
from patent_embeddings.pages import grid_section
from patent_embeddings.pages.grid_figures import FLOOR, clustered, landscapes, scored
from patent_embeddings.pages.shell import Marked, Table, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from patent_embeddings.grid.comparisons import Tested
    from patent_embeddings.grid.findings import Judgement
    from patent_embeddings.grid.gather import Grid
    from patent_embeddings.pages.grid_figures import Picture
    from patent_embeddings.pages.grid_section import Study
    from patent_embeddings.pages.shell import Cell


def page(
    grid: Grid, tested: Sequence[Tested], judged: Sequence[Judgement], entries: Mapping[str, Any], pictures: Mapping[str, Picture],
    study: Study | None = None, recorded: int = 0,
) -> str:  # fmt: skip
    """The whole page as HTML; `study`: what goes beyond the study, and its picture `frontier`; `recorded`: cells of a record."""
    simulated = grid.outcomes.loc[grid.outcomes["simulated"], "landscape"].unique()
    return render(
        "grid.html.j2",
        charts={name: picture.spec for name, picture in pictures.items() if picture.spec},
        count=len(grid.experiments) + recorded,
        recorded=recorded,
        landscapes=sorted(grid.outcomes["landscape"].unique()),
        simulated=sorted(simulated),
        folds=sorted({int(fold) for fold in grid.outcomes["fold"]}),
        seeds=sorted({int(seed) for seed in grid.outcomes["seed"]}),
        ledger=ledger(judged, entries),
        cells=cells(grid, tested),
        undecidable=undecidable(tested),
        pictures=pictures,
        comparisons=comparisons(tested),
        costs=costs(grid),
        study=study,
        grounds=grid_section.shown(study) if study else [],
    )


def ledger(judged: Sequence[Judgement], entries: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Findings in the registry's order, each with what every ground says of it."""

    found: dict[str, dict[str, Any]] = {}
    for one in judged:
        entry = entries[one.finding]
        line = found.setdefault(one.finding, {"id": one.finding, "statement": entry.statement, "decision": entry.decision, "plant": entry.plant, "grounds": []})  # fmt: skip
        rows: list[list[Cell]] = [
            [row["hypothesis"], Marked(row["difference"], row["low"], row["high"]), row["p"], row["p_holm"], row["effect"], row["n"]]
            for row in one.hypotheses
        ]  # fmt: skip
        hypotheses = Table(["comparison", "difference", "p", "p (Holm)", "effect", "n"], rows) if rows else None
        line["grounds"].append({"judgement": one, "hypotheses": hypotheses, "command": command(one)})
    return list(found.values())


def cells(grid: Grid, tested: Sequence[Tested]) -> Table:
    """Each cell on each landscape, the headline score of every task, folds pooled and seeds averaged."""
    from patent_embeddings.evaluation.scores import records

    winners = _winners(tested)
    folds = grid.outcomes.groupby([*CONFIG, "landscape"], observed=True)["fold"].unique()
    lines: dict[tuple[Any, ...], dict[str, Cell]] = {}
    for task in (*HEADLINE, FLOOR):
        keys = [*CONFIG, "landscape", "simulated"]
        by_cluster = task in ("clustering", FLOOR)
        rows = (
            clustered(grid, floor=task == FLOOR)
            if by_cluster
            else scored(comparisons_.units(grid.outcomes, task), keys)
        )
        for row in records(rows.assign(shown=landscapes(rows))):
            config = tuple(row[key] for key in CONFIG)
            best = (row["landscape"], task, config) in winners
            pooled = ", ".join(map(str, sorted(folds[(*config, row["landscape"])])))
            lines.setdefault((row["shown"], *config, pooled), {})[task] = Marked(row["value"], row["low"], row["high"], "best" if best else "")  # fmt: skip
    out: list[list[Cell]] = []
    for key, line in sorted(lines.items()):
        shown, model, recipe, trained_on, query_view, document_view, dimensions, variant, pooled = key
        views = query_view if query_view == document_view else f"{query_view} to {document_view}"
        extra = " ".join(word for word in (f"{dimensions} dimensions" if dimensions else "", variant) if word)
        out.append(
            [shown, model, recipe, trained_on, views, extra, pooled, *(line.get(task) for task in (*HEADLINE, FLOOR))]
        )
    heads = [*(f"{task}, {metric}" for task, (_, metric) in HEADLINE.items()), "the same of random vectors"]
    return Table(["landscape", "model", "recipe", "trained on", "view", "else", "folds", *heads], out, texts=7)


def undecidable(tested: Sequence[Tested]) -> list[str]:
    """Landscapes and tasks on which no cell could be the winner."""
    places: dict[str, list[Tested]] = {}
    for one in tested:
        if one.family == "cells":
            places.setdefault(f"{one.landscape} ({one.task})", []).append(one)
    return [place for place, ours in places.items() if comparisons_.undecidable(ours)]


def _winners(tested: Sequence[Tested]) -> set[tuple[str, str, tuple[object, ...]]]:
    """(landscape, task, configuration) of cells that are significantly better than every other one there."""
    beaten: dict[tuple[str, str], dict[tuple[object, ...], list[bool]]] = {}
    for one in tested:
        if one.family != "cells":
            continue
        better = one.result.difference > 0
        for config, wins in ((one.first_config, better), (one.second_config, not better)):
            beaten.setdefault((one.landscape, one.task), {}).setdefault(config[:-1], []).append(
                one.significant and wins
            )
    return {
        (*place, config) for place, results in beaten.items() for config, won in results.items()
        if all(won) and len(won) == len(results) - 1  # compared with every other one, that is
    }  # fmt: skip


def comparisons(tested: Sequence[Tested]) -> Table:
    """Every comparison of the declared families."""
    rows: list[list[Cell]] = [
        [one.family, one.landscape, one.task, one.first, one.second,
         Marked(one.result.difference, one.result.low, one.result.high, "*" if one.significant else ""),
         one.p_holm, one.result.effect, one.result.n]
        for one in tested
    ]  # fmt: skip
    return Table(["family", "landscape", "task", "first", "second", "first - second", "p (Holm)", "effect", "n"], rows, texts=5)  # fmt: skip


def costs(grid: Grid) -> Table:
    """Seconds of each cell's stages, texts per second of embedding, peak memory; mean over folds and seeds."""
    rows: list[list[Cell]] = []
    records: pd.DataFrame = grid.costs
    for config, part in records.groupby(CONFIG, observed=True):
        runs = part["cell"].nunique()
        embed = part[part["stage"] == "embed"]
        training = part[part["stage"] == "finetune"]["seconds"].sum() / runs
        device = ", ".join(sorted(set(part["device"].dropna())))
        rate = float(embed["texts_per_second"].mean()) if embed["texts_per_second"].notna().any() else None
        rows.append([comparisons_.name(config), float(part["seconds"].sum() / runs), float(training),
                     float(embed["seconds"].sum() / runs), rate, int(part["peak_mib"].max()), device])  # fmt: skip
    heads = ["cell", "seconds, all stages", "training", "embedding", "texts a second", "peak MiB", "device"]
    return Table(heads, rows)
