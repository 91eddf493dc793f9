"""Choose the texts of a family from several publications and languages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from patent_embeddings.corpus.cell_values import absent
from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.publication_numbers import bare
from patent_embeddings.corpus.reading.source import Report

SECTIONS = ("title", "abstract", "claims", "description")
_LONGEST = ("claims", "description")
_ENGLISH = ("US", "GB", "CA", "AU")
_OFTEN_ENGLISH = ("WO", "EP")
_REST = 4
_NOT_SAID = "not said"
_SHORT = 40  # characters; no publication number is longer


def country(one: Publication) -> str:
    """The country of a publication, or the one that its number begins with; "" if unknown."""
    named = (one.jurisdiction or one.numbers[0][:2]).upper()
    return named if named.isalpha() else ""


def published(one: Publication) -> tuple[str, str]:
    """Sort key of publications: the first date, unknown dates last, then the number."""
    return min(filter(None, one.dates), default="9999"), one.numbers[0]


def chosen(section: str, records: Sequence[Publication], report: Report) -> tuple[Text, Publication] | None:
    """The best text of a section and its record, from records in order of publication; None if no record has one.

    An English text is preferred, then one in the first language; where the source gives no language, the country stands
    for it. Then whole texts before truncated ones, the longest claims or description, and the earliest record.
    """
    texts = list(_texts(section, records, report))
    if not texts:
        return None
    order = {
        language: _REST + place for place, language in enumerate(dict.fromkeys(text.language for text, _ in texts))
    }

    def rank(found: tuple[Text, Publication]) -> tuple[int, bool, int]:
        text, one = found
        if text.language[:2].lower() == "en":
            tongue = 0
        elif text.language:
            tongue = order[text.language]
        else:
            place = country(one)
            tongue = 1 if place in _ENGLISH else 2 if place in _OFTEN_ENGLISH else 3
        return tongue, text.truncated, -len(text.text) if section in _LONGEST else 0

    best = min(texts, key=rank) if len(texts) > 1 else texts[0]
    if best[0].truncated:
        report.count(f"{section}: truncated, as there is no whole one", best[1].numbers[0])
    report.count(f"{section}: in {best[0].language.lower() or _NOT_SAID}")
    return best


def _texts(section: str, records: Sequence[Publication], report: Report) -> Iterator[tuple[Text, Publication]]:
    """The texts of a section, without absent values and numbers of the family's own publications."""
    for one in records:
        for text in getattr(one, section):
            if not text.text or text.text.isspace():
                continue
            if absent(text.text) or (len(text.text) < _SHORT and _is_number(text.text, one, records)):
                report.count(f"{section}: placeholders, read as empty", text.text)
            else:
                yield text, one


def _is_number(text: str, one: Publication, records: Sequence[Publication]) -> bool:
    number = bare(text, one.jurisdiction)
    own = (bare(said, other.jurisdiction) for other in records for said in other.numbers)
    return bool(number) and number in own
