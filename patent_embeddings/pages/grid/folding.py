"""What of a picture is shown at once: a grid of many cells makes figures that nobody can take in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patent_embeddings.pages.colours import PALETTE

PANELS, ROWS = 4, 16  # that fit at once
COLOURS = len(PALETTE)  # that can be told apart
_COLOURED = {"cell": "cells", "model": "models", "system": "systems", "where": "landscapes"}


def fitted(spec: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A picture's spec with no more panels, rows and colours than fit, and what of them is shown; "" where all fit.

    Panels are kept in their order, rows and colours of names by the mean of their values, the highest first.
    """
    rows = spec["data"]["values"]
    panel = spec["facet"]["field"]
    kept, told = rows, []
    if len(panels := list(dict.fromkeys(row[panel] for row in rows))) > PANELS:
        kept = [row for row in kept if row[panel] in panels[:PANELS]]
        told.append(f"{PANELS} of {len(panels)} panels")
    for channel, most in (("y", ROWS), ("fill", COLOURS)):
        field = _named(spec["spec"], channel)
        every = {row[field] for row in kept} if field else set()
        if field and len(every) > most:
            best = _highest(kept, field, most)
            kept = [row for row in kept if row[field] in best]
            what = "rows" if channel == "y" else _COLOURED.get(field, "colours")
            told.append(f"the {most} of {len(every)} {what} with the highest values")
    if not told:
        return spec, ""
    facet = {**spec["facet"], "sort": [one for one in panels if any(row[panel] == one for row in kept)]}
    return {**spec, "facet": facet, "data": {**spec["data"], "values": kept}}, ", ".join(told)


def _named(spec: dict[str, Any], channel: str) -> str | None:
    """The field of a channel that has names on it; None where it has numbers, or nothing."""
    for layer in (spec, *spec.get("layer", ())):
        found = layer.get("encoding", {}).get(channel, {})
        if found.get("type") == "nominal":
            return str(found["field"])
    return None


def _highest(rows: Sequence[dict[str, Any]], field: str, most: int) -> set[Any]:
    values: dict[Any, list[float]] = {}
    for row in rows:
        values.setdefault(row[field], []).append(row["value"] if row["value"] is not None else float("-inf"))
    means = {name: sum(ours) / len(ours) for name, ours in values.items()}
    return set(sorted(means, key=lambda name: (-means[name], str(name)))[:most])
