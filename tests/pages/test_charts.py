"""Pictures: one spec for the page, `dvc plots` and the figure in git."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import vl_convert

from patent_embeddings.core import layout
from patent_embeddings.evaluation.systems import RETRIEVAL
from patent_embeddings.pages import charts
from patent_embeddings.pages.cell import pictures
from patent_embeddings.pages.cell.plot import ANCHOR
from patent_embeddings.pages.colours import COLOURS

ROOT = Path(__file__).resolve().parents[2]


def rows(name: str, numbers: type = float) -> list[dict[str, Any]]:
    """Rows of a picture with two systems (or settings); `numbers` may be str, as DVC reads CSV."""
    panels = [{"panel": "here, 9 test queries"}, {"panel": "there, 8 test queries"}]
    interval = {"value": numbers(0.5), "ci_low": numbers(0.4), "ci_high": numbers(0.6)}
    floor = {"value": numbers(0.2), "ci_low": numbers(0.1), "ci_high": numbers(0.3)}
    own, weighed = {"label_set": "own"}, {"method": "interpolation", "split": "test"}
    binned = [
        {"system": "bm25", "bin": "1", "first": numbers(1), "n": numbers(9), **floor},
        {"system": "bm25", "bin": "2+", "first": numbers(2), "n": numbers(8), **interval},
    ]
    bodies: dict[str, list[dict[str, Any]]] = {
        "headline": [{"system": "bm25", **floor}, {"system": "dense", **interval}],
        "inout": [{"system": "dense", "scope": "in", **interval}, {"system": "dense", "scope": "out", **floor}],
        "classification": [{**own, "system": "probe", **interval}, {**own, "system": "prior", **floor}],
        "clustering": [{**own, "system": "kmeans", **interval}, {**own, "system": "random", **floor}],
        "fusion": [
            {**weighed, "setting": numbers(0.0), "value": numbers(0.4), "mark": ""},
            {**weighed, "setting": numbers(1.0), "value": numbers(0.5), "mark": "chosen"},
        ],
        **dict.fromkeys(("words", "relevant", "years"), binned),
        "training": [
            {"split": "dev", "optimiser_step": numbers(1), "loss": numbers(2.0)},
            {"split": "dev", "optimiser_step": numbers(2), "loss": numbers(1.0)},
        ],
    }  # fmt: skip
    return [
        {**body, **panel} if name != "training" else body
        for panel in panels[: 1 if name == "training" else 2]
        for body in bodies[name]
    ]


def drawn(name: str, data: list[dict[str, Any]]) -> str:
    spec = charts.filled(pictures.PLOTS[name].spec, data)
    return vl_convert.vegalite_to_svg(spec)


def points(svg: str) -> int:
    """Point marks in a picture (legends are set with another role)."""
    groups = re.findall(r'<g class="mark-symbol role-mark[^>]*>(.*?)</g>', svg, flags=re.S)
    return sum(group.count("<path") for group in groups)


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_template_in_the_repository_is_what_the_code_makes(name: str) -> None:
    committed = json.loads((ROOT / layout.template(name)).read_text(encoding="utf-8"))
    assert committed == pictures.PLOTS[name].spec, "run `python -m stages.report --templates`"


def test_page_of_dvc_plots_is_what_the_code_makes() -> None:
    assert (ROOT / layout.TEMPLATE_PAGE).read_text(encoding="utf-8") == charts.template_page(), (
        "run `python -m stages.report --templates`"
    )
    assert "{plot_divs}" in charts.template_page()


def test_script_cannot_end_its_element() -> None:
    assert "</script" not in charts.script().lower()
    assert "<!--" not in charts.script()


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_every_row_is_drawn(name: str) -> None:
    data = [{**row, "rev": "cell"} for row in rows(name)]
    marked = len(data) if name != "fusion" else sum(bool(row["mark"]) for row in data)
    assert points(drawn(name, data)) == marked


def test_legend_of_a_cell_names_the_systems_that_it_has() -> None:
    plot = pictures.PLOTS["words"]
    cell: Any = SimpleNamespace(name="cell")
    svg = vl_convert.vegalite_to_svg(plot.of(cell, rows("words")))
    named = set(re.findall(r">([a-z0-9]+)</text>", svg)) & set(RETRIEVAL)
    assert named == {"bm25"} and COLOURS["bm25"] in svg
    dense = [{**row, "system": "dense"} for row in rows("words")]
    assert COLOURS["dense"] in vl_convert.vegalite_to_svg(plot.of(cell, dense))


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_a_picture_of_one_cell_has_no_legend_of_cells(name: str) -> None:
    cell: Any = SimpleNamespace(name="minilm, r3")
    svg = vl_convert.vegalite_to_svg(pictures.PLOTS[name].of(cell, rows(name)))
    assert ">cell</text>" not in svg and ">minilm, r3</text>" not in svg


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_numbers_as_text_draw_the_same_picture(name: str) -> None:
    numbers = drawn(name, [{**row, "rev": "cell"} for row in rows(name)])
    text = drawn(name, [{**row, "rev": "cell"} for row in rows(name, str)])
    assert text == numbers


def test_point_and_interval_lie_where_the_score_says() -> None:
    """Bounds 0.4 and 0.6 lie at equal distances on both sides of 0.5, and 0.2 at a third of 0.6."""
    graph = vl_convert.vegalite_to_scenegraph(
        charts.filled(pictures.PLOTS["headline"].spec, [{**row, "rev": "cell"} for row in rows("headline")])
    )
    found: dict[str, list[dict[str, Any]]] = {"rule": [], "symbol": []}

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            if node.get("marktype") in found and node.get("role") == "mark":
                found[node["marktype"]] += node["items"]
            for value in node.values():
                walk(value)
        elif isinstance(node, list):
            for value in node:
                walk(value)

    walk(graph)
    low, high = sorted({point["x"] for point in found["symbol"]})
    dense = next(rule for rule in found["rule"] if max(rule["x"], rule["x2"]) > high)
    assert low / high == pytest.approx(0.2 / 0.5)
    assert dense["x"] / high == pytest.approx(0.4 / 0.5)
    assert dense["x2"] / high == pytest.approx(0.6 / 0.5)


@pytest.mark.parametrize("name", pictures.PLOTS)
def test_dvc_fills_the_template_and_two_revisions_stay_apart(name: str, tmp_path: Path) -> None:
    from dvc_render.vega import VegaRenderer

    (tmp_path / f"{name}.json").write_text(json.dumps(pictures.PLOTS[name].spec), encoding="utf-8")
    data = [{**row, "rev": rev, "step": i} for rev in ("HEAD", "workspace") for i, row in enumerate(rows(name, str))]
    renderer = VegaRenderer(data, name, template=name, template_dir=str(tmp_path), x="step", y="value")
    filled = renderer.get_filled_template(strict=False)
    assert ANCHOR not in json.dumps(filled)
    svg = vl_convert.vegalite_to_svg(filled)
    assert "HEAD" in svg
    assert "workspace" in svg
    assert points(svg) == 2 * points(drawn(name, [{**row, "rev": "cell"} for row in rows(name)]))
