"""Tables of text: whatever delimiter, quoting, encoding, line end and packing, the same cells; what is odd is said."""

from __future__ import annotations

import csv
import datetime
import gzip
import io
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from corpus.formats.harness import spreadsheet
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading import sheet
from patent_embeddings.corpus.reading.source import CUT, Source
from patent_embeddings.corpus.reading.spreadsheet import _shown as shown
from patent_embeddings.corpus.reading.text import DAMAGED, UTF16, WINDOWS

KNOWN = ("Id", "Title", "Note")
TABLE = [["1", 'Größe, "soft"; start', "a\nb | c\td"], ["2", "é", ""], ["3", "", "x"]]


def written(table: list[list[str]], delimiter: str = ",", end: str = "\n", quoting: int = csv.QUOTE_MINIMAL) -> str:
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\r\n", quoting=quoting)  # type: ignore[arg-type]
    writer.writerows([["id", "TITLE", " note "], *table])
    return text.getvalue().replace("\r\n", end)


def read(path: Path) -> tuple[list[list[str]], Source]:
    source = Source(path)
    return [list(cells.values()) for _, cells in sheet.rows(source, KNOWN).rows], source


def refused(path: Path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(UserError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)
    return str(error.value).removeprefix(f"{path}: ")


@pytest.mark.parametrize("delimiter", sheet.DELIMITERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize("above", ["", "search URL:,https://example.org/?q=x", "sep=;\n", '"Results ""of"" it";;;'])
def test_delimiter_line_end_and_header_are_found(
    tmp_path: Path, delimiter: str, end: str, quoting: int, above: str
) -> None:
    text = written(TABLE, delimiter, end, quoting)
    (tmp_path / "x").write_bytes((above.replace("\n", end) + end + text if above else text).encode())
    assert sheet.header(Source(tmp_path / "x"), KNOWN) == list(KNOWN)
    found = sheet.rows(Source(tmp_path / "x"), KNOWN)
    assert (found.names, found.delimiter, found.above) == (list(KNOWN), delimiter, above.count("\n") + bool(above))
    assert [(place, list(cells.values())) for place, cells in found.rows] == [
        (f"row {number}", row) for number, row in enumerate(TABLE, start=1)
    ]


def zipped(content: bytes) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("__MACOSX/.x", b"")
        archive.writestr("table.csv", content)
    return packed.getvalue()


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zipped])
@pytest.mark.parametrize(
    ("encoding", "said"),
    [
        *(("utf-8", []), ("utf-8-sig", []), ("cp1252", [WINDOWS])),
        *((name, [UTF16]) for name in ("utf-16", "utf-16-be", "utf-16-le", "utf-32")),
    ],
)
def test_encodings_are_found_and_said(
    tmp_path: Path, pack: Callable[[bytes], bytes], encoding: str, said: list[str]
) -> None:
    (tmp_path / "x").write_bytes(pack(written(TABLE).encode(encoding)))
    found, source = read(tmp_path / "x")
    assert found == TABLE and list(source.report.counts) == said


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_header_that_stands_again_where_files_were_joined_is_no_row(tmp_path: Path, suffix: str) -> None:
    head = ["id", "title", "note"]
    path = tmp_path / f"x{suffix}"
    if suffix == ".xlsx":
        spreadsheet([head, *TABLE, head, *TABLE], path)
    else:
        path.write_bytes(2 * written(TABLE).encode())
    found, source = read(path)
    assert found == TABLE * 2
    if suffix == ".csv":
        path.write_bytes(2 * written(TABLE, quoting=csv.QUOTE_ALL).encode("utf-8-sig"))
        found, source = read(path)
        assert found == TABLE * 2
    assert source.report.notes() == {"rows that repeat the header, left out": "1, such as row 4"}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize(
    ("head", "said"),
    [
        (["ID", " Title", "NOTE "], ""),
        (["Title", "Id", "Note"], "row 4: a header with other columns, or in another order, as where"),
        (["Id", "Note", "Title"], "row 4: a header with other columns, or in another order, as where"),
        (["Title", "Id", "a pump"], None),  # values, of which some are called as columns are
        (["Id", "a", "b"], None),
    ],
)
def test_a_header_is_found_again_in_other_letters_and_refused_in_another_order(
    tmp_path: Path, suffix: str, head: list[str], said: str | None
) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".xlsx":
        spreadsheet([[*KNOWN], *TABLE, head, *TABLE], path)
    else:
        lines = io.StringIO(newline="")
        csv.writer(lines).writerows([KNOWN, *TABLE, head, *TABLE])
        path.write_text(lines.getvalue(), newline="")
    if said:
        with pytest.raises(UserError, match=f"x{suffix}: {said}.*; take them apart"):
            read(path)
        return
    found, source = read(path)
    assert found == [*TABLE, *([head] if said is None else []), *TABLE]
    assert source.report.notes() == ({} if said is None else {sheet.HEAD_AGAIN: "1, such as row 4"})


