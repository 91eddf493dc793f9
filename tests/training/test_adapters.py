"""The cell's adapter is what training sealed, and goes with its recipe and model, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json
from patent_embeddings.encoders.entries import Model
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.training import adapters, tuning
from patent_embeddings.training.schemas import CURVE, SEEN
from patent_embeddings.training.values import FinetuneValues
from stages import finetune

pytestmark = pytest.mark.pipeline

PAIR = ("train", 0, 0, "section", "", "a", "b", "a pump", "a valve", [], "l")
ENTRY = registry.entry("models", "minilm", Model)


def finetuned(trains: bool, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the finetune stage leaves, its training replaced by the writing of two files."""

    def train(values: FinetuneValues, pairs: Any, folder: Path, documents: None) -> tuning.Trained:
        config = {"base_model_name_or_path": values.model.hub, "revision": values.model.revision}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        return tuning.Trained(pd.DataFrame({"split": ["train"], "step": [1], "loss": [0.5]}), "cpu", 0)

    monkeypatch.setattr(tuning, "train", train)
    pairs = pd.DataFrame([PAIR] if trains else [], columns=list(PAIRS.columns))
    tables.write(pairs.astype({"step": "int64", "position": "int64"}), layout.PAIRS, PAIRS)
    values = FinetuneValues(
        model=ENTRY, seed=0, length=32, rate=1e-4, rank=4, evaluations=2, merge=False, weight=1.0,
        hard_negatives=None,
    )  # fmt: skip
    write_json(layout.values("finetune"), values.model_dump(mode="json"))
    finetune.main()
    return layout.ADAPTER


@pytest.mark.parametrize("trains", [False, True])
def test_what_finetune_leaves_is_what_embed_takes(
    trains: bool, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finetuned(trains, monkeypatch)
    assert adapters.sealed(folder, ENTRY, trains) == (folder if trains else None)
    assert tables.read(layout.CURVE, CURVE)["loss"].tolist() == ([0.5] if trains else [])
    assert tables.read(layout.SEEN, SEEN)["family_id"].tolist() == (["a", "b"] if trains else [])


def flip(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"weightz")


def other_model(folder: Path) -> None:
    config = {"base_model_name_or_path": "else/where", "revision": None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    adapters.seal(folder)


@pytest.mark.parametrize(
    ("made", "asked", "edit", "said"),
    [
        (True, True, shutil.rmtree, "holds no adapter, but the recipe trains one"),
        (False, True, lambda _: None, "holds no adapter, but the recipe trains one"),
        (True, False, lambda _: None, "but the recipe trains nothing"),
        (
            False,
            True,
            lambda folder: (folder / "zero-shot.txt").write_text("r3"),
            "zero-shot.txt is not as training sealed it",
        ),
        (
            True,
            True,
            lambda folder: (folder / "adapter_model.safetensors").unlink(),
            "adapter_model.safetensors is not as training",
        ),
        (
            True,
            True,
            lambda folder: (folder / "adapter_config.json").unlink(),
            "adapter_config.json is not as training",
        ),
        (True, True, flip, "adapter_model.safetensors is not as training"),
        (
            True,
            True,
            lambda folder: (folder / "adapter_model.bin").write_bytes(b"x"),
            "adapter_model.bin is not as training",
        ),
        (True, True, lambda folder: (folder / "seal.json").unlink(), "is not as training sealed it"),
        (True, True, lambda folder: (folder / "seal.json").write_text("7"), "is not as training sealed it"),
        (True, True, lambda folder: (folder / "seal.json").write_text("{"), "seal.json: damaged JSON"),
        (True, True, other_model, "holds an adapter of else/where"),
    ],
    ids=[
        "absent",
        "none",
        "untrained",
        "marker",
        "no weights",
        "no settings",
        "a bit",
        "a file more",
        "no seal",
        "a list",
        "not JSON",
        "other model",
    ],
)
def test_an_adapter_that_is_not_the_recipes_is_refused(
    made: bool, asked: bool, edit: Callable[[Path], Any], said: str, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = finetuned(made, monkeypatch)
    edit(folder)
    with pytest.raises(UserError) as caught:
        adapters.sealed(folder, ENTRY, asked)
    assert said in str(caught.value) and str(folder) in str(caught.value)


def test_the_same_adapter_has_the_same_seal(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = (finetuned(True, monkeypatch) / "seal.json").read_bytes()
    assert (finetuned(True, monkeypatch) / "seal.json").read_bytes() == first
