"""From records of families to the frames that every source ends in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pandas as pd

from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES
from patent_embeddings.corpus.sources import Raw


def assemble(families: list[dict[str, Any]], cites: Iterable[tuple[str, str]]) -> Raw:
    """Frames of a landscape, with citations cut to those between two different families of it.

    Args:
        families: one record a family with a unique `family_id`; columns of `FAMILIES` that a
            record lacks are empty, other keys are left out.
        cites: (citing, cited) ids as the source gives them, in any order.

    Returns:
        Raw whose notes count the citations kept, and those dropped as outside, to itself, or repeated.
    """

    known = {family["family_id"] for family in families}
    kept: set[tuple[str, str]] = set()
    outside = itself = repeated = 0
    for citing, cited in cites:
        if citing not in known or cited not in known:
            outside += 1
        elif citing == cited:
            itself += 1
        elif (citing, cited) in kept:
            repeated += 1
        else:
            kept.add((citing, cited))
    empty = {name: [] if kind == "list" else "" for name, kind in FAMILIES.columns.items()}
    rows = [{name: family.get(name, blank) for name, blank in empty.items()} for family in families]
    return Raw(
        families=pd.DataFrame(rows, columns=list(FAMILIES.columns)),
        citations=pd.DataFrame(sorted(kept), columns=list(CITATIONS.columns), dtype=str),
        notes={
            "citations kept": len(kept),
            "citations dropped, outside the landscape": outside,
            "citations dropped, to itself": itself,
            "citations dropped, repeated": repeated,
        },
    )
