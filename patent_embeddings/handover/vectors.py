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
from patent_embeddings.handover.exported_cell import Subject
from patent_embeddings.retrieval import compression, quantised
from patent_embeddings.retrieval.values import SearchValues
from patent_embeddings.retrieval.vector_space import Searched, read, searched

LOSSES, TABLE, IDS, MEAN = "losses.csv", "families.parquet", "ids.txt", "mean.npy"
ROWS = pyarrow.schema(
    [("family_id", pyarrow.string()), ("publication", pyarrow.string()), ("vector", pyarrow.list_(pyarrow.float32()))]
)
_BLOCK = 1 << 14  # rows written at once


def write(out: Path, landscape: str, subject: Subject) -> pd.DataFrame:
    """Write the folder of a landscape, and return the losses of its indexes.

    A folder of an earlier export is replaced. Raises UserError where the model is of late interaction, a table or the
    vectors are absent or damaged, or the folder holds something else.
    """
    values = params.read("search", SearchValues, landscape)
    if values.similarity == "maxsim":
        said = "late interaction: a vector for every token, and a score that is a sum over tokens"
        raise UserError(f"model {subject.params.model!r} is {said}, which no faiss index ranks by; export another cell")
    if out.exists() and not (out / LOSSES).exists():
        raise UserError(f"{out}: exists and holds no vectors of an earlier export; name another folder with --out")
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
        write_text(folder / "README.md", card(landscape, subject, values, found, lost))
    return lost


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


def card(landscape: str, subject: Subject, values: SearchValues, found: Searched, lost: pd.DataFrame) -> str:
    """README of the folder: its contents, how to prepare a query and search, and the loss of each index."""
    entry, model, cell = subject.landscapes[landscape], subject.model, subject.params
    families, (rows, dimension) = len(found.starts) - 1, found.documents.shape
    kept = f", its adapter at {subject.weight:g} of what was trained" if 0 < subject.weight < 1 else ""
    warning = "**Simulated landscape: what it scores says nothing about real patents.**"
    lines = [
        *[f"# Vectors of {landscape}", "", *([warning, ""] if entry.simulated else [])],
        f"{families:,} families of {landscape} as they are searched: {rows:,} vectors of {dimension} dimensions, by "
        f"{cell.model} ({model.hub}) {subject.made}{kept}, of view {cell.document_view}{_shape(values)}. "
        "Families that are only asked about are not among them.",
        *["", *_files(found), ""],
        *["## A query", "", *_query(subject), "", "```python", *_code(values, found), "```", ""],
        *_reading(values, found),
        *["", "## What each index loses", "", *_losses(lost, subject.params.tasks.pool)],
        *["", "## Licences", "", f"- Texts of {landscape}: {entry.licence}", f"- Model: {model.licence}", ""],
    ]
    return "\n".join(lines)


def _shape(values: SearchValues) -> str:
    """How the vectors were processed."""
    cut = f", cut to their first {values.search.dimensions} dimensions" if values.search.dimensions else ""
    unit = ", of unit length" if values.similarity == "cosine" else ""
    return f"{cut}{unit}{', less their mean' if values.search.centre == 'landscape' else ''}"


def _files(found: Searched) -> list[str]:
    several = " A family has a row for each of its passages, one behind the other." if found.several else ""
    return [
        f"Row n is the same in every file, and rows ascend by family id.{several}",
        "",
        f"- `{TABLE}`: `family_id`, `publication`, `vector` (float32); `{IDS}`: family ids, one a line",
        "- `float32.faiss`: the vectors as they are; `float16.faiss`, `int8.faiss`: faiss's scalar quantiser, half "
        "and a quarter of the bytes; `binary.faiss`: signs, a 32nd of the bytes, read by `faiss.read_index_binary`",
        *([f"- `{MEAN}`: the mean of the documents, to be subtracted from a query"] if found.mean is not None else []),
        f"- `{LOSSES}`: the score of each index, and its loss against float32",
    ]


