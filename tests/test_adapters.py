"""The cell's adapter is what training sealed, and goes with its recipe and model, or is refused."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from patent_embeddings.core import layout, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import QUERIES, VIEW
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.training import adapters, recipes
from stages import embed, finetune

PAIR = ("train", 0, 0, "section", "", "a", "b", "a pump", "a valve", [], "l")


def finetuned(recipe: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the finetune stage leaves, its training replaced by the writing of two files."""
    import pandas as pd

    def train(entry: Any, pairs: Any, settings: Any, folder: Path, recipe: Any) -> Any:
        config = {"base_model_name_or_path": entry.hub, "revision": entry.revision}
        (folder / "adapter_config.json").write_text(json.dumps(config))
        (folder / "adapter_model.safetensors").write_bytes(b"weights")
        curve = pd.DataFrame({"split": ["train"], "step": [1], "loss": [0.5]})
        return SimpleNamespace(curve=curve, scales=None, device="cpu")

    monkeypatch.setattr(recipes, "_train", lambda _: train)
    pairs = pd.DataFrame([PAIR] if recipe != "zero-shot" else [], columns=list(PAIRS.columns))
    kinds = {"step": "int64", "position": "int64"}
    tables.write(pairs.astype(kinds), layout.PAIRS, PAIRS)
    finetune.main()
    return layout.ADAPTER


@pytest.fixture
def loaded(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path | None]:
    """Adapters that embed goes on to load a model with, in a cell whose tables are there."""
    import pandas as pd

    view = pd.DataFrame({"family_id": ["a"], "text": ["a pump"], "complete": True})
    tables.write(view, layout.view("l", "tac"), VIEW)
    tables.write(pd.DataFrame({"query_id": ["a"], "split": "test"}), layout.task("l", "queries"), QUERIES)
    found: list[Path | None] = []

    def load(entry: Any, *, adapter: Path | None, **_: Any) -> Any:
        found.append(adapter)
        raise RuntimeError("far enough")

    monkeypatch.setattr("patent_embeddings.encoders.factory.encoder", load)
    return found


@pytest.mark.parametrize("recipe", ["zero-shot", "r3"])
def test_what_finetune_leaves_is_what_embed_takes(
    recipe: str, loaded: list[Path | None], set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(recipe=recipe)
    finetuned(recipe, monkeypatch)
    with pytest.raises(RuntimeError, match="far enough"):
        embed.main("l")
    assert loaded == [layout.ADAPTER if recipe == "r3" else None]


def flip(folder: Path) -> None:
    (folder / "adapter_model.safetensors").write_bytes(b"weightz")


def other_model(folder: Path) -> None:
    config = {"base_model_name_or_path": "else/where", "revision": None}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    adapters.seal(folder)


@pytest.mark.parametrize(
    ("made", "asked", "edit", "said"),
    [
        ("r3", "r3", shutil.rmtree, "holds no adapter, but the recipe trains one"),
        ("zero-shot", "r3", lambda _: None, "holds no adapter, but the recipe trains one"),
        ("r3", "zero-shot", lambda _: None, "but the recipe trains nothing"),
        ("zero-shot", "r3", lambda folder: (folder / "zero-shot.txt").write_text("r3"), "zero-shot.txt is not as training sealed it"),
        ("r3", "r3", lambda folder: (folder / "adapter_model.safetensors").unlink(), "adapter_model.safetensors is not as training"),
        ("r3", "r3", lambda folder: (folder / "adapter_config.json").unlink(), "adapter_config.json is not as training"),
        ("r3", "r3", flip, "adapter_model.safetensors is not as training"),
        ("r3", "r3", lambda folder: (folder / "adapter_model.bin").write_bytes(b"x"), "adapter_model.bin is not as training"),
        ("r3", "r3", lambda folder: (folder / "seal.json").unlink(), "is not as training sealed it"),
        ("r3", "r3", lambda folder: (folder / "seal.json").write_text("7"), "is not as training sealed it"),
        ("r3", "r3", lambda folder: (folder / "seal.json").write_text("{"), "seal.json: damaged JSON"),
        ("r3", "r3", other_model, "holds an adapter of else/where"),
    ],
    ids=["absent", "none", "untrained", "marker", "no weights", "no settings", "a bit", "a file more", "no seal", "a list", "not JSON", "other model"],
)  # fmt: skip
def test_an_adapter_that_is_not_the_recipes_is_refused_before_a_model_is_loaded(
    made: str, asked: str, edit: Callable[[Path], Any], said: str, loaded: list[Path | None],
    set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    set_params(recipe=made)
    edit(finetuned(made, monkeypatch))
    set_params(recipe=asked)
    with pytest.raises(UserError) as caught:
        embed.main("l")
    assert said in str(caught.value)
    assert str(layout.ADAPTER) in str(caught.value)
    assert not loaded


def test_the_same_adapter_has_the_same_seal(
    workspace: Path, set_params: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    set_params(recipe="r3")
    first = (finetuned("r3", monkeypatch) / "seal.json").read_bytes()
    assert (finetuned("r3", monkeypatch) / "seal.json").read_bytes() == first
