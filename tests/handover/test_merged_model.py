"""A whole model handed over gives the cell's vectors to sentence-transformers and to mteb, which know nothing of us."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import tiny
import workspaces

from patent_embeddings.core import layout, params
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_json
from patent_embeddings.encoders import factory
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.grid import keys
from patent_embeddings.handover import merged_model
from patent_embeddings.handover.exported_cell import subject
from patent_embeddings.training import adapters

pytestmark = pytest.mark.pipeline

TEXTS = [*tiny.TEXTS, "a seal " * 30]
PROMPTS = {"query": "ask: ", "document": "say: ", "classification": "sort: "}


def bert(folder: Path) -> Any:
    return tiny.entry(tiny.bert(folder / "bare"), prompts=PROMPTS)


def headed(folder: Path) -> Any:
    made = tiny.dense(folder / "headed", tiny.bert(folder / "bare"), "cls", head=True, prompts={"query": "other: "})
    return tiny.entry(made, pooling="cls", head=True, prompts=PROMPTS, similarity="dot")


def decoder(folder: Path) -> Any:
    return tiny.entry(tiny.decoder(folder / "bare"), pooling="last", padding="left", prompts=PROMPTS)


def late(folder: Path) -> Any:
    made = tiny.late(folder / "late", tiny.bert(folder / "bare"))
    return tiny.entry(
        made, encoder="late", pooling="tokens", similarity="maxsim", dimension=8, prompts={"query": "ask: "}
    )


def handed(folder: Path, entry: Any, **changed: Any) -> tuple[Path, Any, str]:
    """The folder of a model, the cell's own encoder, and what loads the folder."""
    workspaces.register(folder, "models", "tiny", entry.model_dump(exclude_defaults=True))
    workspaces.change(folder, model="tiny", **{"recipe": "zero-shot", **changed})
    cell = params.load()
    for landscape in cell.evaluate_on:
        write_json(layout.values("embed", landscape), keys.resolved(cell, "embed", landscape))
    kind = merged_model.write(folder / "handed", subject(cell), pd.DataFrame(columns=list(SCORES.columns)))
    adapter = adapters.sealed(layout.ADAPTER, entry, changed.get("recipe", "zero-shot") != "zero-shot")
    embed = cell.embed
    options: dict[str, Any] = {"adapter": adapter, "scale": embed.adapter_scale, "dtype": embed.dtype or entry.dtype}
    return folder / "handed", factory.encoder(model_entry("tiny"), length=embed.length, **options), kind


def trained(entry: Any) -> None:
    """Leave an adapter that changes vectors, sealed as training does."""
    import torch
    from peft import LoraConfig, TaskType

    from patent_embeddings.training import lora

    torch.manual_seed(0)
    base = factory.encoder(entry).model
    kept = {
        "task_type": TaskType.FEATURE_EXTRACTION,
        "r": 4,
        "init_lora_weights": False,
        "target_modules": "all-linear",
    }
    base.add_adapter(LoraConfig(**kept))
    lora.save(base, entry, layout.ADAPTER)
    adapters.seal(layout.ADAPTER)


@pytest.mark.parametrize("make", [bert, headed, decoder])
def test_plain_sentence_transformers_gives_the_vectors_of_the_cell(
    workspace: Path, make: Callable[[Path], Any]
) -> None:
    from sentence_transformers import SentenceTransformer

    entry = make(workspace)
    trained(entry)
    folder, ours, kind = handed(workspace, entry, recipe="r1", embed__adapter_scale=0.5, embed__length=20)
    assert kind == "SentenceTransformer"
    theirs = SentenceTransformer(str(folder), device="cpu")
    assert theirs.max_seq_length == 20 and theirs.tokenizer.padding_side == entry.padding
    assert theirs.similarity_fn_name == entry.similarity
    for side, encode in (("query", theirs.encode_query), ("document", theirs.encode_document)):
        np.testing.assert_allclose(encode(TEXTS), ours.encode(TEXTS, side), atol=1e-5)  # type: ignore[arg-type]
    sorted_ = theirs.encode(TEXTS, prompt_name="Classification")
    np.testing.assert_allclose(sorted_, np.asarray(ours.encode(TEXTS, "classification")), atol=1e-5)
    published = np.asarray(factory.encoder(entry, length=20).encode(TEXTS, "query"))
    assert np.abs(theirs.encode_query(TEXTS) - published).max() > 1e-3  # the adapter is in it
    whole_ = np.asarray(factory.encoder(entry, length=20, adapter=layout.ADAPTER).encode(TEXTS, "query"))
    assert np.abs(theirs.encode_query(TEXTS) - whole_).max() > 1e-3  # and half of it
    files = "".join(file.read_text(encoding="utf-8") for file in folder.rglob("*.json"))
    assert "patent_embeddings" not in files and not (folder / "adapter_config.json").exists()
    assert "SentenceTransformer(FOLDER)" in (folder / "README.md").read_text()


