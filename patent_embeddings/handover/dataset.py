"""Export queries, corpus and judgements of a landscape as a dataset of the Hugging Face hub and as BEIR files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow
import pyarrow.parquet as pq
import yaml

from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, write_text
from patent_embeddings.core.params import Tasks
from patent_embeddings.core.tables import SPLITS
from patent_embeddings.corpus import texts
from patent_embeddings.corpus.pool import reachable
from patent_embeddings.corpus.schemas import POOL, QRELS, QUERIES
from patent_embeddings.corpus.values import TasksValues
from patent_embeddings.handover.exported_cell import Subject
from patent_embeddings.handover.mteb import dataset_revision

TEXT = pyarrow.string()
CORPUS = pyarrow.schema([("_id", TEXT), ("title", TEXT), ("text", TEXT), ("date", TEXT)])
ASKED = pyarrow.schema([("_id", TEXT), ("text", TEXT), ("date", TEXT)])
JUDGED = pyarrow.schema([("query-id", TEXT), ("corpus-id", TEXT), ("score", pyarrow.int32()), ("scope", TEXT)])
Parts = Mapping[str, pd.DataFrame]
BEIR = "beir"
JUDGEMENTS = ("default", "qrels")  # tools look for either name
EARLIER = (
    "Only what is earlier is ranked for a query: families whose `date` is before that of the query, which is its "
    "priority, or its publication where that is unknown. The formats know no such rule: apply it to your results. "
    "Queries without an earlier relevant family have no judgements here."
)
RELEVANT = {
    "cited": "relevant is a family that the query cites",
    "linked": "relevant is a family that the query cites or is cited by",
    "judged": "relevant is what somebody judged to be, in grades",
}


def write(out: Path, landscape: str, subject: Subject) -> None:
    """Write the folder of a landscape, with texts in the cell's views and the judgements of each split of queries.

    A folder of an earlier export is replaced. Raises UserError where a table is absent or damaged, or the folder holds
    something else.
    """
    if out.exists() and not (out / BEIR).exists():
        raise UserError(f"{out}: exists and holds no dataset of an earlier export; name another folder with --out")
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
            write_text(folder / BEIR / "qrels" / f"{name}.tsv", _tabbed(part[["query-id", "corpus-id", "score"]]))
        write_text(folder / "README.md", card(landscape, subject, (len(corpus), len(asked)), parts, crossed=crossed))


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


def _tabbed(rows: pd.DataFrame) -> str:
    return str(rows.to_csv(sep="\t", index=False, lineterminator="\n"))


def card(landscape: str, subject: Subject, sizes: tuple[int, int], parts: Parts, *, crossed: bool) -> str:
    """Dataset card: configuration for `datasets`, contents, relevance, splits, source and licence.

    `sizes`: numbers of documents and queries; `parts`: judgements by split; `crossed`: all queries are test queries.
    """
    entry, cell = subject.landscapes[landscape], subject.params
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
    warning = "**Simulated landscape: what is scored on it says nothing about real patents.**"
    grades = f", of which {entry.threshold} and more are relevant to R@k, AP and RR" if entry.threshold > 1 else ""
    own = ", or in their own words where they are no families" if getattr(entry, "queries", None) else ""
    lines = [
        *["---", yaml.safe_dump(front, sort_keys=False, width=1000).strip(), "---", ""],
        *[f"# {landscape}", "", *([warning, ""] if entry.simulated else []), entry.description, ""],
        f"- Corpus: {sizes[0]:,} patent families in view {cell.document_view}; queries: {sizes[1]:,} in view "
        f"{cell.query_view}{own}. A view is one text, with its titles in it: the column `title` is empty.",
        *[
            f"- Judgements, {split}: {len(rows):,} of {rows['query-id'].nunique():,} queries"
            for split, rows in parts.items()
        ],
        f"- Relevance: {RELEVANT[entry.relevance]}{grades}. `scope` is `in` where query and family share a class or "
        "domain, `out` where they share none, `unknown` where a side has none.",
        f"- {_splits(cell.tasks, crossed=crossed)}",
        "- A query that is a family is in the corpus under the same id, and is never its own result: leave identical "
        "ids out, as BEIR does by itself, and mteb with `ignore_identical_ids`.",
        *([f"- {EARLIER}"] if cell.tasks.pool == "earlier" else []),
        f"- Source: {entry.source}, {dataset_revision(entry.model_dump())}",
        *["", "## Licence", "", _terms(entry), ""],
    ]
    return "\n".join(lines)


def _splits(tasks: Tasks, *, crossed: bool) -> str:
    if crossed:
        return "Splits: every query is in `test`, as few were judged; the cell's fusion is cross-fitted over them."
    return f"Splits: by family, seed {tasks.seed}, fold {tasks.fold}; scores are those of `test`."


def _config(name: str, files: Mapping[str, str]) -> dict[str, Any]:
    return {"config_name": name, "data_files": [{"split": split, "path": path} for split, path in files.items()]}


def _terms(entry: Any) -> str:
    """The licence of the texts, and its terms where they are not ours."""
    if entry.source == "table":
        return f"As whoever added the landscape put it: {entry.licence}."
    if entry.source != "hub":
        return f"{entry.licence}."
    return (
        f"{entry.licence}. Texts and judgements are those of {entry.hub}, which this project never redistributes: this "
        "folder is for your own use, and whoever passes it on does so under that licence"
        f"{', so not for commercial use' if 'NC' in entry.licence else ''}."
    )
