"""The texts of some families or queries in one view: the one place where ids are joined with texts."""

from __future__ import annotations

from collections.abc import Iterable

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.corpus.schemas import QUERIES, VIEW


def texts(landscape: str, view: str, ids: Iterable[str] | None = None) -> dict[str, str]:
    """Text of each family by its id, in the order of `ids`, or all. Raises UserError where one is not in the view."""
    path = layout.view(landscape, view)
    table = tables.read(path, VIEW, ["family_id", "text"])
    every = dict(zip(table["family_id"], table["text"], strict=True))
    if ids is None:
        return every
    wanted = list(dict.fromkeys(ids))
    if missing := [family for family in wanted if family not in every]:
        raise UserError(f"{path}: family {missing[0]!r} of the landscape's pool is not there; run `dvc repro`")
    return {family: every[family] for family in wanted}


def queries(landscape: str, view: str) -> dict[str, str]:
    """Text of each query by its id, ascending: in a view, or of a query that is no family its own, which is said.

    Raises UserError as `texts`.
    """
    asked = tables.read(layout.task(landscape, "queries"), QUERIES, ["query_id", "text"])
    own = {query: text for query, text in zip(asked["query_id"], asked["text"], strict=True) if text}
    if own:
        what = f"{len(own):,} of {len(asked):,} queries are no families"
        say(f"{landscape}: {what}: they have no view {view!r}, and are asked in their own words")
    families = texts(landscape, view, (query for query in asked["query_id"] if query not in own))
    return {query: own[query] if query in own else families[query] for query in asked["query_id"]}
