"""What the families of a file in our own form cite: ids of families, or numbers of their publications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from patent_embeddings.corpus.publication_numbers import bare, is_number, owners


def resolve(families: list[dict[str, Any]]) -> str:
    """Put the id of a family in place of a cited number that is another spelling of its id or of a publication of it.

    That is done where exactly one family has that number; what is no publication number is left as it is. Returns how
    many were resolved, with an example; "" where none.
    """
    known = {family["family_id"] for family in families}
    of = owners((one["family_id"], (one["publication"], *one["publications"])) for one in families)
    count, example = 0, ""
    for family in families:
        for place, cited in enumerate(family["cites"]):
            if cited not in known and is_number(cited) and (owner := of.get(bare(cited))):
                family["cites"][place] = owner
                count, example = count + 1, example or f"{cited!r:.60} as {owner!r:.60}"
    return f"{count:,}, such as {example}" if count else ""


def pairs(families: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """(citing, cited) ids."""
    return ((family["family_id"], cited) for family in families for cited in family["cites"])


def categories(families: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """What is said of the pairs of which anything is: each category once, sorted, joined by a blank."""
    found: dict[tuple[str, str], set[str]] = {}
    for family in families:
        for cited, category in zip(family["cites"], family["categories"], strict=bool(family["categories"])):
            found.setdefault((family["family_id"], cited), set()).update(category.split())
    return {pair: " ".join(sorted(said)) for pair, said in found.items() if said}
