"""What the pages save: a picture as SVG that stands alone, its rows and every table as CSV, without a network."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from cells import write_cell
from chromium import BROWSER, opened, shape
from failures_sample import sample

from patent_embeddings.core import params
from patent_embeddings.grid import keys
from patent_embeddings.handover.sheets import Score, Sheet
from patent_embeddings.handover.spreadsheet import comma_separated, plain
from patent_embeddings.pages import shell
from patent_embeddings.pages.cell import pictures, report
from patent_embeddings.pages.cell.page import SHEETS, page
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.shell import packed

pytestmark = BROWSER
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = [
    "=1+1", "+49 30", "-1.5", "-", "-a", "@SUM(A1)", "\t=1", "＝1", "a,b", 'say "x"', "two\nlines", "old\rline", "=",
    "", "plain", "1e5", "+.5", '-x,"y"',
]  # fmt: skip


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> CellResults:
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cell")
        patch.chdir(root)
        write_cell(root)
        return report.gather(keys.report(params.load()))


@pytest.fixture(scope="module")
def made(cell: CellResults, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "index.html"
    path.write_text(page(cell), encoding="utf-8")
    return path


def saved(driver: Any, folder: Path, selector: str, by_key: bool = False) -> str:
    """What a link or button saves when it is clicked, or pressed on the keyboard."""
    driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)})
    button = driver.find_element("css selector", selector)
    driver.execute_script("arguments[0].scrollIntoView({ block: 'center' })", button)
    if by_key:
        driver.execute_script("arguments[0].focus()", button)
        assert driver.switch_to.active_element == button
        button.send_keys("\n")
    else:
        button.click()
    for _ in range(200):
        if found := [path for path in folder.iterdir() if path.suffix in (".csv", ".svg")]:
            text = found[0].read_bytes().decode("utf-8")
            found[0].unlink()
            return text
        time.sleep(0.05)
    raise AssertionError(f"{selector} saves nothing")


def read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_picture_and_every_table_can_be_saved(made: Path, chromium: Any) -> None:
    opened(chromium, made)
    figures = chromium.find_elements("css selector", "figure")
    assert len(figures) == len(chromium.find_elements("css selector", "[data-chart]")) > 5
    for figure in figures:
        names = [one.text for one in figure.find_elements("css selector", "[data-save]")]
        assert names == ["SVG", "CSV"]
    tables = chromium.find_elements("css selector", "table")
    links = chromium.find_elements("css selector", "a[download$='.csv']")
    assert len(tables) == len(links) > 5
    assert all(link.get_attribute("aria-label") for link in links)


def test_rows_of_a_picture_are_saved_in_full(made: Path, cell: CellResults, chromium: Any, tmp_path: Path) -> None:
    opened(chromium, made)
    rows = pictures.PLOTS["headline"].data(cell)
    found = read(saved(chromium, tmp_path, "figure:has([data-chart=headline]) [data-save=csv]", by_key=True))
    assert len(found) == len(rows) > 0
    for got, wanted in zip(found, rows, strict=True):
        assert got["system"] == wanted["system"]
        for name in ("value", "ci_low", "ci_high"):
            assert got[name] == "" if wanted[name] is None else float(got[name]) == wanted[name]


def test_a_table_is_saved_as_the_command_writes_it(
    made: Path, cell: CellResults, chromium: Any, tmp_path: Path
) -> None:
    opened(chromium, made)
    sheet = SHEETS["retrieval"](cell)
    assert sheet
    name = chromium.execute_script(
        "return document.querySelector('#retrieval ~ .scroll ~ .source a[download]').download"
    )
    text = saved(chromium, tmp_path, f"a[download='{name}']")
    assert text == comma_separated(sheet)
    values = [row[3].value for row in sheet.rows if isinstance(row[3], Score)]
    assert [float(row["nDCG@10"]) for row in read(text)] == values


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_picture_is_saved_as_it_stands_and_on_white(made: Path, chromium: Any, tmp_path: Path, scheme: str) -> None:
    opened(chromium, made, scheme=scheme)
    shown = chromium.execute_script("return document.querySelector('[data-chart=headline] svg').outerHTML")
    text = saved(chromium, tmp_path, "figure:has([data-chart=headline]) [data-save=svg]")
    root = ElementTree.fromstring(text)
    ground = root.find(f"{SVG}rect")
    assert ground is not None and ground.attrib["fill"] == "white"
    assert "currentColor" not in text and "http" not in text.replace("http://www.w3.org/", "")
    words = {"".join(one.itertext()) for one in root.iter(f"{SVG}text")}
    assert words == {"".join(one.itertext()) for one in ElementTree.fromstring(shown).iter(f"{SVG}text")}
    assert {"dense", "bm25"} <= words
    shape(chromium, 1280, "light")


def test_no_cell_of_a_saved_picture_is_run_by_a_spreadsheet(made: Path, chromium: Any) -> None:
    """The rule is that of Python's writer, and what is written is read back by Python's reader."""
    opened(chromium, made)
    rows = [{"text": value, "number": number} for number, value in enumerate(HOSTILE)]
    text = chromium.execute_script("return commaSeparated(JSON.parse(arguments[0]))", json.dumps(rows))
    found = list(csv.reader(io.StringIO(text)))
    assert found[0] == ["text", "number"]
    assert [row[0] for row in found[1:]] == [plain(value) for value in HOSTILE]
    assert [row[1] for row in found[1:]] == [str(number) for number in range(len(HOSTILE))]
    uneven = '[{"b": -1.5, "a": null}, {"b": 1e-7, "c": true}]'
    found = chromium.execute_script("return commaSeparated(JSON.parse(arguments[0]))", uneven)
    assert found == "b,a,c\n-1.5,,\n1e-7,,true\n"


def test_queries_are_saved_as_they_are_listed(chromium: Any, tmp_path: Path) -> None:
    data = sample(60)
    path = tmp_path / "page.html"
    path.write_text(shell.render("comparison.html.j2", {}, **compared(data)), encoding="utf-8")
    opened(chromium, path)
    (folder := tmp_path / "saved").mkdir()
    found = read(saved(chromium, folder, "[data-listed]"))
    first, second = data["compared"]
    assert {row["query"] for row in found} == {query["id"] for query in data["queries"]}
    by_id = {query["id"]: query for query in data["queries"]}
    changes = [by_id[row["query"]]["outcome"][second] - by_id[row["query"]]["outcome"][first] for row in found]
    assert [float(row["difference"]) for row in found] == changes == sorted(changes)


def compared(data: dict[str, Any]) -> dict[str, Any]:
    """What the page of a comparison is made of, with these queries and no tables."""
    nothing = Sheet(["", "n"], [["all", 1]])
    return {
        "names": ["a", "b"], "answer": [], "simulated": [], "facts": [], "left_out": [], "won": nothing, "differ": None,
        "failures": packed(data),
    }  # fmt: skip
