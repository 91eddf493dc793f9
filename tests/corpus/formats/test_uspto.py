"""USPTO full text: the sample against lxml alone, weeks as they lie, damaged documents, texts as they are read."""

from __future__ import annotations

import datetime
import random
import re
import shutil
import tempfile
import zipfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from corpus.formats import harness
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.formats import uspto
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import CUT, Source

FILE = "uspto-grants.xml"
DATA = (harness.EXPORTS / FILE).read_bytes()
DOCUMENT = re.compile(rb"<us-patent-(grant|application)[\s>].*?</us-patent-\1>", re.DOTALL)
DECLARED = b'<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE us-patent-grant SYSTEM "us-patent-grant-v45.dtd" [ ]>\n'
LISTING = b'<?xml version="1.0"?>\n<sequence-cwu id="S1"><s400>acgt</s400>\n</sequence-cwu>'


def publications(path: Path, **select: Any) -> tuple[list[Publication], dict[str, str | int]]:
    source = Source(path)
    return list(uspto.read(source, Select(**select))), source.report.notes()


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(data: bytes) -> Path:
        path = tmp_path / "x.dat"
        path.write_bytes(data)
        return path

    return written


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_lxml_alone_gives_the_same_also_of_other_numbers(seed: int, write: Any) -> None:
    digits = b"0123456789"
    other = bytes(random.Random(seed).sample(list(digits), 10)) if seed else digits
    changed = re.sub(
        rb"[0-9]{4}(?=</doc-number>)", lambda found: found[0].translate(bytes.maketrans(digits, other)), DATA
    )
    raw = harness.read(write(changed))
    assert harness.row(raw) == second_row(changed)
    compare(raw, changed)


def compare(raw: Raw, data: bytes) -> None:
    """Hold each family with what lxml reads of its publications."""
    read = {one["number"]: one for one in second(data)}
    for family in raw.families.to_dict("records"):
        members = [read[number] for number in family["publications"]]
        shown = read[family["publication"]]
        assert family["title"] == shown["title"]
        assert set(family["ipc"]) == {code for one in members for code in one["ipc"]}
        assert set(family["cpc"]) == {code for one in members for code in one["cpc"]}
        assert family["date"] == min((day for one in members for day in one["dates"]), default="")
        for section in ("abstract", "description", "claims"):
            texts = {one[section] for one in members}
            assert harness.folded(family[section]) in texts or (texts == {""} and not family[section])


@cache
def second(data: bytes) -> list[dict[str, Any]]:
    """Each document that lxml can parse, by lxml alone."""
    found = []
    for piece in data.split(b"<us-patent-")[1:]:
        inner, end, after = piece.partition(b"</us-patent-")
        if b">" not in after:
            continue
        text = (b"<us-patent-" + inner + end + inner.split()[0] + b">").decode(errors="replace")
        text = re.sub(r"&(?!(?:amp|lt|gt|quot|apos);)(\w+;)", r"&amp;\1", text)  # no name of HTML is in the sample
        try:
            root = etree.fromstring(text.encode(), etree.XMLParser(remove_pis=True))
        except etree.XMLSyntaxError:
            continue
        own, *others = root.xpath("*/publication-reference/document-id | *//related-publication/document-id")
        if own.findtext("country") != "US":
            continue
        found.append(
            {
                "number": f"US{bare(own)[2:]} {own.findtext('kind')}",
                "bare": {bare(each) for each in (own, *others)},
                "application": bare(root.find("*/application-reference/document-id")),
                "dates": [day for each in (own, *others) if (day := date(each.findtext("date", "").strip()))],
                "title": folded(root, "*/invention-title"),
                "ipc": [code(each) for each in root.iter("classification-ipcr")]
                + [
                    re.sub(r"^(\w{4})0*", r"\1", each)
                    for each in root.xpath("//classification-ipc/main-classification/text()")
                ],
                "cpc": [code(each) for each in root.iter("classification-cpc")],
                "cites": [bare(each) for each in root.xpath("*//patcit/document-id")],
                "literature": len(root.xpath("*//nplcit")),
                **{section: folded(root, section) for section in ("abstract", "description", "claims")},
            }
        )
    return found


