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
from patent_embeddings.pages.failures.hits import PAIR, Words, ranks, shared_codes, together, wrong
from patent_embeddings.pages.failures.queries import METRIC, Texts, asked, best, named
from patent_embeddings.pages.failures.source import Source

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
    query_tokens: int | None  # that queries are cut to, where it is not as documents
    outcomes: pd.DataFrame  # `METRIC`, [query_id, name]: names are systems, or two cells that are compared
    runs: Mapping[str, Callable[[Collection[str]], pd.DataFrame]]  # by name: rows of `RUN` of some queries
    wrong_of: tuple[str, ...]  # names whose best wrong hits are shown

    @property
    def best(self) -> str:
        """The name with the highest mean; the first among equals."""
        return best(self.outcomes)


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
        found = _Gathered(subject, sample(subject.outcomes, compared)[: queries // left])
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


class _Gathered:
    """The tables of a landscape, read for some of its queries, which are given in the order of the sample."""

    def __init__(self, subject: Subject, queries: list[str]) -> None:
        read, name = subject.source.read, subject.landscape
        outcomes = subject.outcomes.loc[queries, subject.best]
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
        self.worst = sorted(queries, key=lambda query: (outcomes[query], query))
        wanted = dict.fromkeys([*self.worst, *shown["family_id"], *mistaken["family_id"]])
        families = read(layout.families(name), FAMILIES, _SHOWN, ("family_id", wanted))
        known = {family["family_id"]: family for family in records(families)}
        if lacking := {*shown["family_id"], *mistaken["family_id"]} - known.keys():
            said = f"family {min(lacking)!r}, which is relevant or in a run, is not there"
            raise UserError(f"{layout.families(name)} of {subject.source.name}: {said}; run `dvc repro`")
        views = subject.params.query_view, subject.params.document_view
        # The texts of the queries and of the families, and the words of both, in this order.
        self.texts = (
            Texts(subject.source, name, views[0], *asked(rows)),
            Texts(subject.source, name, views[1], set(known)),
        )
        self.common = Words(_shown(self.texts, name))
        self.subject, self.asked = subject, records(rows)
        self.families = {family: known[family] for family in wanted if family in known}
        # By query: rows of `QRELS`, ranked ones first, and the best wrong hits.
        self.relevant, self.wrong = _by_query(qrels[list(QRELS.columns)]), _by_query(mistaken)
        names = named(subject.outcomes)
        places = pairs[names].astype(object).where(pairs[names].notna(), None)
        # By query and family: its rank by name, None where it has none.
        self.ranks = dict(zip(zip(pairs["query_id"], pairs["family_id"], strict=True), records(places), strict=True))

    def queries(self, place: int, first: int, most: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], int]:
        """Queries of the landscape at `place`, the families that they refer to, numbered from `first`, and their size.

        As many queries as fit into `most` bytes, compressed.
        """
        number: dict[str, int] = {}
        row = {name: at for at, name in enumerate(self.texts[0].kept)}
        of_family = {name: len(row) + at for at, name in enumerate(self.texts[1].kept)}
        cut_queries = self.texts[0].cut(self.subject.query_tokens)
        cut_families = set() if self.subject.params.embed.passages.tokens else self.texts[1].cut()
        outcomes = self.subject.outcomes.to_dict("index")
        compressor, size = zlib.compressobj(), 0
        found: dict[str, dict[str, Any]] = {}
        families: list[dict[str, Any]] = []
        for query in self.asked:
            name = query["query_id"]
            own = self.families.get(name, {})
            codes = _codes(own or {**query, "cpc": []})
            text = self.texts[0].kept[name]
            relevant = self.relevant.get(name, [])
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
                    "cut": family in cut_families,
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
                "cut": name in cut_queries,
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
    return {str(query): records(part) for query, part in rows.groupby("query_id", sort=False)}


def _shown(sides: tuple[Texts, Texts], landscape: str) -> Iterable[str]:
    """The texts of both sides, with progress where they are many."""
    every, total = itertools.chain(*sides), sum(len(side.wanted) for side in sides)
    return track(every, total, f"failures {landscape}") if total > _MANY else every
