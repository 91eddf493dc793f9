"""Excerpts and lengths of the texts of some queries or families, read from a view in one pass."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pandas as pd

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import LENGTHS, VIEW
from patent_embeddings.pages.failures.source import Source

EXCERPT = 500  # letters of a text on a page, at most
_MEASURED = ("sampled", "truncated")


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

    def longest(self) -> float:
        """Number of letters beyond which a text counts as cut; call it after the iteration.

        `lengths.measure` counted the share of a sample of texts that the tokenizer cuts: the same share of all texts,
        the longest by letters, is taken to be cut. Exact where the share is none or all.
        """
        found = self.source.read(layout.lengths(self.landscape), LENGTHS, list(LENGTHS.columns))
        value = found[found["view"] == self.view].set_index("statistic")["value"]
        sampled, truncated = (float(value.get(name, 0)) for name in _MEASURED)
        if not truncated:
            return np.inf
        letters = np.sort(self._letters)
        fit = round(len(letters) * (1 - truncated / sampled))
        return float(letters[fit - 1]) if fit else -1.0


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
