"""Colours of every picture. A system has the same one everywhere: it follows from the table of systems."""

from __future__ import annotations

from patent_embeddings.evaluation.systems import SYSTEMS

PALETTE = ["#2b6cb0", "#c77700", "#15857a", "#7b4fa3", "#b8336a", "#58a6c9", "#6b7a1f", "#8a8f98"]
CURVES = {"train": "#9db7d5", "dev": "#1f4e86"}  # of the loss on training and on dev pairs
CHANGE = ["#b2482f", "#f2f2f2", "#2b6cb0"]  # worse, the same, better


def _of_systems() -> dict[str, str]:
    """The lead of each task has the first colour, a floor the last, a grey; the others take turns in the rest."""
    lead, *rest, floor = PALETTE
    shown = [one for one in SYSTEMS if one.role != "oracle"]
    others = [one.name for one in shown if not one.role]
    turns = {name: rest[place % len(rest)] for place, name in enumerate(others)}
    return {one.name: {"lead": lead, "floor": floor}.get(one.role) or turns[one.name] for one in shown}


COLOURS = _of_systems()
