"""Publications become families: planted ones are found, whatever the order and the spelling of records."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from harness import canonical, examples
from hypothesis import given
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.family_building import merged
from patent_embeddings.corpus.formats.publication import Citation, Publication, Text
from patent_embeddings.corpus.own.fields import identifier
from patent_embeddings.corpus.reading.source import Report


def record(*numbers: str, **said: Any) -> Publication:
    return Publication(place=f"row {said.pop('row', 1)}", numbers=list(numbers), **said)


def family(records: list[Publication]) -> dict[str, Any]:
    raw = merged(copy.deepcopy(records), Report())
    assert len(raw.families) == 1
    return raw.families.to_dict("records")[0]


def together(raw: Raw) -> set[frozenset[str]]:
    return {frozenset(numbers) for numbers in raw.families["publications"]}


def groups(*records: Publication) -> set[frozenset[str]]:
    found = {frozenset(numbers) for numbers in merged(copy.deepcopy(list(records)), Report()).families["publications"]}
    assert found == together(merged(copy.deepcopy(list(reversed(records))), Report()))
    return found


RULES = {
    "a family id": [record("EP-1-A1", family="7"), record("US-9-B2", family="7"), record("DE-3-A1", family="8")],
    "members in other orders, some of them elsewhere": [
        record("EP 1 A1", key="002", members=["001", "002", "003"]),
        record("US 9 B2", key="003", members=["003", "001", "002"]),
        record("DE 3 A1", key="004", members=["004"]),
    ],
    "members by number": [
        record("EP1A1", members=["EP1A1", "US9B2"]), record("US-9-B2", members=[]), record("DE3A1"),
    ],
    "equal priorities": [
        record("EP 1 A1", priorities=["US 201161 P 20110102", "DE 10 A"]),
        record("US 9 B2", priorities=["DE 10 A", "US 201161 P 20110102"]),
        record("DE 3 A1", priorities=["DE 10 A"]),
    ],
    "equal priorities, one's own application among them": [
        record("EP 1 A1", priorities=["US 201161 P 20110102", "EP 11 A"], application="EP 11 A"),
        record("US 9 B2", priorities=["US 201161 P"], application="US 12 A"),
        record("DE 3 A1", priorities=["DE 10 A"], application="DE 10 A"),
    ],
    "the application": [
        record("EP 1 A1", application="11/123,456"), record("US 9 B2", application="11123456"),
        record("DE 3 A1", application="11123457"),
    ],
    "another number of the application": [
        record("US 9 B2", also=["US 2005/0171929 A1"]), record("EP 1 A1", also=["US-2005171929-A1"]), record("DE 3 A1"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("rule", RULES)
def test_each_rule_joins_two_of_three(rule: str) -> None:
    found = groups(*RULES[rule])
    assert sorted(map(len, found)) == [1, 2] and any("3" in one for name in found if len(name) == 1 for one in name)


def test_another_kind_of_the_same_number_is_one_family_where_nothing_else_is_said() -> None:
    a1, b1, other = record("EP-1-A1"), record("EP 0000001 B1"), record("US-1-A")
    assert groups(a1, b1, other) == {frozenset({"EP-1-A1", "EP 0000001 B1"}), frozenset({"US-1-A"})}
    # The source knows better.
    assert len(groups(record("EP-1-A1", family="7"), record("EP-1-B1", family="8"))) == 2
    assert len(groups(record("EP-1-A1", priorities=["DE 1"]), record("EP-1-B1", priorities=["DE 2"]))) == 2
    # What it says nothing of joins what it says something of.
    assert len(groups(record("EP-1-A1", family="7"), record("EP-1-B1", family="-1"))) == 1
    assert len(groups(record("EP-1-A1", family="7"), record("EP-1-B1"), record("EP-1-B9", family="8"))) == 2


def test_a_first_filing_without_priorities_is_of_the_family_of_those_that_claim_it_alone() -> None:
    first = record("DE 1 A1", application="DE 10 A")
    assert len(groups(first, record("EP 2 A1", priorities=["DE 10 A 20000101"], application="EP 20 A"))) == 1
    assert len(groups(first, record("EP 2 A1", priorities=["DE 10 A", "FR 3 A"], application="EP 20 A"))) == 2


def test_what_joined_them_is_counted() -> None:
    raw = merged([record("EP-1-A1"), record("EP-1-B1"), record("US-2-A"), record("US-3-A", family="7")], Report())
    assert raw.notes["publications"] == 4 and raw.notes["families"] == 3
    assert raw.notes["publications joined"] == ["2 by the same number"]
    assert raw.notes["families of one publication, as nothing says more"] == 1


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ([record("EP-1-A1", family="0012")], "0012"),
        ([record("EP-1-A1", family="a b/c")], "a-b-c"),
        ([record("EP 1 A1", key="009", members=["009", "003"])], "003"),
        ([record("EP-1-A1"), record("EP-1-B1")], "EP1"),
        ([record("10664037", jurisdiction="US", key="10664037")], "10664037"),
    ],
)
def test_a_family_is_called_by_its_source_else_its_smallest_key_else_its_number(
    records: list[Publication], name: str
) -> None:
    assert family(records)["family_id"] == name


def test_a_number_without_a_country_says_none() -> None:
    assert family([record("21", family="21")])["jurisdiction"] == ""
    assert family([record("21", jurisdiction="us")])["jurisdiction"] == "US"


def test_ids_differ_and_are_ids() -> None:
    records = [
        record("EP-1-A1", priorities=["DE 1"]),
        record("EP-1-B1", priorities=["DE 2"]),
        record("é 1", family="EP1"),
    ]
    raw = merged(records, Report())
    assert sorted(raw.families["family_id"]) == ["EP1", "EP1-2", "EP1-3"]
    assert [identifier(name) for name in raw.families["family_id"]] == raw.families["family_id"].tolist()


def test_texts_are_english_where_there_is_one_else_in_the_first_language() -> None:
    german = record(
        "DE-1-A1", family="1", dates=["2000-01-01"], title=[Text("Pumpe", "de")], abstract=[Text("ab", "de")]
    )
    french = record("FR-1-A1", family="1", dates=["2001-01-01"], title=[Text("Pompe", "fr"), Text("Pump", "en")])
    found = family([french, german])
    assert (found["title"], found["abstract"], found["publication"]) == ("Pump", "ab", "FR-1-A1")
    assert found["publications"] == ["FR-1-A1", "DE-1-A1"] and found["jurisdiction"] == "DE"
    french.title.pop()
    assert family([french, german])["title"] == "Pumpe"


def test_texts_without_a_language_are_taken_by_the_country() -> None:
    said = [
        record(f"{office}-1-A1", family="1", title=[Text(f"Pump of {office}")], dates=[f"200{place}-01-01"])
        for place, office in enumerate(("DE", "EP", "GB", "US"))
    ]
    for count, office in ((4, "GB"), (2, "EP"), (1, "DE")):
        assert family(said[:count])["title"] == f"Pump of {office}"


def test_placeholders_are_no_text() -> None:
    report = Report()
    one = record("US-2-A", dates=["1999-01-01"], title=[Text("US 2 A")], abstract=[Text("NA")])
    raw = merged([one, record("US-2-B", title=[Text("Pump")])], report)
    assert raw.families["title"].tolist() == ["Pump"] and raw.families["abstract"].tolist() == [""]
    assert report.counts["title: placeholders, read as empty"] == 1


def test_the_longest_claims_and_a_truncated_text_only_where_there_is_no_whole_one() -> None:
    report = Report()
    short = record(
        "US-1-A", dates=["2000-01-01"], claims=[Text("1. A pump.", "en")], description=[Text("d" * 9, "en", True)]
    )
    long = record("US-1-B", dates=["2001-01-01"], claims=[Text("1. A pump, red.", "en")])
    cut = record("US-1-C", dates=["2002-01-01"], claims=[Text("1. A pump, red, and so on", "en", True)])
    raw = merged([short, long, cut], report)
    assert raw.families["claims"].tolist() == ["1. A pump, red."] and raw.families["description"].tolist() == ["d" * 9]
    assert report.counts["description: truncated, as there is no whole one"] == 1
    assert "claims: truncated, as there is no whole one" not in report.counts


def test_dates_codes_applicants_and_addresses() -> None:
    first = record("EP-1-A1", dates=["2001-05-01", "2000-01-01", "2001-02-30"], priority="1999-01-01", ipc=["B", "A"],
                   applicants=["Ann", "Bob"], url="https://e/1", title=[Text("t")])  # fmt: skip
    second = record("EP-1-B1", dates=["2003-01-01"], priority="1998-02-02", ipc=["A", "C"], applicants=["Bob"])
    report = Report()
    found = merged([second, first], report).families.to_dict("records")[0]
    assert (found["date"], found["priority"], found["url"]) == ("2000-01-01", "1998-02-02", "https://e/1")
    assert (found["ipc"], found["applicants"]) == (["B", "A", "C"], ["Ann", "Bob"])
    assert report.counts["dates that are none, read as empty"] == 1


def test_citations_are_of_families_and_what_is_lost_is_counted_by_reason() -> None:
    citing = record(
        "EP-1-A1", family="1", literature=2, applications=["US-123-A", "US-123-A"],
        cites=[
            Citation("US 2013/0099542 A1", "cited by examiner"), Citation("US-20130099542-B2", "X Y"),
            Citation("DE-5-A"), Citation("DE 5"), Citation("EP-1-B1"), Citation("2005/0171929"), Citation("none"),
        ],
    )  # fmt: skip
    other = record("EP-1-B1", family="1", cites=[Citation("DE 5 B")])
    cited = record("US-2013099542-A1", family="2", also=["US-2005171929-A1"])
    raw = merged([citing, other, cited], Report())
    assert raw.citations.to_numpy().tolist() == [["1", "2", "X Y examiner"]]
    dropped = {key: value for key, value in raw.notes.items() if key.startswith("citations")}
    assert dropped == {
        "citations kept": 1,
        "citations dropped, outside the landscape": 2,  # a number of no country is of the citing one
        "citations dropped, to itself": 1,
        "citations dropped, by the number of an application only": 1,
        "citations dropped, no number of a publication": 1,
        "citations dropped, literature": 2,
        "citations dropped, one of each": [
            "outside the landscape: DE-5-A by 1",
            "to itself: EP-1-B1 by 1",
            "by the number of an application only: US-123-A by 1",
            "no number of a publication: none by 1",
        ],
    }
    assert raw.also["US20130099542"] == raw.also["US20050171929"] == "2" and raw.also["EP1"] == "1"


SERIES = ("JP-S5812345-A", "JP-S5812345-B2", "JP-S5812345-U", "JP-S5812345-Y2")


def test_documents_of_several_series_with_one_number_are_not_one_family() -> None:
    assert groups(*map(record, SERIES)) == {frozenset({one}) for one in SERIES}
    assert groups(*map(record, ("KR-19980054837-A", "KR-19980054837-U"))) == {
        frozenset({"KR-19980054837-A"}), frozenset({"KR-19980054837-U"})
    }  # fmt: skip
    assert len(groups(record("JP-5123456-B1"), record("JP 5123456 B2"))) == 1


@pytest.mark.parametrize("here", SERIES)
def test_a_citation_is_of_the_series_that_it_names_else_of_any(here: str) -> None:
    number, kind = here.rsplit("-", 1)
    for cited in ("JP S58-12345 A", "JP 58-12345 B", "JPS5812345U", "JP-Y2-S58-12345", "JP S58-12345"):
        citing = record("US-1-A", family="1", cites=[Citation(cited)])
        raw = merged([citing, record(here, family="2")], Report())
        named = next((letter for letter in "ABUY" if letter in cited.replace("JP", "")), kind[0])
        assert (len(raw.citations) == 1) == (named == kind[0]), cited
        # A publication without kind code may be of any.
        raw = merged([citing, record(number, family="2"), record("EP-1-A1", family="3")], Report())
        assert len(raw.citations) == 1


def test_a_citation_without_a_kind_code_is_of_the_application_where_there_are_several() -> None:
    citing = record("US-1-A", family="9", cites=[Citation("JP S58-12345")])
    raw = merged([citing, *(record(one, family=str(at)) for at, one in enumerate(reversed(SERIES)))], Report())
    assert raw.citations[["citing_id", "cited_id"]].to_numpy().tolist() == [["9", "3"]]
    assert raw.also["JPS5812345U"] == "1" and raw.also["JPS5812345"] == "3"


def test_where_nothing_resolves_both_spellings_are_shown() -> None:
    raw = merged([record("EP-1-A1", cites=[Citation("XY.77")]), record("EP-2-A1")], Report())
    said = "'XY.77' is cited, 'EP-1-A1' is here"
    assert raw.notes["no cited number is one of the landscape's"] == [said] and raw.notes["citations kept"] == 0


def test_a_name_or_a_file_of_no_format_is_refused_in_one_line(tmp_path: Any) -> None:
    (tmp_path / "x.dat").write_text("one,two\n1,2\n")
    for name, said in (
        (None, r"no known export; it begins with 'one,two'; known "),
        ("lense", "did you mean lens"),
    ):
        with pytest.raises(UserError, match=said) as caught:
            formats.read([tmp_path / "x.dat"], name, formats.Select())
        assert "\n" not in str(caught.value)


OFFICES = ("US", "EP", "DE", "JP", "WO", "GB")


@st.composite
def planted(draw: st.DrawFn) -> tuple[list[Publication], set[frozenset[str]]]:
    """Records in any order, and which are together: each family is held together by a rule of its own."""
    records, families = [], set()
    number = 100_000
    for place in range(draw(st.integers(1, 5))):
        rule = draw(st.sampled_from(["family", "members", "priorities", "application", "number"]))
        names = []
        for member in range(draw(st.integers(1, 4))):
            number += 1
            office = draw(st.sampled_from(OFFICES))
            spelled = f"{office}-{number}-A1" if rule != "number" else f"US-{100_000 * (place + 2)}-A{member}"
            names.append(spelled)
            said: dict[str, Any] = {
                "family": {"family": f"F{place}"},
                "members": {
                    "key": f"{place}-{member}",
                    "members": draw(st.permutations([f"{place}-{i}" for i in range(5)])),
                },
                "priorities": {"priorities": draw(st.permutations([f"DE {place}1 A", f"FR {place}2 A"]))},
                "application": {"application": f"GB {place}"},
                "number": {},
            }[rule]
            language = draw(st.sampled_from(["", "en", "de", "ja"]))
            records.append(
                record(
                    spelled, row=number, **said, dates=draw(st.sampled_from([[], ["2000-01-01"], ["2001-01-01"]])),
                    title=draw(st.sampled_from([[], [Text(f"Title {number}", language)]])),
                    claims=[Text("c" * draw(st.integers(0, 3)), language, draw(st.booleans()))],
                    ipc=draw(st.lists(st.sampled_from(["A01B", "A01C", "H04L"]))),
                    cites=list(map(Citation, draw(st.lists(st.sampled_from(["US-200000", "EP 100001", "XX 1"]))))),
                )
            )  # fmt: skip
        families.add(frozenset(names))
    return records, families


@examples
@given(planted(), st.randoms(use_true_random=False))
def test_planted_families_are_found_whatever_the_order_of_records(
    drawn: tuple[list[Publication], set[frozenset[str]]], random: Any
) -> None:
    records, families = drawn
    one = merged(copy.deepcopy(records), Report())
    assert together(one) == families
    random.shuffle(records)
    other = merged(copy.deepcopy(records), Report())
    assert canonical(one) == canonical(other) and one.also == other.also
    assert {key: value for key, value in one.notes.items() if "read as" not in key} == {
        key: value for key, value in other.notes.items() if "read as" not in key
    }
