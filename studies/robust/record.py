"""The record: nDCG@10 of every query under every cell, with a typed column for each option."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.compute as pc
import pyarrow.parquet as pq

from studies.robust.protocol import Protocol

HERE = Path(__file__).parent
RECORD = HERE / "record.parquet"
# Options of a cell and their defaults: scale of the adapter, centring of vectors, tokens of a passage (0: whole texts),
# a family's score from its passages, and whether BM25 weighs a query's terms too.
OPTIONS = {"scale": 1.0, "centre": "none", "passages": 0, "passage_score": "best", "query_side": False}
SHARED = [name for name in OPTIONS if name != "scale"]  # options that zero-shot has too
CELL = ["recipe", *OPTIONS]  # identifies a cell, apart from training landscapes, seed and fold
UNIT = ["landscape", "fold", "query_id"]
LEGS = ("bm25", "dense")
SYSTEMS = (*LEGS, "rrf", "interpolation")
GROUNDS = ("confirmation", "exploratory", "simulated")


def read(path: Path = RECORD) -> pd.DataFrame:
    """Read the record, one row for each cell, system, scope and query.

    Returns:
        `recipe`; `trained_on`, landscapes joined by "+", "" where nothing was trained; the columns of `OPTIONS`;
        `fold`, `seed`, `landscape`, `home` (whether the cell was trained there), `simulated`, `split`, `system`,
        `scope`, `query_id`, `value`.
    """
    table = pq.read_table(path)
    joined = pc.binary_join(table["trained_on"], "+")
    # One model, and one view a ground.
    return table.drop_columns(["trained_on", "model", "view"]).append_column("trained_on", joined).to_pandas()


def grounds(rows: pd.DataFrame, protocol: Protocol) -> dict[str, pd.DataFrame]:
    """Rows of each ground that has any: new landscapes, those the ideas came from, simulated ones."""
    exploratory = rows["landscape"].isin(protocol.exploratory) & ~rows["simulated"]
    masks = (~exploratory & ~rows["simulated"], exploratory, rows["simulated"])
    return {ground: rows[mask] for ground, mask in zip(GROUNDS, masks, strict=True) if mask.any()}


def units(rows: pd.DataFrame, system: str = "dense", scope: str = "all", split: str = "test") -> pd.DataFrame:
    """Rows of one system, scope and split, without cells that differ only in options that the system ignores."""
    kept = (rows["system"] == system) & (rows["scope"] == scope) & (rows["split"] == split)
    if system == "dense":
        kept &= ~rows["query_side"]
    if system == "bm25":  # reads no vectors
        kept &= (rows["recipe"] == "zero-shot") & (rows["centre"] == "none") & (rows["passages"] == 0)
    return rows[kept]


def at_home(rows: pd.DataFrame, system: str, scope: str) -> pd.DataFrame:
    """`CELL`, `UNIT` and `value`, averaged over seeds, of zero-shot and of fine-tuned cells at home."""
    found = units(rows, system, scope)
    found = found[found["home"] | (found["trained_on"] == "")]
    return found.groupby([*CELL, *UNIT])["value"].mean().reset_index()


def against_zero_shot(rows: pd.DataFrame, plain: bool = False) -> pd.DataFrame:
    """Rows of fine-tuned cells joined with zero-shot under the same options, or with `plain` under the defaults.

    Returns:
        The fine-tuned rows with outcomes `tuned` and `zero`; with `plain` only those with other than default options.
    """
    tuned = rows[rows["trained_on"] != ""].rename(columns={"value": "tuned"})
    zero = rows[rows["recipe"] == "zero-shot"]
    on = [*UNIT, *SHARED]
    if plain:
        usual = {name: OPTIONS[name] for name in SHARED}
        tuned = tuned[(tuned[SHARED] != pd.Series(usual)).any(axis=1)]
        zero, on = zero[(zero[SHARED] == pd.Series(usual)).all(axis=1)], UNIT
    return tuned.merge(zero.groupby(on)["value"].mean().rename("zero").reset_index(), on=on)


def label(recipe: str, scale: float, centre: str, passages: int, passage_score: str, query_side: bool) -> str:
    """A cell in words."""
    words = [recipe, "half" if scale == 0.5 else f"{scale:g} of the adapter" if scale != 1 else ""]
    words += ["centred" if centre != "none" else ""]
    words += [f"passages of {passages} tokens, {passage_score}" if passages else ""]
    words += ["query-side BM25" if query_side else ""]
    return ", ".join(word for word in words if word)
