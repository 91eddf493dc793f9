"""Views and adapter -> document and query vectors of one landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.encoders.schemas import QUERY_ROWS, ROWS, TOKEN_QUERY_ROWS, TOKEN_ROWS

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd


def query_texts(view: pd.DataFrame, queries: pd.DataFrame) -> list[str]:
    """Text of every query, in the order of the queries."""
    texts = dict(zip(view["family_id"], view["text"], strict=True))
    return [texts[query] for query in queries["query_id"]]


def require_text(texts: Sequence[str], landscape: str, view: str) -> None:
    """Raise UserError where no family of the landscape has any text in the view."""
    if not any(texts):
        raise UserError(
            f"view {view!r} has no text in landscape {landscape!r} (its families lack the sections); "
            f"choose another view, `python -m stages.landscape show {landscape}` lists the sections present"
        )


def describe(folder: Path, name: str, ids: pd.DataFrame, first: np.ndarray | None) -> None:
    """Write the digest of a side's vectors and the table of their ids, with the first row of each where it has several."""

    query = "query_id" in ids.columns
    if first is not None:
        ids = ids.assign(offset=first.astype("int64"))
        table = TOKEN_QUERY_ROWS if query else TOKEN_ROWS
    else:
        table = QUERY_ROWS if query else ROWS
    path = folder / f"{name}.npy"
    path.with_suffix(".sha256").write_text(f"{sha256(path)}\n", encoding="ascii")
    tables.write(ids, folder / f"{name}.parquet", table)
