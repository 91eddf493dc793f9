"""The test queries of a landscape: their outcomes, properties and texts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import LENGTHS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.evaluation.schemas import OUTCOMES
from patent_embeddings.evaluation.systems import LEADING, RETRIEVAL
from patent_embeddings.pages.failures.source import Source

METRIC = LEADING["retrieval"][1]
SCOPES = {"all": "all", "in": "IN", "out": "OUT"}  # scopes of wins and losses, and their names in tables
_DAYS = 365.25  # of a year
EXCERPT = 500  # letters of a text on a page, at most


def named(outcomes: pd.DataFrame) -> list[str]:
    """The names of outcomes, its columns: systems or cells."""
    return [str(name) for name in outcomes]


def best(outcomes: pd.DataFrame) -> str:
    """The name with the highest mean; the first among equals, whatever the order of addition."""
    return str(outcomes.mean().round(12).idxmax())


def outcomes(source: Source, landscape: str) -> pd.DataFrame:
    """Rows of `tested` of a landscape. Raises UserError as `Source.read`."""
    return tested(source.read(layout.outcomes(landscape), OUTCOMES, list(OUTCOMES.columns), ("metric", [METRIC])))


def tested(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `OUTCOMES` of `METRIC` on test queries, without oracles."""
    asked = (rows["task"] == "retrieval") & (rows["metric"] == METRIC) & (rows["split"] == "test")
    return rows.loc[asked & rows["system"].isin(RETRIEVAL), ["system", "scope", "query_id", "value"]]


def wide(rows: pd.DataFrame, scope: str = "all") -> pd.DataFrame:
    """Rows of `tested` in a scope as a table [query_id, system], both in order."""
    table = rows[rows["scope"] == scope].pivot(index="query_id", columns="system", values="value")
    return table[[name for name in RETRIEVAL if name in table]]


def profile(source: Source, landscape: str, view: str, queries: list[str]) -> pd.DataFrame:
    """Properties of queries: `query_id`, `words` of the text, number of `relevant` families, `years` to these.

    `years` is the median distance, in either direction, between the query's date (its priority, or its publication
    where that is unknown) and its relevant families' publications; NaN without dates. Raises UserError as
    `Source.read`.
    """
    rows = source.read(layout.task(landscape, "queries"), QUERIES, ["query_id", "text"], ("query_id", queries))
    qrels = source.read(layout.task(landscape, "qrels"), QRELS, ["query_id", "family_id", "relevance"],
                        ("query_id", queries))  # fmt: skip
    qrels = qrels[qrels["relevance"] > 0]
    pool = source.read(layout.task(landscape, "pool"), POOL, ["family_id", "date", "before"]).set_index("family_id")
    asked, found = (
        pd.to_datetime(column.map(pool[name]), format="ISO8601", errors="coerce")
        for column, name in ((qrels["query_id"], "before"), (qrels["family_id"], "date"))
    )
    pairs = qrels.assign(years=(asked - found).abs().dt.days / _DAYS).groupby("query_id")["years"]
    counted = words(source, landscape, view, rows)
    return pd.DataFrame(
        {
            "query_id": queries,
            "words": [counted[query] for query in queries],
            "relevant": pairs.size().reindex(queries).to_numpy(),
            "years": pairs.median().reindex(queries).to_numpy(),
        }
    )


class Text(NamedTuple):
    """Excerpt and lengths of a text."""

    excerpt: str
    words: int
    letters: int


@dataclass
class Texts:
    """Iterates over the texts of `wanted` ids in a view, and over `own` ones; keeps a `Text` of each."""

    source: Source
    landscape: str
    view: str
    wanted: Collection[str]
    own: Mapping[str, str] = field(default_factory=dict)
    kept: dict[str, Text] = field(default_factory=dict)  # in the order in which they were given
    _letters: list[int] = field(default_factory=list)  # of every text of the view

    def __iter__(self) -> Iterator[str]:
        wanted, path = set(self.wanted) - set(self.own), layout.view(self.landscape, self.view)
        for ids, texts in self.source.texts(path, VIEW, "family_id"):
            self._letters += map(len, texts)
            for name, text in zip(ids, texts, strict=True):
                if name in wanted:
                    yield self._keep(name, text)
        if lacking := wanted - self.kept.keys():
            raise UserError(f"{path} of {self.source.name}: family {min(lacking)!r} is not there; run `dvc repro`")
        for name, text in self.own.items():
            yield self._keep(name, text)

    def _keep(self, name: str, text: str) -> str:
        excerpt = text if len(text) <= EXCERPT else text[: EXCERPT - 1].rstrip() + "…"
        self.kept[name] = Text(excerpt, len(text.split()), len(text))
        return text

    def cut(self, tokens: int | None = None) -> set[str]:
        """Ids of the kept texts that are probably cut, by their number of letters; call it after the iteration.

        `lengths.measure` counted the share of a sample of the view's texts that the tokenizer cuts: the same share of
        all its texts, the longest by letters, is taken to be cut. Texts that are cut at another number of `tokens`, and
        `own` ones, which are no texts of the view, have as many letters a token as the view's median text.
        """
        found = self.source.read(layout.lengths(self.landscape), LENGTHS, list(LENGTHS.columns))
        value = found[found["view"] == self.view].set_index("statistic")["value"]
        letters = np.sort(self._letters)
        fit = round(len(letters) * (1 - value["truncated"] / max(value["sampled"], 1)))
        counted = letters[fit - 1] if fit else -1  # letters of the longest text that fits
        room = tokens or value["length"]
        estimated = room * np.median(letters) / max(value["median-tokens"], 1)
        others = self.own if room == value["length"] else self.kept
        return {name for name, text in self.kept.items() if text.letters > (estimated if name in others else counted)}


def words(source: Source, landscape: str, view: str, queries: pd.DataFrame) -> dict[str, int]:
    """Number of words of each query's text, split at blanks; `queries` are rows of `QUERIES`.

    Raises UserError as `Source.read`.
    """
    wanted, own = asked(queries)
    texts = Texts(source, landscape, view, wanted, own)
    for _ in texts:
        pass
    return {name: text.words for name, text in texts.kept.items()}


def asked(queries: pd.DataFrame) -> tuple[list[str], dict[str, str]]:
    """Ids of queries, and the texts of those that are texts and not families."""
    own = queries[queries["text"] != ""]
    return queries["query_id"].tolist(), dict(zip(own["query_id"], own["text"], strict=True))
