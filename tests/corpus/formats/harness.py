"""What tests of every format share: the right results, tables of what was read, and other spellings of a file."""

from __future__ import annotations

import atexit
import gzip
import json
import os
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import Raw, checked
from patent_embeddings.corpus.formats.selection import Select

EXPORTS = Path(__file__).resolve().parents[2] / "exports"
COLUMNS = ("families", "publications", "citations kept", "outside", "own", "npl", "ipc", "cpc", "abstract", "claims",
           "earliest", "latest")  # fmt: skip
_RIGHT = """
lens-2023.csv             18 31  0  0 0 0 17 16 16  0 2000-03-06 2021-06-08
lens-2020.csv             19 32  0  0 0 0 18 10  0  0 1997-07-10 2021-11-12
espacenet.csv             24 35  0  0 0 0 22 20  0  0 1995-08-22 2021-06-01
google-patents.csv        28 30  0  0 0 0  0  0  0  0 1995-08-26 2024-06-12
bigquery.jsonl            17 27 30 12 1 6 16 15 15 12 1996-07-18 2021-07-22
bigquery-nested-array.json 9 13  7 12 1 1  9  8  7  7 1996-07-18 2021-07-22
bigquery-array.json       20 24  0  0 0 0  0 18  0  0 - -
bigquery-flat.csv         20 24  0  0 0 0  0 18  0  0 - -
patentscope.csv           28 28  0  0 0 0 26  0  0  0 1999-01-02 2024-04-19
derwent.ciw               20 29 35 25 1 2 20  0 18  0 1999-09-21 2017-06-18
uspto-grants.xml          14 15 17 15 0 5 13  9 13 14 2005-01-06 2015-01-06
patentsview               29 29 26 31 0 0 26 26 26  9 1997-06-17 2020-12-15
hupd                       3  3  0  0 0 0  3  2  3  3 2012-07-28 2015-02-11
"""
# File -> the right row of the table.
RIGHT: dict[str, dict[str, int | str]] = {
    name: dict(zip(COLUMNS, [int(cell) if cell.isdigit() else cell.strip("-") and cell for cell in cells], strict=True))
    for name, *cells in map(str.split, _RIGHT.strip().splitlines())
}
# File -> two records that are right to the letter.
RECORDS: dict[str, list[dict[str, Any]]] = {}
for _line in (Path(__file__).parent / "records.jsonl").read_text(encoding="utf-8").splitlines():
    _record = json.loads(_line)
    RECORDS.setdefault(_record.pop("file"), []).append(_record)

EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "60"))
examples = settings(
    max_examples=EXAMPLES, deadline=None, database=None, derandomize="HYPOTHESIS_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)  # fmt: skip
REFUSED: Counter[str] = Counter()  # by reason, shown at the end of a run by hand
if "HYPOTHESIS_EXAMPLES" in os.environ:
    atexit.register(lambda: print("\n".join(f"{count:6} {why}" for why, count in REFUSED.most_common())))


def read(path: Path, name: str | None = None, **select: Any) -> Raw:
    """The landscape of one export, by the name of its format or by its looks."""
    return checked(formats.read([path], name, Select(**select)), str(path))


def outcome(path: Path, name: str | None = None) -> Raw | str:
    """The landscape, or in what words it was refused; anything but one clear line fails the test."""
    try:
        return read(path, name)
    except UserError as error:
        said = str(error)
        assert "\n" not in said and len(said) < 2000, said
        why = re.sub(r"'[^']*'|\"[^\"]*\"|[0-9][0-9,.]*", "#", said.replace(str(path), "FILE"))
        REFUSED[f"{name or 'by looks'}: {why:.110}"] += 1
        return said


def table(path: Path, name: str | None = None) -> dict[str, int | str]:
    """The row of the table of right results that reading a file gives."""
    return row(read(path, name))


def row(raw: Raw) -> dict[str, int | str]:
    """A landscape as a row of the table of right results."""
    families, notes = raw.families, raw.notes
    dates = sorted(date for date in families["date"] if date)
    dropped = {"outside": "outside the landscape", "own": "to itself", "npl": "literature"}
    return {
        "families": len(families),
        "publications": int(families["publications"].map(len).sum()),
        "citations kept": len(raw.citations),
        **{column: notes.get(f"citations dropped, {why}", 0) for column, why in dropped.items()},
        **{column: int(families[column].map(len).gt(0).sum()) for column in ("ipc", "cpc", "abstract", "claims")},
        "earliest": dates[0] if dates else "",
        "latest": dates[-1] if dates else "",
    }


def folded(text: str) -> str:
    """A text with its blanks and line breaks folded, by which texts are compared."""
    return " ".join(text.split())


def canonical(raw: Raw) -> list[Any]:
    """All that a landscape says, texts folded: equal for two spellings of one export."""
    families = [
        {
            column: folded(value) if isinstance(value, str) else [folded(entry) for entry in value]
            for column, value in family.items()
        }
        for family in raw.families.to_dict("records")
    ]
    return [families, raw.citations.to_dict("records")]


def publications(raw: Raw) -> set[str]:
    """All publications of a landscape."""
    return {number for numbers in raw.families["publications"] for number in numbers}


def check_records(raw: Raw, file: str) -> None:
    """Compare the two records of a file that are right to the letter; families by what is together, codes as sets."""
    families = {frozenset(family["publications"]): family for family in raw.families.to_dict("records")}
    for right in RECORDS["bigquery-array.json" if file == "bigquery-flat.csv" else file]:
        family = families[frozenset(right["publications"])]
        found = {
            "family_id": family["family_id"],
            "publications": right["publications"],
            "date": family["date"],
            "title": folded(family["title"]),
            **{column: sorted(family[column]) for column in ("ipc", "cpc") if right.get(column) or family[column]},
            **{
                column: f"{text[:40]}… ({len(text)})"
                for column in ("abstract", "claims", "description")
                if (text := folded(family[column]))
            },
        }
        cited = raw.citations[raw.citations["citing_id"] == family["family_id"]]
        cites = dict(zip(cited["cited_id"], cited["category"].str.split(), strict=True))
        wanted = dict(right)
        wanted_cites = {
            name: {category.removeprefix("cited by ") for category in said}
            for name, said in wanted.pop("cites", {}).items()
        }
        assert found == wanted, (found, wanted)
        assert cites.keys() == wanted_cites.keys(), (cites, wanted_cites)
        assert all(wanted_cites[name] <= set(said) for name, said in cites.items()), (cites, wanted_cites)


def packed(data: bytes) -> st.SearchStrategy[bytes]:
    """A file as other systems keep it: with a byte order mark, gzipped, with other line ends; all read the same."""
    return st.tuples(st.sampled_from([b"\n", b"\r\n"]), st.booleans(), st.booleans()).map(
        lambda drawn: _packed(data, *drawn)
    )


def _packed(data: bytes, line_end: bytes, mark: bool, compressed: bool) -> bytes:
    data = data.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\n", line_end)
    data = b"\xef\xbb\xbf" + data if mark else data
    return gzip.compress(data, 1, mtime=0) if compressed else data


def cut(data: bytes) -> st.SearchStrategy[bytes]:
    """The beginning of a file, cut at any byte."""
    return st.integers(0, len(data) - 1).map(lambda end: data[:end])


def damaged(data: bytes) -> st.SearchStrategy[bytes]:
    """A file in which some bytes were replaced, taken out or put in."""
    change = st.tuples(
        st.integers(0, len(data) - 1), st.sampled_from(["set", "out", "in"]), st.binary(min_size=1, max_size=3)
    )

    def changed(changes: list[tuple[int, str, bytes]]) -> bytes:
        result = data
        for at, what, content in sorted(changes, reverse=True):
            kept = at if what == "in" else at + len(content)
            result = result[:at] + (b"" if what == "out" else content) + result[kept:]
        return result

    return st.lists(change, min_size=1, max_size=4).map(changed)


def spreadsheet(
    rows: Sequence[Sequence[str | int | None]],
    path: Path,
    sheet: str = "Sheet1",
    hidden: str = "",
    after: str = "",
    merged: str = "",
    margin: int = 0,
    shown: str = "General",
) -> Path:
    """Write rows of text and numbers as a sheet of an .xlsx, with merged cells such as `A2:A3`.

    `hidden` is a sheet before it that is not shown, `after` one behind it; both are empty. `margin` is the number of
    empty columns on the left. `shown` is the format of numbers, such as `000000`; they are written with their places
    where there is a margin.
    """

    def written(cell: str | int | None, place: str) -> str:
        if not isinstance(cell, str):  # None is an empty cell with a format
            return f'<c {place if margin else ""} s="1">{"" if cell is None else f"<v>{cell}</v>"}</c>'
        return f'<c t="inlineStr"><is><t xml:space="preserve">{escape(cell)}</t></is></c>'

    cells = [
        "<c/>" * margin + "".join(written(cell, f'r="{chr(65 + margin + at)}{number}"') for at, cell in enumerate(row))
        for number, row in enumerate(rows, start=1)
    ]
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    package = "http://schemas.openxmlformats.org/package/2006"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    parts = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/styles.xml" ContentType="{kind}.styles+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/worksheets/empty.xml" ContentType="{kind}.worksheet+xml"/></Types>',
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        + (f'<sheet name="{hidden}" sheetId="2" state="hidden" r:id="rId2"/>' if hidden else "")
        + f'<sheet name="{escape(sheet)}" sheetId="1" r:id="rId1"/>'
        + (f'<sheet name="{after}" sheetId="3" r:id="rId2"/>' if after else "")
        + "</sheets></workbook>",
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="rId1" '
        f'Type="{office}/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" '
        f'Type="{office}/worksheet" Target="worksheets/empty.xml"/><Relationship Id="rId3" '
        f'Type="{office}/styles" Target="styles.xml"/></Relationships>',
        "xl/styles.xml": f'<styleSheet xmlns="{main}"><numFmts count="1">'
        f'<numFmt numFmtId="164" formatCode="{escape(shown)}"/></numFmts><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="164" applyNumberFormat="1"/></cellXfs></styleSheet>',
        "xl/worksheets/empty.xml": f'<worksheet xmlns="{main}"><sheetData/></worksheet>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>'
        + "".join(f'<row r="{number}">{row}</row>' for number, row in enumerate(cells, start=1))
        + "</sheetData>"
        + (f'<mergeCells count="1"><mergeCell ref="{merged}"/></mergeCells>' if merged else "")
        + "</worksheet>",
    }
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in parts.items():
            archive.writestr(name, f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{content}')
    return path


def check_variants(file: str, spell: Callable[[bytes], bytes], path: Path) -> None:
    """A file in another spelling gives the identical landscape."""
    path.write_bytes(spell((EXPORTS / file).read_bytes()))
    assert canonical(read(path)) == canonical(read(EXPORTS / file))
