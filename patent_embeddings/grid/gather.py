"""Outcomes, scores, costs and jurisdictions of many experiments, each read at its own commit.

Tables are read from DVC's cache by their hash in the commit's dvc.lock, or from the remote if the cache lacks them.
"""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import say, track
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.corpus.splits import fold_of
from patent_embeddings.evaluation.scores import parse_scores
from patent_embeddings.grid.cell import Config, digest, full_name
from patent_embeddings.grid.experiments import Experiment, current, parsed, show
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.grid.keys import flat
from patent_embeddings.grid.units import where
from patent_embeddings.sharing import verify
from patent_embeddings.sharing.outputs import Outputs, cache

METRICS = ("nDCG@10", "V-measure", "tp", "fp", "fn")  # that the comparisons use
CHOOSING = "nDCG@10"  # kept of the dev queries too, so that a choice can be made on them
KEYS = ("cell", "config", "fold", "seed")  # of each row; `cell` is the name of the experiment
# Numbers of a cost record; NaN where it lacks them, as older records do.
_OF_GPU = ("peak_gpu_mib", "gpu_seconds", "watt_hours")
_SPENT = (
    "seconds", "texts", "computed", "texts_per_second", "tokens_per_second", "busy", "peak_mib", *_OF_GPU
)  # fmt: skip
_TAKEN = (*_SPENT, "device", "gpu")
COSTS = (*KEYS, "where", "stage", *_TAKEN)
_PLACES = ("landscape", "query_id", "jurisdiction")


@dataclass(frozen=True)
class Grid:
    """All cells of one code version."""

    outcomes: pd.DataFrame  # as `findings.judge` takes them; `METRICS` of the test split, `CHOOSING` of dev
    scores: pd.DataFrame  # `KEYS` and the columns of reports/scores.csv
    costs: pd.DataFrame  # `COSTS`; `where` is a landscape or `cell`
    jurisdictions: pd.DataFrame  # `_PLACES` of every family
    experiments: dict[str, Experiment]  # by `cell`

    @property
    def models(self) -> list[str]:
        """Ids of its models, sorted."""
        return sorted({one.model for one in self.outcomes["config"]})


def load(found: Sequence[Experiment], params: Params) -> Grid:
    """Read what the comparisons need of one experiment or more.

    The options of a configuration are its differences from `params`, the present params.yaml. Raises UserError where an
    output is lost or damaged.
    """
    base = flat(params.model_dump(mode="json"))
    outcomes, scores, costs = [], [], []
    places: dict[str, pd.DataFrame] = {}
    judged: set[str] = set()
    with cache() as opened:
        for cell, one in track(_named(found), len(found), "read", unit="cells"):
            outputs = Outputs.of(opened, one.name, one.commit, parsed(one.commit, layout.LOCK.as_posix()))
            config = Config.of(one.params, base)
            own = (cell, config, one.params.tasks.fold, one.params.finetune.seed)
            keys: dict[str, Any] = dict(zip(KEYS, own, strict=True))
            scores.append(parse_scores(show(one.commit, layout.SCORES.as_posix())).assign(**keys))
            for name in one.params.evaluate_on:
                table, entry = _outcomes(outputs.read(layout.outcomes(name))), landscape_entry(name)
                table = table.assign(landscape=name, simulated=entry.simulated, **keys)
                if entry.relevance == "judged":
                    judged.add(name)
                    table = table if config.trained_on else refolded(table, one.params.tasks.seed)
                outcomes.append(table)
                if name not in places and layout.families(name).as_posix() in outputs.hashes:
                    places[name] = _families(outputs.read(layout.families(name))).assign(landscape=name)
            costs += [keys | record for record in _costs(outputs, one.params.evaluate_on)]
    return Grid(
        once(counted(pd.concat(outcomes, ignore_index=True), judged), places),
        pd.concat(scores, ignore_index=True),
        pd.DataFrame(costs, columns=list(COSTS)).astype(dict.fromkeys(_SPENT, "float64")),
        pd.concat(places.values(), ignore_index=True)[list(_PLACES)] if places else pd.DataFrame(columns=list(_PLACES)),
        dict(_named(found)),
    )


def timed(costs: pd.DataFrame) -> pd.DataFrame:
    """Rows of `COSTS` of the cells that computed everything: what was in the scratch cost a cell nothing."""
    restored = costs.loc[costs["computed"] < costs["texts"], "cell"]
    return costs[~costs["cell"].isin(restored)]


