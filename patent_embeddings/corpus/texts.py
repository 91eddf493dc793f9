"""Texts of families or queries in a view, by id."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.corpus.schemas import QUERIES, VIEW


def texts(landscape: str, view: str, ids: Iterable[str] | None = None) -> dict[str, str]:
    """Texts by family id, in the order of `ids`, or of all families. Raises UserError if an id is not in the view."""
    path = layout.view(landscape, view)
    table = tables.read(path, VIEW, ["family_id", "text"])
    every = dict(zip(table["family_id"], table["text"], strict=True))
    return every if ids is None else chosen(every, ids, path)


def chosen(every: dict[str, str], ids: Iterable[str], path: Path) -> dict[str, str]:
    """Some of the texts of a view's file, in the order of `ids`. Raises UserError if an id is not there."""
    wanted = list(dict.fromkeys(ids))
    if missing := [family for family in wanted if family not in every]:
        raise UserError(f"{path}: family {missing[0]!r} of the landscape's pool is not there; run `dvc repro`")
    return {family: every[family] for family in wanted}


def queries(landscape: str, view: str) -> dict[str, str]:
    """Texts by query id, ascending: the text of its family in the view, or its own if the query is not a family.

    Raises UserError as `texts`.
    """
    asked = tables.read(layout.task(landscape, "queries"), QUERIES, ["query_id", "text"])
    own = {query: text for query, text in zip(asked["query_id"], asked["text"], strict=True) if text}
    if own:
        say(f"{landscape}: {len(own):,} of {len(asked):,} queries are not families: their own texts are used, no view")
    families = texts(landscape, view, (query for query in asked["query_id"] if query not in own))
    return {query: own[query] if query in own else families[query] for query in asked["query_id"]}
