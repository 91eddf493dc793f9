"""The confirmation: recipes and centring on three landscapes that no idea came from, every query a test query."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from patent_embeddings.evaluation import statistics
from studies.robust.changes import Floats

OUTCOMES = Path(__file__).parent / "confirmation.parquet"
ROWS = 13  # changes against zero-shot that were looked at; two, of r3-ta, have no outcomes in the file
RESAMPLES = 20_000
CELL = ["recipe", "trained_on", "centre"]
ZERO = ("zero-shot", "", "none")


def read(path: Path = OUTCOMES) -> pd.DataFrame:
    """Read the outcomes: `CELL`, `seed`, `landscape`, `scope`, `query_id`, `ndcg10`."""
    return pd.read_parquet(path)


def table(outcomes: pd.DataFrame, resamples: int = RESAMPLES, seed: int = 0) -> pd.DataFrame:
    """Change of every cell against zero-shot, and of centred cells also against centring alone.

    Args:
        outcomes: of `read`.
        resamples: of queries and training seeds, both with replacement.
        seed: of both.

    Returns:
        `scope`, `CELL`, `against` (`zero-shot` or `centring`); `change`, the mean over landscapes of the relative
        change, with `low`, `high` and the two-sided bootstrap `p`, and the change on each landscape; `p_corrected`, by
        Holm's first step over `ROWS`, only for the least p against zero-shot in scope `all`; NaN elsewhere.
    """
    out = []
    for scope, rows in outcomes.groupby("scope"):
        means = _means(rows, resamples, seed)
        for against, base in (("zero-shot", ZERO), ("centring", ("zero-shot", "", "landscape"))):
            for cell, ours in means.items():
                if cell == base or (against == "centring" and cell[2] == "none"):
                    continue
                # On each landscape as a share of the zero-shot score there.
                parts = {name: (ours[name] - means[base][name]) / means[ZERO][name][0] for name in ours}
                values = {name: float(part[0]) for name, part in parts.items()}
                resampled = np.mean([part[1:] for part in parts.values()], axis=0)
                low, high = statistics.percentiles(resampled)
                p = 2 * min((resampled <= 0).mean(), (resampled >= 0).mean())
                row = {"scope": scope, **dict(zip(CELL, cell, strict=True)), "against": against}
                row |= {"change": float(np.mean(list(values.values()))), "low": float(low), "high": float(high)}
                out.append(row | {"p": max(float(p), 1 / resamples), **values})
    found = pd.DataFrame(out)
    family = found[(found["scope"] == "all") & (found["against"] == "zero-shot")]
    found.loc[family["p"].idxmin(), "p_corrected"] = min(1.0, ROWS * family["p"].min())
    return found


def _means(rows: pd.DataFrame, resamples: int, seed: int) -> dict[tuple[str, str, str], dict[str, Floats]]:
    """Mean of every cell on every landscape, then its resamples, float64 [1 + resamples]; cells share the queries."""
    cells = sorted(rows[CELL].drop_duplicates().itertuples(index=False, name=None))
    means: dict[tuple[str, str, str], dict[str, Floats]] = {cell: {} for cell in cells}
    for place, landscape in enumerate(sorted(rows["landscape"].unique())):
        here = rows[rows["landscape"] == landscape]
        wide = here.pivot_table(index="query_id", columns=[*CELL, "seed"], values="ndcg10")
        drawn_queries = statistics.resampled(wide.to_numpy(), resamples, seed + place) / len(wide)
        columns = pd.DataFrame(drawn_queries, columns=wide.columns)
        for number, cell in enumerate(cells):
            own = columns.loc[:, cell].to_numpy()  # [resamples, seeds]
            seeds = own.shape[1]
            drawn = np.random.default_rng([seed, number]).multinomial(seeds, np.full(seeds, 1 / seeds), resamples)
            # A resample of k seeds has (k - 1) / k of their variance: see `changes.change`.
            weights = 1 / seeds + (drawn - 1) / seeds * np.sqrt(seeds / max(seeds - 1, 1))
            means[cell][landscape] = np.append(wide[cell].mean().mean(), (own * weights).sum(axis=1))
    return means
