"""The page of a landscape: the rows of its pictures by hand, the lines that `show` says, and nothing but text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import vl_convert
from cells import HOSTILE

from patent_embeddings.core import registry
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.families import assemble
from patent_embeddings.corpus.summary import Held, grouped, held
from patent_embeddings.pages import shell
from patent_embeddings.pages.landscape import PICTURES, classes, dates, lengths, page, relevant, write

OWN = {"source": "table", "licence": "CC0-1.0", "file": "data/raw/own.parquet", "sha256": "0" * 64}


def entry(**changed: Any) -> Any:
    block = OWN | {"description": f"Pumps {HOSTILE}", "relevance": "linked"} | changed
    return registry.validated("landscapes", "own", block, Landscape)


@pytest.fixture(scope="module")
def found() -> Held:
    """Four families: a cites b (in) and c (out), b cites d, which has no code."""
    rows = [
        {
            "family_id": "a",
            "title": HOSTILE,
            "abstract": "one two three four",
            "ipc": ["F04B1/00", "F04D1/00"],
            "date": "2001-01-01",
        },
        {"family_id": "b", "title": "A valve", "ipc": ["F04B2/00", "F16K1/00"], "date": "2001-12-31"},
        {"family_id": "c", "title": "", "claims": "1. A lamp", "ipc": ["F21S1/00"], "date": "2004-02-29"},
        {"family_id": "d", "title": "A seal", "date": ""},
    ]
    return held(assemble(rows, [("a", "b"), ("a", "c"), ("b", "d")]), "cited", seed=0, fold=0)


def test_rows_of_the_pictures(found: Held) -> None:
    assert dates(found) == [{"year": 2001, "families": 2}, {"year": 2004, "families": 1}]
    assert classes(found) == [
        {"class": "F04", "families": 2}, {"class": "F16", "families": 1}, {"class": "F21", "families": 1},
    ]  # fmt: skip
    assert [(row["panel"], row["families"]) for row in lengths(found)] == [
        ("title, n = 3", 2), ("title, n = 3", 1), ("abstract, n = 1", 1), ("claims, n = 1", 1),
    ]  # fmt: skip
    assert {row["low"] for row in lengths(found) if row["panel"] == "abstract, n = 1"} == {4.0}
    assert [(row["relevant"], row["side"], row["queries"]) for row in relevant(found)] == [
        ("1", "unknown", 1), ("2", "both", 1),
    ]  # fmt: skip
    assert {name: picture.n(found) for name, picture in PICTURES.items()} == {
        "dates": 3, "classes": 3, "lengths": 4, "relevant": 2,
    }  # fmt: skip


def test_many_relevant_families_are_one_bar() -> None:
    rows = [{"family_id": f"f{number:02d}", "title": "t"} for number in range(40)]
    cites = [("f00", f"f{number:02d}") for number in range(1, 31)] + [
        ("f01", f"f{number:02d}") for number in range(2, 17)
    ]
    assert [(row["relevant"], row["queries"]) for row in relevant(held(assemble(rows, cites), "cited", 0, 0))] == [
        ("15+", 2)
    ]


@pytest.mark.parametrize("name", PICTURES)
def test_every_row_is_drawn(name: str, found: Held) -> None:
    rows = PICTURES[name].rows(found)
    svg = vl_convert.vegalite_to_svg(PICTURES[name].spec(rows))
    groups = re.findall(r'<g class="mark-rect role-mark[^>]*>(.*?)</g>', svg, flags=re.S)
    assert sum(group.count("<path") for group in groups) == len(rows)


def test_legend_names_only_the_sides_that_there_are(found: Held) -> None:
    svg = vl_convert.vegalite_to_svg(PICTURES["relevant"].spec(relevant(found)))
    assert {"both", "unknown"} == set(re.findall(r">(in only|both|out only|unknown)</text>", svg))


def test_the_page_says_what_show_says_and_is_the_same_each_time(
    found: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "script", lambda: "")
    monkeypatch.chdir(tmp_path)
    html = page("own", found, entry())
    assert html == page("own", found, entry())
    for lines in grouped(found).values():
        assert all(f"<li>{line.replace(chr(39), '&#39;')}</li>" in html for line in lines)
    assert "<script>document" not in html and "Simulated" not in html and "linked" in html
    assert set(json.loads(html.split('id="charts">')[1].split("</script>")[0])) == set(PICTURES)
    write("own", found, entry())
    assert Path("reports/landscapes/own.html").read_text(encoding="utf-8") == html


def test_simulated_landscapes_are_called_so_and_selections_are_told(
    found: Held, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "script", lambda: "")
    simulated = {"source": "simulated", "description": "d", "licence": "l", "seed": 1, "families": 600}
    one = registry.validated("landscapes", "sim", simulated, Landscape)
    assert "Simulated landscape." in page("sim", found, one)
    read = {
        "format": "uspto",
        "files": [{"name": "week.zip", "sha256": "1" * 64}],
        "select": {"classes": ["A61", "F04"]},
    }
    html = page("own", found, entry(read=read))
    assert "week.zip" in html and "classes A61, F04" in html


def test_a_landscape_without_codes_or_citations_has_fewer_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shell, "script", lambda: "")
    html = page("own", held(assemble([{"family_id": "a", "title": "t"}], []), "cited", 0, 0), entry())
    assert set(json.loads(html.split('id="charts">')[1].split("</script>")[0])) == {"lengths"}
