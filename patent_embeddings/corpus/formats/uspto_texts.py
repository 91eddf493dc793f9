"""Texts of a document of USPTO full text, without markup."""

from __future__ import annotations

import re

from lxml import etree

from patent_embeddings.corpus.formats.publication import Publication, Text
from patent_embeddings.corpus.reading.source import Report

_GAP = re.compile(r"\n\s+")
_NUMBERED = re.compile(r"[0-9]{1,3}\s?[.)]\s")
_CANCELLED = re.compile(r"[\d\s.,–-]*\(?\s*cancell?ed\s*\)?\.?", re.IGNORECASE)


def add(one: Publication, rest: etree._Element, language: str, report: Report) -> None:
    """Add the abstract, the description without its headings, and the claims of a document to its publication."""
    etree.strip_elements(rest, "heading", with_tail=False)
    one.abstract = _texts(rest, "abstract", language)
    one.description = _texts(rest, "description", language)
    if claims := _claims(rest, one.place, report):
        one.claims = [Text("\n".join(claims), language)]


def text(element: etree._Element, *, tail: bool = False) -> str:
    """The text of an element without tags: `CO<sub>2</sub>` is `CO2`; with `tail`, also the text behind it."""
    return etree.tostring(element, method="text", encoding="unicode", with_tail=tail)


def _texts(rest: etree._Element, tag: str, language: str) -> list[Text]:
    found = (_GAP.sub("\n", text(one)).strip() for one in rest.iterchildren(tag))
    return [Text(each, language) for each in found if each]


def _claims(rest: etree._Element, place: str, report: Report) -> list[str]:
    """The claims; if there are several without numbers in their texts, with the numbers of their elements."""
    claims = [
        (one.get("num", "").lstrip("0"), " ".join(text(one, tail=True).split()))
        for one in rest.iterfind("claims/claim")
    ]
    claims = [(number, claim) for number, claim in claims if claim]
    kept = [(number, claim) for number, claim in claims if not _CANCELLED.fullmatch(claim)]
    report.count("claims that are cancelled, left out", place, len(claims) - len(kept))
    if len(kept) == 1 or any(_NUMBERED.match(claim) for _, claim in kept):
        return [claim for _, claim in kept]
    return [f"{number}. {claim}" for number, claim in kept]
