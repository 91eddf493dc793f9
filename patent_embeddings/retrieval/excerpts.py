"""Excerpts of a family's text: the sentences that share most with a question, by the weight of BM25's terms."""

from __future__ import annotations

import re
import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from patent_embeddings.retrieval.legs import Lexical
from patent_embeddings.retrieval.lucene import tokens

LETTERS = 300  # of an excerpt, at most
SENTENCES = 3
_GAP = " … "
_ROOM = LETTERS - 2 * len(_GAP)  # for sentences, as an excerpt may begin and end with a gap
# After a word of three letters or more, so that `1. A valve` and `e.g. a valve` stay whole.
_END = re.compile(r"(?<=\w{3}[.;!?])\s+|\n+")


@dataclass(frozen=True)
class _Part:
    """A sentence, or a part of a long one."""

    text: str
    terms: frozenset[str]
    begun: bool  # whether the sentence began in an earlier part
    goes_on: bool  # whether it continues in the next part


class Excerpts:
    """Excerpts of a landscape's documents; the terms of sentences are kept for the next question."""

    def __init__(self, documents: Mapping[str, str], lexical: Lexical) -> None:
        self._documents, self._lexical = documents, lexical
        self._sentences: dict[str, list[_Part]] = {}
        self._asked: tuple[str, dict[str, float]] = ("", {})  # the last question and the weights of its terms

    def best(self, question: str, family: str) -> str:
        """The sentences that share most of BM25's weight with a question, in the order of the text.

        At most three, of some 300 letters together; long sentences are cut, which dots show. The first is the one of
        most weight, the next the one that adds most to it. Without a shared term it is the beginning of the text. A
        term's weight is its inverse document frequency times its count in the question.
        """
        weights, sentences = self._weights(question), self._of(family)
        chosen: list[int] = []
        left, covered = _ROOM, frozenset[str]()
        while len(chosen) < SENTENCES:
            gains = {
                place: sum(weights.get(term, 0.0) for term in sentence.terms - covered)
                for place, sentence in enumerate(sentences)
                if place not in chosen and len(sentence.text) <= left
            }
            best = max(gains, key=lambda place: gains[place], default=-1)
            if best < 0 or (gains[best] <= 0 and chosen):
                break
            chosen.append(best)
            covered |= sentences[best].terms
            left -= len(sentences[best].text) + len(_GAP)
        shown, before = "", -1
        for place in sorted(chosen):
            part = sentences[place]
            gap = " " if shown and place == before + 1 else _GAP if shown or part.begun else ""
            shown, before = shown + gap + part.text, place
        return (shown + (_GAP if chosen and sentences[before].goes_on else "")).strip()

    def _weights(self, question: str) -> dict[str, float]:
        if self._asked[0] != question:
            counts, idf = Counter(tokens(question)), self._lexical.index.idf
            self._asked = (question, {term: count * idf(term) for term, count in counts.items()})
        return self._asked[1]

    def _of(self, family: str) -> list[_Part]:
        """Sentences of a family with their terms; those longer than an excerpt in parts."""
        if family not in self._sentences:
            self._sentences[family] = [
                _Part(part, frozenset(tokens(part)), begun=place > 0, goes_on=place < len(parts) - 1)
                for parts in (textwrap.wrap(one, _ROOM) for one in _END.split(self._documents[family]))
                for place, part in enumerate(parts)
            ]
        return self._sentences[family]
