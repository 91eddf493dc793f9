"""Colours and shapes of every picture. A system has the same colour everywhere: it follows from the table of systems.

The colours are those of Okabe and Ito, *Color Universal Design* (2008), which the colour-blind can tell apart. Of its
eight these four stand out by 3 : 1 from a white page and from a dark one; its black is the ink, which follows the page.
"""

from __future__ import annotations

from patent_embeddings.evaluation.systems import SYSTEMS

BLUE, VERMILLION, GREEN, PURPLE = "#0072B2", "#D55E00", "#009E73", "#CC79A7"
INK = "currentColor"
GREY = "#676767"  # of floors and references
PALETTE = [BLUE, VERMILLION, GREEN, PURPLE, INK, GREY]
SHAPES = ["circle", "square", "triangle-up", "diamond", "cross"]  # so that no reader depends on colours
DASHES = [[1, 0], [6, 3], [2, 2], [8, 3, 2, 3], [4, 4]]  # likewise, of lines
CURVES = {"train": GREY, "dev": BLUE}  # of the loss on training and on dev pairs
CHANGE = ["#E69F00", "#f2f2f2", "#56B4E9"]  # worse, the same, better: grounds under text in `ON_CHANGE`
ON_CHANGE = "#1c2430"


def _of_systems() -> dict[str, str]:
    """The leading system of each task has the first colour, its floor grey; the others share the rest in turn."""
    lead, *rest, floor = PALETTE
    shown = [one for one in SYSTEMS if one.role != "oracle"]
    others = [one.name for one in shown if not one.role]
    turns = {name: rest[place % len(rest)] for place, name in enumerate(others)}
    return {one.name: {"lead": lead, "floor": floor}.get(one.role) or turns[one.name] for one in shown}


COLOURS = _of_systems()
