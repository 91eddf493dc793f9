"""The GPU benchmark, run here at tiny sizes, and the claims of the docs about GPUs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks import accelerator, results, shapes, texts
from benchmarks.timing import Sample
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.devices import Device
from patent_embeddings.encoders.entries import model_entry

ROOT = Path(__file__).parents[1]
# Words of each page while nothing was measured on a GPU.
NOT_MEASURED = {
    "models": "These are sums, not measurements",
    "cluster": "Sums, not measurements",
    "benchmarks": "Not yet run on a GPU",
}
BOTH_WAYS = {"bert-for-patents", "me5-large", "nemotron-1b"}
QUICK = {"nemotron-1b", "qwen3-8b"}  # the seven take half a minute
MEAN = {"bert-for-patents", "me5-large", "nemotron-1b"}


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("texts") / "texts.json"
    texts.write("tac", 24, str(file))
    return str(file)


@pytest.mark.pipeline
@pytest.mark.parametrize("name", shapes.SHAPES)
def test_every_shape_has_the_parameters_of_the_model_whose_name_it_has(name: str) -> None:
    import torch
    from transformers import AutoModel

    with torch.device("meta"):
        model = AutoModel.from_config(shapes.config(name, tiny=False))
    parameters, linear = shapes.count(model)
    assert parameters / 1e6 == pytest.approx(model_entry(name).parameters, rel=0.01)
    # What is not in a linear layer is vectors of words and positions, and norms.
    words = model.get_input_embeddings().weight.numel()
    assert words < parameters - linear < 1.02 * words + 1e6


def test_memory_in_four_bits_leaves_the_vectors_of_words_as_they_are() -> None:
    shape = shapes.Shape(None, 8_000_000_000, 7_000_000_000)
    assert shape.mib("float32") == 8e9 * 4 / 2**20 and shape.mib("bfloat16") == 8e9 * 2 / 2**20
    # 64 weights of 4 bits and a scale of 8 bits; 256 scales share one of 32.
    assert shape.mib("nf4") == pytest.approx((7e9 * (4 + 8 / 64 + 32 / 64 / 256) / 8 + 1e9 * 2) / 2**20)


@pytest.mark.pipeline
@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in shapes.SHAPES]
)
def test_a_tiny_model_of_every_shape_encodes_and_trains(
    name: str, sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(accelerator, "BATCHES", (8, 16))
    monkeypatch.setattr(accelerator, "PAIRS", 4)
    monkeypatch.setattr(accelerator, "STEPS", 3)
    row = accelerator.measure(name, sample, str(tmp_path), 64, True)
    assert row["case"] == f"tiny {name}" and row["device"] == "cpu" and row["fault"] == ""
    assert float(row["parameters"]) < 1
    # Every check of a model's first use: its direction, pooling, padding side and prompts are those of the entry.
    assert row["tested"] == "passed"
    assert row["sees"] == ("both ways" if name in BOTH_WAYS else "what comes before")
    assert row["pooling"] == ("mean" if name in MEAN else "last")
    assert row["padding"] == ("right" if name in MEAN else "left")
    assert row["dtype"] == "float32" if name == "bert-for-patents" else row["dtype"] in ("bfloat16", "float32")
    assert row["frozen"] == {"bert-for-patents": "float32", "me5-large": "bfloat16", "qwen3-0-6b": "bfloat16",
                             "nemotron-1b": "bfloat16"}.get(name, "nf4")  # fmt: skip
    assert float(row["agreement"]) > 0.99  # with the library's own `encode`
    rates = ("texts_per_second", "peer_texts_per_second", "encoding_tokens_per_second", "training_tokens_per_second")
    assert all(float(row[key]) > 0 for key in (*rates, "step_seconds", "ratio"))
    assert float(row["training_texts_per_second"]) == pytest.approx(2 * 4 / float(row["step_seconds"]))


def test_agreement_is_of_what_texts_do_not_share() -> None:
    rng = np.random.default_rng(0)
    shared, own = 100 * rng.normal(size=8), rng.normal(size=(40, 8))
    assert accelerator.agreement(shared + own, 3 * (shared + own)) == pytest.approx(1)
    other = rng.normal(size=(40, 8))
    # Plain cosines would all be above .99.
    assert accelerator.agreement(shared + own, shared + other) < 0
    wrong = own.copy()
    wrong[7] = -own[7]
    assert accelerator.agreement(shared + own, shared + wrong) < -0.5


@pytest.mark.pipeline
def test_a_part_that_fails_is_named_and_the_others_are_measured(
    sample: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(accelerator, "encoding", refuse(MemoryError("CUDA out of memory. Tried\nto allocate")))
    monkeypatch.setattr(accelerator, "training", refuse(UserError("tuned on weights in 4 bits: run `pip install`")))
    row = accelerator.measure("qwen3-8b", sample, str(tmp_path), 24, True)
    assert row["fault"] == (
        "encoding: MemoryError: CUDA out of memory. Tried; "
        "training: UserError: tuned on weights in 4 bits: run `pip install`"
    )
    assert float(row["peer_texts_per_second"]) > 0 and row["ratio"] == row["agreement"] == row["step_seconds"] == ""


def refuse(error: Exception) -> Any:
    def part(*_: Any, **__: Any) -> Any:
        raise error

    return part


def read(folder: Path) -> dict[str, dict[str, str]]:
    return {row["case"]: row for row in results.read(accelerator.NAME, folder)}


def test_the_file_is_written_after_every_shape_and_what_no_longer_fits_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock, seen = [0.0], []

    def played(target: str, *, limit: float | None = None, **arguments: Any) -> Sample:
        if not target.endswith(":measure"):
            return Sample(0, 0)
        seen.append((arguments["name"], limit, set(read(tmp_path))))
        clock[0] += 30
        if arguments["name"] == "me5-large":
            raise UserError("ended with -9: Killed")
        row = dict.fromkeys(accelerator.COLUMNS, "")
        return Sample(30, 1, {**row, "case": arguments["name"], "device": "NVIDIA H200", "ratio": 1.5})

    monkeypatch.setattr(accelerator.devices, "planned", lambda: Device("cuda", "NVIDIA H200", None, True))
    monkeypatch.setattr(accelerator, "function", played)
    monkeypatch.setattr("benchmarks.accelerator.time.perf_counter", lambda: clock[0])
    accelerator.main(None, 64, 32, False, 110, tmp_path)
    first, second, third, *_ = shapes.SHAPES
    assert seen == [(first, 110, set()), (second, 80, {first}), (third, 50, {first, second})]
    found = read(tmp_path)
    assert found["me5-large"]["fault"] == "ended with -9: Killed" and found["me5-large"]["seconds"] == "30"
    assert set(found) == {first, second, third} and found[third]["ratio"] == "1.5"
    assert "kalm-gemma3-12b: not measured, 20 of 110 seconds are left" in capsys.readouterr().out
    monkeypatch.setattr(accelerator, "function", refuse(UserError("ended with -9: Killed")))
    with pytest.raises(UserError, match="Killed"):  # the texts themselves
        accelerator.main([first], 64, 32, False, 1000, tmp_path)
    monkeypatch.setattr(accelerator, "function", lambda target, *_, **__: None if "write" in target else refuse(
        UserError("ended with -9: Killed"))())  # fmt: skip
    accelerator.main([first, second], 64, 32, False, 1000, tmp_path)
    assert read(tmp_path)[first]["ratio"] == "1.5"  # a figure is not lost to a later failure


def test_full_sizes_are_not_tried_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(accelerator.devices, "planned", lambda: Device("cpu", "", None, True))
    with pytest.raises(UserError, match=r"no GPU is here.*--tiny"):
        accelerator.main(None, 64, 32, False, 110, tmp_path)


def test_the_docs_say_that_nothing_was_measured_on_a_gpu_as_long_as_that_is_true() -> None:
    gpus = {row["device"] for row in results.read(accelerator.NAME)} - {"", "cpu"}
    for name, words in NOT_MEASURED.items():
        page = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
        assert (words in page) is not bool(gpus), f"docs/{name}.md"


@pytest.mark.pipeline
def test_the_docs_sums_of_memory_are_those_of_the_shapes() -> None:
    import torch
    from transformers import AutoModel

    page = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    for name, size in (("qwen3-4b", "4B"), ("qwen3-8b", "8B"), ("kalm-gemma3-12b", "12B")):
        with torch.device("meta"):
            shape = shapes.Shape(None, *shapes.count(AutoModel.from_config(shapes.config(name, tiny=False))))
        assert f"{shape.mib('nf4') * 2**20 / 1e9:.1f} GB at {size}" in page


def test_an_unknown_shape_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="--shape bert: none of bert-for-patents, "):
        accelerator.main(["bert"], 64, 32, False, 100, tmp_path)


@pytest.mark.slow
@pytest.mark.pipeline
def test_the_command_measures_a_shape_in_a_process_of_its_own(tmp_path: Path) -> None:
    accelerator.main(["qwen3-0-6b"], 64, 24, True, 300, tmp_path)
    with (tmp_path / "accelerator.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["case"] == "tiny qwen3-0-6b" and row["fault"] == "" and float(row["step_seconds"]) > 0