def test_dimensions_are_the_models_own(workspace: Path) -> None:
    from sentence_transformers import SentenceTransformer

    folder, ours, _ = handed(workspace, bert(workspace), search__dimensions=6)
    found = SentenceTransformer(str(folder), device="cpu").encode_document(TEXTS)
    np.testing.assert_allclose(found, np.asarray(ours.encode(TEXTS, "document"))[:, :6], atol=1e-5)


def test_half_precision_stays_what_it_was(workspace: Path) -> None:
    import torch
    from sentence_transformers import SentenceTransformer

    entry = bert(workspace)
    trained(entry)
    folder, ours, _ = handed(workspace, entry, recipe="r1", embed__dtype="bfloat16")
    theirs = SentenceTransformer(str(folder), device="cpu")
    assert {parameter.dtype for parameter in theirs.parameters()} == {torch.bfloat16}
    found, wanted = theirs.encode_document(TEXTS), np.asarray(ours.encode(TEXTS, "document"))
    cosines = (found * wanted).sum(1) / np.linalg.norm(found, axis=1) / np.linalg.norm(wanted, axis=1)
    assert cosines.min() > 0.999


def test_a_model_of_late_interaction_is_handed_over_too(workspace: Path) -> None:
    from sentence_transformers import MultiVectorEncoder

    folder, ours, kind = handed(workspace, late(workspace))
    assert kind == "MultiVectorEncoder"
    theirs = MultiVectorEncoder(str(folder), device="cpu")
    for side, encode in (("query", theirs.encode_query), ("document", theirs.encode_document)):
        rows, first = ours.encode(TEXTS, side)
        found = encode(TEXTS)
        assert [len(one) for one in found] == np.diff(np.append(first, len(rows))).tolist()
        np.testing.assert_allclose(np.concatenate([one.float().numpy() for one in found]), rows, atol=1e-5)


def test_mteb_ranks_by_it_as_the_cell_does(workspace: Path) -> None:
    import mteb
    from mteb.models.sentence_transformer_wrapper import SentenceTransformerEncoderWrapper
    from mteb.types import PromptType

    folder, ours, _ = handed(workspace, bert(workspace))
    model: Any = SentenceTransformerEncoderWrapper(str(folder), device="cpu")
    metadata = mteb.get_task("NFCorpus").metadata
    assert (
        json.loads((folder / "config_sentence_transformers.json").read_text())["prompts"]["Classification"] == "sort: "
    )
    for side in (PromptType.query, PromptType.document):
        batches: Any = Batches(TEXTS)
        found = model.encode(batches, task_metadata=metadata, hf_split="test", hf_subset="default", prompt_type=side)
        np.testing.assert_allclose(np.asarray(found), ours.encode(TEXTS, side.value), atol=1e-5)


class Batches(list[dict[str, list[str]]]):
    """Texts as mteb's loader gives them."""

    def __init__(self, texts: list[str]) -> None:
        import datasets

        super().__init__([{"text": texts}])
        self.dataset = datasets.Dataset.from_dict({"text": texts})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"remote_code": True}, "runs code of its own repository, which no folder can bring"),
        ({"native": "nomic-moe"}, "read into a network of ours, which transformers lacks"),
    ],
)
def test_code_of_its_own_is_refused_before_anything_is_written(
    workspace: Path, change: dict[str, Any], said: str
) -> None:
    entry = bert(workspace).model_copy(update=change)
    with pytest.raises(UserError, match=said):
        handed(workspace, entry)
    assert not (workspace / "handed").exists()
