"""From the ids of tables to the integers of arrays: the one place where ids are looked up among others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.errors import UserError

Ids = Sequence[str] | pd.Series | pd.Index | np.ndarray[Any, Any]


def places(ids: Ids, among: Ids) -> Integers:
    """Place of each id among others, which differ from one another; int64 [ids], -1 where it is none of them."""
    others = pd.Index(among)
    if isinstance(ids, pd.Series) and isinstance(ids.dtype, pd.CategoricalDtype):  # a run repeats its ids
        place = others.get_indexer(pd.Index(ids.cat.categories))
        return place.astype(np.int64, copy=False)[ids.cat.codes.to_numpy()]
    return np.asarray(others.get_indexer(pd.Index(ids)), dtype=np.int64)


def known(ids: Ids, among: Ids, what: str) -> Integers:
    """`places` of ids that must all be there, such as of families where `what`, for the message, is `family {!r}`.

    Raises UserError where one is not, so that the files they come from are of different runs.
    """
    found = places(ids, among)
    if (found < 0).any():
        name = what.format(list(ids)[int(np.argmin(found))])
        raise UserError(f"{name} is not in the landscape's pool; its files are of different runs, run `dvc repro`")
    return found


def category(place: Integers, names: Ids) -> pd.Categorical:
    """Names by their places among others, which differ, categorical: its categories ascend, so that it sorts as text.

    A name is there once, and of each row a small number: a table of outcomes repeats its names a million times.
    """
    every = pd.Index(np.asarray(names), dtype="str")
    order = every.argsort()
    code = np.empty(len(every), np.int32)
    code[order] = np.arange(len(every), dtype=np.int32)
    return pd.Categorical.from_codes(code[place], categories=every[order])
