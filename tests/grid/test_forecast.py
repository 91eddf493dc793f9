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
from patent_embeddings.core.gpus import Gpu
from patent_embeddings.corpus.schemas import LENGTHS
from patent_embeddings.encoders.entries import model_entry
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
    monkeypatch.setattr(forecast.devices.gpus, "first", lambda: None)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: {0, 1})


@pytest.mark.usefixtures("two_processors")
def test_a_first_cell_is_estimated_from_its_tokens_at_the_speed_of_its_size() -> None:
    speeds_of(("processor", 22.7, 50.0, 10.0, "measured"), ("gpu", 22.7, 1e6, 1e6, "sum"))
    landscape("sim-alpha", 1000, {"tac": 349.0})
    landscape("sim-beta", 500)
    zero, tuned = cells(recipe=["zero-shot", "r1"])
    # minilm keeps 256 tokens: 1,500 families at 50 tokens a second and processor, of which there are two.
    assert forecast.estimate(zero) == (pytest.approx(1500 * 256 / 50 / 2), "as measured")
    # And 24 steps of 24 pairs of texts of 64 tokens at 10, and 96 dev pairs before the first step and four times after.
    found = forecast.estimate(tuned)
    passed = (1500 * 256 + 5 * 96 * 2 * 64) / 50 / 2
    assert found is not None and found[0] == pytest.approx(passed + 2 * 24 * 24 * 64 / 10 / 2)
    # mpnet has 109.5 / 22.7 times the parameters, and keeps 349 of its 384 tokens where that is known.
    (mpnet,) = cells(recipe=["zero-shot"], model=["mpnet"])
    slower = 109.5 / 22.7
    assert forecast.estimate(mpnet) == (
        pytest.approx((1000 * 349 + 500 * 384) * slower / 50 / 2),
        "as measured, scaled from 22.7 million parameters",
    )
    lines = forecast.forecast([zero, mpnet], [])
    assert lines[0].startswith(
        "1 of 2 cells are the first of their kind (minilm): embedding and training should take at most"
    )
    assert "one after the other, as measured (registry/speeds.yaml)" in lines[0]
    assert "(mpnet)" in lines[1] and "scaled from 22.7 million parameters" in lines[1]


def test_on_a_gpu_its_rows_count_and_no_model_is_faster_than_the_smallest(monkeypatch: pytest.MonkeyPatch) -> None:
    there = Gpu("GPU-a", 80 << 30, 9.0, "NVIDIA H100")
    monkeypatch.setattr(forecast.devices.gpus, "first", lambda: there)
    monkeypatch.setattr(forecast.devices, "_for_gpus", lambda: False)
    assert forecast.device()[0] == "processor"  # by a torch that was built for processors
    monkeypatch.setattr(forecast.devices, "_for_gpus", lambda: True)
    speeds_of(
        ("processor", 22.7, 50.0, 10.0, "measured"),
        ("gpu", 100, 2e4, 1e4, "sum"),
        ("gpu", 8000, 250.0, 80.0, "sum"),
    )
    landscape("sim-alpha", 1000)
    # Qwen has four prompts: of documents, queries, classification and clustering.
    for model, tokens, rate in (("minilm", 256, 2e4), ("qwen3-4b", 4 * 512, 500.0), ("qwen3-8b", 4 * 512, 250.0)):
        (cell,) = cells(recipe=["zero-shot"], model=[model], evaluate_on=[["sim-alpha"]])
        found = forecast.estimate(cell)
        assert found is not None and found[1].startswith("by a sum of operations")
        assert found[0] == pytest.approx(1000 * tokens / rate, rel=0.08)  # 4B has 4,020 million parameters or so


@pytest.mark.usefixtures("two_processors")
def test_tokens_of_training_are_those_that_a_computed_cell_counted() -> None:
    landscape("sim-alpha", 600)
    (cell,) = cells(recipe=["r3"], evaluate_on=[["sim-alpha"]])
    stepped, passed = forecast.tuned(cell.params, model_entry("minilm"))
    assert stepped == 24 * 2 * 24 * 64
    # Its costs said 104,292 tokens, of which 6,123 were one evaluation: it found 48 of at most 60 dev pairs.
    assert stepped + passed == pytest.approx(104_292, rel=0.1)
    assert passed / 5 == pytest.approx(6_123, rel=0.3)


