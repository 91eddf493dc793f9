"""Outcomes, scores, costs and jurisdictions of many experiments, each read at its own commit.

Tables come from DVC's cache by the hash in the commit's dvc.lock, or from the remote where the cache lacks them.
"""

from __future__ import annotations

import io
import itertools
import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.evaluation.schemas import OUTCOMES, SCORES
from patent_embeddings.evaluation.scores import parse_scores
from patent_embeddings.grid.cell import flat
from patent_embeddings.grid.experiments import parsed, settings, show
from patent_embeddings.pairs.entries import recipe_entry
from patent_embeddings.sharing import records

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    import pandas as pd

    from patent_embeddings.core.params import Params
    from patent_embeddings.grid.experiments import Experiment

METRICS = ("nDCG@10", "V-measure", "tp", "fp", "fn")  # what the comparisons rest on
CHOOSING = "nDCG@10"  # kept of the dev queries too: what a choice may rest on
KEYS = ("cell", "model", "recipe", "trained_on", "query_view", "document_view", "dimensions", "variant", "fold", "seed")
_OUTCOMES = (*KEYS, "landscape", "simulated", *OUTCOMES.columns)
_SCORES = (*KEYS, *SCORES.columns)
_COSTS = (*KEYS, "where", "stage", "seconds", "texts_per_second", "peak_mib", "device")
_PLACES = ("landscape", "query_id", "jurisdiction")
# Parameters that have a column of their own, or only say where else the cell was scored.
_AXES = {"model", "recipe", "landscape", "evaluate_on", "query_view", "document_view", "search.dimensions", "tasks.fold", "finetune.seed", "finetune.held_out"}  # fmt: skip


@dataclass(frozen=True)
class Grid:
    """All cells of one code version.

    Attributes:
        outcomes: as `stages.findings.judge` takes them; `METRICS` of the test split, `CHOOSING` of dev.
        scores: `KEYS` and the columns of reports/scores.csv.
        costs: `KEYS`, `where` (a landscape or `cell`), `stage`, `seconds`, `texts_per_second`, `peak_mib`, `device`.
        jurisdictions: `landscape`, `query_id`, `jurisdiction` of every family.
        experiments: by `cell`.
    """

    outcomes: pd.DataFrame
    scores: pd.DataFrame
    costs: pd.DataFrame
    jurisdictions: pd.DataFrame
    experiments: dict[str, Experiment]


def current(needed: bool = True) -> list[Experiment]:
    """Finished experiments of the code version of HEAD, by name.

    Raises:
        UserError: there is none, and one is needed.
    """
    from patent_embeddings.grid import experiments

    held = experiments.held()
    commit = experiments.head()
    ours = [one for one in held.values() if experiments.inputs(commit, one.params) == one.inputs]
    if needed and not ours:
        others = f" ({len(held)} of other versions)" if held else ""
        raise UserError(f"no experiment of this code version{others}; run `python -m stages.grid run --preset sample` first")  # fmt: skip
    if len(ours) < len(held):
        say(f"left out: {len(held) - len(ours)} experiments of other code versions")
    return sorted(ours, key=lambda one: one.name)


def load(found: list[Experiment]) -> Grid:
    """Read everything that the comparisons need of these experiments; tables without rows where there is none."""
    from dvc.repo import Repo

    from patent_embeddings.core import params

    if not found:
        return _nothing()
    base = flat(params.load().model_dump(mode="json"))
    counts = Counter(one.name for one in found)
    outcomes, scores, costs = [], [], []
    places: dict[str, pd.DataFrame] = {}
    cells: dict[str, Experiment] = {}
    with Repo() as repo:
        for one in track(found, len(found), "read", unit="cells"):
            # Experiments of different commits may have one name.
            cell = f"{one.name}@{one.commit[:7]}" if counts[one.name] > 1 else one.name
            keys = keys_of(cell, one.params, base)
            cells[keys["cell"]] = one
            store = _Store(repo, one)
            scores.append(parse_scores(show(one.commit, layout.SCORES.as_posix())).assign(**keys))
            for name in one.params.evaluate_on:
                table = _outcomes(store.read(layout.outcomes(name)))
                simulated = landscape_entry(name).simulated
                outcomes.append(table.assign(landscape=name, simulated=simulated, **keys))
                if name not in places and store.has(layout.families(name)):
                    places[name] = _families(store.read(layout.families(name))).assign(landscape=name)
            # A dvc.lock keeps the stages of landscapes that are no longer evaluated.
            scored = {layout.CELL, *one.params.evaluate_on}
            for path in [path for path in store.under(layout.DATA / "costs") if path.parent.name in scored]:
                record = json.loads(store.read(path))
                wanted = {key: record.get(key) for key in ("seconds", "texts_per_second", "peak_mib", "device")}
                costs.append({**keys, "where": path.parent.name, "stage": path.stem, **wanted})
    return Grid(
        _once(pd.concat(outcomes, ignore_index=True), places),
        pd.concat(scores, ignore_index=True),
        pd.DataFrame(costs, columns=list(_COSTS)),
        pd.concat(places.values(), ignore_index=True)[list(_PLACES)] if places else pd.DataFrame(columns=list(_PLACES)),
        cells,
    )