def date(written: str) -> str:
    try:
        return (
            datetime.datetime.strptime(written, "%Y%m%d").strftime("%Y-%m-%d")
            if len(written) == 8 and written > "15"
            else ""
        )
    except ValueError:
        return ""


def bare(one: etree._Element) -> str:
    number = re.sub(r"[\s/-]", "", one.findtext("doc-number")).removeprefix(one.findtext("country"))
    return one.findtext("country") + re.sub(r"^([A-Z]*)0+", r"\1", number)


def code(one: etree._Element) -> str:
    parts = [one.findtext(part) for part in ("section", "class", "subclass", "main-group")]
    return f"{''.join(parts)}/{one.findtext('subgroup')}"


def folded(root: etree._Element, path: str) -> str:
    """Text of an element without headings; the sample has line breaks between its blocks."""
    return " ".join("".join(root.xpath(f"{path}//text()[not(parent::heading)]")).split())


def second_row(data: bytes) -> dict[str, int | str]:
    families: dict[str, list[dict[str, Any]]] = {}
    for one in second(data):
        families.setdefault(one["application"], []).append(one)
    owner = {number: name for name, group in families.items() for one in group for number in one["bare"]}
    cited = {(name, number) for name, group in families.items() for one in group for number in one["cites"]}
    pairs = {(name, owner[number]) for name, number in cited if number in owner}
    dates = [min(day for one in group for day in one["dates"]) for group in families.values()]
    return {
        "families": len(families),
        "publications": sum(map(len, families.values())),
        "citations kept": sum(name != other for name, other in pairs),
        "outside": sum(number not in owner for _, number in cited),
        "own": sum(name == other for name, other in pairs),
        "npl": sum(one["literature"] for group in families.values() for one in group),
        **{
            column: sum(any(one[column] for one in group) for group in families.values())
            for column in ("ipc", "cpc", "abstract", "claims")
        },
        "earliest": min(dates),
        "latest": max(dates),
    }


# Variants of the file.

documents = [found[0] for found in DOCUMENT.finditer(DATA)]
SMALL = b"".join(DECLARED + documents[at] for at in (1, 2, 6, 12, 13, 14)) + b"\n"


@cache
def canonical(data: bytes = DATA) -> list[Any]:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return harness.canonical(harness.read(Path(file.name)))


@harness.examples
@given(
    order=st.permutations([documents[at] for at in (1, 2, 6, 12, 13, 14)]),
    between=st.sampled_from([DECLARED, b"\n\n" + DECLARED, LISTING + DECLARED, LISTING + b"\n" + DECLARED, b"\n"]),
    extra=st.sampled_from([b"", b"<us-new-element><p>new</p></us-new-element>", b"<!-- a > remark -->", b"<?page 1?>"]),
    rooted=st.booleans(),
    spelled=st.tuples(st.sampled_from([b"\n", b"\r\n", b"\r"]), st.booleans(), st.booleans()),
)
def test_other_spellings_give_the_identical_table(
    order: list[bytes], between: bytes, extra: bytes, rooted: bool, spelled: Any, tmp_path_factory: Any
) -> None:
    parts = [re.sub(rb"(<us-bibliographic-data-)", extra + rb"\1", each) for each in order]
    data = b"<weeks>" + b"\n".join(parts) + b"</weeks>" if rooted else between + between.join(parts) + b"\n"
    path = tmp_path_factory.getbasetemp() / "variant"
    path.write_bytes(harness._packed(data, *spelled))
    assert harness.canonical(harness.read(path)) == canonical(SMALL)


