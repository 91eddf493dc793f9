"""The data of the query browser, as JSON has them."""

from __future__ import annotations

import hashlib
import itertools
import json
import zlib
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
MOST = 2000  # queries on a page, at most
LARGEST = 2_400_000  # bytes of them, compressed: 3.2 MB of the page's 5
RELEVANT = 50  # relevant families on a page for each query, at most
_MANY = 2000  # with more texts than these, progress is shown
_SHOWN = ["family_id", "title", "ipc", "cpc", "jurisdiction", "date", "publication", "url"]


@dataclass(frozen=True)
class Subject:
    """Test queries of a landscape: their outcomes, and the tables that describe them."""

    landscape: str
    source: Source  # of their texts and judgements
    params: Params  # of the cell that these are of
    outcomes: pd.DataFrame  # `METRIC`, [query_id, name]: names are systems, or two cells that are compared
    runs: Mapping[str, Callable[[Collection[str]], pd.DataFrame]]  # by name: rows of `RUN` of some queries
    wrong_of: tuple[str, ...]  # names whose best wrong hits are shown

    @property
    def best(self) -> str:
        """The name with the highest mean; the first among equals."""
        return best(self.outcomes)


def named(outcomes: pd.DataFrame) -> list[str]:
    """The names of outcomes, its columns: systems or cells."""
    return [str(name) for name in outcomes]


def best(outcomes: pd.DataFrame) -> str:
    """The name with the highest mean; the first among equals, whatever the order of addition."""
    return str(outcomes.mean().round(12).idxmax())


