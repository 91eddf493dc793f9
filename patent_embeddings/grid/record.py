"""Retrieval outcomes of many cells in one small file, which goes with git.

Experiments end with their cache, and a grid compares those of one code version only. What took days to compute is kept
here, query by query: enough for every comparison, finding and frontier of retrieval, not for labels or costs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.grid.gather import CHOOSING, KEYS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    import pandas as pd

Held = set[tuple[Any, ...]]
SAME = 1e-6  # outcomes that are no further apart are those of one cell on two machines
SYSTEMS = ("bm25", "dense", "rrf", "interpolation", "reranked")  # no oracles
# What a cell is, whatever its name: parameters.
_CELL = [key for key in KEYS if key != "cell"]
TABLE = tables.Table(
    dict.fromkeys(KEYS, "text") | {"dimensions": "int", "fold": "int", "seed": "int"}
    | {"landscape": "text", "simulated": "bool", "split": "text", "system": "text", "scope": "text", "query_id": "text", "value": "float64"},
    key=(*_CELL, "landscape", "split", "system", "scope", "query_id"), finite=("value",), filled=("cell", "model", "recipe", "query_id"),
    mend="take it from git again, or compute it anew with `python -m stages.grid measure`",
)  # fmt: skip


def add(outcomes: pd.DataFrame, path: Path) -> tuple[int, int]:
    """Write outcomes of a grid to a record, beside the cells that it holds; a cell that both have is the grid's.

    Args:
        outcomes: as `gather.Grid` has them. Their variants are named by what differs from params.yaml as it is now.
        path: of the record.

    Returns:
        How many cells the record has then, and how many of them are the grid's.

    Raises:
        UserError: the record is damaged, or two experiments of one cell do not agree.
    """

    # A cell may have been computed twice, on these landscapes and on more.
    ours = _kept(outcomes).sort_values("cell", kind="stable").drop_duplicates([*TABLE.key, "value"])
    if (twice := ours.duplicated([*TABLE.key], keep=False)).any():
        names = " and ".join(sorted(set(ours.loc[twice, "cell"]))[:2])
        raise UserError(f"{names} are the same cell, but their outcomes differ: remove one with `dvc exp remove`")
    rows = pd.concat([_others(path, ours) if path.exists() else ours.head(0), ours], ignore_index=True)
    tables.write(rows, path, TABLE)
    return _count(rows), _count(ours)


def held(path: Path) -> Held:
    """What a record has: a cell's keys and a landscape; nothing where there is no record.

    Raises:
        UserError: the record is damaged.
    """
    if not path.exists():
        return set()
    return set(tables.read(path, TABLE)[[*_CELL, "landscape"]].drop_duplicates().itertuples(index=False, name=None))


def has(record: Held, keys: Mapping[str, Any], landscapes: Iterable[str]) -> bool:
    """Whether a record has a cell, by its keys of `gather.keys_of`, on all of some landscapes."""
    return all((*(keys[key] for key in _CELL), landscape) in record for landscape in landscapes)


def joined(outcomes: pd.DataFrame, path: Path) -> tuple[pd.DataFrame, int]:
    """Outcomes of a grid and of the record's cells that it lacks, and how many these are.

    Raises:
        UserError: there is no such record, or it is damaged.
    """

    more = _others(path, outcomes).assign(task="retrieval", metric=CHOOSING)
    return pd.concat([outcomes, more], ignore_index=True) if len(outcomes) else more, _count(more)


def _others(path: Path, rows: pd.DataFrame) -> pd.DataFrame:
    """The record without the cells, on their landscapes, that are among the rows; says where the two differ."""
    on = [*_CELL, "landscape"]
    known = rows[on].drop_duplicates()
    if not path.exists():
        raise UserError(f"{path}: no such record; `python -m stages.grid measure` makes one")
    found = tables.read(path, TABLE)
    shared = found.merge(_kept(rows), on=[*TABLE.key], suffixes=("", "_now"))
    if differ := int(((shared["value"] - shared["value_now"]).abs() > SAME).sum()):
        say(f"{differ} of {len(shared)} outcomes that {path} shares with the experiments differ from theirs: other code, data or parameters; what it has alone is compared across that")  # fmt: skip
    return found[~found.set_index(on).index.isin(known.set_index(on).index)]


def _kept(outcomes: pd.DataFrame) -> pd.DataFrame:
    """Of a grid's outcomes those that a record keeps."""
    retrieval = (outcomes["task"] == "retrieval") & (outcomes["metric"] == CHOOSING)
    return outcomes[retrieval & outcomes["system"].isin(SYSTEMS)]


def _count(rows: pd.DataFrame) -> int:
    return len(rows[_CELL].drop_duplicates())
