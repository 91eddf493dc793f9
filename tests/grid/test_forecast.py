"""What a grid should take is said from cells that were computed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from workspaces import ROOT, prepare

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import axes, forecast


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(tmp_path)
    monkeypatch.chdir(tmp_path)


def cells(**change: list[Any]) -> list[Any]:
    base = yaml.safe_load((ROOT / layout.PARAMS).read_text(encoding="utf-8"))
    return axes.expand(base, {key.replace("__", "."): values for key, values in change.items()})


def finished(seconds: dict[str, float], monkeypatch: pytest.MonkeyPatch, **change: list[Any]) -> list[Any]:
    """Experiments of cells, whose stages took so long by recipe; one that is not named has lost its costs."""

    def taken(one: Any) -> float:
        if one.params.recipe not in seconds:
            raise UserError("lost")
        return seconds[one.params.recipe]

    monkeypatch.setattr(forecast.gather, "seconds", taken)
    return [SimpleNamespace(name=cell.name, params=cell.params) for cell in cells(**change)]


def test_time_is_the_median_of_cells_of_the_same_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {"zero-shot": 60.0, "r1": 240.0, "r2": 300.0, "r3": 3000.0}
    known = finished(seconds, monkeypatch, recipe=["zero-shot", "r1", "r2", "r3", "r4"])
    # A zero-shot cell takes 60 s; tuned ones 300 s, the median of 240, 300 and 3,000.
    assert forecast.forecast(cells(recipe=["zero-shot", "r1", "r4"]), known) == [
        "3 of 3 cells should take at most 11 minutes one after the other"
    ]


def test_other_models_and_landscapes_are_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    known = finished({"r1": 7200.0}, monkeypatch, recipe=["r1"])
    assert forecast.forecast(cells(recipe=["r1"], model=["minilm", "mpnet"]), known) == [
        "1 of 2 cells should take at most 2.0 hours one after the other; the others are the first of their kind"
    ]
    alone = cells(recipe=["r1"], evaluate_on=[["sim-alpha"]])
    assert forecast.forecast(alone, known)[0].startswith("no cell like these 1 was computed yet")


def test_disk_is_that_of_the_vectors_of_the_landscapes_at_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    path = layout.families("sim-alpha")
    path.parent.mkdir(parents=True)
    pq.write_table(pa.table({"family_id": ["f"] * 1000}), path)
    # 1,000 families of 384 float32 numbers, twice.
    assert forecast.forecast(cells(recipe=["zero-shot", "r1"]), [])[1:] == [
        "their vectors take about 0.0031 GB of DVC's cache"
    ]
