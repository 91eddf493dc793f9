"""The section of the grid's page that goes beyond the study: its protocol's hypotheses, tables, and what did not work."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from patent_embeddings.evaluation.scores import records
from patent_embeddings.grid import beyond, hypotheses
from patent_embeddings.grid.comparisons import LEVEL
from patent_embeddings.grid.findings import NOT_TESTED, SUPPORTED
from patent_embeddings.pages.shell import Marked, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from patent_embeddings.grid.entries import Protocol
    from patent_embeddings.grid.gather import Grid
    from patent_embeddings.grid.hypotheses import Verdict
    from patent_embeddings.pages.shell import Cell

NOTES = {
    "confirmation": "Landscapes that nobody had looked at when the protocol was written: only here is a win a win.",
    "exploratory": "The leads come from these very landscapes, so that whatever is measured on them is exploratory, however small its p-value.",
    "simulated": "Generated families with planted effects: nothing here says anything about real patents.",
}  # fmt: skip


@dataclass(frozen=True)
class Study:
    """What the cells come to under a protocol.

    Attributes:
        protocol: its entry.
        points: rows of `beyond.frontier`, and their `ground`.
        duels: rows of `beyond.against_baseline`, and their `ground`.
        out: rows of `beyond.out_of_domain`, and their `ground`.
        verdicts: on every hypothesis, ground by ground.
        spent: of `beyond.spent`.
    """

    protocol: Protocol
    points: pd.DataFrame
    duels: pd.DataFrame
    out: pd.DataFrame
    verdicts: list[Verdict]
    spent: pd.DataFrame


def study(grid: Grid, protocol: Protocol, base: Mapping[str, Any]) -> Study:
    """Measure and judge; `base` is params.yaml by dotted key."""

    grounds = beyond.grounds(grid.outcomes, protocol)
    points = [beyond.frontier(rows, protocol.margin).assign(ground=ground) for ground, rows in grounds.items()]
    duels = [beyond.against_baseline(rows).assign(ground=ground) for ground, rows in grounds.items()]
    out = [beyond.out_of_domain(rows).assign(ground=ground) for ground, rows in grounds.items()]
    return Study(
        protocol,
        pd.concat(points, ignore_index=True),
        pd.concat(duels, ignore_index=True),
        pd.concat(out, ignore_index=True),
        hypotheses.judge(grid.outcomes, protocol, base),
        beyond.spent(beyond.settled(grid.costs, protocol)) if len(grid.costs) else pd.DataFrame(),
    )


def shown(found: Study) -> list[dict[str, Any]]:
    """For each ground what the page shows of it."""
    grounds = dict.fromkeys(one.ground for one in found.verdicts)
    out = []
    for ground in grounds:
        points, duels, table = (rows[rows["ground"] == ground] for rows in (found.points, found.duels, found.out))
        verdicts = [one for one in found.verdicts if one.ground == ground]
        out.append({
            "ground": ground, "note": NOTES[ground],
            "verdicts": [(one, found.protocol.hypotheses[one.hypothesis]) for one in verdicts],
            "frontier": frontier(points, found.spent), "duels": against_baseline(duels), "out": out_of_domain(table, found.spent),
            "negatives": negatives(points, table, verdicts, found.protocol),
        })  # fmt: skip
    return out


def frontier(points: pd.DataFrame, spent: pd.DataFrame) -> Table | None:
    """Change at home and abroad of every recipe and setting; None where nothing was tuned."""
    rows: list[list[Cell]] = [
        [label, Marked(row["home"], row["home_low"], row["home_high"]),
         Marked(row["mean"], row["mean_low"], row["mean_high"]) if row["abroad"] else None,
         Marked(row["worst"], row["worst_low"], row["worst_high"]) if row["abroad"] else None, row["where"],
         *(Marked(*(row[f"{side}_plain{end}"] for end in ("", "_low", "_high"))) if row[f"{side}_plain"] == row[f"{side}_plain"] else None for side in ("home", "mean")),
         f"{row['harmless']} of {row['abroad']}", row["provable"] if row["abroad"] else None, row["homes"], row["seeds"], row["folds"], row["cells"], *_spent(row, spent)]
        for label, row in zip(labels(points), records(points), strict=True)
    ]  # fmt: skip
    heads = ["recipe", "change at home", "mean change abroad", "worst change abroad", "worst where", "home, against the plain model", "abroad, against the plain model", "not inferior abroad", "provable margin", "homes", "seeds", "folds", "cells", "seconds", "peak MiB"]  # fmt: skip
    return Table(heads, rows) if rows else None


def against_baseline(duels: pd.DataFrame) -> Table | None:
    """Change of every recipe and setting less that of the baseline; None where nothing can be compared with it."""
    rows: list[list[Cell]] = [
        [label, *(Marked(*(row[f"{side}{end}{split}"] for end in ("", "_low", "_high"))) if row[f"{side}{split}"] == row[f"{side}{split}"] else None
                  for split in ("", "_dev") for side in ("home", "abroad")),
         row["landscapes"], row["seeds"], row["folds"], row["n"], int(row["n_dev"]) if row["n_dev"] == row["n_dev"] else None]
        for label, row in zip(labels(duels), records(duels), strict=True)
    ]  # fmt: skip
    heads = ["recipe", "more at home", "more abroad", "dev: at home", "dev: abroad", "landscapes", "seeds", "folds", "n", "dev n"]  # fmt: skip
    return Table(heads, rows) if rows else None


def out_of_domain(table: pd.DataFrame, spent: pd.DataFrame) -> Table | None:
    """OUT nDCG@10 of every option under every system; None where no query has both scopes."""
    rows: list[list[Cell]] = []
    for label, row in zip(labels(table), records(table), strict=True):
        tested = row["change"] == row["change"]
        rows.append([
            label, row["system"], Marked(row["value"], row["low"], row["high"]),
            Marked(row["change"], row["change_low"], row["change_high"], "*" if row["p_holm"] < LEVEL else "") if tested else None, row["p_holm"] if tested else None,
            row["detectable"] if tested else None,
            Marked(row["gap"], row["gap_low"], row["gap_high"]) if row["gap"] == row["gap"] else None,
            row["times"] if row["times"] == row["times"] else None, row["n"], *_spent(row, spent),
        ])  # fmt: skip
    heads = ["option", "system", "OUT nDCG@10", "change", "p (Holm)", "detectable", "gap", "times the best leg", "n", "seconds", "peak MiB"]  # fmt: skip
    return Table(heads, rows, texts=2) if rows else None


def negatives(points: pd.DataFrame, table: pd.DataFrame, verdicts: Sequence[Verdict], protocol: Protocol) -> list[str]:
    """What did not work or could not be decided, a sentence each, from the numbers."""
    good = {SUPPORTED, *(words.get(SUPPORTED, SUPPORTED) for words in hypotheses.WORDS.values())}
    out = [
        f"{protocol.hypotheses[one.hypothesis].statement.removesuffix('.')}: {one.verdict}. {one.reason}"
        for one in verdicts
        if one.verdict not in good and one.verdict != NOT_TESTED
    ]
    for label, row in zip(labels(points), records(points), strict=True):
        if row["harmless"] < row["abroad"]:
            out.append(f"{label}: {row['home']:+.1%} at home; abroad not inferior on {row['harmless']} of {row['abroad']} pairs, "
                       f"at worst {row['worst']:+.1%} ({row['worst_low']:+.1%} to {row['worst_high']:+.1%}; {row['where']}).")  # fmt: skip
    changed = table[table["change"].notna()]
    worse = changed[(changed["change"] < 0) & (changed["p_holm"] < LEVEL)]
    undecided = int((changed["p_holm"] >= LEVEL).sum())
    if undecided:
        out.append(f"Out of domain: {undecided} of the {len(changed)} changes above are not significant; beside each is what could have been detected.")  # fmt: skip
    for label, row in zip(labels(worse), records(worse), strict=True):
        out.append(f"{label}, {row['system']}: OUT changes by {row['change']:+.4f} ({row['change_low']:+.4f} to {row['change_high']:+.4f}) over {row['n']} queries, significantly worse.")  # fmt: skip
    return out


def labels(rows: pd.DataFrame) -> list[str]:
    """Words for each row: recipe and variant, and what of model, views and dimensions differs among the rows."""
    differing = [key for key in beyond.PLACE if rows[key].nunique() > 1]
    if "document_view" in differing and (rows["query_view"] == rows["document_view"]).all():
        differing.remove("document_view")
    return [" ".join(str(row[key]) for key in (*differing, "recipe", "variant") if row[key]) for row in records(rows)]


def _spent(row: Mapping[str, Any], spent: pd.DataFrame) -> list[float | None]:
    """Seconds and peak memory of a row; nothing where no costs are known."""
    key = tuple(row[name] for name in (*beyond.PLACE, "recipe", "variant"))
    return [float(value) for value in spent.loc[key]] if key in spent.index else [None, None]
