"""Simulated landscapes: patent families with a known structure under their text.

A family applies an idea (a mechanism with its details) in a field. The field gives its codes and
its vocabulary; citations follow the idea, within the field and, less often, across fields.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from patent_embeddings.core.progress import track
from patent_embeddings.corpus.sources import Raw
from patent_embeddings.corpus.sources.simulated_text import MECHANISMS, OPTIONS, PER_GROUP, Family, Lexicon, sections
from patent_embeddings.corpus.sources.simulated_words import FIELDS, GROUPS

if TYPE_CHECKING:
    import numpy.typing as npt
    import pandas as pd

    from patent_embeddings.corpus.entries import Simulated

    Integers = npt.NDArray[np.int64]

_FIRST, _LAST = np.datetime64("2001-01-01"), np.datetime64("2023-12-31")
_JURISDICTIONS = {"US": 0.33, "CN": 0.2, "EP": 0.17, "JP": 0.12, "DE": 0.08, "KR": 0.06, "FR": 0.04}
_FIELDS_OF_IDEA = np.array([0.5, 0.3, 0.2])  # share of an idea's families in each field that takes it up
_SUBCLASSES = [tuple(entry.components) for entry in FIELDS]
_MAIN = 4  # subclasses of a field's own class; the one after them belongs to a second class
_SHARES = (0.45, 0.3, 0.17, 0.08)  # of the subclasses of a class; some are rare, as in life
_MISSED, _WRONG = 0.3, 0.12  # labels are put on by people: a second one is missed, a wrong one added
_CHUNK = 5000


@dataclass(frozen=True)
class Plan:
    """The structure under the text. Arrays have one entry a family, ordered by date, unless said otherwise.

    Attributes:
        idea: number of the idea.
        field: row of `FIELDS`.
        mechanism: row of `MECHANISMS`.
        options: (families, facets), the detail chosen of each facet.
        second: row of a further mechanism, or -1.
        subclasses: (families, 3) columns of the field's subclasses, or -1.
        dates: days.
        citing, cited: (citations,) rows of the families.
        kind: (citations,) 0 same idea and field, 1 same idea in another field, 2 noise.
    """

    idea: Integers
    field: Integers
    mechanism: Integers
    options: Integers
    second: Integers
    subclasses: Integers
    dates: npt.NDArray[np.datetime64]
    citing: Integers
    cited: Integers
    kind: Integers


def plan(entry: Simulated) -> Plan:
    """Draw the structure of a landscape: ideas, the families that apply them, and who cites whom."""
    rng = np.random.default_rng(entry.seed)
    n = entry.families
    ideas = max(2, round(n / entry.idea_families))
    mechanism_of = np.resize(rng.permutation(len(MECHANISMS)), ideas)
    options_of = np.stack([rng.integers(0, size, ideas) for size in OPTIONS], axis=1)
    fields_of = rng.random((ideas, len(FIELDS))).argsort(axis=1)[:, : len(_FIELDS_OF_IDEA)]
    other = (mechanism_of + PER_GROUP * rng.integers(1, len(GROUPS), ideas)) % len(MECHANISMS)
    second_of = np.where(rng.random(ideas) < entry.combined, other, -1)

    weight = rng.gamma(4.0, size=ideas)
    idea = rng.choice(ideas, n, p=weight / weight.sum())
    field = fields_of[idea, rng.choice(len(_FIELDS_OF_IDEA), n, p=_FIELDS_OF_IDEA)]
    days = int((_LAST - _FIRST).astype(int))
    dates = _FIRST + np.sort(rng.integers(0, days, n))
    citing, cited, kind = _citations(entry, rng, idea, field, dates)
    return Plan(
        idea, field, mechanism_of[idea], options_of[idea], second_of[idea], _subclasses(rng, idea, field),
        dates, citing, cited, kind,
    )  # fmt: skip


def _subclasses(rng: np.random.Generator, idea: Integers, field: Integers) -> Integers:
    """One to three subclasses a family: the first of the field's own class, and usual for idea and field."""
    n = len(idea)
    usual = (idea * 7 + field * 3) % _MAIN
    chosen = np.full((n, 3), -1)
    chosen[:, 0] = np.where(rng.random(n) < 0.4, usual, rng.choice(_MAIN, n, p=_SHARES))
    second = rng.random(n) < 0.25
    chosen[second, 1] = (chosen[second, 0] + rng.integers(1, _MAIN, second.sum())) % _MAIN
    chosen[rng.random(n) < 0.15, 2] = _MAIN
    return chosen


