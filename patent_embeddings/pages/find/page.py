"""The page of search results."""

from __future__ import annotations

import re
from pathlib import Path

from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

from patent_embeddings.core import layout
from patent_embeddings.handover.hits import Found, Hit, as_csv
from patent_embeddings.pages.shell import render

_WORD = re.compile(r"[^\W\d_]\w{2,}")
_ENDING = re.compile(r"(?<=\w{4})(?:ings?|e[ds]?|s)$")
_LINKED = ("http://", "https://")  # any other link may run code: it is shown as text


def page(found: Found) -> str:
    """The whole page as HTML."""
    marks = {answer.question.id: words(answer.question.text) for answer in found.answers}
    count, ranked = len(found.answers), [table(found.landscape) for table in (layout.families, layout.embeddings)]
    texts = layout.view(found.landscape, "*").parent.as_posix()
    facts = [("Cell", found.cell), ("Landscape", found.landscape), ("System", found.system)]
    if found.filters:
        entries = found.filters.items()
        said = (f"{name} {', '.join(value) if isinstance(value, list) else value}" for name, value in entries)
        facts.append(("Filters", "; ".join(said)))
    return render(
        "find.html.j2",
        charts={},
        found=found,
        facts=facts,
        title=f"{count:,} questions" if count > 1 else found.answers[0].question.text,
        marked=lambda hit, text: marked(text, marks[hit.query_id]),
        link=lambda hit: hit.url if hit.url.lower().startswith(_LINKED) else "",
        about=_about,
        csv=as_csv(found),
        source=f"{', '.join(map(Path.as_posix, ranked))} and the texts in {texts} of {found.cell}",
    )


def marked(text: str, words: frozenset[str]) -> list[tuple[str, bool]]:
    """A text in pieces, each with whether it is one of the words; English endings are ignored."""
    pieces, at = [], 0
    for one in _WORD.finditer(text):
        if _stem(one[0]) in words:
            pieces += [(text[at : one.start()], False), (one[0], True)]
            at = one.end()
    return [piece for piece in [*pieces, (text[at:], False)] if piece[0]]


def words(text: str) -> frozenset[str]:
    """Stems of the words of a question to mark, without scikit-learn's English stop words."""
    found = (one.casefold() for one in _WORD.findall(text))
    return frozenset(_stem(one) for one in found if one not in ENGLISH_STOP_WORDS)


def _stem(word: str) -> str:
    return _ENDING.sub("", word.casefold())


def _about(hit: Hit) -> str:
    """Applicants, dates, jurisdiction and other members of a family in one line."""
    members = [one for one in hit.publications if one != hit.publication]
    parts = (
        "; ".join(hit.applicants), f"published {hit.date}" if hit.date else "",
        f"priority {hit.priority}" if hit.priority else "", hit.jurisdiction,
        f"also {', '.join(members)}" if members else "",
    )  # fmt: skip
    return " · ".join(filter(None, parts))