def _nothing() -> Grid:
    """The grid of no cell."""

    outcomes, scores, costs, places = (pd.DataFrame(columns=list(columns)) for columns in (_OUTCOMES, _SCORES, _COSTS, _PLACES))  # fmt: skip
    return Grid(outcomes, scores, costs, places, {})


def _once(outcomes: pd.DataFrame, families: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Outcomes without landscapes that are others under a second id: their queries would count twice.

    Args:
        outcomes: of all cells.
        families: `query_id` and `title` of each landscape's families, so that equal ids of other patents are told apart.
    """

    retrieval = outcomes[outcomes["task"] == "retrieval"]
    asked: dict[str, set[Any]] = {str(name): set(rows["query_id"]) for name, rows in retrieval.groupby("landscape", observed=True)}  # fmt: skip
    for name in asked.keys() & families.keys():
        ours = families[name][families[name]["query_id"].isin(list(asked[name]))]
        asked[name] = set(zip(ours["query_id"], ours["title"], strict=True))
    doubles: dict[str, str] = {}
    for first, second in itertools.combinations(sorted(asked), 2):
        smaller = min(len(asked[first]), len(asked[second]))
        if first not in doubles and 2 * len(asked[first] & asked[second]) > smaller:
            doubles.setdefault(second, first)
    for second, first in doubles.items():
        say(f"left out: {second}, as most of its queries or of {first}'s are in both; a query must not count twice")
    trained = [sources for sources in set(outcomes["trained_on"]) if doubles.keys() & set(sources.split("+"))]
    return outcomes[~(outcomes["landscape"].isin(list(doubles)) | outcomes["trained_on"].isin(trained))]


def keys_of(cell: str, params: Params, base: Mapping[str, Any]) -> dict[str, Any]:
    """Values of `KEYS` of a cell by its name and parameters; `base` is params.yaml, flat."""

    trained_on = params.trained_on(recipe_entry(params.recipe))
    used = flat(settings(params, trained=bool(trained_on)))  # how others are trained is no variant of a zero-shot cell
    others = {key: value for key, value in used.items() if key not in _AXES and base.get(key) != value}
    values = (
        cell, params.model, params.recipe, "+".join(trained_on),
        params.query_view, params.document_view, params.search.dimensions or 0,
        " ".join(f"{key}={value}" for key, value in sorted(others.items())), params.tasks.fold, params.finetune.seed,
    )  # fmt: skip
    return dict(zip(KEYS, values, strict=True))


def _outcomes(content: bytes) -> pd.DataFrame:

    test = (pc.field("split") == "test") & pc.field("metric").isin(list(METRICS))
    dev = (pc.field("split") == "dev") & (pc.field("metric") == CHOOSING)
    return pq.read_table(io.BytesIO(content), filters=test | dev).to_pandas()


def _families(content: bytes) -> pd.DataFrame:
    return pq.read_table(io.BytesIO(content), columns=["family_id", "jurisdiction", "title"]).to_pandas().rename(columns={"family_id": "query_id"})  # fmt: skip


class _Store:
    """Outputs of one commit."""

    def __init__(self, repo: Any, one: Experiment) -> None:

        self._repo, self._one = repo, one
        stages = parsed(one.commit, "dvc.lock")["stages"].values()
        self._hashes = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}

    def has(self, path: Path) -> bool:
        return path.as_posix() in self._hashes

    def under(self, folder: Path) -> Iterable[Path]:
        return sorted(Path(path) for path in self._hashes if folder in Path(path).parents)

    def read(self, path: Path) -> bytes:
        """Content of an output, which has the hash that the commit says; DVC itself trusts its cache and remote.

        Raises:
            UserError: neither cache nor remote has it whole.
        """
        if not self.has(path):
            raise UserError(f"{path}: experiment {self._one.name} has no such output; remove it with `dvc exp remove` and run it again")  # fmt: skip
        oid = self._hashes[path.as_posix()]
        cached = Path(self._repo.cache.local.oid_to_path(oid))
        try:
            content, where, mend = cached.read_bytes(), f"DVC's cache ({cached})", "run `python -m stages.share check`, then `make restore`"  # fmt: skip
        except FileNotFoundError:
            content, where, mend = self._fetched(path), "the remote", "delete it there and `make share` from a clone that has it whole"  # fmt: skip
        try:
            records.whole(content, oid)
        except records.Unfit:
            raise UserError(f"{path} of experiment {self._one.name}: damaged in {where}; {mend}") from None
        return content

    def _fetched(self, path: Path) -> bytes:
        import dvc.api
        from dvc.exceptions import DvcException

        try:
            content: bytes = dvc.api.read(path.as_posix(), rev=self._one.commit, mode="rb")
        except (DvcException, OSError):
            raise UserError(f"{path} of experiment {self._one.name} is neither in the cache nor in a remote; `dvc exp remove {self._one.name}` and run the grid again") from None  # fmt: skip
        return content
