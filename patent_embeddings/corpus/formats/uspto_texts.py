"""Texts of a document of USPTO full text, as a reader would read them."""

from __future__ import annotations

import re

from lxml import etree

from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.reading.source import Report

_GAP = re.compile(r"\n\s+")
_NUMBERED = re.compile(r"[0-9]{1,3}\s?[.)]\s")
_CANCELLED = re.compile(r"[\d\s.,–-]*\(?\s*cancell?ed\s*\)?\.?", re.IGNORECASE)


def add(one: Publication, rest: etree._Element, language: str, report: Report) -> None:
    """Give a publication the abstract, the description without its headings, and the claims of a document."""
    etree.strip_elements(rest, "heading", with_tail=False)
    one.abstract = _texts(rest, "abstract", language)
    one.description = _texts(rest, "description", language)
    if claims := _claims(rest, one.place, report):
        one.claims = [Text("\n".join(claims), language)]


def text(element: etree._Element, *, tail: bool = False) -> str:
    """All text in an element, without its tags: `CO<sub>2</sub>` is `CO2`; `tail`: and what stands behind it."""
    return etree.tostring(element, method="text", encoding="unicode", with_tail=tail)


def _texts(rest: etree._Element, tag: str, language: str) -> list[Text]:
    found = (_GAP.sub("\n", text(one)).strip() for one in rest.iterchildren(tag))
    return [Text(each, language) for each in found if each]


def _claims(rest: etree._Element, place: str, report: Report) -> list[str]:
    """Claims, one a line; where there are several and their texts have no numbers, with those of their elements."""
    found = [
        (one.get("num", "").lstrip("0"), " ".join(text(one, tail=True).split()))
        for one in rest.iterfind("claims/claim")
    ]
    found = [(number, said) for number, said in found if said]
    kept = [(number, said) for number, said in found if not _CANCELLED.fullmatch(said)]
    report.count("claims that are cancelled, left out", place, len(found) - len(kept))
    if len(kept) == 1 or any(_NUMBERED.match(said) for _, said in kept):
        return [said for _, said in kept]
    return [f"{number}. {said}" for number, said in kept]
