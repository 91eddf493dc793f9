"""Outcomes of many cells with planted effects, as `grid.gather` would read them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.grid.cell import Config, options, said

LABELS = "ipc-subclass"


class Planted:
    """Cells over the same queries: a query's difficulty is shared, so that differences are paired.

    Args:
        queries: test queries (and families) a fold.
        folds: how many.
        simulated: whether the landscapes are.
        noise: of each cell's outcome around its level.
    """

    def __init__(self, queries: int, folds: int = 5, *, simulated: bool = False, noise: float = 0.05) -> None:
        self.queries, self.folds, self.simulated, self.noise = queries, folds, simulated, noise
        self.blocks: list[tuple[dict[str, Any], list[str], Any]] = []  # what is the same, ids, values

    def cell(
        self, level: float, landscape: str = "a", *, model: str = "m", recipe: str = "zero-shot", trained_on: str = "",
        view: str = "tac", tasks: Iterable[str] = ("retrieval",), fused: float = 0.005, loss: float = 0.6,
        fused_loss: float | None = None, seed: int = 0, dimensions: int = 0, levels: dict[str, float] | None = None,
        **more: Any,
    ) -> Planted:  # fmt: skip
        """Add a cell scored on a landscape.

        `level` is that of its dense run, `fused` what interpolation adds, `loss` from IN to OUT; `more` are options,
        `a__b` is key b of block a.
        """
        extra = options({key.replace("__", "."): value for key, value in more.items()})
        variant = " ".join(said(*option) for option in extra)
        config = Config(model, recipe, tuple(filter(None, trained_on.split("+"))), view, view, dimensions, extra)
        home = trained_on or "nowhere"
        for fold in range(self.folds):
            shared = np.random.default_rng([fold, *map(ord, landscape)])
            own = np.random.default_rng(
                [fold, seed, *map(ord, f"{landscape}{model}{recipe}{trained_on}{view}{variant}")]
            )
            difficulty = shared.normal(0, 0.1, self.queries)
            key = {
                "cell": f"{model}-{recipe}-{home}-{view}{variant}-fold{fold}", "config": config, "landscape": landscape,
                "simulated": self.simulated, "fold": fold, "seed": seed, "split": "test",
            }  # fmt: skip
            for task in tasks:
                at = (levels or {}).get(task, level)
                add = {"retrieval": self._retrieval, "classification": self._labels, "clustering": self._runs}[task]
                add({**key, "task": task}, at, difficulty, own, fused, loss, loss if fused_loss is None else fused_loss)
        return self

    def frame(self) -> pd.DataFrame:
        """The outcomes, one a row."""
        about = pd.DataFrame([block for block, _, _ in self.blocks])
        lengths = [len(values) for _, _, values in self.blocks]
        frame = about.loc[about.index.repeat(lengths)].reset_index(drop=True)
        ids = [one for _, ids, _ in self.blocks for one in ids]
        return frame.assign(query_id=ids, value=np.concatenate([values for _, _, values in self.blocks]))

    def _retrieval(
        self, key: dict[str, Any], level: float, difficulty: Any, own: Any, fused: float, loss: float, fused_loss: float
    ) -> None:
        for system, shift, gap in (("dense", 0.0, loss), ("interpolation", fused, fused_loss), ("bm25", -0.05, loss)):
            steady = own.normal(0, self.noise if system == "dense" else self.noise / 10, self.queries)
            values = level + shift + difficulty + (steady if system == "dense" else steady + self._dense)
            if system == "dense":
                self._dense, self._out = steady, own.normal(0, self.noise, self.queries)
            for scope, outcomes in (
                ("all", values),
                ("in-paired", values),
                ("out-paired", values * (1 - gap) + self._out),
            ):
                self._add(key, system, scope, "nDCG@10", self._asked(key), outcomes)

    def _labels(self, key: dict[str, Any], level: float, difficulty: Any, own: Any, *_: float) -> None:
        share = np.clip(level + difficulty + own.normal(0, self.noise, self.queries), 0, 1)
        right = 10 * share
        for metric, values in {"tp": right, "fp": 10 - right, "fn": 10 - right, "LRAP": share}.items():
            self._add(key, "probe", LABELS, metric, self._asked(key), values)

    def _runs(self, key: dict[str, Any], level: float, difficulty: Any, own: Any, *_: float) -> None:
        values = level + difficulty.mean() + own.normal(0, self.noise / 5, 5)
        self._add(key, "kmeans", LABELS, "V-measure", [f"run-{run}" for run in range(5)], values)

    def _asked(self, key: dict[str, Any]) -> list[str]:
        return [f"{key['landscape']}{key['fold']}-{query}" for query in range(self.queries)]

    def _add(self, key: dict[str, Any], system: str, scope: str, metric: str, ids: list[str], values: Any) -> None:
        self.blocks.append(({**key, "system": system, "scope": scope, "metric": metric}, ids, values))