def as_data(subjects: Sequence[Subject], compared: tuple[str, str], source: str) -> dict[str, Any]:
    """The data of `failures.js`, the worst query of each landscape first.

    They hold at most `MOST` queries in at most `LARGEST` bytes: of each landscape the first ones of `sample`, in equal
    shares of what smaller landscapes leave. `source` names the files and cells of all outcomes. Raises UserError where
    a table is absent or damaged.
    """
    number, kept = 0, {}
    queries, size = MOST, LARGEST
    order = sorted(range(len(subjects)), key=lambda place: len(subjects[place].outcomes))
    for left, place in zip(range(len(order), 0, -1), order, strict=True):
        subject = subjects[place]
        found = _Gathered.of(subject, sample(subject.outcomes, compared)[: queries // left])
        kept[place] = theirs = found.queries(place, number, size // left)
        queries, size, number = queries - len(theirs[0]), size - theirs[2], number + len(theirs[1])
    every, carried = sum(len(one.outcomes) for one in subjects), sum(len(one[0]) for one in kept.values())
    sampled = (
        f"A sample: {carried:,} of the {every:,} test queries, in turn one by the hash of its id, the one where "
        f"{compared[1]} is furthest behind {compared[0]}, another by its hash, and the one where it is furthest ahead. "
        f"Counts, filters and the CSV file here cover the sample; the rest of the page covers all, as in {source}."
    )
    return {
        "landscapes": [subject.landscape for subject in subjects],
        "systems": list(dict.fromkeys(name for subject in subjects for name in named(subject.outcomes))),
        "compared": list(compared),
        "best": [subject.best for subject in subjects],
        "wrong_of": [list(subject.wrong_of) for subject in subjects],
        "metric": METRIC,
        "sampled": sampled if carried < every else None,
        "families": [family for place in order for family in kept[place][1]],
        "queries": [query for place in range(len(subjects)) for query in kept[place][0]],
    }


def sample(outcomes: pd.DataFrame, compared: tuple[str, str]) -> list[str]:
    """Queries of outcomes [query_id, name] in the order in which they are put on a page until it is full.

    In turn one by the hash of its id, which is the same for every cell, the one where the second of the two compared
    is furthest behind the first, another by its hash, and the one where it is furthest ahead.
    """
    hashed = sorted(map(str, outcomes.index), key=lambda query: hashlib.sha256(query.encode()).digest())
    change = (outcomes[compared[1]] - outcomes[compared[0]]).loc[hashed].dropna().sort_values(kind="stable")
    behind = [str(query) for query in change.index]
    turns = itertools.zip_longest(hashed[::2], behind, hashed[1::2], behind[::-1])
    return [query for query in dict.fromkeys(itertools.chain.from_iterable(turns)) if query is not None]


@dataclass(frozen=True)
class _Gathered:
    """The tables of a landscape, read for some of its queries."""

    subject: Subject
    asked: pd.DataFrame  # rows of `QUERIES`, in the order of the sample
    worst: list[str]  # their ids, the worst first
    relevant: dict[str, list[dict[str, Any]]]  # by query: rows of `QRELS`, ranked ones first
    wrong: dict[str, list[dict[str, Any]]]  # by query: rows of `PAIR`
    ranks: dict[tuple[str, str], dict[str, int | None]]  # by query and family, by name
    families: dict[str, dict[str, Any]]  # by id: `_SHOWN`, in the order in which they are referred to
    texts: tuple[Texts, Texts]  # of the queries, of the families
    common: Words  # of both, in this order

    @classmethod
    def of(cls, subject: Subject, queries: list[str]) -> _Gathered:
        """Read the tables of these queries, given in the order of the sample."""
        read, name = subject.source.read, subject.landscape
        outcomes = subject.outcomes.loc[queries, subject.best]
        order = sorted(queries, key=lambda query: (outcomes[query], query))
        rows = read(layout.task(name, "queries"), QUERIES, list(QUERIES.columns), ("query_id", queries))
        rows = rows.set_index("query_id").loc[queries].reset_index()
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
            said = f"family {min(lacking)!r}, which is relevant or in a run, is not there"
            raise UserError(f"{layout.families(name)} of {subject.source.name}: {said}; run `dvc repro`")
        views = subject.params.query_view, subject.params.document_view
        sides = Texts(subject.source, name, views[0], *asked(rows)), Texts(subject.source, name, views[1], set(known))
        return cls(
            subject,
            rows,
            order,
            _by_query(qrels[list(QRELS.columns)]),
            _by_query(mistaken),
            _by_pair(pairs),
            {family: known[family] for family in wanted if family in known},
            sides,
            Words(_shown(sides, name)),
        )

    def queries(self, place: int, first: int, most: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
        """Queries of the landscape at `place`, the families that they refer to, numbered from `first`, and their size.

        As many queries as fit into `most` bytes, compressed.
        """
        number: dict[str, int] = {}
        row = {name: at for at, name in enumerate(self.texts[0].kept)}
        of_family = {name: len(row) + at for at, name in enumerate(self.texts[1].kept)}
        passages = self.subject.params.embed.passages.tokens
        asked_fit, found_fit = self.texts[0].longest(), float("inf") if passages else self.texts[1].longest()
        outcomes = self.subject.outcomes.to_dict("index")
        compressor, size = zlib.compressobj(), 0
        found: dict[str, dict[str, Any]] = {}
        families: list[dict[str, Any]] = []
        for query in records(self.asked):
            name = query["query_id"]
            own = self.families.get(name, {})
            codes = _codes(own or {**query, "cpc": []})
            text = self.texts[0].kept[name]
            relevant = self.relevant[name]
            shown, wrong = relevant[:RELEVANT], self.wrong.get(name, [])
            referred = dict.fromkeys([*([name] if own else []), *(one["family_id"] for one in (*shown, *wrong))])
            added = [self._family(self.families[one]) for one in referred if one not in number]
            number.update(zip((one["id"] for one in added), itertools.count(first + len(number)), strict=False))

            def hit(family: str, name: str = name, codes: list[str] = codes) -> dict[str, Any]:
                return {
                    "family": number[family],
                    "ranks": self.ranks[name, family],
                    "words": self.common.shared(row[name], of_family[family]),
                    "codes": shared_codes(codes, _codes(self.families[family])),
                    "cut": self.texts[1].kept[family].letters > found_fit,
                }

            made = {
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
                    {**hit(one["family_id"]), "relevance": one["relevance"], "scope": one["scope"]} for one in shown
                ],
                "wrong": [hit(one["family_id"]) for one in wrong],
            }
            size += len(compressor.compress(json.dumps([made, added], ensure_ascii=False).encode()))
            if size > most:
                break
            found[name] = made
            families += added
        return [found[name] for name in self.worst if name in found], families, size

    def _family(self, family: dict[str, Any]) -> dict[str, Any]:
        said = {name: family[name] for name in ("title", "jurisdiction", "date", "publication", "url")}
        text = self.texts[1].kept[family["family_id"]].excerpt
        return {"id": family["family_id"], "text": text, "ipc": classes(family["ipc"]), **said}


def _codes(family: Mapping[str, Any]) -> list[str]:
    """IPC codes of a family, then its CPC codes, each once."""
    return list(dict.fromkeys([*family["ipc"], *family["cpc"]]))


def _by_query(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for row in records(rows):
        found.setdefault(row["query_id"], []).append(row)
    return found


def _shown(sides: tuple[Texts, Texts], landscape: str) -> Iterable[str]:
    """The texts of both sides, with progress where they are many."""
    every, total = itertools.chain(*sides), sum(len(side.wanted) for side in sides)
    return track(every, total, f"failures {landscape}") if total > _MANY else every


def _by_pair(pairs: pd.DataFrame) -> dict[tuple[str, str], dict[str, int | None]]:
    names = [name for name in named(pairs) if name not in PAIR]
    values = [[None if one is pd.NA else int(one) for one in pairs[name]] for name in names]
    keys = zip(pairs["query_id"], pairs["family_id"], strict=True)
    return {key: dict(zip(names, row, strict=True)) for key, row in zip(keys, zip(*values, strict=True), strict=True)}
