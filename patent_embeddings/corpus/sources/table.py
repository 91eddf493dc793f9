"""The user's own file, in any of the forms that are read, and queries and judgements beside it."""

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
from patent_embeddings.corpus.user.stored_judgements import kept
from patent_embeddings.corpus.values import Kept, OwnFile


def load(name: str, entry: OwnFile) -> Raw:
    """Load the file that `python -m stages.landscape add` took in, and those of queries and judgements.

    Raises UserError where one is absent, is not the one that was added, or breaks the format, or a judged family is not
    among the families.
    """
    raw = own.parse(_whole(name, entry))
    relations, counted = _beside(name, entry.qrels, RELATIONS)
    queries, _ = _beside(name, entry.queries, ASKED)
    known = {*raw.families["family_id"], *queries["query_id"]}
    if unknown := sorted({*relations["query_id"], *relations["family_id"]} - known):
        said = f"judges {unknown[0]!r}, which is no family of {entry.file} and no query"
        raise UserError(f"{entry.qrels and entry.qrels.file}: {said}; add the landscape and its judgements again")
    return replace(raw, relations=relations, queries=queries, notes={**raw.notes, **counted})


def _beside(name: str, entry: Kept | None, table: tables.Table) -> tuple[pd.DataFrame, dict[str, Any]]:
    return kept(table, _whole(name, entry)) if entry else (tables.empty(table), {})


def _whole(name: str, entry: OwnFile | Kept) -> Path:
    """The file of an entry, which is the one that was added."""
    path = Path(entry.file)
    if not path.is_file():
        raise UserError(f"{path}: the file of landscape {name!r} is missing; run `dvc pull {path}.dvc`")
    if sha256(path) != entry.sha256:
        mend = f"run `dvc checkout {path}.dvc`, or add the new file under an id of its own"
        raise UserError(f"{path}: its sha256 is not the one in {layout.registry('landscapes')} under {name!r}; {mend}")
    return path