def seconds(one: Experiment) -> float:
    """Seconds that all stages of a finished cell took.

    Raises UserError where its costs are lost, or some of its results came from the scratch and cost it nothing.
    """
    with cache() as opened:
        outputs = Outputs.of(opened, one.name, one.commit, parsed(one.commit, layout.LOCK.as_posix()))
        found = [record for _, record in _records(outputs, one.params.evaluate_on)]
    if any(record.get("computed", record.get("texts")) != record.get("texts") for record in found):
        raise UserError(f"{one.name}: some of its results were taken from the scratch, so its time is not known")
    return float(sum(record["seconds"] for record in found))


def scores_at_hand(params: Params) -> pd.DataFrame:
    """The scores of the current cell, which has these parameters, for `verify`: `verify.KEYS` and `value`.

    Raises UserError where there are none, or they were computed before a change.
    """
    require_current(params, "report")
    return verify.scored(verify.at_hand(), full_name(params), digest(params))


def scores_of_experiments() -> pd.DataFrame:
    """The scores of every experiment of this code version, for `verify`: `verify.KEYS` and `value`."""
    every = [(show(one.commit, layout.SCORES.as_posix()), one.params) for one in current()]
    return pd.concat([verify.scored(text, full_name(cell), digest(cell)) for text, cell in every])


def _named(found: Sequence[Experiment]) -> Iterator[tuple[str, Experiment]]:
    """Experiments by name; the commit is added where several have the same name."""
    counts = Counter(one.name for one in found)
    for one in found:
        yield (f"{one.name}@{one.commit[:7]}" if counts[one.name] > 1 else one.name), one


def _costs(outputs: Outputs, landscapes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Cost of each stage, columns of `COSTS`."""
    for path, record in _records(outputs, landscapes):
        yield {"where": path.parent.name, "stage": path.stem, **{key: record.get(key) for key in _TAKEN}}


def _records(outputs: Outputs, landscapes: Sequence[str]) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Cost records by path, without those of landscapes that dvc.lock keeps but the cell no longer evaluates."""
    for path in sorted(map(Path, outputs.hashes)):
        if layout.DATA / "costs" in path.parents and path.parent.name in (layout.CELL, *landscapes):
            yield path, json.loads(outputs.read(path))


def refolded(outcomes: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Outcomes of a judged landscape with each query in its own fold: a zero-shot cell of any fold scores all."""
    retrieval = outcomes["task"] == "retrieval"
    folds = fold_of(outcomes.loc[retrieval, "query_id"].unique(), seed)
    return outcomes.assign(fold=outcomes["query_id"].map(folds).where(retrieval, outcomes["fold"]).astype("int64"))


def counted(outcomes: pd.DataFrame, judged: Collection[str]) -> pd.DataFrame:
    """Outcomes with those of judged landscapes only once where cells of several folds share them."""
    key = ["config", "seed", "landscape", "fold", "task", "system", "scope", "metric", "query_id"]
    shared = (outcomes["task"] == "retrieval") & outcomes["landscape"].isin(list(judged))
    return outcomes[~(shared & outcomes.duplicated(key))] if judged else outcomes


def once(outcomes: pd.DataFrame, families: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Outcomes without landscapes that duplicate another under a second id, so that no query counts twice.

    `families` has `query_id` and `title` of each landscape, to distinguish different patents with equal ids.
    """
    retrieval = outcomes[outcomes["task"] == "retrieval"]
    queries: dict[str, set[Any]] = {
        str(name): set(rows["query_id"]) for name, rows in retrieval.groupby("landscape", observed=True)
    }
    for name in queries.keys() & families.keys():
        titled = families[name][families[name]["query_id"].isin(list(queries[name]))]
        queries[name] = set(zip(titled["query_id"], titled["title"], strict=True))
    doubles: dict[str, str] = {}
    for first, second in itertools.combinations(sorted(queries), 2):
        smaller = min(len(queries[first]), len(queries[second]))
        if first not in doubles and 2 * len(queries[first] & queries[second]) > smaller:
            doubles.setdefault(second, first)
    for second, first in doubles.items():
        say(f"left out: {second}, as most of its queries or of {first}'s are in both; a query must not count twice")
    kept = outcomes[~outcomes["landscape"].isin(list(doubles))]
    return where(kept, lambda one: not doubles.keys() & set(one.trained_on))


def _outcomes(content: bytes) -> pd.DataFrame:
    test = (pc.field("split") == "test") & pc.field("metric").isin(list(METRICS))
    dev = (pc.field("split") == "dev") & (pc.field("metric") == CHOOSING)
    return pq.read_table(io.BytesIO(content), filters=test | dev).to_pandas()


def _families(content: bytes) -> pd.DataFrame:
    table = pq.read_table(io.BytesIO(content), columns=["family_id", "jurisdiction", "title"])
    return table.to_pandas().rename(columns={"family_id": "query_id"})
