"""Published figures, to be shown beside ours: who printed them, how sure they are, and where they match a cell."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    import pandera.pandas as pa

NAMES = ("study", "dapfam", "patenteb", "mteb")
# read: seen in the source; transcribed: copied from the source by others; decoded: put back in order from a
# scan and checked by arithmetic; inferred: concluded from other figures.
CERTAINTIES = ("read", "transcribed", "decoded", "inferred")
SYSTEMS = ("bm25", "dense", "rrf", "interpolation", "reranked", "probe", "kmeans", "random")
TEXTS = ("source", "certainty", "name", "model", "dataset", "view", "system", "scope", "metric", "note")
NUMBERS = ("value", "low", "high")
COLUMNS = ("source", "certainty", "name", "model", "dataset", "view", "system", "scope", "metric", "value", "low", "high", "note")  # fmt: skip


def figures(name: str) -> pd.DataFrame:
    """One table of published figures.

    Args:
        name: one of `NAMES`.

    Returns:
        Frame with `COLUMNS`: `name` as printed; `model` our id or ""; `dataset` our landscape's id where we
        have it; `view` our id where it stands for one of ours, else as printed, "" where none is stated;
        `value` (float64) with the interval `low` to `high` where one was printed, else NaN.

    Raises:
        UserError: the file is absent or breaks the schema.
    """

    path = layout.published(name)
    try:
        frame = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str), keep_default_na=False, na_values={key: [""] for key in NUMBERS})  # fmt: skip
        if tuple(frame.columns) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        return _schema().validate(frame)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file here; run from the repository's root") from None
    except (ValueError, pandera.errors.SchemaError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]:.200}; correct that row") from None


def beside(landscape: str, model: str, view: str) -> pd.DataFrame:
    """Published figures for a cell whose queries and documents are of one view: those of its model, and of BM25.

    Args:
        landscape: id of a landscape.
        model: id of a model.
        view: id of a view.

    Returns:
        Rows of every table with `COLUMNS`, in the order of `NAMES` and of the files; none where nothing matches.
    """
    every = _every(layout.published(NAMES[0]).parent.resolve())
    same = every["model"].eq(model) | every["system"].eq("bm25")
    return every[same & every["dataset"].eq(landscape) & every["view"].eq(view)].reset_index(drop=True)


@cache
def _every(folder: Path) -> pd.DataFrame:
    """All tables of the folder, which is the current one's: read once, however many landscapes ask."""

    return pd.concat([figures(name) for name in NAMES], ignore_index=True)


@cache
def _schema() -> pa.DataFrameSchema:

    checks = {"certainty": [pa.Check.isin(CERTAINTIES)], "system": [pa.Check.isin(SYSTEMS)]}
    checks |= {name: [pa.Check.str_length(min_value=1)] for name in ("source", "name", "dataset", "scope", "metric")}
    columns = {name: pa.Column(str, checks.get(name)) for name in TEXTS}
    columns |= {name: pa.Column(float, pa.Check.in_range(0, 1), nullable=name != "value") for name in NUMBERS}
    within = pa.Check(
        lambda frame: (frame["low"].isna() | (frame["low"] <= frame["value"])) & (frame["high"].isna() | (frame["value"] <= frame["high"])),
        error="value outside its interval",
    )  # fmt: skip
    key = [name for name in TEXTS if name != "certainty"]
    return pa.DataFrameSchema({name: columns[name] for name in COLUMNS}, checks=within, unique=key, strict=True, ordered=True)  # fmt: skip
