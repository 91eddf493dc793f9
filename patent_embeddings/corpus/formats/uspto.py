"""USPTO full text XML: grants and applications since 2005, in weekly files or single documents."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.formats.uspto_documents import END, Damaged, Piece, as_utf8, parsed, pieces
from patent_embeddings.corpus.formats.uspto_record import cite, language_of, publication
from patent_embeddings.corpus.formats.uspto_texts import add
from patent_embeddings.corpus.reading.source import CUT, Report, Source

_LOOKED = 20  # members of a folder or archive that are looked at
_ROOT = re.compile(rb"<(?:!DOCTYPE\s+)?(?:us-patent-(?:grant|application)|sequence-cwu)[\s>]")
_OLDER = re.compile(rb"<(?:!DOCTYPE\s+)?(?:PATDOC|patent-application-publication)[\s>]")  # of 2001 to 2004
_ENOUGH = 20  # at most one of so many documents may be damaged


def looks(source: Source) -> bool:
    """Whether a file, or one of the first of a folder, begins with USPTO full text of any year."""
    return _begins(source, _ROOT) or _begins(source, _OLDER)


def read(source: Source, select: Select) -> Iterator[Publication]:
    """Publications of a file, archive or folder, one at a time; only selected ones are parsed whole.

    Damaged documents are left out and counted. Raises UserError where more than one in twenty is damaged, or there is
    no document.
    """
    seen = _Seen(source)
    for member, stream in source.each():
        yield from _publications(stream, member, select, seen)
    seen.judge()


def _begins(source: Source, root: re.Pattern[bytes]) -> bool:
    heads = (source.head(member).removeprefix(b"\xef\xbb\xbf").lstrip() for member in source.members[:_LOOKED])
    return any(head.startswith(b"<") and root.search(head) for head in heads)


@dataclass(slots=True)
class _Seen:
    """Numbers of whole and of damaged documents of a source so far."""

    source: Source
    documents: int = 0
    damaged: int = 0
    first: str = ""  # place and cause of the first damage

    def damage(self, place: str, cause: str) -> None:
        self.damaged += 1
        self.first = self.first or f"{place}: {cause}"
        self.source.report.count("documents that are damaged, left out", f"{place}: {cause}")

    def judge(self) -> None:
        """Raise UserError where too many documents are damaged, or there is none."""
        path, total = self.source.path, self.documents + self.damaged
        if total == 0 and _begins(self.source, _OLDER):
            raise UserError(f"{path}: USPTO full text from before 2005, in another structure; take 2005 or later")
        if total == 0:
            raise UserError(f"{path}: no whole document of USPTO full text; download or unpack it again")
        if self.documents == 0 or self.damaged > max(1, total // _ENOUGH):
            said = f"{self.damaged:,} of {total:,} documents are damaged, such as {self.first:.200}"
            raise UserError(f"{path}: {said}; download or unpack it again")


def _publications(stream: BinaryIO, member: str, select: Select, seen: _Seen) -> Iterator[Publication]:
    """Publications of one file."""
    report, name, number = seen.source.report, member or seen.source.path.name, 0
    known_as_cut = report.counts.get(CUT, 0)
    for piece in pieces(stream):
        number += piece.begun
        place = f"{name}, document {number}"
        if piece.begun and piece.ended:
            try:
                found = _publication(piece, f"{member}, document {number}".lstrip(", "), select, report)
            except Damaged as error:
                seen.damage(place, str(error))
            else:
                seen.documents += 1
                if found:
                    yield found
        elif not piece.ended and not piece.last:
            seen.damage(place, "no end")
        report.count("sequence listings, no patents", f"after {place}", piece.tail.count(b"<sequence-cwu"))
        for _ in range(piece.tail.count(END)):
            seen.damage(f"after {place}", "a document without a beginning")
    if number == 0 and not _ROOT.search(piece.tail):
        report.count("files that hold no document of USPTO full text", name)
    elif _broken_off(piece) and report.counts.get(CUT, 0) == known_as_cut:
        report.count(CUT, f"{place} is not whole" if not piece.ended else f"after {place}")


def _publication(piece: Piece, place: str, select: Select, report: Report) -> Publication | None:
    """A document as a publication; None where it is not selected. Raises Damaged."""
    root = parsed(piece.head, report)
    found = publication(root, place, report)
    if not select.wants(found):
        return None
    cite(found, root, report)
    add(found, parsed(as_utf8(b"".join(piece.texts), report), report), language_of(root), report)
    return found


def _broken_off(piece: Piece) -> bool:
    """Whether the file ends within a document, a declaration or a sequence listing."""
    rest = piece.tail.rpartition(b"</sequence-cwu>")[2].rstrip()
    begun = b"<?xml" in rest or b"<sequence-cwu" in rest or (rest and not rest.endswith(b">"))
    return not piece.ended or bool(begun)


FORMAT = Format("uspto", "USPTO full text XML (grants and applications since 2005)", looks, read)
