"""Families and citations -> queries, relevance judgements (IN, OUT), label sets, splits and the ranked pool."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.codes import prefixes
from stages.errors import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    import pandas as pd

app = typer.Typer(add_completion=False)

# Label set -> column of codes and the number of characters that name the label.
CODES = {"ipc-section": ("ipc", 1), "ipc-class": ("ipc", 3), "ipc-subclass": ("ipc", 4), "cpc-subclass": ("cpc", 4)}


@app.command()
def main(landscape: str) -> None:
    """Write the task tables of one landscape."""
    from stages import costs, params, ranking, registry, tables
    from stages.progress import say

    settings = params.load().tasks
    with costs.measured(layout.cost("tasks", landscape)):
        families = tables.read(
            layout.families(landscape), tables.FAMILIES, ["family_id", "ipc", "cpc", "date", "labels"]
        )
        citations = tables.read(layout.citations(landscape), tables.CITATIONS)
        relations = tables.read(layout.relations(landscape), tables.RELATIONS)
        judged = (
            relations if len(relations) else judgements(citations, families, registry.landscape(landscape).relevance)
        )
        splits = split_of(families["family_id"], settings.seed, settings.fold)
        asked = queries(judged, splits)
        tables.write(asked, layout.task(landscape, "queries"), tables.QUERIES)
        tables.write(judged, layout.task(landscape, "qrels"), tables.QRELS)
        tables.write(label_sets(families, splits), layout.task(landscape, "labels"), tables.LABELS)
        ranked = pool(families, relations, splits)
        tables.write(ranked, layout.task(landscape, "pool"), tables.POOL)
        reach = ranking.reachable(judged, ranked, earlier=settings.pool == "earlier")
        if lost := ranking.out_of_reach(judged, reach, asked):
            say(f"{landscape}: {lost}")


def split_of(families: Iterable[str], seed: int, fold: int) -> dict[str, str]:
    """Split of each family, by a hash of seed and family id and nothing else.

    Ten buckets: 2 * fold and the one after it are test, the next is dev, the rest train. So five
    folds make every family a test family once, and adding families moves none.
    """
    test = {2 * fold, 2 * fold + 1}
    dev = (2 * fold + 2) % 10
    names = ["test" if bucket in test else "dev" if bucket == dev else "train" for bucket in range(10)]
    return {family: names[_bucket(seed, family)] for family in families}


def _bucket(seed: int, family: str) -> int:
    digest = hashlib.sha256(f"{seed}:{family}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10


def judgements(citations: pd.DataFrame, families: pd.DataFrame, relevance: str) -> pd.DataFrame:
    """Relevance judgements from citations.

    Args:
        citations: rows of `tables.CITATIONS`.
        families: at least `family_id` and `ipc`.
        relevance: `cited` (what the query cites) or `linked` (what it cites or is cited by).

    Returns:
        Rows of `tables.QRELS`, relevance 1. `scope` is `in` where the two families share an IPC
        class (first three characters), `out` where they share none, `unknown` where one has no code.
    """
    import pandas as pd

    pairs = citations.set_axis(["query_id", "family_id"], axis=1)
    if relevance == "linked":
        back = pairs.rename(columns={"query_id": "family_id", "family_id": "query_id"})
        pairs = pd.concat([pairs, back[["query_id", "family_id"]]], ignore_index=True)
    pairs = pairs.drop_duplicates().sort_values(["query_id", "family_id"], ignore_index=True)
    classes = {family: prefixes(codes, 3) for family, codes in zip(families["family_id"], families["ipc"], strict=True)}
    scopes = [
        scope(classes[query], classes[family])
        for query, family in zip(pairs["query_id"], pairs["family_id"], strict=True)
    ]
    return pairs.assign(relevance=1, scope=pd.Series(scopes, dtype="str"))


def scope(query: list[str], family: list[str]) -> str:
    """`in`, `out` or `unknown` from the IPC classes of both sides."""
    if not query or not family:
        return "unknown"
    return "out" if set(query).isdisjoint(family) else "in"


def queries(judged: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Queries, the families with a relevant one, and their splits."""
    import pandas as pd

    names = sorted(judged.loc[judged["relevance"] > 0, "query_id"].unique())
    return pd.DataFrame(
        {"query_id": pd.Series(names, dtype="str"), "split": pd.Series([splits[name] for name in names], dtype="str")}
    )


def label_sets(families: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Labels of each family under each label set; a family without a label in a set has no row there."""
    import pandas as pd

    rows = []
    for family, ipc, cpc, own in zip(*(families[name] for name in ("family_id", "ipc", "cpc", "labels")), strict=True):
        codes = {"ipc": ipc, "cpc": cpc}
        sets = {name: prefixes(codes[column], length) for name, (column, length) in CODES.items()}
        sets["own"] = list(dict.fromkeys(own))
        rows += [(family, name, labels, splits[family]) for name, labels in sets.items() if labels]
    return pd.DataFrame(rows, columns=["family_id", "label_set", "labels", "split"]).astype(
        {"family_id": "str", "label_set": "str", "split": "str"}
    )


def pool(families: pd.DataFrame, relations: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Every family with its date, its split, and whether it is ranked: all are, less those that the source gives as queries only."""
    only_queries = set(relations["query_id"]) - set(relations["family_id"])
    return families[["family_id", "date"]].assign(
        split=families["family_id"].map(splits).astype("str"), ranked=~families["family_id"].isin(only_queries)
    )


if __name__ == "__main__":
    run(app)
