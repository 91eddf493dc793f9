"""The part of a picture that is shown at first: of many cells not everything fits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from patent_embeddings.pages.colours import PALETTE

PANELS, ROWS = 4, 16  # at most, in the part
COLOURS = len(PALETTE)
_COLOURED = {"cell": "cells", "model": "models", "system": "systems", "where": "landscapes"}


def fitted(spec: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """A spec with no more panels, rows and colours than fit, and words for the part; the same spec and "" if all fit.

    The first panels are kept, and the rows and colours with the highest mean values.
    """
    rows = spec["data"]["values"]
    panel = spec["facet"]["field"]
    kept, said = rows, []
    if len(panels := list(dict.fromkeys(row[panel] for row in rows))) > PANELS:
        kept = [row for row in kept if row[panel] in panels[:PANELS]]
        said.append(f"{PANELS} of {len(panels)} panels")
    for channel, most in (("y", ROWS), ("fill", COLOURS)):
        field = _named(spec["spec"], channel)
        every = {row[field] for row in kept} if field else set()
        if field and len(every) > most:
            best = _highest(kept, field, most)
            kept = [row for row in kept if row[field] in best]
            what = "rows" if channel == "y" else _COLOURED.get(field, "colours")
            said.append(f"the {most} of {len(every)} {what} with the highest values")
    if not said:
        return spec, ""
    facet = {**spec["facet"], "sort": [one for one in panels if any(row[panel] == one for row in kept)]}
    return {**spec, "facet": facet, "data": {**spec["data"], "values": kept}}, ", ".join(said)


def _named(spec: dict[str, Any], channel: str) -> str | None:
    """The field of a channel of names; None where the channel has numbers, or is not there."""
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
