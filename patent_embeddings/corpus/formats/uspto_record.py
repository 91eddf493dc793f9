"""A document of USPTO full text as a publication: its data, its citations, and its texts without markup."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml import etree

from patent_embeddings.corpus.formats.dates import iso
from patent_embeddings.corpus.formats.publication import Citation, Publication, Text, texts
from patent_embeddings.corpus.reading.source import Report

_PAGE = "https://patents.google.com/patent/{}/en"
_PADDED = re.compile(r"^([A-Z]*)0+(?=[0-9])")
# Application numbers, which are no publication numbers: `12/345,678`, `PCT/US2005/012345`.
_APPLICATION = re.compile(r"[0-9]{2}/[0-9]{3},?[0-9]{3}$|.*\bPCT\b", re.IGNORECASE)
_SERIAL = 6  # digits of an application number after its series
# Related documents whose dates are of publication, not of a claimed filing.
_NO_PRIORITY = ("related-publication", "correction")
_GAP = re.compile(r"\n\s+")
_NUMBERED = re.compile(r"[0-9]{1,3}\s?[.)]\s")
_CANCELLED = re.compile(r"[\d\s.,–-]*\(?\s*cancell?ed\s*\)?\.?", re.IGNORECASE)

Values = dict[str, str]


class Damaged(Exception):
    """A document cannot be parsed; the message says why."""


def publication(root: etree._Element, place: str, report: Report) -> Publication:
    """The bibliographic data of a document, without citations. Raises Damaged where it has no US publication number."""
    data = _data(root)
    own = _document(data.find("publication-reference"))
    number = _own_number(own)
    if not number.startswith("US"):
        raise Damaged("no number of a publication of the US")
    others = [_document(one) for one in data.iterfind("us-related-documents/related-publication")]
    # The published international application that it continues.
    others += [_document(one) for one in data.iterfind("pct-or-regional-publishing-data")]
    filed = _document(data.find("application-reference"))
    language = language_of(root)
    title = " ".join(" ".join(text(one) for one in data.iterchildren("invention-title")).split())
    return Publication(
        place=place,
        numbers=[number],
        dates=_dates([own, *others], report),
        application=_application(filed, data.findtext("us-application-series-code") or ""),
        also=[other for other in map(_own_number, others) if other],
        priority=min(_dates([filed, *_claimed(data)], report), default=""),
        title=texts(title, language),
        ipc=list(_ipc(data)),
        cpc=list(map(_code, data.iterfind("classifications-cpc//classification-cpc"))),
        url=_PAGE.format(number.replace(" ", "")),
        applicants=_applicants(data),
    )


def language_of(root: etree._Element) -> str:
    """The language of a document, or ""."""
    return root.get("lang", "").lower()


def _data(root: etree._Element) -> etree._Element:
    return next(root.iterchildren("us-bibliographic-data-grant", "us-bibliographic-data-application"), root)


def _values(element: etree._Element) -> Values:
    """Texts of the children of an element by tag."""
    return {child.tag: (child.text or "").strip() for child in element}


def _document(element: etree._Element | None) -> Values:
    """Number, country, kind and date in an element, or in its `document-id`."""
    inner = element if element is None else next(element.iterchildren("document-id"), element)
    return {} if inner is None else _values(inner)


def _number(one: Values) -> str:
    """A number with its country and kind: `US 7271914 B2`, `WO 99/60605 A1`."""
    number, country = one.get("doc-number", ""), one.get("country", "")
    spelled = number if number.upper().startswith(country) else f"{country} {number}"
    return f"{spelled} {one.get('kind', '')}".strip() if number else ""


def _own_number(one: Values) -> str:
    """A number as on the front page, without padding: `US7271914 B2`, `USD743557 S1`."""
    number, country = one.get("doc-number", "").replace(" ", ""), one.get("country", "")
    if number and country == "US":
        number = country + _PADDED.sub(r"\1", number.removeprefix(country))
    return _number(one | {"doc-number": number})


def _application(filed: Values, series: str) -> str:
    """The application number with its series; "" where the series is not known."""
    digits = re.sub(r"[^0-9]", "", filed.get("doc-number", ""))
    if digits and len(digits) <= _SERIAL:
        digits = f"{series.strip()}{digits.zfill(_SERIAL)}" if series.strip() else ""
    return f"{filed.get('country', '')}{digits.zfill(_SERIAL + 2)}" if digits else ""


def _claimed(data: etree._Element) -> Iterator[Values]:
    """Filings that are claimed as priority: national, parent, provisional and international ones."""
    yield from map(_values, data.iterfind("priority-claims/priority-claim"))
    for related in data.iterfind("us-related-documents/*"):
        if related.tag not in _NO_PRIORITY:
            yield from map(_document, list(related.iter("parent-doc")) or [related])
    yield from map(_document, data.iterfind("pct-or-regional-filing-data"))


def _dates(ones: list[Values], report: Report) -> list[str]:
    """Distinct dates in ISO form; what is no date is counted."""
    written = (one["date"].zfill(8) for one in ones if one.get("date"))  # a cut one is no number of days
    return list(dict.fromkeys(filter(None, (iso(date, report) for date in written))))


def _ipc(data: etree._Element) -> Iterator[str]:
    """IPC codes, in the structure since 2006 and the one before."""
    yield from map(_code, data.iterfind("classifications-ipcr/classification-ipcr"))
    for group in data.iterchildren("classification-ipc"):
        yield from (text(one).strip() for one in group.iterchildren("main-classification", "further-classification"))


def _code(element: etree._Element) -> str:
    """A code joined from its parts; the text of the element where it has none."""
    parts = _values(element)
    if not parts.get("section"):
        return " ".join(text(element).split())
    subclass = "".join(parts.get(part, "") for part in ("section", "class", "subclass"))
    group, subgroup = parts.get("main-group"), parts.get("subgroup")
    return f"{subclass}{group}/{subgroup}" if group and subgroup else subclass


def _applicants(data: etree._Element) -> list[str]:
    """The organisations that are assignees; else the applicants."""
    found = [_values(one).get("orgname", "") for one in data.iterfind("assignees//*[orgname]")]
    if not any(found):
        paths = ("us-parties/us-applicants/us-applicant", "parties/applicants/applicant")
        found = [_name(one) for path in paths for one in data.iterfind(path)]
    return list(dict.fromkeys(filter(None, found)))


def _name(element: etree._Element) -> str:
    book = element.find("addressbook")
    parts = _values(element if book is None else book)
    person = ("first-name", "middle-name", "last-name")
    return parts.get("orgname") or " ".join(parts[part] for part in person if parts.get(part))


def cite(found: Publication, root: etree._Element, report: Report) -> None:
    """Add the citations of a document to its publication."""
    for group in _data(root).iterchildren("us-references-cited", "references-cited"):
        for one in group.iterchildren("us-citation", "citation"):
            parts = {part.tag: part for part in one}
            if "patcit" not in parts:
                found.literature += 1
                continue
            cited = _document(parts["patcit"])
            category = parts["category"].text or "" if "category" in parts else ""
            if not (number := _number(cited)):
                report.count("citations without a number, left out", found.place)
            elif _APPLICATION.match(cited["doc-number"]):
                found.applications.append(number)
            else:
                found.cites.append(Citation(number, category.strip()))


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
