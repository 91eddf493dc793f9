"""The format `patentsview`, held against csv alone."""

from __future__ import annotations

import json
import random
import re
import shutil
import zipfile
from pathlib import Path
from typing import Any

import pytest
from harness import EXPORTS, RIGHT, canonical, examples, outcome, read, row, spreadsheet
from hypothesis import given
from hypothesis import strategies as st
from spelled import ascii_only, cells, iso, packed, spell, table

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.families import Raw, checked
from patent_embeddings.corpus.formats import patentsview
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Source

FOLDER = EXPORTS / "patentsview"
TABLES = {path.stem: path.read_bytes() for path in sorted(FOLDER.iterdir())}
ROWS = {name: cells(data, "\t") for name, data in TABLES.items()}
WHOLE = canonical(read(FOLDER))


def publications(path: Path) -> list[Publication]:
    return list(patentsview.read(Source(path), Select()))


def written(folder: Path, tables: dict[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in tables.items():
        (folder / f"{name}.tsv").write_bytes(data)
    return folder


def found(path: Path) -> dict[str, Any]:
    return {
        one.family: {
            "date": one.dates,
            **{name: ascii_only(" ".join(text.text for text in getattr(one, name))) for name in ("title", "abstract")},
            "claims": ascii_only(" ".join(text.text for text in one.claims)),
            **{name: sorted(set(getattr(one, name))) for name in ("ipc", "cpc")},
            "cites": sorted((citation.number, citation.category) for citation in one.cites),
        }
        for one in publications(path)
    }


def plain(tables: dict[str, bytes]) -> dict[str, Any]:
    """What the tables say of each patent that was not withdrawn."""
    rows = {name: table(cells(data, "\t"), ROWS[name][0]) for name, data in tables.items()}

    def of(name: str, patent: str) -> list[dict[str, str]]:
        return [line for line in rows.get(name, []) if line.get("patent_id", "").strip() == patent]

    said = {}
    for line in rows["g_patent"]:
        patent = line["patent_id"].strip()
        if not patent or line.get("withdrawn", "").strip() == "1" or patent in said:
            continue
        claims = sorted(of("g_claims_2020", patent), key=place)
        date = iso(line["patent_date"])
        said[patent] = {
            "date": [date] if date else [],
            "title": ascii_only(line["patent_title"]),
            "abstract": ascii_only(" ".join(one["patent_abstract"] for one in of("g_patent_abstract", patent))),
            "claims": ascii_only(" ".join(claim["claim_text"] for claim in claims)),
            "ipc": sorted({code(one) for one in of("g_ipc_at_issue", patent)} - {""}),
            "cpc": sorted({one["cpc_group"] for one in of("g_cpc_current", patent)} - {""}),
            "cites": sorted(
                (f"US{one['citation_patent_id'].strip()}", one.get("citation_category", ""))
                for one in of("g_us_patent_citation", patent)
                if one["citation_patent_id"].strip()
            ),
        }
    return said


def code(line: dict[str, str]) -> str:
    subclass = f"{line['section']}{line['ipc_class']:0>2}{line['subclass']}"
    group, subgroup = line.get("main_group", ""), line.get("subgroup", "")
    return (f"{subclass}{group}/{subgroup:0>2}" if group and subgroup else subclass) if line["section"] else ""


def place(claim: dict[str, str]) -> tuple[int, str]:
    number = claim.get("claim_sequence", "").strip()
    return int(number[:9]) if number.isdecimal() else 0, claim["claim_text"]


def renumbered(seed: int) -> dict[str, bytes]:
    """The tables with the last digits of every patent's number exchanged, alike in all of them."""
    exchange = str.maketrans("0123456789", "".join(random.Random(seed).sample("0123456789", 10)))
    number = re.compile(r'(?<=")((?:D|RE|\d{2})\d+)(\d{3})(?=")')
    return {
        name: number.sub(lambda hit: hit[1] + hit[2].translate(exchange), data.decode()).encode()
        for name, data in TABLES.items()
    }


def test_tables_are_known_by_their_columns(tmp_path: Path) -> None:
    seen = written(tmp_path / "x", {f"{number}.dat": data for number, data in enumerate(TABLES.values())})
    assert row(read(seen)) == RIGHT[FOLDER.name]


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_second_reader(tmp_path: Path, seed: int | None) -> None:
    tables = TABLES if seed is None else renumbered(seed)
    path = written(tmp_path / "export", tables)
    right, raw = plain(tables), read(path)
    assert found(path) == right
    pairs = {(citing, number[2:]) for citing, one in right.items() for number, _ in one["cites"]}
    assert set(zip(raw.citations["citing_id"], raw.citations["cited_id"], strict=True)) == {
        (citing, cited) for citing, cited in pairs if cited in right and cited != citing
    }


@examples
@given(st.integers(0, 1 << 32))
def test_other_spellings(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    chance = random.Random(seed)
    tables = {f"{chance.random()}": spell(rows, chance, delimiters="\t,") for rows in ROWS.values()}
    path = written(tmp_path_factory.getbasetemp() / "patentsview-respelled", tables)
    for file in path.iterdir():
        if chance.random() < 0.5:
            file.write_bytes(packed(file.read_bytes(), chance))
        else:
            with zipfile.ZipFile(file.with_suffix(".tsv.zip"), "w") as archive:
                archive.write(file, file.name)
            file.unlink()
    assert canonical(read(path)) == WHOLE


def test_a_zip_and_several_files(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name, data in TABLES.items():
            archive.writestr(f"tables/{name}.tsv", data)
    assert canonical(read(tmp_path / "all.zip")) == WHOLE
    for order in (sorted(FOLDER.iterdir()), sorted(FOLDER.iterdir(), reverse=True)):
        assert canonical(together(order)) == WHOLE
    sheet = spreadsheet(ROWS["g_patent"], tmp_path / "patents.xlsx")
    assert canonical(together([sheet, *(path for path in FOLDER.iterdir() if path.stem != "g_patent")])) == WHOLE


def together(paths: list[Path], **select: Any) -> Raw:
    return checked(formats.read(paths, None, Select(**select)), "files")


@examples
@given(st.sampled_from(sorted(TABLES)), st.floats(0, 1, exclude_max=True))
def test_cut_table_gives_its_whole_rows(tmp_path_factory: pytest.TempPathFactory, name: str, share: float) -> None:
    tables = {**TABLES, name: TABLES[name][: int(share * len(TABLES[name]))]}
    path = written(tmp_path_factory.getbasetemp() / "patentsview-cut", tables)
    raw = outcome(path, "patentsview")
    if not isinstance(raw, str):
        assert found(path) == plain(tables)
        said = ("cut", "no table used here", "tables without a row")
        assert tables[name].endswith(b"\n") or any(word in note for word in said for note in raw.notes)


@examples
@given(st.sampled_from(sorted(TABLES)), st.floats(0, 1, exclude_max=True), st.binary(min_size=1, max_size=2))
def test_damaged_table(tmp_path_factory: pytest.TempPathFactory, name: str, share: float, put: bytes) -> None:
    data, at = TABLES[name], int(share * len(TABLES[name]))
    tables = {**TABLES, name: data[:at] + put + data[at + 1 :]}
    path = written(tmp_path_factory.getbasetemp() / "patentsview-damaged", tables)
    raw = outcome(path, "patentsview")
    if not isinstance(raw, str) and "files that are no table used here, left out" not in raw.notes:
        assert clean(found(path)) == clean(plain(tables))


def clean(records: dict[str, Any]) -> list[str]:
    return sorted(ascii_only(json.dumps([name, one], ensure_ascii=False)) for name, one in records.items())


ONE = {"g_patent": "patent_id\tpatent_date\tpatent_title\n7\t2001-02-03\tT\n"}


def one(folder: Path, **tables: str) -> Publication:
    """The one patent of tables, those of `ONE` among them."""
    written(folder, {name: text.replace(" ", "\t").encode() for name, text in {**ONE, **tables}.items()})
    (found,) = publications(folder)
    return found


def test_tables_of_citations(tmp_path: Path) -> None:
    found = one(
        tmp_path / "tables",
        a="patent_id citation_sequence citation_document_number citation_category\n7 0 2004/0161234 cited~by~other\n",
        b="patent_id citation_application_id citation_country citation_category\n7 0123456 EP \n8 1 EP \n",
        c="patent_id other_reference_text\n7 Book\n7 Article\n",
        d="patent_id citation_patent_id\n7 RE29345\n7 \n",
    )
    assert {(cited.number, cited.category) for cited in found.cites} == {
        ("US2004/0161234", "cited~by~other"), ("EP 0123456", ""), ("USRE29345", ""),
    }  # fmt: skip
    assert found.literature == 2


def test_descriptions_applicants_dates_and_numbers(tmp_path: Path) -> None:
    found = one(
        tmp_path / "tables",
        a="patent_id description_text description_length\n7 Detail 6\n",
        b="patent_id draw_desc_sequence draw_desc_text\n7 10 Fig.10\n7 9 Fig.9\n",
        z="patent_id summary_text\n7 Summary\n",
        d="application_id patent_id filing_date\n09123456 7 2000-01-02\n",
        e="patent_id assignee_sequence disambig_assignee_individual_name_first disambig_assignee_individual_name_last "
        "disambig_assignee_organization\n7 1 Ann Other \n7 0   Miradrum\n",
        f="pgpub_id patent_id\n20010001234 7\n",
        g="patent_id foreign_application_id filing_date foreign_country_filed\n7 1 1999-01-02 DE\n",
    )
    assert [text.text for text in found.description] == ["Summary\nFig.9\nFig.10\nDetail"]
    assert found.applicants == ["Miradrum", "Ann Other"]
    assert (found.priority, found.also) == ("1999-01-02", ["US20010001234"])


def test_codes_whose_zeros_were_lost(tmp_path: Path) -> None:
    columns = "patent_id ipc_sequence section ipc_class subclass main_group subgroup"
    found = one(tmp_path / "tables", a=f"{columns}\n7 0 A 1 B 1 0\n7 1 F 16 K 7 17\n7 2 H 4 L  \n")
    assert found.ipc == ["A01B1/00", "F16K7/17", "H04L"]


def test_selection_reads_rows_of_wanted_patents_only() -> None:
    right = plain(TABLES)
    classed = {
        name for name, said in right.items() if any(code.startswith("A61F") for code in said["ipc"] + said["cpc"])
    }
    assert set(together([FOLDER], classes=("A61F",)).families["family_id"]) == classed
    late = {name for name, said in right.items() if said["date"][0] >= "2020-01-01"}
    assert set(together([FOLDER], since="2020-01-01").families["family_id"]) == late
    assert list(together([FOLDER], ids=frozenset({"D617157"})).families["family_id"]) == ["D617157"]
    assert len(together([FOLDER], classes=("A61F",), limit=2).families) == 2


@pytest.mark.parametrize(
    ("keep", "said"),
    [
        (["g_cpc_current"], "g_patent is missing, which lists the patents"),
        (["g_cpc_current", "g_claims_2020"], "has g_claims, g_cpc_current; g_patent is missing"),
    ],
)
def test_tables_without_the_patents(tmp_path: Path, keep: list[str], said: str) -> None:
    with pytest.raises(UserError, match=said):
        read(written(tmp_path / "tables", {name: TABLES[name] for name in keep}))


def test_what_is_no_table_used_here_is_counted_and_what_is_damaged_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "tables", {**TABLES, "g_inventor": b"patent_id\tinventor_id\n7\t1\n"})
    assert read(path).notes["files that are no table used here, left out"] == "1, such as g_inventor.tsv"
    (path / "g_claims_2020.tsv").write_bytes(b"PK\x03\x04 nothing")
    with pytest.raises(UserError, match=r"g_claims_2020\.tsv: damaged"):
        read(path)


def test_numbers_that_programs_wrote_with_a_point_or_padded(tmp_path: Path) -> None:
    tables = {
        "g_patent": "patent_id\tpatent_date\tpatent_title\n10005600.0\t2018-06-26\tA\nD500001\t2005-01-01\tB\n",
        "g_patent_abstract": "patent_id\tpatent_abstract\n010005600\tAn abstract\n",
        "g_us_patent_citation": "patent_id\tcitation_patent_id\nD0500001\t10005600.0\n",
        "g_ipc_at_issue": "patent_id\tsection\tipc_class\tsubclass\tmain_group\tsubgroup\n"
        "10005600\tA\t1.0\tG\t9.0\t4.0\nD500001\tD\t14\t02\t\t\n",
        "g_other_reference": "patent_id\tother_reference_sequence\tother_reference_text\n"
        "D500001\t0\tA book\nD500001\t1\tA book\n",
    }
    raw = read(written(tmp_path / "x", {name: text.encode() for name, text in tables.items()}))
    assert raw.families[["family_id", "abstract", "ipc"]].values.tolist() == [
        ["10005600", "An abstract", ["A01G9/04"]],
        ["D500001", "", []],  # Locarno's class of a design is none of IPC
    ]
    assert raw.citations.values.tolist() == [["D500001", "10005600", ""]]
    assert raw.notes["citations dropped, literature"] == 2


def test_a_year_that_is_a_slip_is_no_priority(tmp_path: Path) -> None:
    found = one(
        tmp_path / "tables",
        g_application="patent_id application_id filing_date\n7 1 1074-08-14\n",
        g_foreign_priority="patent_id foreign_country_filed filing_date\n7 DE 2003-01-02\n",
    )
    assert found.priority == "2003-01-02"


def test_a_table_of_patents_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    tables = {"g_patent": b"patent_id\tpatent_date\n7\t2006-01-03\n", "x": b"patent_id\tpatent_abstract\n7\tX\n"}
    with pytest.raises(UserError, match=r"g_patent\.tsv lacks the column patent_title; add it"):
        read(written(tmp_path / "tables", tables))
