"""Simulated landscapes: patent families with a known structure under their text.

A family applies an idea (a mechanism with its details) in a field. The field gives its codes and
its vocabulary; citations follow the idea, within the field and, less often, across fields.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from itertools import chain
from multiprocessing import get_context
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core.progress import track
from patent_embeddings.corpus.families import Raw, frame
from patent_embeddings.corpus.sources.simulated.lexicon import Lexicon
from patent_embeddings.corpus.sources.simulated.structure import Plan, plan
from patent_embeddings.corpus.sources.simulated.text import Family, sections
from patent_embeddings.corpus.sources.simulated.words import CATALOGUE, FIELDS, GROUPS, MECHANISMS
from patent_embeddings.corpus.values import Simulated

_MANY, _SHARE = 20_000, 500  # families that are worth the start of processes, and of a share of one
_JURISDICTIONS = {"US": 0.33, "CN": 0.2, "EP": 0.17, "JP": 0.12, "DE": 0.08, "KR": 0.06, "FR": 0.04}
_OFFICES, _SHARES = list(_JURISDICTIONS), np.cumsum(list(_JURISDICTIONS.values()))
_SUBCLASSES = [tuple(field.components) for field in FIELDS]
_LABELS = list(GROUPS)
_MISSED, _WRONG = 0.3, 0.12  # labels are put on by people: a second one is missed, a wrong one added

_next_share: Callable[[range], list[dict[str, Any]]]  # of a process that writes shares


def load(name: str, entry: Simulated) -> Raw:
    """Write out a landscape: its plan in words, codes, labels and citations; family ids begin with its name."""
    planned = plan(entry)
    ids = np.array([f"{name.upper()}-{number:06d}" for number in range(entry.families)], dtype=object)
    written = track(_families(planned, entry), entry.families, f"simulate {name}", unit="families")
    families = frame({"family_id": id_, **family} for id_, family in zip(ids, written, strict=True))
    citations = pd.DataFrame({"citing_id": ids[planned.citing], "cited_id": ids[planned.cited], "category": ""})
    notes = {"ideas": int(planned.idea.max()) + 1}
    for kind, where in enumerate(("within a field", "across fields", "at random")):
        notes[f"citations planted {where}"] = int((planned.kind == kind).sum())
    return Raw(families, citations, notes=notes)


def _families(planned: Plan, entry: Simulated) -> Iterator[dict[str, Any]]:
    """The families of the plan in order; of many each core's own process writes a share."""
    shares = [range(first, min(first + _SHARE, entry.families)) for first in range(0, entry.families, _SHARE)]
    if entry.families < _MANY:
        yield from chain.from_iterable(map(partial(_share, planned, Lexicon(entry)), shares))
        return
    with ProcessPoolExecutor(mp_context=get_context("spawn"), initializer=_begin, initargs=(planned, entry)) as pool:
        yield from chain.from_iterable(pool.map(_next, shares))


def _begin(planned: Plan, entry: Simulated) -> None:
    """What a process needs for all its shares, sent once."""
    global _next_share
    _next_share = partial(_share, planned, Lexicon(entry))


def _next(rows: range) -> list[dict[str, Any]]:
    return _next_share(rows)


def _share(planned: Plan, lexicon: Lexicon, rows: range) -> list[dict[str, Any]]:
    return [_family(planned, lexicon, row) for row in rows]


def _family(planned: Plan, lexicon: Lexicon, row: int) -> dict[str, Any]:
    """One family of the plan, without its id; it depends on its row and the landscape's seed alone."""
    seed = (lexicon.entry.seed, row)
    rng = np.random.default_rng(seed)
    field, mechanism, second = (int(values[row]) for values in (planned.field, planned.mechanism, planned.second))
    group, _ = MECHANISMS[mechanism]
    subclasses = tuple(_SUBCLASSES[field][column] for column in planned.subclasses[row] if column >= 0)
    ipc = [_code(rng, subclass) for subclass in subclasses]
    cpc = [*ipc, *(_code(rng, subclass) for subclass in subclasses if rng.random() < 0.5)]
    if rng.random() < 0.4:
        cpc.append(_code(rng, CATALOGUE[group].scheme))
    labels = {group}
    if second >= 0 and rng.random() >= _MISSED:
        labels.add(MECHANISMS[second][0])
    if rng.random() < _WRONG:
        labels.add(int(rng.integers(len(_LABELS))))
    jurisdiction = _OFFICES[int(_SHARES.searchsorted(rng.random(), side="right"))]
    family = Family(seed, field, mechanism, tuple(planned.options[row].tolist()), second, subclasses)
    texts = zip(("title", "abstract", "claims", "description"), sections(family, lexicon), strict=True)
    return {
        **dict(texts),
        "ipc": sorted(set(ipc)),
        "cpc": sorted(set(cpc)),
        "jurisdiction": jurisdiction,
        "date": str(planned.dates[row]),
        "labels": sorted(_LABELS[label] for label in labels),
    }


def _code(rng: np.random.Generator, subclass: str) -> str:
    """A code of the subclass, such as B60K11/04."""
    return f"{subclass}{2 * int(rng.integers(0, 12)) + 1}/{2 * int(rng.integers(0, 20)):02d}"
