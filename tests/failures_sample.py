"""Data of the query browser at any size, drawn by a seed, to test it on."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

EXCERPT = 500
SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
HOSTILE = (
    "<script>document.title='owned'</script> & <b>valve</b>",
    '"></template><img src=x onerror="document.title=1">',
    "</script><!-- ${7*7} {{7*7}} \u2028 \u202e drawkcab",
    '=HYPERLINK("http://example.invalid","a") \'quoted\' \\',
    "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft" * 3,
    "压力调节阀 صمام تنظيم الضغط клапан 🙂 " * 4,
    "",
)
_WORDS = ("valve", "spring", "seat", "pressure", "duct", "seal", "ring", "pump", "flow", "housing", "piston", "sensor")
_CLASSES = ("F16", "A61", "H01", "G06", "B60", "C08")
_OFFICES = ("US", "EP", "JP", "CN", "WO", "")


def sample(
    queries: int, seed: int = 0, systems: Sequence[str] = SYSTEMS, compared: Sequence[str] = ("bm25", "dense")
) -> dict[str, Any]:
    """Data as `pages.failures` gives them, of so many queries; every ninth text is long or hostile.

    The first query has neither a family nor codes, a date or an office; the second has no relevant family that any
    system found; the third has forty relevant families.
    """
    rng = np.random.default_rng(seed)
    count = max(12, 3 * queries)
    families = [_family(place, rng) for place in range(count)]
    rows = [_query(place, families, systems, rng) for place in range(queries)]
    return {
        "landscapes": ["sim-alpha", "mine"],
        "systems": list(systems),
        "compared": list(compared),
        "best": [systems[-1], systems[0]],
        "wrong_of": [[systems[-1]], [systems[0]]],
        "metric": "nDCG@10",
        "sampled": None,
        "families": families,
        "queries": rows,
    }


def _text(place: int, rng: np.random.Generator, words: int) -> str:
    if place % 9 == 0:
        return (HOSTILE[(place // 9) % len(HOSTILE)] * (1 + place % 3))[:EXCERPT]
    return " ".join(rng.choice(_WORDS, words))[:EXCERPT]


def _some(values: Sequence[str], rng: np.random.Generator, most: int) -> list[str]:
    return sorted(set(rng.choice(values, rng.integers(0, most + 1)).tolist()))


def _date(rng: np.random.Generator) -> str:
    return f"{rng.integers(1975, 2024)}-{rng.integers(1, 13):02d}-{rng.integers(1, 29):02d}"


def _family(place: int, rng: np.random.Generator) -> dict[str, Any]:
    number = f"EP{1000000 + place}A1"
    return {
        "id": f"F{place:06d}",
        "title": _text(place, rng, 7),
        "text": _text(place + 4, rng, 70),
        "ipc": _some(_CLASSES, rng, 3),
        "jurisdiction": str(rng.choice(_OFFICES)),
        "date": _date(rng) if place % 7 else "",
        "publication": number if place % 5 else "",
        "url": f"https://example.invalid/patent/{number}" if place % 5 else "",
    }


def _query(place: int, families: list[dict[str, Any]], systems: Sequence[str], rng: np.random.Generator) -> Any:
    bare = place == 0
    own = None if bare else int(rng.integers(len(families)))
    drawn = rng.integers(len(families), size=64).tolist()
    others = [at for at in dict.fromkeys(drawn) if at != own]
    relevant = min(40 if place == 2 else int(rng.integers(1, 6)), len(others) - 3)
    classes = [] if bare else _some(_CLASSES, rng, 3)
    lost = place == 1
    return {
        "id": f"Q{place:06d}",
        "landscape": place % 2,
        "family": own,
        "text": _text(place + 2, rng, 70),
        "title": "" if own is None else families[own]["title"],
        "ipc": classes,
        "codes": [f"{one}K1/{number:02d}" for one in classes for number in range(1 + place % 4)],
        "jurisdiction": "" if own is None else families[own]["jurisdiction"],
        "date": "" if own is None else families[own]["date"],
        "words": int(rng.integers(3, 900)),
        "cut": bool(rng.integers(2)),
        "left_out": 17 if place == 2 else 0,
        "outcome": {name: 0.0 if lost else round(float(rng.beta(0.8, 1.2)), 4) for name in systems},
        "relevant": [
            {
                **_hit(at, systems, rng, found=not lost),
                "relevance": int(rng.integers(1, 4)),
                "scope": str(rng.choice(["in", "out", "unknown"])),
            }
            for at in others[:relevant]
        ],
        "wrong": [_hit(at, systems, rng, found=True) for at in others[relevant : relevant + 3]],
    }


def _hit(family: int, systems: Sequence[str], rng: np.random.Generator, *, found: bool) -> dict[str, Any]:
    ranks = {name: int(rng.integers(1, 1001)) if found and rng.random() < 0.8 else None for name in systems}
    return {
        "family": family,
        "ranks": ranks,
        "words": rng.permutation(_WORDS)[: rng.integers(0, 9)].tolist(),
        "codes": [f"{one}K1/00" for one in _some(_CLASSES, rng, 2)],
        "cut": bool(rng.integers(2)),
    }
