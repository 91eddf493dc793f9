"""Citations of a file in our own form: ids of families, or numbers of their publications."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from patent_embeddings.corpus.publication_numbers import bare, is_number, owners


def resolve(families: list[dict[str, Any]]) -> str:
    """Replace cited publication numbers, in any spelling, by the id of the family that has them.

    A number is replaced if exactly one family has it. Returns how many were replaced, with an example; "" where none.
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
    """Pairs of citing and cited id."""
    return ((family["family_id"], cited) for family in families for cited in family["cites"])


def categories(families: list[dict[str, Any]]) -> dict[tuple[str, str], str]:
    """Citing and cited id -> distinct categories, sorted and joined by a blank; without pairs that have none."""
    found: dict[tuple[str, str], set[str]] = {}
    for family in families:
        for cited, category in zip(family["cites"], family["categories"], strict=bool(family["categories"])):
            found.setdefault((family["family_id"], cited), set()).update(category.split())
    return {pair: " ".join(sorted(words)) for pair, words in found.items() if words}
