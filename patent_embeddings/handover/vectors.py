"""Export a landscape's vectors for search elsewhere: a table with ids, faiss indexes, and the loss of each index."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, write_text
from patent_embeddings.core.ids import known
from patent_embeddings.corpus.schemas import FAMILIES, POOL
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.handover.cards import card
from patent_embeddings.handover.exported_cell import Subject, require_ours
from patent_embeddings.retrieval import quantised
from patent_embeddings.retrieval.values import SearchValues
from patent_embeddings.retrieval.vector_space import Searched, read, searched

LOSSES, TABLE, IDS, MEAN = "losses.csv", "families.parquet", "ids.txt", "mean.npy"
MARKS = (LOSSES, TABLE, IDS)
FILES = (*MARKS, MEAN, "README.md", *(f"{form}.faiss" for form in quantised.FORMS))
ROWS = pyarrow.schema(
    [("family_id", pyarrow.string()), ("publication", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.float32()))]
)
_BLOCK = 1 << 14  # rows written at once


def write(out: Path, landscape: str, subject: Subject) -> str:
    """Write the folder of a landscape, and return what to look at.

    A folder of an earlier export is replaced. Raises UserError where the model is of late interaction, a table or the
    vectors are absent or damaged, or the folder holds something else.
    """
    values = params.read("search", SearchValues, landscape)
    if values.similarity == "maxsim":
        said = "late interaction: a vector for every token, and a score that is a sum over tokens"
        raise UserError(f"model {subject.params.model!r} is {said}, which no faiss index ranks by; export another cell")
    require_ours(out, "holds no vectors", LOSSES)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    lost = _lost(landscape)
    sides, ranked, families = read(landscape, pool, values)
    found = searched(sides, ranked, values)
    with replacing(out) as folder:
        folder.mkdir()
        _rows(folder, landscape, families, found)
        for form in quantised.FORMS:
            index = quantised.built(form, found.documents)
            (folder / f"{form}.faiss").write_bytes(quantised.as_bytes(index))
        if found.mean is not None:
            np.save(folder / MEAN, found.mean)
        write_text(folder / LOSSES, lost.to_csv(index=False, float_format="%.6f", lineterminator="\n"))
        write_text(folder / "README.md", readme(landscape, subject, values, found, lost))
    return f"{LOSSES} has the loss of each index, README.md how to search them"


def _lost(landscape: str) -> pd.DataFrame:
    """Losses of the indexes of the folder, as on the cell's page, which also shows fewer dimensions."""
    lost = tables.read(layout.compression(landscape), COMPRESSION)
    place = {form: number for number, form in enumerate(quantised.FORMS)}
    kept = lost[lost["form"].isin(place)].drop(columns="dimensions")
    return kept.sort_values("form", key=lambda forms: forms.map(place), kind="stable", ignore_index=True)


def _rows(folder: Path, landscape: str, families: list[str], found: Searched) -> None:
    """Write the family of each row: a table with its vector, and a text file with one id a line."""
    table = tables.read(layout.families(landscape), FAMILIES, ["family_id", "publication"])
    place = known(families, table["family_id"], "family {!r}")
    counts = np.diff(found.starts)
    ids, publications = np.repeat(families, counts), np.repeat(table["publication"].to_numpy()[place], counts)
    with pq.ParquetWriter(folder / TABLE, ROWS, compression="zstd", store_schema=False, version="2.6") as file:
        for start in range(0, len(ids), _BLOCK):
            part = slice(start, start + _BLOCK)
            columns = [ids[part].tolist(), publications[part].tolist(), list(found.documents[part])]
            file.write_table(pyarrow.table(columns, schema=ROWS))
    write_text(folder / IDS, "".join(f"{family}\n" for family in ids))


def readme(landscape: str, subject: Subject, values: SearchValues, found: Searched, lost: pd.DataFrame) -> str:
    """README of the folder: its contents, how to prepare a query and search, and the loss of each index."""
    rows, dimension = found.documents.shape
    every = lost[lost["scope"] == "all"].groupby("form", sort=False)
    return card(
        "vectors", landscape=landscape, subject=subject, entry=subject.landscapes[landscape], model=subject.model,
        cell=subject.params, values=values, found=found, families=len(found.starts) - 1, rows=rows, dimension=dimension,
        forms=[(form, scored.to_dict("records")) for form, scored in every], metrics=quantised.METRICS,
        queries=int(lost["n"].max()) if len(lost) else 0, rescore=quantised.RESCORE, largest=quantised.LARGEST,
    )  # fmt: skip