@pytest.mark.parametrize("quoting", [csv.QUOTE_MINIMAL, csv.QUOTE_ALL])
@pytest.mark.parametrize(
    "above", ["", "search URL:,https://example.org/?q=x\n", '"Results ""of"" it";;;;\n\n"by date"\n']
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("ended", [True, False])
def test_files_put_one_behind_the_other_are_told(
    tmp_path: Path, quoting: int, above: str, mark: str, ended: bool
) -> None:
    text = mark + above + written(TABLE, quoting=quoting)
    joined = text.removesuffix("\n") + ("\n" if ended else "") + text
    if not above and ended:  # its header is no row, and that is all
        (tmp_path / "x").write_text(joined)
        assert read(tmp_path / "x")[0] == TABLE * 2
        return
    said = refused(tmp_path / "x", joined.encode())
    assert said.endswith(": several files were joined into one here; take them apart, and name each")
    assert re.match("(after )?row [2-5]:", said)


def test_damaged_bytes_are_read_with_replacement_and_counted(tmp_path: Path) -> None:
    content = written(TABLE).encode()
    (tmp_path / "x").write_bytes(content.replace(b"soft", b"s\xfft") + b"4,\xc3\xa9\xe2\x82,\n")
    found, source = read(tmp_path / "x")
    assert found[0][1] == 'Größe, "s\ufffdt"; start' and found[3] == ["4", "é\ufffd", ""]
    assert source.report.counts == {DAMAGED: 2}
    assert source.report.examples[DAMAGED].startswith('note 1,"Größe, ""s\ufffdt""')


def test_long_files_are_decoded_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("patent_embeddings.corpus.reading.text._CHUNK", 7)
    for encoding in ("utf-8", "utf-16"):
        for end in ("\n", "\r\n", "\r"):
            (tmp_path / "x").write_bytes(written(TABLE * 5, end=end).encode(encoding))
            assert read(tmp_path / "x")[0] == TABLE * 5


def test_quotes_that_are_escaped_or_letters_are_told_by_the_beginning(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('id,title,note\n1,"a \\"b\\", c",d\n2,e,f\n')
    assert read(tmp_path / "x")[0] == [["1", 'a "b", c', "d"], ["2", "e", "f"]]
    (tmp_path / "x").write_text('id\ttitle\tnote\n1\t"Smart" pump\td\n2\t5" pipe\tf\n')
    assert read(tmp_path / "x")[0] == [["1", '"Smart" pump', "d"], ["2", '5" pipe', "f"]]
    assert "after row 1: not CSV" in refused(tmp_path / "x", b'id,title,note\n1,"a, b",c\n1,"a"b,c\n')


def test_a_row_that_is_no_row_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "x"
    assert refused(path, b"id,title,note\n1,2,3\n1,2,3,4\n") == (
        "row 2: 4 fields, but the header has 3; quote fields that hold a comma"
    )
    assert refused(path, b"id\ttitle\tnote\n1\t2\n1\t2\t3\n").startswith("row 1: 2 fields, but the header has 3; give")
    assert refused(path, b"id,title,note\n1,2").startswith("row 1: 2 fields")
    assert "column 'Title' is given twice" in refused(path, b"id,title,Title,note\n1,2,3,4\n")
    swallowed = b'id,title,note\n1,2,3\n1,"2,3\n1,2,3\n1,2,3\n'
    assert refused(path, swallowed).startswith("after row 1: not CSV (a quote opens that is never closed)")


def test_a_last_column_without_a_name_is_none(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("id;title;note;\n1;2;3;\n4;5;6;")
    found, source = read(tmp_path / "x")
    assert found == [["1", "2", "3"], ["4", "5", "6"]] and not source.report.counts


@pytest.mark.parametrize("text", ["id;title;note\n1;2;3;\n4;5;6;\n", "id;title;note;\n1;2;3\n4;5;6\n"])
def test_an_empty_field_too_many_may_be_one_that_was_cut_in_two(tmp_path: Path, text: str) -> None:
    assert refused(tmp_path / "x", text.encode()).startswith("row 1: ")


def test_rows_of_empty_fields_are_none_but_count(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("id,title,note\n\n,,\n1,2,3\n")
    assert list(sheet.rows(Source(tmp_path / "x"), KNOWN).rows) == [("row 3", {"Id": "1", "Title": "2", "Note": "3"})]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_file_cut_anywhere_gives_its_complete_rows_and_says_so(tmp_path: Path, data: st.DataObject) -> None:
    end = data.draw(st.sampled_from(["\n", "\r\n", "\r"]))
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    content = written(TABLE * 3, end=end, quoting=quoting).encode(data.draw(st.sampled_from(["utf-8", "utf-16"])))
    cut = data.draw(st.integers(0, len(content)))
    (tmp_path / "x").write_bytes(content[:cut])
    source = Source(tmp_path / "x")
    if sheet.header(source, KNOWN) != list(KNOWN):
        return
    try:
        found = [list(cells.values()) for _, cells in sheet.rows(source, KNOWN).rows]
    except UserError as error:
        assert "row 0" in str(error) or "row 1:" in str(error)
        return
    whole = found if found == (TABLE * 3)[: len(found)] else found[:-1]
    assert whole == (TABLE * 3)[: len(whole)]
    if whole != found:  # its last field is cut
        assert sheet.OPEN_END in source.report.counts
    elif 0 < len(found) < 9 and content[:cut].rstrip(b"\0")[-1:] not in (b"\n", b"\r"):
        assert source.report.counts


def test_a_cut_gzip_gives_its_complete_rows(tmp_path: Path) -> None:
    rows = [[str(number), f"title {number * 7919 % 1000}", "x"] for number in range(3000)]
    packed = gzip.compress(written(rows).encode())
    (tmp_path / "x").write_bytes(packed[: len(packed) // 2])
    found, source = read(tmp_path / "x")
    assert 500 < len(found) < 2500 and found[:-1] == rows[: len(found) - 1] and source.report.counts[CUT] == 1


def test_what_is_no_such_table_has_no_header(tmp_path: Path) -> None:
    for content in (b"", b"\n\n", b"\0\1\xff" * 99, b'{"id": 1}\n', b"PK\x03\x04", b"a,b\n1,2\n"):
        (tmp_path / "x").write_bytes(content)
        try:
            assert sheet.header(Source(tmp_path / "x"), KNOWN) == []
        except UserError as error:
            assert content == b"PK\x03\x04" and "damaged" in str(error)


def test_the_first_sheet_of_a_spreadsheet_as_its_cells_show(tmp_path: Path) -> None:
    path = spreadsheet([["Our list"], [], ["id", "TITLE", "note", ""], *TABLE, ["", "", ""]], tmp_path / "x.dat")
    assert sheet.header(Source(path), KNOWN) == [*KNOWN, ""]
    found = sheet.rows(Source(path), KNOWN)
    assert found.above == 2 and [list(cells.values()) for _, cells in found.rows] == TABLE
    assert shown(20141000000.0) == "20141000000" and shown(0.5) == "0.5" and shown(True) == "TRUE"
    assert shown(datetime.datetime(2001, 2, 3)) == shown(datetime.date(2001, 2, 3)) == "2001-02-03"


def test_the_first_sheet_that_is_shown_is_read_and_the_others_are_said(tmp_path: Path) -> None:
    source = Source(spreadsheet([[*KNOWN], *TABLE], tmp_path / "x.xlsx", hidden="Notes", after="Year 2"))
    assert [list(cells.values()) for _, cells in sheet.rows(source, KNOWN).rows] == TABLE
    assert source.report.notes() == {"other sheets, not read": "2, such as Year 2"}


@pytest.mark.parametrize(("margin", "merged"), [(0, "B2:B4"), (1, "C2:C4"), (1, "A2:A4")])
def test_a_cell_merged_over_rows_stands_in_each_of_them(tmp_path: Path, margin: int, merged: str) -> None:
    table = [["1", "Pump", "a"], ["2", "", "b"], ["3", "", "c"], ["4", "", "d"]]
    source = Source(spreadsheet([[*KNOWN], *table], tmp_path / "x.xlsx", merged=merged, margin=margin))
    found = [cells[KNOWN[1]] for _, cells in sheet.rows(source, KNOWN).rows]
    assert found == (["Pump", "", "", ""] if merged[0] == "A" else ["Pump", "Pump", "Pump", ""])


@pytest.mark.parametrize(
    ("shown", "number"),
    [
        ("000000", "000012"),
        ("0000;-0000", "0012"),
        ("[$-407]0000_-", "0012"),
        ("0000\\ ;[Red]0", "0012"),
        ("General", "12"),
        ("0", "12"),
        ("0.00", "12"),
    ],
)
@pytest.mark.parametrize("margin", [0, 1])
def test_a_number_has_the_zeros_that_its_format_shows(tmp_path: Path, shown: str, number: str, margin: int) -> None:
    rows = [[], [*KNOWN], [12, "Pump", "", None], [1234567, "Valve", 5], [None] * 5]
    source = Source(spreadsheet(rows, tmp_path / "x.xlsx", hidden="Notes", margin=margin, shown=shown))
    width = len(number) if number.startswith("0") else 1
    found = [list(cells.values()) for _, cells in sheet.rows(source, KNOWN).rows]
    assert found == [[number, "Pump", ""], ["1234567", "Valve", "5".zfill(width)]]


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
@pytest.mark.parametrize("total", [["Total", "", "3"], ["", "Gesamtsumme:", "1.234,5"], ["Total: 3 results", "", ""]])
def test_a_row_of_totals_is_no_row(tmp_path: Path, suffix: str, total: list[str]) -> None:
    path = tmp_path / f"x{suffix}"
    table = [*TABLE, ["Total", "Sum of things", ""], ["4", "Total", ""]]
    if suffix == ".xlsx":
        spreadsheet([[*KNOWN], *table, total], path)
    else:
        path.write_text(written([*table, total]))
    found, source = read(path)
    assert found == table and source.report.notes() == {sheet.TOTAL: "1, such as row 6"}


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_texts_as_long_as_a_spreadsheet_keeps_are_said(tmp_path: Path, suffix: str) -> None:
    table = [["1", "Pump", "a" * 32_767], ["2", "Valve", "a" * 32_766]]
    path = tmp_path / f"x{suffix}"
    if suffix == ".xlsx":
        spreadsheet([[*KNOWN], *table], path)
    else:
        path.write_text(written(table))
    found, source = read(path)
    assert found == table and source.report.notes() == {sheet.FULL: "1, such as Note of row 1"}


def test_a_spreadsheet_that_is_damaged_or_expands_as_none_does_is_refused(tmp_path: Path) -> None:
    path = spreadsheet([["id", "title"], ["1", "2"]], tmp_path / "x.xlsx")
    whole = path.read_bytes()
    said = refused(tmp_path / "cut.xlsx", whole[: len(whole) // 2])
    assert "damaged" in said
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x", b" " * (65 << 20))
    assert "expands to 65 MiB" in refused(path, path.read_bytes())
    assert "damaged or no spreadsheet" in refused(tmp_path / "x.xls", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"x" * 600)