def _citations(
    entry: Simulated, rng: np.random.Generator, idea: Integers, field: Integers, dates: npt.NDArray[np.datetime64]
) -> tuple[Integers, Integers, Integers]:
    """Citing rows, cited rows and kinds, sorted by citing and cited row."""

    n = len(idea)
    rows = pd.DataFrame({"idea": idea, "row": np.arange(n)})
    pairs = rows.merge(rows, on="idea", suffixes=("_citing", "_cited"))
    citing, cited = pairs["row_citing"].to_numpy(), pairs["row_cited"].to_numpy()
    earlier = dates[cited] < dates[citing]
    citing, cited = citing[earlier], cited[earlier]
    kind = (field[citing] != field[cited]).astype(np.int64)

    quota = np.stack([rng.poisson(mean, n) for mean in (entry.citations_in, entry.citations_out)])
    order = np.lexsort((rng.random(len(citing)), kind, citing))
    citing, cited, kind = citing[order], cited[order], kind[order]
    turn = pd.DataFrame({"citing": citing, "kind": kind}).groupby(["citing", "kind"]).cumcount().to_numpy()
    kept = turn < quota[kind, citing]

    noisy = np.repeat(np.arange(n), rng.poisson(entry.citations_noise, n))
    target = np.floor(rng.random(len(noisy)) * noisy).astype(np.int64)
    stray = (dates[target] < dates[noisy]) & (idea[target] != idea[noisy])
    edges = pd.DataFrame(
        {
            "citing": np.concatenate([citing[kept], noisy[stray]]),
            "cited": np.concatenate([cited[kept], target[stray]]),
            "kind": np.concatenate([kind[kept], np.full(stray.sum(), 2)]),
        }
    )
    edges = edges.sort_values(["citing", "cited"], kind="stable").drop_duplicates(["citing", "cited"])
    return edges["citing"].to_numpy(), edges["cited"].to_numpy(), edges["kind"].to_numpy()


def load(name: str, entry: Simulated) -> Raw:
    """Write out a landscape: its plan in words, codes, labels and citations.

    Args:
        name: id of the landscape; family ids begin with it.
        entry: its knobs.
    """

    planned = plan(entry)
    n = entry.families
    ids = np.array([f"{name.upper()}-{number:06d}" for number in range(n)], dtype=object)
    chunks = [slice(start, min(start + _CHUNK, n)) for start in range(0, n, _CHUNK)]
    lexicon = Lexicon(entry)
    frames = [
        _written(planned, lexicon, ids, part)
        for part in track(chunks, n, f"simulate {name}", unit="families", weight=_CHUNK)
    ]
    citations = pd.DataFrame({"citing_id": ids[planned.citing], "cited_id": ids[planned.cited]})
    kinds = np.bincount(planned.kind, minlength=3)
    notes = {
        "ideas": int(planned.idea.max()) + 1,
        "citations planted within a field": int(kinds[0]),
        "citations planted across fields": int(kinds[1]),
        "citations planted at random": int(kinds[2]),
    }
    return Raw(pd.concat(frames, ignore_index=True), citations, notes=notes)


def _written(planned: Plan, lexicon: Lexicon, ids: npt.NDArray[np.object_], part: slice) -> pd.DataFrame:
    """Families of a slice of the plan."""

    groups = list(GROUPS)
    schemes = [group.scheme for group in GROUPS.values()]
    rows = []
    for row in range(part.start, part.stop):
        field, mechanism, second = (int(values[row]) for values in (planned.field, planned.mechanism, planned.second))
        subclasses = tuple(_SUBCLASSES[field][column] for column in planned.subclasses[row] if column >= 0)
        family = Family(
            (lexicon.entry.seed, row), field, mechanism, tuple(planned.options[row].tolist()), second, subclasses
        )
        rng = np.random.default_rng((lexicon.entry.seed, row))
        ipc = [_code(rng, subclass) for subclass in subclasses]
        cpc = [*ipc, *(_code(rng, subclass) for subclass in subclasses if rng.random() < 0.5)]
        if rng.random() < 0.4:
            cpc.append(_code(rng, schemes[MECHANISMS[mechanism][0]]))
        kinds = {MECHANISMS[mechanism][0]}
        if second >= 0 and rng.random() >= _MISSED:
            kinds.add(MECHANISMS[second][0])
        if rng.random() < _WRONG:
            kinds.add(int(rng.integers(len(GROUPS))))
        jurisdiction = str(rng.choice(list(_JURISDICTIONS), p=list(_JURISDICTIONS.values())))
        rows.append(
            (ids[row], *sections(family, lexicon), sorted(set(ipc)), sorted(set(cpc)), jurisdiction,
             str(planned.dates[row]), sorted(groups[kind] for kind in kinds))
        )  # fmt: skip
    return pd.DataFrame(
        rows,
        columns=[
            "family_id",
            "title",
            "abstract",
            "claims",
            "description",
            "ipc",
            "cpc",
            "jurisdiction",
            "date",
            "labels",
        ],
    )


def _code(rng: np.random.Generator, subclass: str) -> str:
    """A code of the subclass, such as B60K11/04."""
    return f"{subclass}{2 * int(rng.integers(0, 12)) + 1}/{2 * int(rng.integers(0, 20)):02d}"
