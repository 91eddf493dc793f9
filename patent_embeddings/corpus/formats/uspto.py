"""USPTO full text XML: grants and applications since 2005, in weekly files or single documents.

A weekly file is split into its documents, which are parsed one by one. The DOCTYPE is not parsed: nothing is declared,
so no entity expands and no file is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import BinaryIO

from lxml import etree

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.format import Format
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.formats.uspto_record import Damaged, add, cite, language_of, publication
from patent_embeddings.corpus.reading.source import CUT, Report, Source

_LOOKED = 20  # members of a folder or archive that are looked at
_ROOT = re.compile(rb"<(?:!DOCTYPE\s+)?(?:us-patent-(?:grant|application)|sequence-cwu)[\s>]")
_OLDER = re.compile(rb"<(?:!DOCTYPE\s+)?(?:PATDOC|patent-application-publication)[\s>]")  # of 2001 to 2004
_ENOUGH = 20  # at most one of so many documents may be damaged

_BLOCK = 1 << 22  # bytes read at once
_LARGEST = 1 << 27  # bytes of a document
_START, _END, _BIBLIOGRAPHY = b"<us-patent-", b"</us-patent-", b"</us-bibliographic-data-"
_NAME = re.compile(rb"[a-z]+")
_ENTITY = re.compile(rb"&(?!(?:amp|lt|gt|quot|apos);)([A-Za-z][A-Za-z0-9.]*);")
# Greek letters by their ISO entity names, which HTML does not have: `agr`, `Agr`.
_GREEK = re.findall("[a-z]+", "a b g d e z ee th i k l m n x o p r sf s t u ph kh ps oh")
_NAMED = {f"{name}gr": chr(0x3B1 + place) for place, name in enumerate(_GREEK)}
_NAMED |= {f"{name.title()}gr": chr(0x391 + place) for place, name in enumerate(_GREEK) if name != "sf"}
_NAMED |= {name.removesuffix(";"): signs for name, signs in html5.items() if name.endswith(";")}
_BLOCK_TAGS = (
    "p(?:re)?|heading|abstract|d(?:escription|[ltd]|oc-page)|c(?:laim(?:s|-text)?|hemistry)|[uo]l|li|br"
    "|t(?:ables?|group|itle|head|body|foot)|row|entry|m(?:aths|t[rd]|labeledtr)|sequence-list"
)
# Borders of blocks without a line break; one is put there, so that words of two cells or paragraphs stay apart.
_BORDER = re.compile(rf"<(?<!\n<)(?=(?:{_BLOCK_TAGS})[\s/>]|/(?:{_BLOCK_TAGS})>\S)".encode())


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
    for piece in _pieces(stream):
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
        for _ in range(piece.tail.count(_END)):
            seen.damage(f"after {place}", "a document without a beginning")
    if number == 0 and not _ROOT.search(piece.tail):
        report.count("files that hold no document of USPTO full text", name)
    elif _broken_off(piece) and report.counts.get(CUT, 0) == known_as_cut:
        report.count(CUT, f"{place} is not whole" if not piece.ended else f"after {place}")


def _publication(piece: _Piece, place: str, select: Select, report: Report) -> Publication | None:
    """A document as a publication; None where it is not selected. Raises Damaged."""
    root = _parsed(piece.head, report)
    found = publication(root, place, report)
    if not select.wants(found):
        return None
    cite(found, root, report)
    add(found, _parsed(_as_utf8(b"".join(piece.texts), report), report), language_of(root), report)
    return found


def _broken_off(piece: _Piece) -> bool:
    """Whether the file ends within a document, a declaration or a sequence listing."""
    rest = piece.tail.rpartition(b"</sequence-cwu>")[2].rstrip()
    begun = b"<?xml" in rest or b"<sequence-cwu" in rest or (rest and not rest.endswith(b">"))
    return not piece.ended or bool(begun)


@dataclass(slots=True)
class _Piece:
    """A document and the bytes up to the next one; or the bytes before the first."""

    head: bytes  # XML of its bibliographic data
    texts: tuple[bytes, memoryview]  # XML of all else, in two parts that are joined only if it is needed
    tail: bytes
    begun: bool = True  # whether there is a document
    ended: bool = True  # whether it has its end tag
    last: bool = False  # whether the file ends with it


def _pieces(stream: BinaryIO) -> Iterator[_Piece]:
    """The bytes before the first document, then every document, in order."""
    held, cut = b"", _before
    while block := stream.read(_BLOCK):
        *whole, held = (held + block).split(_START)
        for one in whole:
            yield cut(one)
            cut = _cut
        if len(held) > _LARGEST:
            yield cut(held)
            held, cut = b"", _before
    final = cut(held)
    final.last = True
    yield final


def _before(text: bytes) -> _Piece:
    return _Piece(b"", (b"", memoryview(b"")), text, begun=False)


def _cut(text: bytes) -> _Piece:
    """A document, given without the `<us-patent-` that it begins with."""
    name, whole = _NAME.match(text), memoryview(text)
    end = text.find(_END)
    close = text.find(b">", end) + 1 if end >= 0 else 0
    if not close:
        return _Piece(b"", (b"", whole), b"", ended=False)
    border = text.find(b">", text.find(_BIBLIOGRAPHY, 0, end)) + 1
    root = name[0] if name else b""
    head = b"".join((_START, whole[:border], _END, root, b">"))
    return _Piece(head, (_START + root + b">", whole[border:close]), text[close:])


def _parsed(text: bytes, report: Report) -> etree._Element:
    """Parse one part of a document, with a line break at the borders of blocks of text. Raises Damaged."""
    try:
        return etree.fromstring(_BORDER.sub(b"\n<", _spelled(text, report)), _parser())
    except etree.XMLSyntaxError as error:
        raise Damaged(re.sub(r"\s*\(<string>.*", "", str(error.msg))) from None


def _as_utf8(text: bytes, report: Report) -> bytes:
    """The text with invalid UTF-8 replaced; counts a document that has such."""
    try:
        text.isascii() or text.decode()
    except UnicodeDecodeError:
        report.count("documents whose text is not UTF-8 throughout, read with replacement signs")
        return text.decode(errors="replace").encode()
    return text


def _spelled(text: bytes, report: Report) -> bytes:
    """The text with named entities replaced by their characters, as no DTD declares them."""

    def character(found: re.Match[bytes]) -> bytes:
        signs = _NAMED.get(found[1].decode())
        if signs is None:
            report.count("entities of no known name, kept as they are written", found[0].decode())
            return b"&amp;" + found[1] + b";"
        return b"".join(b"&#%d;" % ord(sign) for sign in signs)

    return _ENTITY.sub(character, text) if _ENTITY.search(text) else text


def _parser() -> etree.XMLParser:
    return etree.XMLParser(
        huge_tree=True,
        remove_pis=True,
        remove_comments=True,
        resolve_entities=False,
        no_network=True,
        collect_ids=False,
    )


FORMAT = Format("uspto", "USPTO full text XML (grants and applications since 2005)", looks, read)
