"""The format `bigquery`, held against second readers made of json and csv alone."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from harness import (
    EXPORTS,
    RIGHT,
    canonical,
    cut,
    damaged,
    examples,
    outcome,
    packed,
    read,
    row,
    spreadsheet,
    table,
)
from hypothesis import given
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import checked
from patent_embeddings.corpus.formats import bigquery
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import CUT, Source

FILES = ("bigquery.jsonl", "bigquery-nested-array.json", "bigquery-array.json", "bigquery-flat.csv")
BYTES = (EXPORTS / "bigquery.jsonl").read_bytes()
ROWS: list[dict[str, Any]] = [json.loads(line) for line in BYTES.splitlines()]
WHOLE = canonical(read(EXPORTS / "bigquery.jsonl"))
FLAT_BYTES = (EXPORTS / "bigquery-flat.csv").read_bytes()
FLAT: list[dict[str, str]] = list(csv.DictReader(io.StringIO(FLAT_BYTES.decode(), newline="")))


def publications(path: Path) -> list[Publication]:
    return list(bigquery.read(Source(path), Select()))


def written(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps(one) + "\n" for one in rows))
    return path


def said(one: dict[str, Any]) -> dict[str, Any]:
    """What a row says, by its own fields alone; values typed or in strings."""

    def texts(name: str) -> list[tuple[str, str, bool]]:
        found = [one.get(f"{name}_localized") or [], [{"text": one.get(name)}]]
        return [
            (part["text"], part.get("language") or "", str(part.get("truncated")).lower() == "true")
            for part in found[0] or found[1]
            if part.get("text")
        ]

    def date(name: str) -> str:
        digits = str(one.get(name) or 0)
        return "" if digits == "0" else f"{digits[:4]}-{digits[4:6]}-{digits[6:]}"

    cited = one.get("citation") or []
    numbers = [part for part in cited if part.get("publication_number")]
    return {
        "number": one.get("publication_number") or str(one.get("family_id") or ""),
        "family": "" if str(one.get("family_id") or 0) in ("0", "-1") else str(one["family_id"]),
        **{name: texts(name) for name in ("title", "abstract", "claims", "description")},
        "ipc": [part["code"] for part in one.get("ipc") or [] if part.get("code")],
        "cpc": [part["code"] for part in one.get("cpc") or [] if part.get("code")]
        + ([one["code"]] if one.get("code") else []),
        "dates": [date("publication_date")] if date("publication_date") else [],
        "priority": date("priority_date"),
        "applicants": [part["name"] for part in one.get("assignee_harmonized") or [] if part.get("name")],
        "cites": [
            (part["publication_number"], " ".join(filter(None, [part.get("category"), part.get("type")])))
            for part in numbers
        ],
        "literature": sum(bool(part.get("npl_text")) for part in cited if part not in numbers),
        "applications": [
            part["application_number"]
            for part in cited
            if part not in numbers and not part.get("npl_text") and part.get("application_number")
        ],
    }


def as_said(one: Publication) -> dict[str, Any]:
    return {
        "number": one.numbers[0],
        "family": one.family,
        **{
            name: [(text.text, text.language, text.truncated) for text in getattr(one, name)]
            for name in ("title", "abstract", "claims", "description")
        },
        "ipc": one.ipc,
        "cpc": one.cpc,
        "dates": one.dates,
        "priority": one.priority,
        "applicants": one.applicants,
        "cites": [(cited.number, cited.category) for cited in one.cites],
        "literature": one.literature,
        "applications": one.applications,
    }


def by_hand(rows: list[dict[str, Any]]) -> dict[str, int | str]:
    """The row of the table of right results, of rows that all have a family or none has."""
    records = [said(one) for one in rows]

    def bare(number: str) -> str:
        return "-".join(number.split("-")[:2])

    owners = {bare(one["number"]): one["family"] or bare(one["number"]) for one in records}
    kept, outside, own, literature = set(), set(), set(), 0
    for one in records:
        literature += one["literature"]
        citing = owners[bare(one["number"])]
        for number, _ in one["cites"]:
            cited = owners.get(bare(number))
            if cited is None:
                outside.add((citing, bare(number)))
            else:
                (own if cited == citing else kept).add((citing, bare(number) if cited == citing else cited))
    families: dict[str, list[dict[str, Any]]] = {}
    for one in records:
        families.setdefault(owners[bare(one["number"])], []).append(one)
    dates = sorted(min(days) for group in families.values() if (days := [day for one in group for day in one["dates"]]))
    return {
        "families": len(families),
        "publications": len({one["number"] for one in records}),
        "citations kept": len(kept),
        "outside": len(outside),
        "own": len(own),
        "npl": literature,
        **{
            name: sum(any(one[name] for one in group) for group in families.values())
            for name in ("ipc", "cpc", "abstract", "claims")
        },
        "earliest": dates[0] if dates else "",
        "latest": dates[-1] if dates else "",
    }


def changed(seed: int) -> list[dict[str, Any]]:
    """The rows with their numbers, families, dates, citations and texts exchanged, in one way for each seed."""
    rng = random.Random(seed)
    rows = json.loads(json.dumps(ROWS))
    digits = str.maketrans("0123456789", "".join(rng.sample("0123456789", 10)))
    numbers = {
        one: f"{country}-{digits_of[:4]}{digits_of[4:].translate(digits)}-{kind}"
        for one in {one["publication_number"] for one in rows}
        | {part["publication_number"] for one in rows for part in one["citation"] if part["publication_number"]}
        for country, digits_of, kind in [one.split("-")]
    }
    families = {one["family_id"]: str(rng.randrange(1, 12)) for one in rows}
    for one in rows:
        one["publication_number"] = numbers[one["publication_number"]]
        one["family_id"] = families[one["family_id"]]
        one["publication_date"] = int(f"{rng.randrange(1990, 2022)}{rng.randrange(1, 13):02}{rng.randrange(1, 29):02}")
        one["citation"] = [part for part in one["citation"] if rng.random() < 0.8]
        for part in one["citation"]:
            part["publication_number"] = numbers.get(part["publication_number"], "")
        for name in ("ipc", "cpc", "abstract_localized", "claims_localized"):
            one[name] = [] if rng.random() < 0.3 else one[name]
    return rows


def in_strings(value: Any) -> Any:
    """A value as the console saves it."""
    if isinstance(value, dict):
        return {name: in_strings(one) for name, one in value.items()}
    if isinstance(value, list):
        return [in_strings(one) for one in value]
    return str(value).lower() if isinstance(value, bool) else str(value) if isinstance(value, int) else value


@pytest.mark.parametrize("file", FILES)
def test_rows_say_what_json_and_csv_alone_read_of_them(file: str) -> None:
    text = (EXPORTS / file).read_text()
    rows = FLAT if file.endswith("csv") else json.loads(text) if text.startswith("[") else ROWS
    assert [as_said(one) for one in publications(EXPORTS / file)] == [said(one) for one in rows]
    assert row(read(EXPORTS / file)) == by_hand(rows)


@pytest.mark.parametrize("seed", range(5))
def test_table_of_changed_numbers(seed: int, tmp_path: Path) -> None:
    rows = changed(seed)
    assert table(written(tmp_path / "x", *rows)) == by_hand(rows) != RIGHT["bigquery.jsonl"]


@examples
@given(st.data())
def test_other_spellings_of_nested_rows_say_the_same(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.permutations(ROWS))
    names = data.draw(st.permutations([*ROWS[0], "art_unit", "child"]))
    rows = [{name: one.get(name, []) for name in names} for one in rows]
    rows = in_strings(rows) if data.draw(st.booleans()) else rows
    form = data.draw(st.sampled_from(["lines", "array", "printed", "printed array", "one after another"]))
    ascii_only = data.draw(st.booleans())
    texts = [json.dumps(one, ensure_ascii=ascii_only, indent=1 if "printed" in form else None) for one in rows]
    joint = {"lines": "\n", "printed": "\n", "one after another": ""}.get(form, ", ")
    text = f"[{joint.join(texts)}]" if "array" in form else joint.join(texts) + "\n"
    path = tmp_path / "x"
    path.write_bytes(data.draw(packed(text.encode())))
    assert bigquery.looks(Source(path))
    assert canonical(read(path, "bigquery")) == WHOLE


@examples
@given(st.data())
def test_other_spellings_of_flat_rows_say_the_same(tmp_path: Path, data: st.DataObject) -> None:
    rows = data.draw(st.permutations(FLAT))
    names = data.draw(st.permutations([*FLAT[0], "note", "f0_"]))
    spelled = {"code": data.draw(st.sampled_from(["code", "cpc.code", "cpc_code", "CPC Code", "cpc"]))}
    path = tmp_path / "x"
    header = [spelled.get(name, name) for name in names]
    cells = [[one.get(name, "") for name in names] for one in rows]
    if data.draw(st.booleans()):
        spreadsheet([header, *cells], path)
    else:
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=data.draw(st.sampled_from(",;\t|"))).writerows([header, *cells])
        path.write_bytes(data.draw(packed(file.getvalue().encode())))
    assert bigquery.looks(Source(path))
    found = [as_said(one) for one in publications(path)]  # a title goes on in a second line
    assert repr(found).replace(r"\r\n", r"\n") == repr([said(one) for one in rows])


BETWEEN = " \t\r\n\v\f,[]"


def whole_objects(data: bytes) -> tuple[list[dict[str, Any]], bool]:
    """Objects before the first fault, and whether only white space or the end of an array comes behind them."""
    text, at, found = data.decode("utf-8", "replace").lstrip(f"\ufeff{BETWEEN}"), 0, []
    while at < len(text):
        try:
            one, end = json.JSONDecoder().raw_decode(text, at)
        except ValueError:
            break
        found.append(one)
        at = end
        while at < len(text) and text[at] in BETWEEN:
            at += 1
    return found, at == len(text)


@examples
@given(st.data(), st.sampled_from(FILES[:3]))
def test_a_cut_file_gives_its_whole_records_and_says_so(tmp_path: Path, data: st.DataObject, file: str) -> None:
    path = tmp_path / "x"
    path.write_bytes(data.draw(cut((EXPORTS / file).read_bytes())))
    rows, clean = whole_objects(path.read_bytes())
    source = Source(path)
    if not path.stat().st_size:
        return
    assert [as_said(one) for one in bigquery.read(source, Select())] == list(map(said, rows))
    whole = clean and (file == "bigquery.jsonl" or path.read_bytes().endswith(b"]"))
    assert (CUT in source.report.counts) != whole
    assert isinstance(outcome(path, "bigquery"), str) != bool(rows)


@examples
@given(st.data())
def test_damaged_bytes_are_refused_or_read_as_json_reads_them(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x"
    path.write_bytes(data.draw(damaged(BYTES)))
    outcome(path, "bigquery")
    source = Source(path)
    try:
        found = [as_said(one) for one in bigquery.read(source, Select())]
    except UserError:
        return
    rows, clean = whole_objects(path.read_bytes())
    assert clean or CUT in source.report.counts
    rows = [one for one in map(said, rows) if one["number"]]
    assert len(rows) == len(found)
    for one, other in zip(found, rows, strict=True):
        if "dates that are none, left out" in source.report.counts:
            other |= {"dates": one["dates"], "priority": one["priority"]}
        assert one == other


@examples
@given(st.data())
def test_damaged_flat_rows_are_refused_or_read_as_csv_reads_them(tmp_path: Path, data: st.DataObject) -> None:
    path = tmp_path / "x"
    path.write_bytes(data.draw(st.one_of(damaged(FLAT_BYTES), cut(FLAT_BYTES))))
    outcome(path, "bigquery")
    source = Source(path)
    try:
        found = [as_said(one) for one in bigquery.read(source, Select())]
        rows = list(csv.reader(io.StringIO(path.read_bytes().decode(), newline=""), strict=True))
    except (UserError, UnicodeDecodeError, csv.Error):
        return
    if sheet.CUT_ROW in source.report.counts:
        rows.pop()
    if len({len(cells) for cells in rows}) == 1:
        named = [dict(zip(map(str.lower, rows[0]), cells, strict=True)) for cells in rows[1:]]
        assert found == [said(one) for one in named if one["publication_number"].strip()]


def test_shards_archives_and_parquet_say_the_same(tmp_path: Path) -> None:
    halves = [b"".join(BYTES.splitlines(True)[::2]), b"".join(BYTES.splitlines(True)[1::2])]
    folder = tmp_path / "shards"
    folder.mkdir()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for number, half in enumerate(halves):
            (folder / f"publications-{number:012}.json.gz").write_bytes(gzip.compress(half, 1))
            archive.writestr(f"{number}.json", half)
    (folder / "publications-000000000009.json.gz").write_bytes(gzip.compress(b""))
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "x.parquet")
    for name in ("shards", "x.zip", "x.parquet"):
        assert canonical(read(tmp_path / name)) == WHOLE, name


def test_none_of_a_family_is_spelled_in_many_ways(tmp_path: Path) -> None:
    ids = [-1, "-1", "-1.0", 0, "0", "", None, 7, "7", 7.0]
    rows = [{"publication_number": f"US-{number}-A", "family_id": one} for number, one in enumerate(ids, start=100)]
    assert [one.family for one in publications(written(tmp_path / "x", *rows))] == [""] * 7 + ["7"] * 3


def test_rows_without_a_number_are_named_by_their_family(tmp_path: Path) -> None:
    rows = [{"family_id": number, "title_localized": [{"text": "A plough"}], "abstract": None} for number in (0, 1, 2)]
    raw = read(written(tmp_path / "x", *rows, {"family_id": -1, "title_localized": [{"text": "A spade"}]}))
    assert list(raw.families["family_id"]) == ["0", "1", "2"]
    assert raw.notes["rows without publication number and family id, left out"].endswith("x: record 4")


def test_dates_are_numbers_texts_or_unknown(tmp_path: Path) -> None:
    days = [20130523, "20130523", "2013-05-23", "2013-05-23 00:00:00 UTC", 20130523.0, 0, "0", "", None, 20130500]
    rows = [{"publication_number": f"US-{at}-A", "publication_date": day} for at, day in enumerate(days, start=100)]
    source = Source(written(tmp_path / "x", *rows))
    found = [one.dates for one in bigquery.read(source, Select())]
    assert found == [["2013-05-23"]] * 5 + [[]] * 5
    assert source.report.notes() == {"dates that are none, left out": "1, such as 20130500"}


def test_citations_keep_category_and_type_and_the_rest_is_counted(tmp_path: Path) -> None:
    cited = [
        {"publication_number": "US-100-A", "category": "SEA", "type": "A"},
        {"publication_number": "US-100-A", "category": "APP", "type": ""},
        {"publication_number": "", "npl_text": "A book"},
        {"publication_number": "", "application_number": "US-201113112233-A"},
        {"publication_number": "", "npl_text": ""},
    ]
    source = Source(written(tmp_path / "x", {"publication_number": "US-101-A", "citation": cited}))
    (one,) = bigquery.read(source, Select())
    assert [(each.number, each.category) for each in one.cites] == [("US-100-A", "SEA A"), ("US-100-A", "APP")]
    assert (one.literature, one.applications) == (1, ["US-201113112233-A"])
    assert source.report.counts == {"citations that name nothing": 1}


def test_cells_that_hold_lists_are_read_as_json_and_python_print_them(tmp_path: Path) -> None:
    titles = [
        '[{"text": "A plough", "language": "en"}, {"text": "Ein Pflug", "language": "de"}]',
        "[{'text': 'A plough', 'language': 'en'}, {'text': 'Ein Pflug', 'language': 'de'}]",
        "[{'text': 'A plough', 'language': 'en'}\n {'text': 'Ein Pflug', 'language': 'de'}]",
    ]
    cells = [["publication_number", "title_localized", "cpc", "title"]]
    cells += [[f"US-{at}-A", title, "['A01B1/00', 'A01B3/02']", "[A plough]"] for at, title in enumerate(titles)]
    for one in publications(spreadsheet(cells, tmp_path / "x")):
        assert [(text.text, text.language) for text in one.title] == [("A plough", "en"), ("Ein Pflug", "de")]
        assert one.cpc == ["A01B1/00", "A01B3/02"]
    cells[1][1] = "[{'text': 'A plough'"
    with pytest.raises(UserError, match=r"row 1: column 'title_localized': cannot read .*; export as JSON lines"):
        publications(spreadsheet(cells, tmp_path / "x"))


def test_plain_texts_stay_what_they_are(tmp_path: Path) -> None:
    rows = [{"publication_number": "US-1-A", "title": "[A plough]", "abstract": "A plough.", "ipc": ["A01B1/00"]}]
    (one,) = publications(written(tmp_path / "x", *rows))
    assert (one.title[0].text, one.abstract[0].text, one.ipc) == ("[A plough]", "A plough.", ["A01B1/00"])


@pytest.mark.parametrize(
    ("number", "page"),
    [
        ("US-2013099542-A1", "US20130099542A1"),
        ("US-20130099542-A1", "US20130099542A1"),
        ("US-6957884-B2", "US6957884B2"),
        ("JP-2004067251-A", "JP2004067251A"),
    ],
)
def test_page_of_a_number(number: str, page: str, tmp_path: Path) -> None:
    (one,) = publications(written(tmp_path / "x", {"publication_number": number}))
    assert one.url == f"https://patents.google.com/patent/{page}"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"publication_number": "US-1-A"}\n{"publication_number": }\n', r"record 2, from line 2: not JSON"),
        ('[{"publication_number": "US-1-A"},\n{"publication_number": US-2-A}]', r"record 2, from line 2: not JSON"),
        (
            '[{"publication_number": "US-1-A"},\n{"publication_number": "US-2-A},\n{}]',
            r"record 2, from line 2: not JSON",
        ),
        ('{"publication_number": "US-1-A", "citation": [{}, "US-2-A"]}', r"record 1: nested otherwise than the table"),
        ('{"publication_number": ["US-1-A"]}', r"record 1: nested otherwise than the table"),
        ('{"publication_number": "US-1-A", "country_code": ["US"]}', r"record 1: nested otherwise than the table"),
        ('{"publication_number": "US-1-A", "family_id": "2.2E+07"}', r"family_id '2.2E\+07' was rewritten by a"),
    ],
)
def test_damage_is_named_with_its_place_and_mend(content: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_text(content)
    with pytest.raises(UserError, match=said + ".*; .*export"):
        publications(tmp_path / "x")


def test_our_own_form_is_not_taken_for_it(tmp_path: Path) -> None:
    ours = {"family_id": "F1", "title": "A plough", "abstract": "", "publication_number": "US-1-A", "cites": []}
    assert not bigquery.looks(Source(written(tmp_path / "x", ours)))
    assert not bigquery.looks(Source(written(tmp_path / "x", {"family_id": "F1", "title": "A plough", "abstract": ""})))
    pq.write_table(pa.Table.from_pylist([ours]), tmp_path / "x.parquet")
    assert not bigquery.looks(Source(tmp_path / "x.parquet"))


def test_files_that_overlap_and_empty_ones(tmp_path: Path) -> None:
    lines = BYTES.splitlines(keepends=True)
    shards = {"0": b"", "1": gzip.compress(b"".join(lines[10:])), "2": b"".join(lines[:15]), "3": gzip.compress(b"")}
    for name, data in shards.items():
        (tmp_path / name).write_bytes(data)
    raw = checked(formats.read([tmp_path / name for name in shards], None, Select()), "shards")
    assert canonical(raw) == WHOLE
    assert row(raw) == RIGHT["bigquery.jsonl"]
    assert raw.notes["files that are empty, left out"] == "2, such as 0"
    assert str(raw.notes["records that are there twice, read once"]).startswith("5, such as ")
    with pytest.raises(UserError, match="0: is empty"):
        formats.read([tmp_path / "0", tmp_path / "3"], None, Select())


def test_one_row_a_citation(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(
        "publication_number,family_id,citation_publication_number,citation_npl_text\n"
        "US-100-A,1,US-200-A,\nUS-100-A,1,,A book\nUS-100-A,1,,Another\nUS-200-A,2,,\n"
    )
    raw = read(tmp_path / "x")
    assert raw.citations[["citing_id", "cited_id"]].values.tolist() == [["1", "2"]]
    assert raw.notes["citations dropped, literature"] == 2
    assert "citations that name nothing" not in raw.notes


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("citation", "US-200-A, EP-300-A"),
        ("citation", "US-200-A;EP-300-A"),
        ("citation", '["US-200-A", "EP-300-A"]'),
        ("citation.publication_number", "US-200-A,EP-300-A"),
        ("citation_publication_number", '["US-200-A","EP-300-A"]'),
        ("citation_publication_numbers", "['US-200-A' 'EP-300-A']"),
        ("citation_publication_numbers", ["US-200-A", "EP-300-A"]),
    ],
)
def test_a_cell_with_all_that_is_cited(column: str, cell: str | list[str], tmp_path: Path) -> None:
    rows = [{"publication_number": f"{number}-A", "family_id": number} for number in ("US-100", "US-200", "EP-300")]
    if isinstance(cell, list):
        path = written(tmp_path / "x", *(one | {column: cell if one is rows[0] else []} for one in rows))
    else:
        cells = [[*one.values(), cell if one is rows[0] else ""] for one in rows]
        path = spreadsheet([["publication_number", "family_id", column], *cells], tmp_path / "x")
    raw = read(path)
    assert raw.citations[["citing_id", "cited_id"]].values.tolist() == [["US-100", "EP-300"], ["US-100", "US-200"]]


def test_parts_that_are_listed_in_two_columns_are_put_together(tmp_path: Path) -> None:
    parts = {"citation_publication_number": ["US-200-A", "EP-300-A"], "citation_category": ["SEA", "APP"]}
    (one,) = publications(written(tmp_path / "x", {"publication_number": "US-100-A", "title_text": "[A pump]"} | parts))
    assert [(each.number, each.category) for each in one.cites] == [("US-200-A", "SEA"), ("EP-300-A", "APP")]
    assert [text.text for text in one.title] == ["[A pump]"]


@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_columns_that_a_query_named_itself_are_said_and_those_of_the_table_are_not(form: str, tmp_path: Path) -> None:
    rows = [ROWS[0] | {"cited": "US-200-A", "cited_by": "1", "citation_0_filing_date": "1"}]
    path = written(tmp_path / "x", *rows)
    if form == "csv":
        path = spreadsheet([list(rows[0]), [json.dumps(cell) for cell in rows[0].values()]], path)
    elif form == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    source = Source(path)
    list(bigquery.read(source, Select()))
    assert source.report.notes()[bigquery.UNREAD] == "1, such as cited"


def test_where_no_row_is_a_publication_what_was_counted_is_said(tmp_path: Path) -> None:
    (tmp_path / "x").write_text(json.dumps({"0": ROWS[0]}))
    with pytest.raises(UserError, match="no publication in it; rows without publication number and family id"):
        read(tmp_path / "x")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("file", ["bigquery.jsonl", "bigquery-array.json"])
def test_json_in_utf16_as_shells_of_windows_write_it(file: str, encoding: str, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes((EXPORTS / file).read_text(encoding="utf-8").encode(encoding))
    raw = read(tmp_path / "x")
    assert row(raw) == RIGHT[file] and raw.notes["files in UTF-16 or UTF-32"] == 1
