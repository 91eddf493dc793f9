"""The user's own file in our own form, and the stored tables of queries and judgements."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus import own
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.schemas import ASKED, RELATIONS
from patent_embeddings.corpus.user import stored_judgements
from patent_embeddings.corpus.values import Kept, OwnFile


def load(name: str, entry: OwnFile) -> Raw:
    """Load the file that `python -m stages.landscape add` stored, and its queries and judgements.

    Raises UserError if a file is absent, changed or invalid, or a judged family is not among the families.
    """
    raw = own.parse(_whole(name, entry))
    relations, counted = _stored(name, entry.qrels, RELATIONS)
    queries, _ = _stored(name, entry.queries, ASKED)
    known = {*raw.families["family_id"], *queries["query_id"]}
    if unknown := sorted({*relations["query_id"], *relations["family_id"]} - known):
        said = f"judges {unknown[0]!r}, which is no family of {entry.file} and no query"
        raise UserError(f"{entry.qrels and entry.qrels.file}: {said}; add the landscape and its judgements again")
    return replace(raw, relations=relations, queries=queries, notes={**raw.notes, **counted})


def _stored(name: str, entry: Kept | None, table: tables.Table) -> tuple[pd.DataFrame, dict[str, Any]]:
    return stored_judgements.read(table, _whole(name, entry)) if entry else (tables.empty(table), {})


def _whole(name: str, entry: OwnFile | Kept) -> Path:
    """The file of an entry, with its checksum verified."""
    path = Path(entry.file)
    if not path.is_file():
        raise UserError(f"{path}: the file of landscape {name!r} is missing; run `dvc pull {path}.dvc`")
    if sha256(path) != entry.sha256:
        mend = f"run `dvc checkout {path}.dvc`, or `landscape replace {name}` with the file that is meant"
        raise UserError(f"{path}: its sha256 is not the one in {layout.registry('landscapes')} under {name!r}; {mend}")
    return path
