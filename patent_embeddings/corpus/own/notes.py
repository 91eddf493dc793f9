"""Notes on a file in our own form, for the user."""

from __future__ import annotations

import re
from typing import Any

from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.own.fields import Reading, hints, shown

_SHOWN = 20  # ignored columns that are named


def of(file: Reading, families: list[dict[str, Any]], present: set[str]) -> dict[str, Any]:
    """What the user should know of how a file was read; `present` are the columns of its records."""
    names = sorted(file.ignored)
    more = [f"and {len(names) - _SHOWN:,} more"] if len(names) > _SHOWN else []
    notes = {**file.notes, "columns ignored": [*map(shown, names[:_SHOWN]), *more]}
    meant = {name: [known for known in hints(name) if known not in present] for name in names}
    hinted = [f"{shown(name)} ({' or '.join(known)}?)" for name, known in meant.items() if known]
    if hinted:
        notes["columns that may be known ones under another name (rename them to have them read)"] = hinted[:_SHOWN]
    if odd := sorted(name for name in file.ids if absent(name)):
        notes["family ids that are written as what is missing, kept as ids"] = f"{len(odd):,}, such as {odd[0]!r}"
    if file.absent:
        counts = ", ".join(f"{name} {count:,}" for name, count in sorted(file.absent.items()))
        notes["cells and entries that spell absence, read as empty"] = f"{counts}, such as {file.spelled!r}"
    cited = [one for family in families for one in family["cites"]]
    if unlike := _unlike([family["family_id"] for family in families], cited):
        notes["cited ids that look unlike family ids"] = unlike
    return notes


def _unlike(families: list[str], cited: list[str]) -> str:
    """Cited ids that differ from a family id in spelling only; or all, if no cited id is a family id; else ""."""
    bare = {_bare(family): family for family in families}
    known = set(families)
    outside = [one for one in cited if one not in known]
    near = [one for one in outside if _bare(one) in bare]
    if near:
        family = bare[_bare(near[0])]
        return f"{len(near):,}, such as {near[0]!r:.60} where a family is {family!r:.60}; spell both in the same way"
    if outside and len(outside) == len(cited):
        return f"all {len(outside):,}, such as {outside[0]!r:.60} where a family is {families[0]!r:.60}"
    return ""


def _bare(name: str) -> str:
    """An id without what databases write differently: case, signs, kind code and padding."""
    signs = re.sub(r"[\W_]+", "", name.casefold())
    return re.sub(r"(?<![0-9])0+(?=[0-9])", "", re.sub(r"(?<=[0-9])[a-z][0-9]?$", "", signs))
