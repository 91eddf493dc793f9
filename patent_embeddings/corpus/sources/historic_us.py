"""OCR texts of US patents of 1877 to 1898, from a package's source distribution.

Each text is one run of lines. Titles, claims and descriptions are found by the headings that the Patent Office used.
Columns that the OCR interleaved, and hyphens lost at line ends, stay as they are. The archive is only read; nothing of
the package is built or run.
"""

from __future__ import annotations

import csv
import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.sources.fetch import downloaded, fetch, place
from patent_embeddings.corpus.sources.package_index import configured, locate
from patent_embeddings.corpus.values import HistoricUs

FOLDER = "examples/data"
_NUMBER = re.compile(r"US([0-9]+)\.txt$")
_OFFICE = re.compile(r"P[A-Z]TENT\s+OFF[A-Z]+[.,:]*")
_PART = re.compile(r"[^\n]*(?:forming\s+part\s+of|part\s+of\s+letters\s+patent|letters\s+patent\s+no)[^\n]*", re.I)
_OPENING = re.compile(r"\b(?:Be\s?it\s+known|known\s+that\s+(?:I|we|it)\b)")
# Inventors, assignees and their places are above the title.
_PERSON = re.compile(r",\s*O[FE]\s|\bASSIG|\bSAME\s+PLACE|\bADMINIST|\bEXECUT|\bN\.\s?[YJ]\.|\bDECEASED\b", re.I)
_PERHAPS = re.compile(r"\bOF\s|\bTO\s+[A-Z]|\bCOMPANY\b|\bHALF\b|\bPLACE\b|,\s*[A-Z. ]+\.?$", re.I)
_FILED = re.compile(
    r"^\W*(?:Application|Alication|Serial|Patented|Renewed|\(?No\.?\s+m|Original|Continu)|\b(?:1[89lI][0-9]{2})\b", re.I
)
_CLAIM = re.compile(r"(?:\b(?:[Ilj]|we|is|what)\b[^.;:]{0,60}?|\binvention,?\s+)\bclai[mn](?:ed)?\b", re.I)
_NOT_CLAIM = re.compile(r"(?:testimon|witness|known|as\s+I\s+desire|do\s+not|nor\b|not\s+to|limit)[^.;]{0,120}$", re.I)
_FIRST = re.compile(r"(?:^|\n)\s*[1lI]\s?[.,]\s+(?=[A-Z])")
_LEAD = re.compile(
    r"(?:[^:;]{0,160}?\b(?:Pat\w*|new|invention|desire|secure)\b[^:;]{0,60}?\b(?:is|are)\b"
    r"|[^\n]{0,30}?(?:\bis\b|\bare\b|[:—]))[\s,:;—-]*"
    r"|[^\n]{0,30}\n"
)
_CLOSE = re.compile(
    r"\b(?:In\s?test[il]mon|In\s+witness|Intestimon|This\s+specification\s+(?:was\s+)?signed|Signed\b|Witnesses\b"
    r"|hereunto|hereto\s+(?:set|affix|sign))",
    re.I,
)
_CLAIM_NUMBER = re.compile(r"(?:^|\n)\s*([0-9]{1,2})\s?[.,]\s+(?=[A-Za-z])")


def load(name: str, entry: HistoricUs) -> Raw:
    """Fetch the source distribution from the user's package index, or take it from the cache, and parse it.

    Raises UserError if no configured index has it, it cannot be downloaded, or its sha256 differs.
    """
    filename = f"{entry.project}-{entry.version}.tar.gz"
    path = downloaded(entry.sha256)
    if path is None:
        mend = f"check the network, or put {filename} at {place(entry.sha256)}"
        pip = configured()
        path = fetch(locate(entry.project, filename, pip), entry.sha256, name, mend, pip.certificate)
    return parse(path, f"{entry.project}-{entry.version}/{FOLDER}", name)


def parse(path: Path, folder: str, label: str) -> Raw:
    """Families from three files of a folder in the gzipped archive; nothing is unpacked to disk.

    Raises UserError if the archive is damaged, or a member is missing.
    """
    scans, coded, dated = _members(path, [f"{folder}/{name}" for name in ("raw_input.txt", "GPCPCs.txt", "year.csv")])
    # Some bytes are undefined in this encoding: noise of the scans.
    texts = scans.decode("cp1252", errors="replace").split("\n")
    codes: dict[str, list[str]] = {}
    for row in _rows(coded):
        codes.setdefault(row["pat"], []).append(row["CPC"])
    years = {row["pat"]: row["year"] for row in _rows(dated)}
    families = []
    documents = [text.split("\t", 1) for text in texts if text.strip()]
    for source, text in track(documents, len(documents), label, unit="patents"):
        number = _NUMBER.search(source)
        if number is None:
            raise UserError(f"{path}: {source!r:.60} names no patent; the archive is not the one this rule is for")
        families.append({
            "family_id": f"US-{number[1]}", **cut(text), "cpc": list(dict.fromkeys(codes.get(number[1], []))),
            "jurisdiction": "US", "date": years.get(number[1], ""),
        })  # fmt: skip
    raw = assemble(families, [])
    found = {section: sum(bool(one[section]) for one in families) for section in ("title", "claims", "description")}
    raw.notes.update({f"{section} found": count for section, count in found.items()})
    shares = ", ".join(f"{section} {count / len(families):.1%}" for section, count in found.items())
    say(f"{label}: sections found in {len(families):,} texts: {shares}")
    return raw


