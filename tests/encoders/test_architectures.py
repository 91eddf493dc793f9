"""Every architecture of the preset `paper`: a tiny stand-in, loaded as the product loads it, against it written out."""

from __future__ import annotations

import string
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import standins
import yaml

from patent_embeddings.encoders import factory
from patent_embeddings.encoders.values import Side

pytestmark = pytest.mark.pipeline

# From one token to more than a model takes, so that a batch of them is padded, windowed and cut.
TEXTS = [
    "x",
    "a pump",
    "seals: two. rings",
    "A valve with a spring, that closes a duct when the pressure falls.",
    "Bearing (3) of a shaft; " * 9,
]
SIDES: tuple[Side, ...] = ("query", "document")
TASKS: tuple[Side, ...] = (*SIDES, "classification", "clustering")

# What is known of each dense model, beside its registry entry: network, pooling, dense layers, and whether of norm 1.
DENSE: dict[str, tuple[str, str, tuple[str, ...], bool]] = {
    "nemotron-8b": ("decoder_both", "mean", (), True),
    "nemotron-1b": ("decoder_both", "mean", (), True),
    "qwen3-0-6b": ("decoder", "last", (), True),
    "qwen3-4b": ("decoder", "last", (), True),
    "qwen3-8b": ("decoder", "last", (), True),
    "octen-8b": ("decoder", "last", (), True),
    "kalm-gemma3-12b": ("gemma", "last", (), True),
    "embeddinggemma": ("gemma", "mean", ("2_Dense", "3_Dense"), True),
    "stella-1-5b": ("decoder_both", "mean", ("2_Dense_1024",), False),
    "minilm": ("bert", "mean", (), True),
    "patembed-base": ("bert", "mean", ("2_Dense",), False),
    "conan-v1": ("bert", "mean", ("2_Dense",), False),
    "me5-large": ("xlmr", "mean", (), True),
    "bge-m3": ("xlmr", "cls", (), True),
    "patentsberta": ("mpnet", "cls", (), False),
    "gte-multilingual": ("gte", "cls", (), True),
    "nomic-v2-moe": ("rotary", "mean", (), True),
    "jina-v3": ("jina", "mean", (), True),
}
# Of each late model: network, the markers of its sides, [MASK], and whether tokens attend to it.
LATE: dict[str, tuple[str, str, str, str, bool]] = {
    "colbert-v2": ("bert", "[unused0]", "[unused1]", "[MASK]", False),
    "answerai-colbert-small": ("bert", "[unused0]", "[unused1]", "[MASK]", False),
    "jina-colbert-v2": ("jina", "[QueryMarker]", "[DocumentMarker]", "<mask>", True),
}


def test_every_model_of_the_preset_is_here() -> None:
    presets = yaml.safe_load((Path(__file__).parents[2] / "registry" / "presets.yaml").read_text(encoding="utf-8"))
    named = presets["paper"]["axes"]["model"]
    assert sorted(named) == sorted(standins.MAKERS)
    assert set(named) == {*DENSE, *LATE}


@pytest.mark.parametrize("name", DENSE)
def test_dense_vectors(name: str, tmp_path: Path) -> None:
    import direct

    folder = standins.repository(name, tmp_path)
    encoder: Any = factory.encoder(standins.entry(name, folder))
    assert not encoder.entry.remote_code
    tasks = encoder.entry.tasks
    for side in TASKS:
        model = direct.Repository(folder, getattr(tasks, side).replace(".", "_") if tasks else "")
        tokens = [model.tokens(encoder.prompt(side) + text, encoder.length) for text in TEXTS]
        network, *read = DENSE[name]
        wanted = [direct.vector(model, network, ids, *read).numpy() for ids in tokens]
        np.testing.assert_allclose(encoder.encode(TEXTS, side), wanted, rtol=0, atol=1e-5)
        alone = np.concatenate([encoder.encode([text], side) for text in TEXTS])
        np.testing.assert_allclose(alone, wanted, rtol=0, atol=1e-5)
        assert alone.shape == (len(TEXTS), encoder.entry.dimension)


@pytest.mark.parametrize("name", LATE)
def test_late_vectors(name: str, tmp_path: Path) -> None:
    import direct

    folder = standins.repository(name, tmp_path)
    encoder: Any = factory.encoder(standins.entry(name, folder))
    for side in SIDES:
        wanted = [_tokens(direct, name, folder, text, side, encoder.length) for text in TEXTS]
        vectors, offsets = encoder.encode(TEXTS, side)
        found = np.split(vectors, offsets[1:])
        for text, one, direct_one in zip(TEXTS, found, wanted, strict=True):
            assert len(one) == len(direct_one), (side, text)
            np.testing.assert_allclose(one, direct_one, rtol=0, atol=1e-5)
            np.testing.assert_allclose(encoder.encode([text], side)[0], direct_one, rtol=0, atol=1e-5)


def _tokens(direct: Any, name: str, folder: Path, text: str, side: Side, length: int) -> Any:
    """Vectors of a text's tokens as ColBERTv2 (Santhanam et al., 2021) compares them.

    Behind [CLS] stands the marker of the side. A query of fewer than 32 tokens is filled with [MASK], whose vectors
    count; a document's punctuation does not.
    """
    import torch

    kind, asked, told, mask, attended = LATE[name]
    model = direct.Repository(folder)
    plain = model.tokens(text, length - 1)
    ids = torch.cat([plain[:1], torch.tensor([model.id(asked if side == "query" else told)]), plain[1:]])
    filled = max(0, 32 - len(ids)) if side == "query" else 0
    seen = torch.tensor([True] * len(ids) + [attended] * filled)
    ids = torch.cat([ids, torch.full((filled,), model.id(mask))])
    hidden = getattr(direct, kind)(model, ids, seen=seen)
    marks = {model.id(mark) for mark in string.punctuation}
    kept = [at for at, token in enumerate(ids.tolist()) if side == "query" or token not in marks]
    return direct.unit(hidden[kept] @ model.tensors["linear.weight"].T).numpy()
