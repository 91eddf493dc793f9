"""The settings of fusion: RRF's constant and the weight of interpolation.

They are tuned on dev queries only; or, where queries are too few for that, cross-fitted: the queries of each fold are
fused with the setting that is best on the other folds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.params import Fuse
from patent_embeddings.core.progress import say
from patent_embeddings.evaluation import retrieval
from patent_embeddings.evaluation.schemas import ORACLES
from patent_embeddings.retrieval.fusion import Legs, Setting, ranks
from patent_embeddings.retrieval.schemas import FUSION

UNTUNED = {"rrf": 60.0, "interpolation": 0.5}  # used where no query to tune on has a relevant family


@dataclass(frozen=True)
class Tuned:
    """Outcome of tuning."""

    # Rows of `FUSION`: every setting on dev and test; cross-fitted on test and, for each fold, on the other folds.
    table: pd.DataFrame
    chosen: dict[str, Setting]  # per method the best on dev, the first of the grid among equals; cross-fitted by query
    # Per method the best on test, likewise; the chosen one where no test query has a relevant family.
    oracle: dict[str, float]
    on_dev: bool  # False where no query to tune on has a relevant family, so that fixed values were chosen

    @property
    def said(self) -> dict[str, float | list[float]]:
        """The chosen value of each method; cross-fitted, its distinct values."""
        return {
            method: value if isinstance(value, float) else sorted(set(value.tolist()))
            for method, value in self.chosen.items()
        }


def oracles(legs: Legs, tuned: Tuned, qrels: pd.DataFrame, depth: int, label: str) -> pd.DataFrame:
    """Rows of `ORACLES`: ranks of the judged families, rows of `QRELS`, under the settings best on test."""
    found = ranks(legs, list(tuned.oracle.items()), depth, qrels, label)
    pairs = qrels[["query_id", "family_id"]]
    frames = [
        pairs.assign(system=f"oracle-{method}", rank=rank)[rank > 0]
        for method, rank in zip(tuned.oracle, found, strict=True)
    ]
    return tables.typed(pd.concat(frames, ignore_index=True), ORACLES)


def tune(
    legs: Legs,
    qrels: pd.DataFrame,
    queries: pd.DataFrame,
    settings: Fuse,
    *,
    label: str,
    reachable: Booleans | None = None,
    threshold: int = 1,
    folds: Mapping[str, int] | None = None,
) -> Tuned:
    """Score every setting of the grid on the dev and the test queries, over all scopes.

    Takes rows of `QRELS` and of `QUERIES`, the latter in the order of the legs. `reachable`: for each judgement,
    whether the query's pool contains its family; None: always. Queries without a reachable relevant family are skipped.
    `threshold` as in `per_query`. `folds`: the fold of each query by its id, for cross-fitting; all queries are test.
    """
    relevant = qrels["relevance"] > 0
    judged, within = qrels[relevant], qrels[relevant if reachable is None else relevant & reachable]
    asked = queries[queries["split"].isin(["dev", "test"]) & queries["query_id"].isin(within["query_id"])]
    # Positions among `asked` of the queries to tune on, by split.
    tuned_on = {"dev": np.flatnonzero(asked["split"] == "dev")}
    if folds is not None:
        own = asked["query_id"].map(folds).to_numpy()
        tuned_on = {f"fold-{fold}": np.flatnonzero(own != fold) for fold in sorted(set(folds.values()))}
    tunable = all(map(len, tuned_on.values()))
    grids = {"rrf": [float(k) for k in settings.rrf_k], "interpolation": list(settings.weights)}
    if not tunable:
        fixed = f"k = {UNTUNED['rrf']:g} and weight {UNTUNED['interpolation']:g}"
        lacking = "no dev query has a relevant family" if folds is None else "the scored queries are all of one fold"
        say(f"{label}: {lacking}; {fixed} are used untuned")
        grids = {method: [*grid, UNTUNED[method]] for method, grid in grids.items()}
    grids = {method: list(dict.fromkeys(grid)) for method, grid in grids.items()}
    settled = [(method, value) for method, grid in grids.items() for value in grid] if len(asked) else []
    judged = judged[judged["query_id"].isin(asked["query_id"])]
    outcomes = {}  # `split` and `value` of the metric for each method and value, a row for each query of `asked`
    for key, rank in zip(settled, ranks(legs, settled, settings.depth, judged, label), strict=True):
        scored = retrieval.Found(rank, np.zeros(len(asked), np.int64))
        values = retrieval.outcomes(scored, judged, asked, [settings.metric], threshold=threshold)
        outcomes[key] = values.loc[values["scope"] == "all", ["split", "value"]]
    means = {
        (*key, str(split)): float(mean)
        for key, one in outcomes.items()
        for split, mean in one.groupby("split")["value"].mean().items()
    }
    for fold, rows_ in tuned_on.items():
        if folds is not None and len(rows_):
            means |= {(*key, fold): float(one["value"].iloc[rows_].mean()) for key, one in outcomes.items()}

    def best(method: str, split: str, otherwise: float) -> float:
        """The best value on a split, the first of the grid among equals; `otherwise` where the split has no scores."""
        scored = [value for value in grids[method] if (method, value, split) in means]
        return max(scored, key=lambda value: means[method, value, split], default=otherwise)

    chosen: dict[str, Setting] = {}
    oracle: dict[str, float] = {}
    flags: dict[tuple[str, str], set[float]] = {}  # method and split -> values chosen there
    for method in grids:
        found = {part: best(method, part, UNTUNED[method]) if tunable else UNTUNED[method] for part in tuned_on}
        chosen[method] = found["dev"] if folds is None else np.array([found[f"fold-{folds[q]}"] for q in legs.queries])
        oracle[method] = best(method, "test", found.get("dev", UNTUNED[method]))
        flags |= {(method, part): {value} for part, value in found.items()}
        flags[method, "test"] = set(found.values())
    rows = [
        (method, value, split, settings.metric, score, value in flags[method, split], value == oracle[method])
        for (method, value, split), score in means.items()
    ]
    table = tables.typed(pd.DataFrame(rows, columns=list(FUSION.columns)), FUSION)
    return Tuned(table, chosen, oracle, tunable)


def tuned_to(table: pd.DataFrame, method: str, fold: int | None, *, cross_fitted: bool) -> float:
    """The value by which a query is fused, from rows of `FUSION`; for the landscape's queries that of their run.

    `fold`: of a query of a cross-fitted landscape; None: a new query, for which the value best on all queries is used.
    """
    found = table[(table["method"] == method) & table["oracle" if cross_fitted and fold is None else "chosen"]]
    if fold is not None:
        found = found[found["split"] == f"fold-{fold}"]
    return float(found["value"].iloc[0]) if len(found) else UNTUNED[method]
