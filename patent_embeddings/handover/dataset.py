"""Export queries, corpus and judgements of a landscape as a dataset of the Hugging Face hub and as BEIR files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet as pq

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.files import replacing, write_text
from patent_embeddings.core.tables import SPLITS
from patent_embeddings.corpus import texts
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.corpus.values import TasksValues
from patent_embeddings.handover.cards import card
from patent_embeddings.handover.exported_cell import Subject, require_ours
from patent_embeddings.handover.mteb import dataset_revision

TEXT = pyarrow.string()
CORPUS = pyarrow.schema([("_id", TEXT), ("title", TEXT), ("text", TEXT), ("date", TEXT)])
ASKED = pyarrow.schema([("_id", TEXT), ("text", TEXT), ("date", TEXT)])
JUDGED = pyarrow.schema([("query-id", TEXT), ("corpus-id", TEXT), ("score", pyarrow.int32()), ("scope", TEXT)])
Parts = Mapping[str, pd.DataFrame]
BEIR = "beir"
MARKS = ("corpus.parquet", "queries.parquet", f"{BEIR}/corpus.jsonl", f"{BEIR}/queries.jsonl")
FILES = (*MARKS, "README.md", "qrels/*.parquet", f"{BEIR}/qrels/*.tsv")
JUDGEMENTS = ("default", "qrels")  # tools look for either name
RELEVANT = {
    "cited": "relevant is a family that the query cites",
    "linked": "relevant is a family that the query cites or is cited by",
    "judged": "relevant is what somebody judged to be, in grades",
}


def write(out: Path, landscape: str, subject: Subject) -> str:
    """Write the folder of a landscape, and return how to load it.

    It has texts in the cell's views, and the judgements of each split of queries. A folder of an earlier export is
    replaced. Raises UserError where a table is absent or damaged, or the folder holds something else.
    """
    require_ours(out, "holds no dataset", BEIR)
    cell = subject.params
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
    pool = tables.read(layout.task(landscape, "pool"), POOL)
    earlier = cell.tasks.pool == "earlier"
    documents = texts.texts(landscape, cell.document_view, pool.loc[pool["ranked"], "family_id"])
    corpus = _texts(documents, pool, "date").assign(title="")
    asked = _texts(texts.queries(landscape, cell.query_view), pool, "before")
    crossed = params.read("tasks", TasksValues, landscape).cross_fitted is not None
    parts = dict(_by_split(_scored(qrels, reachable(qrels, pool, earlier=earlier)), queries))
    with replacing(out) as folder:
        _parquet(corpus, CORPUS, folder / "corpus.parquet")
        _parquet(asked, ASKED, folder / "queries.parquet")
        _lines(corpus[["_id", "title", "text"]], folder / BEIR / "corpus.jsonl")
        _lines(asked[["_id", "text"]], folder / BEIR / "queries.jsonl")
        for name, part in parts.items():
            _parquet(part, JUDGED, folder / "qrels" / f"{name}.parquet")
            rows = part[["query-id", "corpus-id", "score"]].to_csv(sep="\t", index=False, lineterminator="\n")
            write_text(folder / BEIR / "qrels" / f"{name}.tsv", rows)
        write_text(folder / "README.md", readme(landscape, subject, (len(corpus), len(asked)), parts, crossed=crossed))
    return f"try `datasets.load_dataset({str(out)!r}, 'corpus')`"


def _texts(found: dict[str, str], pool: pd.DataFrame, date: str) -> pd.DataFrame:
    """Texts with their ids and dates; `date` is the column of the pool."""
    dates = dict(zip(pool["family_id"], pool[date], strict=True))
    return pd.DataFrame({"_id": list(found), "text": list(found.values()), "date": [dates[name] for name in found]})


def _scored(qrels: pd.DataFrame, within: Booleans) -> pd.DataFrame:
    """Judgements of the queries that are scored: those with a relevant family that can be retrieved."""
    scored = qrels.loc[(qrels["relevance"] > 0) & within, "query_id"]
    return qrels[qrels["query_id"].isin(scored)]


def _by_split(qrels: pd.DataFrame, queries: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Judgements of each split that has any, with the column names of BEIR and mteb."""
    names = {"query_id": "query-id", "family_id": "corpus-id", "relevance": "score"}
    for split in SPLITS:
        part = qrels[qrels["query_id"].isin(queries.loc[queries["split"] == split, "query_id"])]
        if len(part):
            yield split, part.rename(columns=names)


def _parquet(rows: pd.DataFrame, schema: pyarrow.Schema, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.Table.from_pandas(rows, schema=schema, preserve_index=False).replace_schema_metadata(None)
    pq.write_table(table, path, compression="zstd", store_schema=False, version="2.6")


def _lines(rows: pd.DataFrame, path: Path) -> None:
    write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows.to_dict("records")))


def readme(landscape: str, subject: Subject, sizes: tuple[int, int], parts: Parts, *, crossed: bool) -> str:
    """Dataset card: configuration for `datasets`, contents, relevance, splits, source and licence.

    `sizes`: numbers of documents and queries; `parts`: judgements by split; `crossed`: all queries are test queries.
    """
    entry = subject.landscapes[landscape]
    front = {
        "license": "other",
        "license_name": entry.licence,
        **({"language": "en"} if subject.english([landscape]) else {}),
        "task_categories": ["text-retrieval"],
        "tags": ["patents"],
        "configs": [
            _config("corpus", {"corpus": "corpus.parquet"}),
            _config("queries", {"queries": "queries.parquet"}),
            *[_config(name, {split: f"qrels/{split}.parquet" for split in parts}) for name in JUDGEMENTS if parts],
        ],
    }
    return card(
        "dataset", front, landscape=landscape, entry=entry, cell=subject.params, parts=parts, crossed=crossed,
        documents=sizes[0], queries=sizes[1], relevant=RELEVANT[entry.relevance],
        revision=dataset_revision(entry.model_dump()),
    )  # fmt: skip


def _config(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}