def cut(text: str) -> dict[str, str]:
    """Title, claims and description of one patent's text, whose lines end in a carriage return; "" if no rule finds it.

    The title is between the inventors' lines and "Specification forming part of Letters Patent". The description runs
    from there, or from "Be it known", to "I claim". The claims run from there to the testimony or the witnesses, one
    line per claim if their numbers count up from 1.
    """
    text = text.replace("\r", "\n").replace("\f", "\n")
    office = _OFFICE.search(text)
    body = text[office.end() if office else 0 :]
    part = _PART.search(body, 0, 2000)
    begin = part.end() if part else 0
    opening = _OPENING.search(body, begin, begin + 3000)
    start = opening.start() if opening else begin
    # In the first quarter it is no heading. The last one counts: "as I shall claim" may come before.
    claim = _last_claim(body, start + (len(body) - start) // 4, len(body))
    if claim:
        claims, description = body[claim.end() :], body[start : claim.start()]
    elif claim := _last_claim(body, begin, start):  # the right column of the page was read before the left one
        claims, description = body[claim.end() : start], body[start:] + body[begin : claim.start()]
    else:
        claims, description = "", body[start:]
    title = _title(body[: part.start()]) if part and office else ""
    return {"title": title, "claims": _claims(claims), "description": _joined(description, 200)}


def _last_claim(body: str, start: int, end: int) -> re.Match[str] | None:
    for match in reversed(list(_CLAIM.finditer(body, start, end))):
        if not _NOT_CLAIM.search(body[max(0, match.start() - 80) : match.end()]):
            return match
    return None


def _title(head: str) -> str:
    """The last lines before the specification that are neither a person's nor a date's."""
    lines = [line.strip(" .,:;*-'") for line in head.split("\n") if re.search(r"[A-Za-z]{3}", line)]
    while lines and _FILED.search(lines[-1]):
        lines.pop()
    title: list[str] = []
    for line in reversed(lines[-3:]):
        # Titles contain "of" and "to" too, so the last line of the head is kept in doubt.
        if _PERSON.search(line) or (title and _PERHAPS.search(line)):
            break
        title.insert(0, line)
    joined = " ".join(" ".join(title).split())
    return joined if len(re.findall(r"[A-Za-z]", joined)) >= 4 and len(title) < 3 else ""


def _claims(text: str) -> str:
    close = _CLOSE.search(text)
    text = text[: close.start() if close else len(text)]
    first = _FIRST.search(text, 0, 400)
    lead = _LEAD.match(text)
    text = text[first.start() :] if first else text[lead.end() if lead else 0 :]
    if not first:
        return _joined(text, 40)
    pieces, at, wanted = [], 0, 2
    for number in _CLAIM_NUMBER.finditer(text, first.end() - first.start()):
        if int(number[1]) == wanted:
            pieces.append(text[at : number.start()])
            at, wanted = number.start(), wanted + 1
    claims = [_joined(piece, 1) for piece in [*pieces, text[at:]]]
    return "\n".join(claims) if len("".join(claims)) >= 40 else ""


def _joined(text: str, least: int) -> str:
    """Lines joined into one, without those that have no word (margin numbers, noise); "" below `least` characters."""
    lines = [line.strip() for line in text.split("\n")]
    joined = " ".join(" ".join(line for line in lines if re.search(r"[A-Za-z]{2}|^[0-9]{1,2}\.\s", line)).split())
    return joined if len(joined) >= least else ""


def _rows(content: bytes) -> Iterator[dict[str, str]]:
    return csv.DictReader(io.StringIO(content.decode("ascii"), newline=""), delimiter="\t")


def _members(path: Path, names: list[str]) -> list[bytes]:
    try:
        with tarfile.open(path, "r:gz") as archive:
            return [cast(IO[bytes], archive.extractfile(name)).read() for name in names]
    except (KeyError, tarfile.TarError, zlib.error, EOFError, OSError) as error:
        mend = "correct its entry in the registry, or delete it to download it again"
        raise UserError(f"{path}: not the archive that is expected ({error!s:.80}); {mend}") from None
