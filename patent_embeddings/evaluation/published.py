"""Published figures: their source, how certain they are, and which of them belong to a cell."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pandas as pd
import pandera.errors
import pandera.pandas as pa

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.evaluation.systems import SYSTEMS

NAMES = ("study", "dapfam", "patenteb", "mteb")
# read: seen in the source; transcribed: copied from the source by others; decoded: reconstructed from a scan and
# checked by arithmetic; inferred: derived from other figures.
CERTAINTIES = ("read", "transcribed", "decoded", "inferred")
TEXTS = ("source", "certainty", "name", "model", "dataset", "view", "system", "scope", "metric", "note")
NUMBERS = ("value", "low", "high")
COLUMNS = (*TEXTS[:-1], *NUMBERS, TEXTS[-1])


def figures(name: str) -> pd.DataFrame:
    """One table of published figures.

    Returns a frame with `COLUMNS`: `name` as printed; `model` our id or ""; `dataset` our landscape's id where we have
    it; `view` our id where it stands for one of ours, else as printed, "" where none is stated; `value` (float64) with
    the interval `low` to `high` where one was printed, else NaN. Raises UserError: the file is absent or breaks the
    schema.
    """
    path = layout.published(name)
    try:
        texts, absent = dict.fromkeys(TEXTS, str), {key: [""] for key in NUMBERS}
        frame = pd.read_csv(path, dtype=texts, keep_default_na=False, na_values=absent)
        if tuple(frame.columns) != COLUMNS:
            raise ValueError(f"its columns are not {', '.join(COLUMNS)}")
        return _schema().validate(frame)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file here; run from the repository's root") from None
    except (ValueError, pandera.errors.SchemaError) as error:
        raise UserError(f"{path}: {str(error).splitlines()[0]:.200}; correct that row") from None


def beside(landscape: str, model: str, view: str) -> pd.DataFrame:
    """Published figures of a model and of BM25 on a landscape, queries and documents in one view.

    Returns rows with `COLUMNS`, in the order of `NAMES` and of the files; none where nothing matches.
    """
    every = _every(layout.published(NAMES[0]).parent.resolve())
    same = every["model"].eq(model) | every["system"].eq("bm25")
    return every[same & every["dataset"].eq(landscape) & every["view"].eq(view)].reset_index(drop=True)


@cache
def _every(folder: Path) -> pd.DataFrame:
    """All published tables, read once; `folder`, where they are, is the key of the cache."""
    return pd.concat([figures(name) for name in NAMES], ignore_index=True)


@cache
def _schema() -> pa.DataFrameSchema:
    systems = [one.name for one in SYSTEMS if one.role != "oracle"]
    checks = {"certainty": [pa.Check.isin(CERTAINTIES)], "system": [pa.Check.isin(systems)]}
    checks |= {name: [pa.Check.str_length(min_value=1)] for name in ("source", "name", "dataset", "scope", "metric")}
    columns = {name: pa.Column(str, checks.get(name)) for name in TEXTS}
    columns |= {name: pa.Column(float, pa.Check.in_range(0, 1), nullable=name != "value") for name in NUMBERS}
    # A comparison with NaN, where no interval was printed, is false.
    within = pa.Check(
        lambda rows: ~((rows["low"] > rows["value"]) | (rows["value"] > rows["high"])),
        error="value outside its interval",
    )
    key = [name for name in TEXTS if name != "certainty"]
    ordered = {name: columns[name] for name in COLUMNS}
    return pa.DataFrameSchema(ordered, checks=within, unique=key, strict=True, ordered=True)
