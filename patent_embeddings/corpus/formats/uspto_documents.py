"""Documents of USPTO full text, split from a stream of many and parsed.

The DOCTYPE is not parsed: nothing is declared, so no entity expands and no file is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from html.entities import html5
from typing import BinaryIO

from lxml import etree

from patent_embeddings.corpus.reading.source import Report

BLOCK = 1 << 22  # bytes read at once
LARGEST = 1 << 27  # bytes of a document
_START, END, _BIBLIOGRAPHY = b"<us-patent-", b"</us-patent-", b"</us-bibliographic-data-"
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


class Damaged(Exception):
    """A document cannot be parsed; the message says why."""


@dataclass(slots=True)
class Piece:
    """A document and the bytes up to the next one; or the bytes before the first."""

    head: bytes  # XML of its bibliographic data
    texts: tuple[bytes, memoryview]  # XML of all else, in two parts that are joined only if it is needed
    tail: bytes
    begun: bool = True  # whether there is a document
    ended: bool = True  # whether it has its end tag
    last: bool = False  # whether the file ends with it


def pieces(stream: BinaryIO) -> Iterator[Piece]:
    """The bytes before the first document, then every document, in order."""
    held, cut = b"", _before
    while block := stream.read(BLOCK):
        *whole, held = (held + block).split(_START)
        for one in whole:
            yield cut(one)
            cut = _cut
        if len(held) > LARGEST:
            yield cut(held)
            held, cut = b"", _before
    final = cut(held)
    final.last = True
    yield final


def _before(text: bytes) -> Piece:
    return Piece(b"", (b"", memoryview(b"")), text, begun=False)


def _cut(text: bytes) -> Piece:
    """A document, given without the `<us-patent-` that it begins with."""
    name, whole = _NAME.match(text), memoryview(text)
    end = text.find(END)
    close = text.find(b">", end) + 1 if end >= 0 else 0
    if not close:
        return Piece(b"", (b"", whole), b"", ended=False)
    border = text.find(b">", text.find(_BIBLIOGRAPHY, 0, end)) + 1
    root = name[0] if name else b""
    head = b"".join((_START, whole[:border], END, root, b">"))
    return Piece(head, (_START + root + b">", whole[border:close]), text[close:])


def parsed(text: bytes, report: Report) -> etree._Element:
    """Parse one part of a document, with a line break at the borders of blocks of text. Raises Damaged."""
    try:
        return etree.fromstring(_BORDER.sub(b"\n<", _spelled(text, report)), _parser())
    except etree.XMLSyntaxError as error:
        raise Damaged(re.sub(r"\s*\(<string>.*", "", str(error.msg))) from None


def as_utf8(text: bytes, report: Report) -> bytes:
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
