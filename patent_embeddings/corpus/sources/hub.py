"""DAPFAM, NanoDAPFAM and PatenTEB from the Hugging Face hub, with their own judgements."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import hub, layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.corpus.codes import classes, scope
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.reading.damage import parquet
from patent_embeddings.corpus.schemas import RELATIONS
from patent_embeddings.corpus.values import Hub

Families = dict[str, dict[str, Any]]
Judgements = dict[tuple[str, str], tuple[int, str]]  # (query, family): relevance, scope

_IPC = "classifications_ipcr_list_first_three_chars_list"
_TEXTS = {"title": "title_en", "abstract": "abstract_en", "claims": "claims_text"}


def load(name: str, entry: Hub) -> Raw:
    """Download the dataset at its pinned revision and read the columns that are needed.

    Queries are families too; those that are not documents are in `relations` only as queries, which keeps them out of
    the pool. Positives are also citations from query to family, though the source does not say which one cites.
    Raises UserError if no revision is pinned, the download fails, or a file is not as described.
    """
    if not entry.revision:
        mend = f"copy the full commit of https://huggingface.co/datasets/{entry.hub}/commits/main into `revision`"
        where = f"of its entry in {layout.registry('landscapes')}"
        raise UserError(f"landscape {name!r}: no revision of {entry.hub} is pinned; {mend} {where}")
    say(f"{name}: {entry.hub} at {entry.revision[:12]}, licence {entry.licence}")
    retry = f"dvc repro download@{name}"
    patterns, read = {
        "dapfam": (["corpus.parquet", "queries.parquet", "qrels_all.parquet"], _dapfam),
        "nano": ([f"{part}/{entry.split}*.parquet" for part in ("corpus", "queries", "qrels")], _nano),
        "patenteb": (["test/data.parquet"], _patenteb),
    }[entry.layout]
    folder = hub.download(entry.hub, entry.revision, "dataset", patterns, pins=entry.files, needs=patterns, retry=retry)
    families, judged = read(folder, entry)
    if unknown := next((pair for pair in judged if not {*pair} <= families.keys()), None):
        said = f"judges {unknown[0]!r} and {unknown[1]!r}, but has no text of one of them"
        raise UserError(f"{entry.hub}: {said}; check its revision")
    raw = assemble(list(families.values()), (pair for pair, (relevance, _) in judged.items() if relevance))
    rows = [(*pair, *judged[pair]) for pair in sorted(judged) if pair[0] != pair[1]]  # none is judged for itself
    relations = tables.typed(pd.DataFrame(rows, columns=list(RELATIONS.columns)), RELATIONS)
    return replace(raw, relations=relations)


def _dapfam(folder: Path, entry: Hub) -> tuple[Families, Judgements]:
    """Families, and judgements with the source's own scope; NC, a sampled negative, gets it from IPC classes."""
    texts = {**_TEXTS, **({"description": "description_en"} if entry.descriptions else {})}
    families: Families = {}
    for file, key in (("corpus.parquet", "relevant_id"), ("queries.parquet", "query_id")):
        for row in _rows(folder, file, [key, *texts.values(), _IPC]):
            ipc = [str(code) for code in row[_IPC] or []]
            record = {name: row[column] or "" for name, column in texts.items()}
            families.setdefault(str(row[key]), {"family_id": str(row[key]), **record, "ipc": ipc})
    judged: Judgements = {}
    for row in _rows(folder, "qrels_all.parquet", ["query_id", "relevant_id", "relevance_score", "domain_rel"]):
        query, family = str(row["query_id"]), str(row["relevant_id"])
        own = {"IN": "in", "OUT": "out"}.get(str(row["domain_rel"]).upper())
        sides = [classes(families.get(name, {}).get("ipc", [])) for name in (query, family)]
        judged[query, family] = (int(float(row["relevance_score"]) > 0), own or scope(*sides))
    return families, judged


def _nano(folder: Path, entry: Hub) -> tuple[Families, Judgements]:
    """Documents and queries of one text each, stored as abstract; every judgement is positive."""
    families: Families = {}
    for part in ("corpus", "queries"):
        for row in _rows(folder, f"{part}/{entry.split}*.parquet", ["_id", "text"]):
            families.setdefault(str(row["_id"]), {"family_id": str(row["_id"]), "abstract": row["text"] or ""})
    rows = _rows(folder, f"qrels/{entry.split}*.parquet", ["query-id", "corpus-id"])
    return families, {(str(row["query-id"]), str(row["corpus-id"])): (1, entry.scope) for row in rows}


def _patenteb(folder: Path, entry: Hub) -> tuple[Families, Judgements]:
    """Families and judgements from triplets of query, positive and negative; a pair positive in any row is relevant."""
    families: Families = {}
    judged: Judgements = {}
    sides = ("q", "pos", "neg")
    for row in _rows(folder, "test/data.parquet", [*sides, *(f"{side}_text" for side in sides)]):
        for side in sides:
            # title [SEP] abstract [SEP] claims
            sections = dict(zip(_TEXTS, (row[f"{side}_text"] or "").split(" [SEP] ", 2), strict=False))
            families.setdefault(str(row[side]), {"family_id": str(row[side]), **sections})
        query = str(row["q"])
        judged[query, str(row["pos"])] = (1, entry.scope)
        judged.setdefault((query, str(row["neg"])), (0, entry.scope))
    return families, judged


def _rows(folder: Path, pattern: str, columns: list[str]) -> Iterator[dict[str, Any]]:
    """Rows of the matching files, these columns only. Raises UserError if no file matches, or one lacks a column."""
    mend = "the dataset is not arranged as its entry's `layout` says"
    paths = sorted(folder.glob(pattern))
    if not paths:
        raise UserError(f"{folder}: no file {pattern}; {mend}")
    for path in paths:
        with parquet(path, path, "delete it and run again") as file:
            if missing := [name for name in columns if name not in file.schema_arrow.names]:
                raise UserError(f"{path}: column {missing[0]!r} is missing; {mend}")
            for batch in file.iter_batches(batch_size=1024, columns=columns):
                yield from batch.to_pylist()
