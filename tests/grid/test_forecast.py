"""What a grid should take is said from cells that were computed."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from workspaces import ROOT, prepare

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import LENGTHS
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.grid import axes, forecast, speeds


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
        "3 of 3 cells should take at most 11 minutes one after the other, as cells like them took"
    ]


def test_other_models_and_landscapes_are_no_measure(monkeypatch: pytest.MonkeyPatch) -> None:
    known = finished({"r1": 7200.0}, monkeypatch, recipe=["r1"])
    assert forecast.forecast(cells(recipe=["r1"], model=["minilm", "mpnet"]), known) == [
        "1 of 2 cells should take at most 2.0 hours one after the other, as cells like them took",
        "1 of 2 cells need landscapes that are not here yet, so nothing says how long they take",
    ]
    alone = cells(recipe=["r1"], evaluate_on=[["sim-alpha"]])
    assert forecast.forecast(alone, known)[0].startswith("1 of 1 cells need landscapes")


def landscape(name: str, families: int, medians: dict[str, float] | None = None) -> None:
    path = layout.families(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"family_id": ["f"] * families}), path)
    if medians:
        layout.lengths(name).parent.mkdir(parents=True, exist_ok=True)
        rows = pd.DataFrame([(view, "median-tokens", value) for view, value in sorted(medians.items())])
        tables.write(rows.set_axis(list(LENGTHS.columns), axis=1), layout.lengths(name), LENGTHS)


def speeds_of(*rows: tuple[str, float, float, float, str]) -> None:
    keys = ("device", "parameters", "encoding", "training", "known")
    blocks = {f"row{n}": {**dict(zip(keys, row, strict=True)), "source": "a test"} for n, row in enumerate(rows)}
    layout.registry("speeds").write_text(yaml.safe_dump(blocks))
    registry._read.cache_clear()


@pytest.fixture
def two_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds.gpus, "visible", list)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("two_processors")
def test_a_first_cell_is_estimated_from_its_tokens_at_the_speed_of_its_size() -> None:
    speeds_of(("processor", 22.7, 50.0, 10.0, "measured"), ("gpu", 22.7, 1e6, 1e6, "sum"))
    landscape("sim-alpha", 1000, {"tac": 349.0})
    landscape("sim-beta", 500)
    zero, tuned = cells(recipe=["zero-shot", "r1"])
    # minilm keeps 256 tokens: 1,500 families at 50 tokens a second and processor, of which there are two.
    assert speeds.estimate(zero) == (pytest.approx(1500 * 256 / 50 / 2), "as measured")
    # And 24 steps of 24 pairs of texts of 64 tokens at 10.
    found = speeds.estimate(tuned)
    assert found is not None and found[0] == pytest.approx(1500 * 256 / 50 / 2 + 2 * 24 * 24 * 64 / 10 / 2)
    # mpnet has 109.5 / 22.7 times the parameters, and keeps 349 of its 384 tokens where that is known.
    (mpnet,) = cells(recipe=["zero-shot"], model=["mpnet"])
    slower = 109.5 / 22.7
    assert speeds.estimate(mpnet) == (
        pytest.approx((1000 * 349 + 500 * 384) * slower / 50 / 2),
        "as measured, scaled from 22.7 million parameters",
    )
    lines = forecast.forecast([zero, mpnet], [])
    assert lines[0].startswith("1 of 2 cells are the first of their kind (minilm): embedding and training estimated at")
    assert "one after the other, as measured (registry/speeds.yaml)" in lines[0]
    assert "(mpnet)" in lines[1] and "scaled from 22.7 million parameters" in lines[1]


def test_on_a_gpu_its_rows_count_and_no_model_is_faster_than_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speeds.gpus, "visible", lambda: ["GPU-a", "GPU-b"])
    speeds_of(
        ("processor", 22.7, 50.0, 10.0, "measured"),
        ("gpu", 100, 2e4, 1e4, "sum"),
        ("gpu", 8000, 250.0, 80.0, "sum"),
    )
    landscape("sim-alpha", 1000)
    for model, tokens, rate in (("minilm", 256, 2e4), ("qwen3-4b", 512, 500.0), ("qwen3-8b", 512, 250.0)):
        (cell,) = cells(recipe=["zero-shot"], model=[model], evaluate_on=[["sim-alpha"]])
        found = speeds.estimate(cell)
        assert found is not None and found[1].startswith("by a sum of operations")
        assert found[0] == pytest.approx(1000 * tokens / rate, rel=0.08)  # 4B has 4,020 million parameters or so


@pytest.mark.usefixtures("two_processors")
def test_the_repositorys_table_has_a_row_for_each_device() -> None:
    rows = registry.every("speeds", speeds.Speed).values()
    assert {one.device for one in rows} == {"processor", "gpu"}
    assert all(one.training < one.encoding and one.source for one in rows)


@pytest.mark.usefixtures("two_processors")
def test_disk_is_that_of_the_vectors_of_the_landscapes_at_hand() -> None:
    landscape("sim-alpha", 1000)
    # 1,000 families of 384 float32 numbers, twice.
    found = forecast.forecast(cells(recipe=["zero-shot", "r1"]), [])
    assert found[-1] == "their vectors take about 0.0031 GB of DVC's cache"
    # Of late interaction a vector of 96 numbers for each of at most 299 tokens or so.
    late = cells(recipe=["zero-shot"], model=["answerai-colbert-small"])
    entry = model_entry("answerai-colbert-small")
    size = 4 * 1000 * entry.kept(None) * entry.dimension
    *_, room, short = forecast.forecast(late, [], free=1e6)
    assert room == f"their vectors take about {size / 1e9:.2g} GB of DVC's cache, where 0.001 GB are free"
    assert short.startswith("that is more than is free")