@harness.examples
@given(data=harness.cut(SMALL), compressed=st.booleans())
def test_a_file_that_was_cut_gives_its_whole_documents_and_says_so(
    data: bytes, compressed: bool, tmp_path_factory: Any
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut"
    path.write_bytes(harness._packed(data, b"\n", False, compressed))
    whole = second(data)
    found = harness.outcome(path, "uspto")
    if not whole:
        assert isinstance(found, str)
        assert "no whole document" in found or "is empty" in found
        return
    assert isinstance(found, Raw)
    assert harness.publications(found) == {one["number"] for one in whole}
    compare(found, data)
    assert (CUT in found.notes) == (not data.rstrip().endswith((b"</us-patent-grant>", b"</us-patent-application>")))


@harness.examples
@given(data=harness.damaged(SMALL))
def test_damage_gives_no_traceback_and_no_other_table(data: bytes, tmp_path_factory: Any) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data)
    found = harness.outcome(path, "uspto")
    if isinstance(found, Raw):
        assert harness.publications(found) <= {one["number"] for one in second(data)}
        compare(found, data)


# Weeks as they lie.


def test_archives_and_folders_of_weeks_are_read_together(tmp_path: Path) -> None:
    week, rest = b"".join(documents[:7]), b"".join(documents[7:])
    (tmp_path / "weeks" / "ipg150106").mkdir(parents=True)
    (tmp_path / "weeks" / "ipg150106" / "ipg150106.xml").write_bytes(DECLARED + week)
    (tmp_path / "weeks" / "README.txt").write_text("weeks of grants")
    with zipfile.ZipFile(tmp_path / "weeks" / "ipg150113.zip", "w") as archive:
        archive.writestr("ipg150113.xml", DECLARED + rest)
    with zipfile.ZipFile(tmp_path / "both.zip", "w") as archive:
        archive.writestr("ipg150106.xml", week)
        archive.writestr("ipg150106lst.txt", "listing")
        archive.writestr("ipg150113.xml", rest)
    shutil.make_archive(str(tmp_path / "both"), "tar", tmp_path / "weeks")
    for name in ("weeks", "both.zip", "both.tar"):
        raw = harness.read(tmp_path / name)
        assert harness.canonical(raw) == canonical(), name
        assert str(raw.notes["files that hold no document of USPTO full text"]).startswith("1, such as "), name


def test_sequence_listings_are_counted_and_are_no_documents(write: Any) -> None:
    found, notes = publications(write(DECLARED + documents[0] + LISTING + LISTING + DECLARED + documents[1]))
    assert [one.place for one in found] == ["document 1", "document 2"]
    assert notes == {"sequence listings, no patents": "2, such as after x.dat, document 1"}


def test_one_damaged_document_is_left_out_and_said(write: Any) -> None:
    broken = documents[1].replace(b"</p>", b"", 1)
    found, notes = publications(write(documents[0] + broken + documents[2]))
    assert [one.numbers for one in found] == [["US8928713 B2"], ["US7271608 B2"]]
    said = str(notes["documents that are damaged, left out"])
    assert said.startswith("1, such as x.dat, document 2: Opening and ending tag mismatch: p")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (documents[0] + 2 * documents[1].replace(b"</p>", b"", 1), "2 of 3 .* damaged, such as x.dat, document 2"),
        (documents[0].replace(b"</p>", b"", 1), "1 of 1 documents are damaged"),
        (documents[0].replace(b"<doc-number>08928713</doc-number>", b""), "no number of a publication"),
        (documents[0][:5000], "no whole document of USPTO full text"),
        (LISTING, "no whole document of USPTO full text"),
        (b'<?xml version="1.0"?>\n<PATDOC DTD="2.5"><SDOBI/></PATDOC>', "from before 2005"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_refused_in_one_line(data: bytes, said: str, write: Any) -> None:
    assert uspto.looks(Source(write(data)))
    with pytest.raises(UserError, match=said):
        publications(write(data))


@pytest.mark.parametrize(
    "data",
    [b"", b"PN,<us-patent-grant lang>\n", b"<html><p>us-patent-grant</p></html>", b'{"a": "<us-patent-grant >"}'],
)
def test_other_files_do_not_look_like_it(data: bytes, write: Any) -> None:
    assert not uspto.looks(Source(write(data)))
