"""Scores for `verify`, each with the name of its cell and the digest of the cell's parameters."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.params import Params
from patent_embeddings.grid.cell import digest, full_name
from patent_embeddings.grid.experiments import current, show
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.sharing import verify


def workspace(params: Params) -> pd.DataFrame:
    """The scores of the current cell, which has these parameters: `verify.KEYS` and `value`.

    Raises UserError where there are none, or they were computed before a change.
    """
    require_current(params, "report")
    return _scored(verify.at_hand(), params)


def experiments() -> pd.DataFrame:
    """The scores of every experiment of this code version: `verify.KEYS` and `value`."""
    return pd.concat([_scored(show(one.commit, layout.SCORES.as_posix()), one.params) for one in current()])


def _scored(text: str, params: Params) -> pd.DataFrame:
    return verify.scored(text, full_name(params), digest(params))
