"""Queries and judgements of the user's own: every form of a file gives the same tables, and faults are one line."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import ASKED, RELATIONS
from patent_embeddings.corpus.user import judgement_files, stored_judgements

FAMILIES = frame(
    [
        {"family_id": "F1", "publications": ["US-2013099542-A1", "EP-2970120-A1"]},
        {"family_id": "F2", "publications": ["WO 2002/082709 A1"]},
        {"family_id": "F3", "publications": ["EP 1169021 A1"]},
        {"family_id": "US-5608294-B1"},
    ]
)
QUESTIONS = [
    {"query_id": "q1", "text": "a pump; with a seal, \"tight\"", "ipc": "A61M 1/00; F04B", "date": "2019-05-01"},
    {"query_id": "q2", "text": "eine Dichtung für Ventile", "ipc": "", "date": ""},
]  # fmt: skip
JUDGED = [("q1", "US 2013/0099542 A1", 2), ("q1", "WO02082709", 0), ("q2", "EP1169021", 3), ("q2", "US5608294", 1)]
WANTED = [("q1", "F1", 2), ("q1", "F2", 0), ("q2", "F3", 3), ("q2", "US-5608294-B1", 1)]
HEADER = ("query_id", "family_id", "relevance")


def quoted(cell: Any, delimiter: str = ",") -> str:
    text = str(cell)
    return '"' + text.replace('"', '""') + '"' if any(sign in text for sign in (delimiter, '"', "\n")) else text


def table(rows: list[dict[str, Any]], delimiter: str = ",", end: str = "\n") -> str:
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    return "".join(delimiter.join(quoted(cell, delimiter) for cell in line) + end for line in lines)


def workbook(rows: list[dict[str, Any]]) -> bytes:
    """An .xlsx of a header and rows, by its XML."""
    import io
    from xml.sax.saxutils import escape

    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    cells = "".join(
        "<row>" + "".join(f'<c t="inlineStr"><is><t>{escape(str(cell))}</t></is></c>' for cell in line) + "</row>"
        for line in lines
    )
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types"><Default Extension="rels" ContentType='
        '"application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/xl/workbook.xml" '
        f'ContentType="{kind}.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" '
        f'ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets><sheet name="one" sheetId="1" '
        'r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/></Relationships>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{cells}</sheetData></worksheet>',
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name, text in parts.items():
            archive.writestr(name, text)
    return stream.getvalue()


def read(folder: Path, questions: str | bytes | None, judged: str | bytes, **also: str) -> Any:
    paths = []
    for name, content in (("questions.x", questions), ("judged.y", judged)):
        path = folder / name
        paths.append(path if content is not None else None)
        if content is not None:
            path.write_bytes(content.encode() if isinstance(content, str) else content)
    return judgement_files.read(paths[0], paths[1], FAMILIES, also)  # type: ignore[arg-type]


def judgements(relations: pd.DataFrame) -> list[tuple[str, str, int]]:
    return list(relations[list(HEADER)].itertuples(index=False, name=None))


ROWS = [dict(zip(HEADER, row, strict=True)) for row in JUDGED]
BEIR = [dict(zip(("query-id", "corpus-id", "score"), row, strict=True)) for row in JUDGED]
TREC = "".join(f"{query} 0 {document} {grade}\n" for query, document, grade in JUDGED)
FORMS = {
    "csv": (table(QUESTIONS), table(ROWS)),
    "semicolons": (table(QUESTIONS, ";"), table(ROWS, ";")),
    "tabs, CRLF": (table(QUESTIONS, "\t", "\r\n"), table(ROWS, "\t", "\r\n")),
    "CR, BOM": ("\ufeff" + table(QUESTIONS, end="\r"), "\ufeff" + table(ROWS, end="\r")),
    "json lines": ("\n".join(map(json.dumps, QUESTIONS)), "\n".join(map(json.dumps, ROWS))),
    "array": (json.dumps(QUESTIONS, indent=2), json.dumps(ROWS)),
    "spreadsheet": (workbook(QUESTIONS), workbook(ROWS)),
    "gzip": (gzip.compress(table(QUESTIONS).encode()), gzip.compress(TREC.encode())),
    "windows": (table(QUESTIONS).encode("cp1252"), TREC),
    "trec by tabs": (table(QUESTIONS), TREC.replace(" 0 ", "\tQ0\t").replace("A1 2", "A1\t2").replace("709 0", "709\t0")
                     .replace("021 3", "021\t3").replace("294 1", "294\t1")),
    "german": (table(QUESTIONS, ";"), table([one | {"relevance": f"{one['relevance']},0"} for one in ROWS], ";")),
    "beir": (table(QUESTIONS), table(BEIR, "\t")),
    "names in capitals": (table(QUESTIONS).replace("query_id,text", "ID,Question"), table(ROWS).replace("f", "F", 1)),
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same(form: str, tmp_path: Path) -> None:
    queries, relations, notes = read(tmp_path, *FORMS[form])
    assert judgements(relations) == WANTED
    assert queries["query_id"].tolist() == ["q1", "q2"]
    assert queries["text"].tolist() == [QUESTIONS[0]["text"], QUESTIONS[1]["text"]]
    assert [list(codes) for codes in queries["ipc"]] == [["A61M1/00", "F04B"], []]
    assert queries["date"].tolist() == ["2019-05-01", ""]
    assert notes["judgements by grade"] == "1 of 0, 1 of 1, 1 of 2, 1 of 3"


def test_topics_are_lines_of_an_id_a_tab_and_a_text(tmp_path: Path) -> None:
    _, _, notes = read(tmp_path, "query_id,title,text,who\nq1,Pumps,a pump,me\nq2,Valves,valves,me\n", TREC)
    assert notes["columns of the queries ignored"] == ["title", "who"]
    queries, relations, _ = read(tmp_path, "q1\ta pump\twith a tab\nq2\tvalves\n", TREC)
    assert queries["text"].tolist() == ["a pump with a tab", "valves"] and judgements(relations) == WANTED


@pytest.mark.parametrize(
    "listed", ["F1\nEP 1169021 A1\n", "family_id\nF1\nF3\n", "query_id;text\nUS20130099542;\nF3;\n"]
)
def test_queries_may_be_families_or_numbers(listed: str, tmp_path: Path) -> None:
    qrels = "F1 0 F2 1\nEP-1169021-A1 0 US 2013/0099542 A1 2\nF1 0 F1 1\nF2 0 F1 1\n"
    queries, relations, notes = read(tmp_path, listed, qrels)
    assert queries.empty and judgements(relations) == [("F1", "F2", 1), ("F3", "F1", 2)]
    assert notes["judgements of a query's own family, left out"].startswith("1, ")
    assert notes["judgements of queries that are not among the queries, left out"] == "1, such as F2"


def test_without_a_file_the_queries_of_the_judgements_are_families(tmp_path: Path) -> None:
    queries, relations, _ = read(tmp_path, None, "EP 1169021 A1 0 WO 2002/082709 A1 4\nF1 0 F3 -2\n")
    assert queries.empty and judgements(relations) == [("F1", "F3", 0), ("F3", "F2", 4)]


def test_of_two_grades_of_a_family_the_higher_counts_and_it_is_said(tmp_path: Path) -> None:
    judged = "q1 0 F1 1\nq1 0 EP2970120A1 3\nq1 0 US2013099542 2\nq1 0 F2 1\nq1 0 WO2002082709 1\nq1 0 ZZ1 1\n"
    _, relations, notes = read(tmp_path, "q1\ta pump\nq2\tnothing\n", judged)
    assert judgements(relations) == [("q1", "F1", 3), ("q1", "F2", 1)]
    higher = "judgements of one family with two grades, of which the higher counts"
    assert notes[higher] == "2, such as 'F1' for 'q1'"
    assert notes["judgements of one family given twice, counted once"] == "1, such as 'F2' for 'q1'"
    assert notes["judged documents that no family of the landscape is, left out"] == "1, such as 'ZZ1' for 'q1'"
    assert notes["queries without judgements, not scored"] == "1, such as 'q2'"


def test_a_number_that_only_another_source_knows_is_resolved(tmp_path: Path) -> None:
    _, relations, _ = read(tmp_path, "q1\ta pump\n", "q1 0 JP H10-123456 A 1\n", JPH10123456A="F2")
    assert judgements(relations) == [("q1", "F2", 1)]


def test_documents_without_a_grade_are_relevant_and_that_is_said(tmp_path: Path) -> None:
    _, relations, notes = read(tmp_path, "id,question\n1,a pump\n", "query,patent\n1,F1\n1,F2\n")
    assert judgements(relations) == [("1", "F1", 1), ("1", "F2", 1)]
    assert notes["documents named without a grade, taken for relevant"] == 2


def test_of_two_columns_of_grades_or_families_the_one_that_is_not_read_is_named(tmp_path: Path) -> None:
    judged = "query_id,family_id,publication,relevance,grade\nq1,F1,US5608294,0,3\nq1,F2,US5608294,1,1\n"
    _, relations, notes = read(tmp_path, "q1\ta pump\n", judged)
    assert judgements(relations) == [("q1", "F1", 0), ("q1", "F2", 1)]
    assert notes["columns of the judgements ignored"] == ["publication", "grade"]


def test_rows_that_are_not_judged_yet_are_left_out_and_counted(tmp_path: Path) -> None:
    judged = "query_id,family_id,relevance\nq1,F1,2\nq1,F2,\nq2,F3, \nq1,F3,0\n"
    _, relations, notes = read(tmp_path, "q1\ta pump\nq2\ta valve\n", judged)
    assert judgements(relations) == [("q1", "F1", 2), ("q1", "F3", 0)]
    assert notes["rows whose grade is empty, not judged, left out"] == "2, such as 'F2' for 'q1'"
    assert notes["queries without judgements, not scored"] == "1, such as 'q2'"


def test_a_line_of_several_words_is_a_question(tmp_path: Path) -> None:
    """Numbered by its line; the number of a publication, however it is spelled, is that and never a question."""
    lines = "How does a pump start?\n\nEP 1169021 A1\nin-vehicle 5G antenna\nx7\ta valve\n"
    queries, relations, _ = read(tmp_path, lines, "q1 0 F1 1\nq3 0 F2 1\nF3 0 F1 2\nx7 0 F3 1\n")
    assert dict(zip(queries["query_id"], queries["text"], strict=True)) == {
        "q1": "How does a pump start?", "q3": "in-vehicle 5G antenna", "x7": "a valve"
    }  # fmt: skip
    assert judgements(relations) == [("F3", "F1", 2), ("q1", "F1", 1), ("q3", "F2", 1), ("x7", "F3", 1)]
    for wrong in (
        "EP 9999999 A1",
        "US 2013/0000001 A1",
        "WO 2002/000001",
        "pump",
        "q1,a pump that starts",
        "q1;a pump",
        "q2 a pump that starts",
        "Q2: a pump",
    ):
        with pytest.raises(UserError, match="has no text and is no family"):
            read(tmp_path, f"a first question\n{wrong}\n", "q1 0 F1 1\n")


@pytest.mark.parametrize("name", ["1,3-butadiene", "N,N'-methylenebisacrylamide", "2,2′,4a-substituted", "2,4-D"])
def test_a_question_may_begin_with_a_name_of_chemistry(tmp_path: Path, name: str) -> None:
    """Whose locants are no cells of a table without a header."""
    queries, _, _ = read(tmp_path, f"how is it made\n{name} as a monomer\n", "q2 0 F1 1\n")
    assert queries["text"].tolist()[-1] == f"{name} as a monomer"


def test_only_numbers_of_publications_have_other_spellings(tmp_path: Path) -> None:
    """An id without a digit, or one that ends like a kind code, stands for itself alone; a number of two for none."""
    families = frame(
        [{"family_id": name} for name in ("pump", "valve", "F12A", "100")]
        + [{"family_id": f"N{number}", "publications": ["EP-1234567-A1"]} for number in (1, 2)]
    )
    judged = "alpha 0 valve 2\nbeta 0 pump 0\n"
    judged += "".join(f"alpha 0 {name} 3\n" for name in ("zebra", "F12C", "0100", "EP1234567"))
    for name, text in (("q", "alpha\ta pump\nbeta\ta lamp\n"), ("j", judged)):
        (tmp_path / name).write_text(text)
    _, relations, notes = judgement_files.read(tmp_path / "q", tmp_path / "j", families, {})
    assert judgements(relations) == [("alpha", "valve", 2), ("beta", "pump", 0)]
    assert notes["judged documents that no family of the landscape is, left out"] == "3, such as 'zebra' for 'alpha'"
    shared = "judged documents whose number several families have, left out"
    assert notes[shared] == "1, such as 'EP1234567' for 'alpha'"
    assert notes["queries without a relevant family, not scored"] == "1, such as 'beta'"


@pytest.mark.parametrize(
    ("questions", "judged", "said"),
    [
        ("q1\ta pump\nq2\n", TREC, r"questions.x: line 2: query 'q2' has no text and is no family"),
        ("F1\ta pump\n", TREC, r"line 1: query 'F1' has a text, and its id names a family"),
        ("EP2970120A1\ta pump\n", TREC, "its id names a family"),
        ("q1,a pump\n", TREC, "query 'q1,a pump' has no text .*write a table with the columns query_id and text"),
        ("q1\ta\nq1\tb\n", TREC, "line 2: query 'q1' is also in line 1"),
        ("q 1\ta\n", TREC, "query id 'q 1': ids have no blank"),
        ("query_id,text\n,a\n", TREC, "row 1: the query has no id"),
        ("query_id,text,date\nq1,a,1.5.2019\n", TREC, "row 1: date '1.5.2019' is not an ISO date"),
        ("", TREC, "no query in it"),
        ('{"query_id": "q1", "text": "a \\ud800 pump"}', TREC, "text of query 'q1' has .* half of a surrogate"),
        (None, TREC, "judged.y: line 1: query 'q1' is no family of the landscape; .*--queries"),
        ("q1\ta\n", "q1 0 F1 high\n", "line 1: the grade 'high' is no whole number"),
        ("q1\ta\n", "q1 0 F1 1.5\n", "the grade '1.5' is no whole number"),
        ("q1\ta\n", "query_id,family_id,relevance\nq1,F1,\nq1,F2,\n", r"nothing is judged yet \(rows .*: 2, such"),
        ("q1\ta\n", "query_id,family_id,relevance\nq1,F1,\nq1,ZZ,1\n", r"no judgement remains \(rows .*'ZZ'"),
        ("q1\ta\n", "query_id,family_id,relevance\nq1,,1\n", "row 1: no document is named"),
        ("q1\ta\n", "q1,F1,1\n", "line 1: 'q1,F1,1' is neither a header .* nor a line as below; write .*TREC"),
        ("q1\ta\n", "q1 0 F1 0\n", "none of 1 judgements is relevant"),
        ("q1\ta\n", "q1 0 XX9 1\n", r"no judgement remains \(judged documents that no .*: 1, such as 'XX9'"),
        ("q1\ta\n", "q1 0 1E+05 1\n", "such as '1E\\+05' for 'q1', which a spreadsheet rewrote"),
        ("q1\ta\n", "q1 0 12E5 1\n", r"such as '12E5' for 'q1'\)"),
        ("1.2E+05\n", TREC, "'1.2E\\+05' has no text and is no family of the landscape, which a spreadsheet rewrote;"),
        ("q1\ta\n", "Q1 0 F1 1\n", r"no judgement remains \(judgements of queries that .*: 1, such as Q1"),
        ("F1\n", "F1 0 F1 1\n", r"no judgement remains \(judgements of a query's own family"),
        ("<top>\n<num> q1\n", TREC, "topics as TREC has them, which are not read; write a table"),
        (workbook([{"q1": "q2", "a pump": "b"}]), TREC, r"no column 'query_id' \(its first row has q1, a pump\)"),
        ("q1\ta\n", "", "no judgement in it"),
        ("q1\ta\n", "query_id,family_id,relevant\nq1,F1,0\n", "no column 'relevance', though there are relevant"),
        ("q1\ta\n", '{"query": "q1", "family": "F1", "grade": 0}\n{"query": "q1", "family": "F2"}', "others have it"),
        ("q1\ta\n", '[{"query_id" "q1"}]', "record 1, from line 1: not JSON .*one JSON object a line"),
        ("q1\ta\n", '{"query": "q1", "relevance": 1}', "column 'family_id' is missing"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_one_line(questions: str | bytes | None, judged: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=said) as found:
        read(tmp_path, questions, judged)
    assert "\n" not in str(found.value)


@pytest.mark.parametrize(
    "judged",
    [
        json.dumps(ROWS)[:-60],
        "\n".join(map(json.dumps, ROWS))[:-5],
        table(ROWS)[:-4],
        gzip.compress(table(ROWS).encode())[:-20],
    ],
    ids=["array", "json lines", "table", "gzip"],
)
def test_a_file_that_is_cut_off_is_refused(judged: str | bytes, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"judged.y: (row 4 is cut off, or|the end of the file is missing)"):
        read(tmp_path, table(QUESTIONS), judged)
    with pytest.raises(UserError, match=r"questions.x: the end of the file is missing"):
        read(tmp_path, json.dumps(QUESTIONS)[:-60], table(ROWS))


def test_a_judgement_of_numbers_is_no_row_of_totals(tmp_path: Path) -> None:
    families = frame([{"family_id": "41124560"}, {"family_id": "67295122"}])
    (tmp_path / "q").write_text("query_id,text\nsum-1,a pump\n")
    (tmp_path / "j").write_text("query_id,family_id,relevance\nsum-1,41124560,2\nsum-1,67295122,1\nTotal,,3\n")
    _, relations, notes = judgement_files.read(tmp_path / "q", tmp_path / "j", families, {})
    assert judgements(relations) == [("sum-1", "41124560", 2), ("sum-1", "67295122", 1)]
    assert notes["rows of totals, left out"] == "1, such as row 3"


@given(data=st.data())
@settings(
    max_examples=int(os.environ.get("HYPOTHESIS_EXAMPLES", "60")),
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_a_cut_or_damaged_file_gives_its_own_rows_or_a_line(data: st.DataObject, tmp_path: Path) -> None:
    content = bytearray(str(data.draw(st.sampled_from([TREC, table(ROWS), table(ROWS, ";")]))).encode())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content)))]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(128, 255))
    try:
        _, relations, notes = read(tmp_path, table(QUESTIONS), bytes(content))
    except UserError as error:
        assert "\n" not in str(error)
        return
    found = set(judgements(relations))
    assert len(found - set(WANTED)) <= 1  # a grade, or a number, that is cut within
    assert found <= set(WANTED) or any("end" in note or "bytes" in note or "left out" in note for note in notes)


def test_what_is_kept_is_read_again_and_the_same_twice(tmp_path: Path) -> None:
    queries, relations, notes = read(tmp_path, *FORMS["csv"])
    paths = [tmp_path / f"{name}.parquet" for name in "abc"]
    for path, rows, kind in zip(paths, (queries, relations, relations), (ASKED, RELATIONS, RELATIONS), strict=True):
        stored_judgements.write(rows, kind, path, notes)
    assert paths[1].read_bytes() == paths[2].read_bytes()
    found, said = stored_judgements.read(RELATIONS, paths[1])
    assert judgements(found) == WANTED and said == notes
    assert stored_judgements.read(ASKED, paths[0])[0]["text"].tolist() == queries["text"].tolist()
    assert np.issubdtype(found["relevance"].dtype, np.int64)
