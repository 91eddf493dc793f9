"""A document of USPTO full text, and what is read of it."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path
from typing import Any

import harness
import pytest
from corpus.formats.test_uspto import DECLARED, documents, publications

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.views import first_independent


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def written(data: bytes) -> Path:
        path = tmp_path / "x.dat"
        path.write_bytes(data)
        return path

    return written


def document(biblio: str = "", body: str = "", declared: bytes = DECLARED, number: str = "08000001") -> bytes:
    return (
        declared
        + (
            '<us-patent-grant lang="EN" country="US"><us-bibliographic-data-grant><publication-reference><document-id>'
            f"<country>US</country><doc-number>{number}</doc-number><kind>B2</kind><date>20150106</date></document-id>"
            f"</publication-reference>{biblio}</us-bibliographic-data-grant>{body}</us-patent-grant>\n"
        ).encode()
    )


def only(path: Path) -> Publication:
    (found,), _ = publications(path)
    return found


@pytest.mark.parametrize(
    ("written", "number"),
    [
        ("08000001", "US8000001 B2"), ("D0743557", "USD743557 B2"), ("RE045123", "USRE45123 B2"),
        ("PP025001", "USPP25001 B2"), ("H0002200", "USH2200 B2"), ("20050171929", "US20050171929 B2"),
        ("10000000", "US10000000 B2"),
    ],
)  # fmt: skip
def test_padding_is_taken_off_a_number(written: str, number: str, write: Any) -> None:
    found = only(write(document(number=written)))
    assert found.numbers == [number]
    assert found.url == f"https://patents.google.com/patent/{number.replace(' ', '')}/en"


def identified(country: str, number: str, kind: str = "", date: str = "") -> str:
    return (
        f"<document-id><country>{country}</country><doc-number>{number}</doc-number>"
        f"{kind and f'<kind>{kind}</kind>'}{date and f'<date>{date}</date>'}</document-id>"
    )


def test_citations_are_patents_literature_or_applications(write: Any) -> None:
    cited = [
        ("US", "2005/0349109", "A1"),
        ("WO", "WO 99/60605", "A1"),
        ("JP", "2005-039813", "A"),
        ("US", "12/345,678", ""),
    ]
    cited += [("WO", "PCT/US2005/012345", "")]
    inner = "".join(
        f"<us-citation><patcit num='1'>{identified(*one)}</patcit><category>cited by examiner</category></us-citation>"
        for one in cited
    )
    inner += (
        "<us-citation><nplcit><othercit>A book</othercit></nplcit><category>cited by applicant</category></us-citation>"
    )
    related = (
        f"<us-related-documents><continuation><relation><parent-doc>{identified('US', '11000001', '', '20100102')}"
    )
    related += f"<parent-grant-document>{identified('US', '7990020')}</parent-grant-document></parent-doc></relation>"
    related += f"</continuation><related-publication>{identified('US', '20120000001', 'A1', '20120105')}"
    related += "</related-publication></us-related-documents>"
    claimed = (
        "<priority-claims><priority-claim><country>JP</country><doc-number>2009-1</doc-number><date>20090304</date>"
    )
    claimed += "</priority-claim></priority-claims>"
    filed = f"<application-reference>{identified('US', '345678', '', '20110203')}</application-reference>"
    filed += "<us-application-series-code>12</us-application-series-code>"
    search = "<us-field-of-classification-search><classification-cpc-text>A01B 1/00</classification-cpc-text>"
    search += "</us-field-of-classification-search>"
    found = only(
        write(document(f"{claimed}{filed}<us-references-cited>{inner}</us-references-cited>{related}{search}"))
    )
    assert [(one.number, one.category) for one in found.cites] == [
        ("US 2005/0349109 A1", "cited by examiner"),
        ("WO 99/60605 A1", "cited by examiner"),
        ("JP 2005-039813 A", "cited by examiner"),
    ]
    assert found.literature == 1
    assert found.applications == ["US 12/345,678", "WO PCT/US2005/012345"]
    assert (found.application, found.also, found.priorities) == ("US12345678", ["US20120000001 A1"], [])
    assert found.dates == ["2015-01-06", "2012-01-05"]
    assert (found.priority, found.cpc) == ("2009-03-04", [])


def test_applicants_are_those_it_is_assigned_to_else_who_applied(write: Any) -> None:
    applied = (
        "<us-parties><us-applicants><us-applicant><addressbook><last-name>Roe</last-name><first-name>Jo</first-name>"
        "</addressbook></us-applicant></us-applicants></us-parties>"
    )
    assigned = "<assignees><assignee><orgname>A &amp; B Inc</orgname><role>02</role></assignee></assignees>"
    assert only(write(document(applied))).applicants == ["Jo Roe"]
    assert only(write(document(applied + assigned))).applicants == ["A & B Inc"]


def test_texts_are_what_a_reader_reads(write: Any) -> None:
    title = "<invention-title>Use of CO<sub>2</sub>\n and <i>E. coli</i>&#x2019;s &alpha;&mgr; &hellip;&lt;"
    title += "</invention-title>"
    formula = "<maths><math><mi>x</mi><mo>=</mo><mn>1</mn></math></maths>"
    table = "<tables><table><tgroup><tbody><row><entry>one</entry><entry>two</entry></row><row><entry>3</entry></row>"
    body = (
        "<abstract><p>First.</p><p>Second.</p></abstract><description><?BRFSUM end='lead'?><heading>FIELD</heading>"
        "<p>As in <figref idref='a'>FIG. 1</figref>, 10<sup>-3</sup>:<ul><li>a</li><li>b</li></ul>then<br/>on"
        f"<!-- no -->.{table}</tbody></tgroup></table></tables>{formula}"
        "<chemistry><img file='a.tif'/></chemistry></p><sequence-list>acgt</sequence-list></description>"
    )
    found = only(write(document(title, body)))
    assert found.title[0].text == "Use of CO2 and E. coli’s αμ …<"
    assert found.title[0].language == "en"
    assert found.abstract[0].text == "First.\nSecond."
    assert found.description[0].text == ("As in FIG. 1, 10-3:\na\nb\nthen\non.\none\ntwo\n3\nx=1\nacgt")


def test_claims_stand_one_a_line_with_their_numbers(write: Any) -> None:
    body = (
        "<claims><claim num='00001-00003'><claim-text><b>1</b>-<b>3</b>. (canceled)</claim-text></claim>"
        "<claim num='00004'><claim-text><b>4</b>. The flap of claim 5.</claim-text></claim>"
        "<claim num='00005'><claim-text><b>5</b>. A flap comprising:<claim-text>a rod;</claim-text><claim-text>a hinge."
        "</claim-text></claim-text></claim></claims>"
    )
    path = write(document(body=body))
    (found,), notes = publications(path)
    claims = found.claims[0].text
    assert claims == "4. The flap of claim 5.\n5. A flap comprising: a rod; a hinge."
    assert first_independent(claims) == "A flap comprising: a rod; a hinge."
    assert notes == {"claims that are cancelled, left out": "1, such as document 1"}
    assert only(write(document(body=re.sub("<b>.</b>. ", "", body)))).claims[0].text == claims
    design = "<claims><claim num='00001'><claim-text>The design.</claim-text></claim></claims>"
    alone = only(write(document(body=design)))
    assert alone.claims[0].text == "The design."


def test_nothing_is_expanded_and_nothing_is_fetched(write: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    bomb = "".join(f'<!ENTITY e{at + 1} "{f"&e{at};" * 10}">' for at in range(12))
    declared = (
        f'<?xml version="1.0"?>\n<!DOCTYPE us-patent-grant [<!ENTITY e0 "x">{bomb}<!ENTITY f SYSTEM "{secret}">]>\n'
    )
    (found,), notes = publications(
        write(document(body="<abstract><p>&e12;&f;</p></abstract>", declared=declared.encode()))
    )
    assert found.abstract[0].text == "&e12;&f;"
    assert notes == {"entities of no known name, kept as they are written": "2, such as &e12;"}


def test_texts_of_what_is_not_selected_are_not_looked_at(write: Any) -> None:
    broken = documents[1].replace(b"</description>", b"", 1)
    found, notes = publications(write(documents[0] + broken), ids=frozenset(["US8928713"]))
    assert [one.numbers for one in found] == [["US8928713 B2"]]
    assert found[0].description
    assert notes == {}


def test_a_byte_that_is_not_utf_8_is_replaced_in_texts_only(write: Any) -> None:
    found, notes = publications(write(document(body="<abstract><p>caf@</p></abstract>").replace(b"@", b"\xe9")))
    assert found[0].abstract[0].text == "caf\ufffd"
    assert notes == {"documents whose text is not UTF-8 throughout, read with replacement signs": 1}
    with pytest.raises(UserError, match="1 of 1 documents are damaged"):
        publications(write(document("<invention-title>caf@</invention-title>").replace(b"@", b"\xe9")))


def test_a_folder_of_weeks_whose_archives_hold_a_report_too(tmp_path: Path) -> None:
    each = re.split(r"(?=<\?xml )", (harness.EXPORTS / "uspto-grants.xml").read_text(encoding="utf-8"))[1:]
    for week, some in enumerate((each[:7], each[7:])):
        with zipfile.ZipFile(tmp_path / f"{week}.zip", "w") as archive:
            archive.writestr("week-report.html", "<html>")
            archive.writestr("week.xml", "".join(some))
    (tmp_path / "readme.txt").write_text("Two weeks")
    raw = harness.read(tmp_path)
    assert harness.row(raw) == harness.RIGHT["uspto-grants.xml"]
    assert raw.notes["files of no known export, left out"] == "1, such as readme.txt"