@pytest.mark.usefixtures("two_processors")
def test_mining_and_a_second_pass_of_a_cached_loss_count() -> None:
    landscape("sim-alpha", 10_000)
    model = model_entry("minilm")

    def tuned(**change: list[Any]) -> tuple[float, float]:
        (cell,) = cells(evaluate_on=[["sim-alpha"]], finetune__evaluations=[1], **change)
        return forecast.tuned(cell.params, model)

    assert tuned(recipe=["zero-shot"]) == (0, 0)
    plain, hard = tuned(recipe=["r1"]), tuned(recipe=["r1-hard"])
    assert plain == (24 * 24 * 2 * 64, 2 * 96 * 2 * 64)
    # A third text a pair; 7,000 documents of the train split and 384 pairs are embedded once to mine it.
    assert hard == (24 * 24 * 3 * 64, plain[1] + (7_000 + 2 * 384) * 64)
    # 64 pairs of 64 tokens are 8,192, which a processor keeps; one pair more passes twice.
    (kept, beside), (large, twice) = (tuned(recipe=["r1"], finetune__batch=[batch]) for batch in (64, 65))
    assert beside == 2 * 4 * 64 * 2 * 64 and kept == 24 * 64 * 2 * 64
    assert twice == 2 * 4 * 65 * 2 * 64 + large


@pytest.mark.usefixtures("two_processors")
def test_sides_with_a_prompt_of_their_own_are_embedded_once_more() -> None:
    landscape("sim-alpha", 1000)
    layout.task("sim-alpha", "queries").parent.mkdir(parents=True)
    pq.write_table(pa.table({"query_id": ["q"] * 100}), layout.task("sim-alpha", "queries"))

    def encoded(model: str, **change: list[Any]) -> float:
        (cell,) = cells(recipe=["zero-shot"], model=[model], evaluate_on=[["sim-alpha"]], **change)
        return forecast.encoded(cell.params, model_entry(model))

    assert encoded("minilm") == 1000 * 256
    assert encoded("minilm", query_view=["title"]) == 1100 * 256
    # Qwen's queries have an instruction, and so do documents to be classified, and to be clustered.
    assert encoded("qwen3-0-6b") == (3 * 1000 + 100) * 512


@pytest.mark.usefixtures("two_processors")
def test_the_repositorys_table_has_a_row_for_each_device() -> None:
    rows = registry.every("speeds", forecast.Speed).values()
    assert {one.device for one in rows} == {"processor", "gpu"}
    assert all(one.training < one.encoding and one.source for one in rows)


@pytest.mark.usefixtures("two_processors")
def test_disk_is_that_of_the_vectors_of_the_landscapes_at_hand() -> None:
    landscape("sim-alpha", 1000)
    # 1,000 families of 384 float32 numbers, twice.
    found = forecast.forecast(cells(recipe=["zero-shot", "r1"]), [])
    assert found[-1] == "their vectors take about 0.0031 GB of DVC's cache"
    # Every fold embeds the same documents with the zero-shot model, each with an adapter of its own.
    folds = cells(recipe=["zero-shot", "r1"], tasks__fold=[0, 1, 2], query_view=["tac", "ta"], rerank__depth=[9, 99])
    assert len(folds) == 12
    assert forecast.forecast(folds, [])[-1] == "their vectors take about 0.0061 GB of DVC's cache"
    # Of late interaction a vector of 96 numbers for each of at most 299 tokens or so.
    late = cells(recipe=["zero-shot"], model=["answerai-colbert-small"])
    entry = model_entry("answerai-colbert-small")
    size = 4 * 1000 * entry.kept(None) * entry.dimension
    *_, room, short = forecast.forecast(late, [], free=1e6)
    assert room == f"their vectors take about {size / 1e9:.2g} GB of DVC's cache, where 0.001 GB are free"
    assert short.startswith("that is more than is free")
