"""What the browser of failed queries draws, as JSON has it."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import track
from patent_embeddings.corpus.codes import classes
from patent_embeddings.corpus.schemas import FAMILIES, QRELS, QUERIES
from patent_embeddings.evaluation.scores import records
from patent_embeddings.evaluation.systems import LEADING
from patent_embeddings.pages.failures.ranks import PAIR, ranks, together, wrong
from patent_embeddings.pages.failures.shared import Words, shared_codes
from patent_embeddings.pages.failures.source import Source
from patent_embeddings.pages.failures.texts import Texts, asked

METRIC = LEADING["retrieval"][1]
MOST = 5000  # queries that a page carries
RELEVANT = 50  # relevant families of a query that it carries
_MANY = 2000  # texts whose words take more than a moment
_SHOWN = ["family_id", "title", "ipc", "cpc", "jurisdiction", "date", "publication", "url"]


@dataclass(frozen=True)
class Subject:
    """Test queries of a landscape: their outcomes, and where what is said of them is read."""

    landscape: str
    source: Source  # of their texts and judgements
    params: Params  # of the cell that these are of
    outcomes: pd.DataFrame  # `METRIC`, [query_id, name of a system, or of a cell where two are compared]
    runs: Mapping[str, Callable[[Collection[str]], pd.DataFrame]]  # by that name: rows of `RUN` of some queries
    wrong_of: tuple[str, ...]  # whose best wrong hits are shown

    @property
    def best(self) -> str:
        """Which of the names has the highest mean; of equals the first."""
        return best(self.outcomes)


def named(outcomes: pd.DataFrame) -> list[str]:
    """The columns of outcomes: systems, or cells."""
    return [str(name) for name in outcomes]


def best(outcomes: pd.DataFrame) -> str:
    """Name of the column with the highest mean; of equals, however they were added up, the first."""
    return str(outcomes.mean().round(12).idxmax())


def as_data(subjects: Sequence[Subject], compared: tuple[str, str]) -> dict[str, Any]:
    """Everything that the page needs, in the form that `failures.js` says; the worst query of each landscape first.

    At most `MOST` queries are there, those whose hash is the least. Raises UserError where a table is absent or
    damaged.
    """
    every = [(place, query) for place, subject in enumerate(subjects) for query in subject.outcomes.index]
    kept = sorted(every, key=_hash)[:MOST]
    families: list[dict[str, Any]] = []
    queries: list[dict[str, Any]] = []
    for place, subject in enumerate(subjects):
        ours = [query for at, query in kept if at == place]
        found, theirs = _Gathered.of(subject, ours).queries(place, len(families))
        queries += found
        families += theirs
    return {
        "landscapes": [subject.landscape for subject in subjects],
        "systems": list(dict.fromkeys(name for subject in subjects for name in named(subject.outcomes))),
        "compared": list(compared),
        "best": [subject.best for subject in subjects],
        "wrong_of": [list(subject.wrong_of) for subject in subjects],
        "metric": METRIC,
        "sampled": [len(kept), len(every)] if len(kept) < len(every) else None,
        "families": families,
        "queries": queries,
    }


def _hash(query: tuple[int, str]) -> bytes:
    return hashlib.sha256(query[1].encode()).digest()


@dataclass(frozen=True)
class _Gathered:
    """What was read of a landscape for some of its queries."""

    subject: Subject
    asked: pd.DataFrame  # rows of `QUERIES`, the worst first
    relevant: dict[str, list[dict[str, Any]]]  # by query: rows of `QRELS`, ranked ones first
    wrong: dict[str, list[dict[str, Any]]]  # by query: rows of `PAIR`
    ranks: dict[tuple[str, str], dict[str, int | None]]  # by query and family, by name
    families: dict[str, dict[str, Any]]  # by id: `_SHOWN`, in the order in which they are referred to
    texts: tuple[Texts, Texts]  # of the queries, of the families
    common: Words  # of both, in this order

    @classmethod
    def of(cls, subject: Subject, queries: list[str]) -> _Gathered:
        """Read it."""
        read, name = subject.source.read, subject.landscape
        outcomes = subject.outcomes.loc[queries, subject.best]
        order = sorted(queries, key=lambda query: (outcomes[query], query))
        rows = read(layout.task(name, "queries"), QUERIES, list(QUERIES.columns), ("query_id", queries))
        rows = rows.set_index("query_id").loc[order].reset_index()
        qrels = read(layout.task(name, "qrels"), QRELS, list(QRELS.columns), ("query_id", queries))
        qrels = qrels[qrels["relevance"] > 0]
        mistaken = together([wrong(subject.runs[one](queries), qrels) for one in subject.wrong_of])
        pairs = together([qrels, mistaken])
        for one in named(subject.outcomes):
            pairs[one] = ranks(subject.runs[one](queries), pairs)
        qrels = qrels.merge(pairs, on=PAIR).sort_values(["query_id", subject.best, "family_id"], na_position="last")
        shown = qrels.groupby("query_id", sort=False).head(RELEVANT)
        wanted = dict.fromkeys([*order, *shown["family_id"], *mistaken["family_id"]])
        families = read(layout.families(name), FAMILIES, _SHOWN, ("family_id", wanted))
        known = {family["family_id"]: family for family in records(families)}
        if lacking := {*shown["family_id"], *mistaken["family_id"]} - known.keys():
            said = f"family {min(lacking)!r}, which is relevant or was found, is not there"
            raise UserError(f"{layout.families(name)} of {subject.source.name}: {said}; run `dvc repro`")
        views = subject.params.query_view, subject.params.document_view
        sides = Texts(subject.source, name, views[0], *asked(rows)), Texts(subject.source, name, views[1], set(known))
        return cls(
            subject,
            rows,
            _by_query(qrels[list(QRELS.columns)]),
            _by_query(mistaken),
            _by_pair(pairs),
            {family: known[family] for family in wanted if family in known},
            sides,
            Words(_shown(sides, name)),
        )

    def queries(self, place: int, first: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """Queries of the landscape at a place, and the families that they refer to, numbered from `first`."""
        number = {family: first + at for at, family in enumerate(self.families)}
        row = {name: at for at, name in enumerate(self.texts[0].kept)}
        of_family = {name: len(row) + at for at, name in enumerate(self.texts[1].kept)}
        passages = self.subject.params.embed.passages.tokens
        asked_fit, found_fit = self.texts[0].longest(), float("inf") if passages else self.texts[1].longest()
        outcomes = self.subject.outcomes.to_dict("index")
        found = []
        for query in records(self.asked):
            name = query["query_id"]
            own = self.families.get(name, {})
            codes = _codes(own or {**query, "cpc": []})
            text = self.texts[0].kept[name]

            def hit(family: str, name: str = name, codes: list[str] = codes) -> dict[str, Any]:
                return {
                    "family": number[family],
                    "ranks": self.ranks[name, family],
                    "words": self.common.shared(row[name], of_family[family]),
                    "codes": shared_codes(codes, _codes(self.families[family])),
                    "cut": self.texts[1].kept[family].letters > found_fit,
                }

            relevant = self.relevant[name]
            found.append(
                {
                    "id": name,
                    "landscape": place,
                    "family": number.get(name),
                    "text": text.excerpt,
                    "title": own.get("title", ""),
                    "ipc": classes((own or query)["ipc"]),
                    "codes": codes,
                    "jurisdiction": own.get("jurisdiction", ""),
                    "date": own.get("date", query["date"]),
                    "words": text.words,
                    "cut": text.letters > asked_fit,
                    "left_out": max(len(relevant) - RELEVANT, 0),
                    "outcome": {one: round(float(value), 4) for one, value in outcomes[name].items()},
                    "relevant": [
                        {**hit(one["family_id"]), "relevance": one["relevance"], "scope": one["scope"]}
                        for one in relevant[:RELEVANT]
                    ],
                    "wrong": [hit(one["family_id"]) for one in self.wrong.get(name, [])],
                }
            )
        return found, [self._family(family) for family in self.families.values()]

    def _family(self, family: dict[str, Any]) -> dict[str, Any]:
        said = {name: family[name] for name in ("title", "jurisdiction", "date", "publication", "url")}
        text = self.texts[1].kept[family["family_id"]].excerpt
        return {"id": family["family_id"], "text": text, "ipc": classes(family["ipc"]), **said}


def _codes(family: Mapping[str, Any]) -> list[str]:
    """IPC codes of a family, then CPC codes, each once."""
    return list(dict.fromkeys([*family["ipc"], *family["cpc"]]))


def _by_query(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in records(rows):
        found.setdefault(row["query_id"], []).append(row)
    return found


def _shown(sides: tuple[Texts, Texts], landscape: str) -> Iterable[str]:
    """The texts, with progress where they are many."""
    every, total = itertools.chain(*sides), sum(len(side.wanted) for side in sides)
    return track(every, total, f"failures {landscape}") if total > _MANY else every


def _by_pair(pairs: pd.DataFrame) -> dict[tuple[str, str], dict[str, int | None]]:
    names = [name for name in named(pairs) if name not in PAIR]
    values = [[None if one is pd.NA else int(one) for one in pairs[name]] for name in names]
    keys = zip(pairs["query_id"], pairs["family_id"], strict=True)
    return {key: dict(zip(names, row, strict=True)) for key, row in zip(keys, zip(*values, strict=True), strict=True)}
