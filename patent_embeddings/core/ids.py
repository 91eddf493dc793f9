"""Look up ids: from the ids in tables to positions in arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.errors import UserError

Ids = Sequence[str] | pd.Series | pd.Index | np.ndarray[Any, Any]


def places(ids: Ids, among: Ids) -> Integers:
    """Position of each id in `among`, whose ids are distinct; int64 [ids], -1 if it is not there."""
    others = pd.Index(among)
    if isinstance(ids, pd.Series) and isinstance(ids.dtype, pd.CategoricalDtype):  # look up each category once
        place = others.get_indexer(pd.Index(ids.cat.categories))
        return place.astype(np.int64, copy=False)[ids.cat.codes.to_numpy()]
    return np.asarray(others.get_indexer(pd.Index(ids)), dtype=np.int64)


def known(ids: Ids, among: Ids, what: str) -> Integers:
    """`places` of ids that must all be in `among`. Raises UserError if one is not: the files are of different runs.

    `what` names an id in the message, such as `family {!r}`.
    """
    found = places(ids, among)
    if (found < 0).any():
        name = what.format(list(ids)[int(np.argmin(found))])
        raise UserError(f"{name} is not in the landscape's pool; its files are of different runs, run `dvc repro`")
    return found


def category(place: Integers, names: Ids) -> pd.Categorical:
    """The names at these positions as a categorical with ascending categories, so that it sorts as text does.

    Outcomes repeat names a million times; a categorical stores each name once. `names` are distinct.
    """
    every = pd.Index(np.asarray(names), dtype="str")
    order = every.argsort()
    code = np.empty(len(every), np.int32)
    code[order] = np.arange(len(every), dtype=np.int32)
    return pd.Categorical.from_codes(code[place], categories=every[order])