def _query(subject: Subject) -> list[str]:
    cell, model = subject.params, subject.model
    prompt = model.prompts.query
    length = model.kept(cell.embed.length)
    said = f"with the prompt `{prompt}` before it" if prompt else "without a prompt"
    return [
        f"A text of view {cell.query_view}, {said}, cut at {length} tokens, by the model that the documents are by: "
        "`python -m stages.export model --merged` writes it, with its prompts and its length."
    ]


def _code(values: SearchValues, found: Searched) -> list[str]:
    """Lines of Python that prepare a query and search each form of index."""
    unit = "query /= np.linalg.norm(query, axis=1, keepdims=True)"
    cut = values.search.dimensions
    lines = [
        "import faiss",
        "import numpy as np",
        "from sentence_transformers import SentenceTransformer",
        "",
        'query = SentenceTransformer("../../model").encode_query(["the text"])',
        *([f"query = query[:, :{cut}]"] if cut else []),
        *([unit] if values.similarity == "cosine" else []),
    ]
    if found.mean is not None:
        lines += [f'query = query - np.load("{MEAN}")', *([unit] if values.similarity == "cosine" else [])]
    return [
        *lines,
        f'ids = np.array(open("{IDS}", encoding="utf-8").read().splitlines())',
        "",
        'scores, rows = faiss.read_index("int8.faiss").search(query, 10)  # and so float32 and float16',
        "print(ids[rows])",
        "",
        'bits = faiss.read_index_binary("binary.faiss")',
        f"_, near = bits.search(np.packbits(query > 0, axis=1), {quantised.RESCORE} * 10)  # the nearest in bits,",
        "kept = np.array([bits.reconstruct(int(row)) for row in near[0]])",
        "signs = np.unpackbits(kept, axis=1, count=query.shape[1]) * 2.0 - 1",
        "print(ids[near[0][np.argsort(-signs @ query[0])[:10]]])  # ranked again by the query itself",
    ]


def _reading(values: SearchValues, found: Searched) -> list[str]:
    best = "that of its best row" if found.best == 1 else f"the mean of its best {found.best} rows"
    lines = ["A query that is a family of the landscape finds itself: leave it out, as the scores below do."]
    if found.several:
        lines += [f"A family's score is {best}: search deeper than the families that you want, and group by id."]
    if values.pool == "earlier":
        lines += ["Scores are of families published before the query: the indexes know no dates, so filter by yours."]
    return lines


def _losses(lost: pd.DataFrame, pool: str) -> list[str]:
    if lost.empty:
        why = f"or the vectors are more than {compression.LARGEST:,} numbers"
        return [f"Nothing was measured: no test query of the landscape has a relevant family, {why}."]
    table = [f"| index | bytes | a family | {' | '.join(f'{one} | change' for one in quantised.METRICS)} |"]
    table.append(f"|---|---|---|{'---|---|' * len(quantised.METRICS)}")
    for form, rows in lost[lost["scope"] == "all"].groupby("form", sort=False):
        first = rows.iloc[0]
        cells = [str(form), f"{first['bytes']:,}", f"{first['bytes_per_family']:,.0f}"]
        for row in rows.to_dict("records"):
            bounds = f" ({row['low']:+.4f} to {row['high']:+.4f})" if row["low"] < row["high"] else ""
            cells += [f"{row['value']:.4f}", f"{row['difference']:+.4f}{bounds}" if form != "float32" else "-"]
        table.append(f"| {' | '.join(cells)} |")
    earlier = ", only families published before the query ranked" if pool == "earlier" else ""
    return [
        f"On {int(lost['n'].max()):,} test queries, their own families left out{earlier}; changes are against float32, "
        "with the 95 % interval that these queries allow. In bits the nearest "
        f"{quantised.RESCORE} times as many families as asked for are ranked again by the query itself. "
        f"`{LOSSES}` has IN and OUT too.",
        "",
        *table,
    ]
