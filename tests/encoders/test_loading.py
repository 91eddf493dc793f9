"""A model is loaded as its files say or not at all: faults of every kind of file, each one line, and no network."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import queried
import tiny
from started import start

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import QUERIES, VIEW
from patent_embeddings.encoders import factory, rerankers, shards, tokens
from patent_embeddings.encoders.entries import Reranker
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.retrieval.schemas import RUN

pytestmark = pytest.mark.pipeline

Edit = Callable[[Path], object]
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One model of each kind."""
    folder = tmp_path_factory.mktemp("models")
    bert = tiny.bert(folder / "bert")
    return {
        "bare": bert,
        "dense": tiny.dense(folder / "dense", bert, "mean"),
        "head": tiny.dense(folder / "head", bert, "mean", head=True),
        "late": tiny.late(folder / "late", bert),
        "cross": tiny.bert(folder / "cross", "classifier"),
    }


def load(kind: str, folder: Path, *, tested: bool = True, **changes: Any) -> Any:
    """Load a folder as a model of a kind, with what is in it now pinned."""
    if kind == "cross":
        block = {
            "source": "folder",
            "path": str(folder),
            "hub": "tiny/model",
            "parameters": 0.01,
            "max_length": 64,
            "length": 40,
            "licence": "CC0-1.0",
        }
        block |= {"digest": tiny.pinned(folder), **changes}
        return rerankers.reranker(registry.validated("rerankers", "tiny", block, Reranker), tested=tested)
    options = tiny.LATE if kind == "late" else {"head": True} if kind == "head" else {}
    return factory.encoder(tiny.entry(folder, **{**options, **changes}), tested=tested)


def altered(source: Path, target: Path, *edits: Edit) -> Path:
    shutil.copytree(source, target)
    for edit in edits:
        edit(target)
    return target


def tensors(change: Callable[[dict[str, Any]], dict[str, Any]], part: str = "") -> Edit:
    """Change the tensors of a safetensors file."""

    def edit(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        file = next(folder.glob(f"{part}model.safetensors"))
        save_file(change(load_file(file)), file, metadata={"format": "pt"})

    return edit


def without(piece: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda held: {name: tensor for name, tensor in held.items() if piece not in name}


def with_nan(piece: str, value: float = float("nan")) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def change(held: dict[str, Any]) -> dict[str, Any]:
        held[next(name for name in held if piece in name)].view(-1)[0] = value
        return held

    return change


def shorter(held: dict[str, Any]) -> dict[str, Any]:
    return {name: tensor[1:].contiguous() if "word_embeddings" in name else tensor for name, tensor in held.items()}


def doubled(held: dict[str, Any]) -> dict[str, Any]:
    return held | {
        f"encoder.layer.2.{name.split('.', 3)[3]}": tensor.clone()
        for name, tensor in held.items()
        if "layer.1." in name
    }


def write(name: str, content: str | bytes) -> Edit:
    data = content.encode() if isinstance(content, str) else content
    return lambda folder: (
        next(folder.glob(name)).write_bytes(data) if "*" in name else (folder / name).write_bytes(data)
    )


def config(name: str, **changes: Any) -> Edit:
    return lambda folder: (folder / name).write_text(json.dumps({**json.loads((folder / name).read_text()), **changes}))


def module(**changes: str) -> Edit:
    """Change the second module of the list."""

    def edit(folder: Path) -> None:
        listed = json.loads((folder / "modules.json").read_text())
        listed[1] |= changes
        (folder / "modules.json").write_text(json.dumps(listed))

    return edit


def refused(kind: str, folder: Path, **changes: Any) -> str:
    """What is said, in one line, of a folder that is not loaded."""
    with pytest.raises(UserError) as caught:
        load(kind, folder, **changes)
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 700
    return said


@pytest.mark.parametrize(
    ("kind", "change", "said"),
    [
        ("dense", without("layer.1."), "encoder.layer.1.attention.output.LayerNorm.bias is missing and 15 more"),
        ("dense", without("layer.0.output.LayerNorm"), "encoder.layer.0.output.LayerNorm.bias is missing and 1 more"),
        ("dense", without("position_embeddings"), "embeddings.position_embeddings.weight is missing;"),
        ("bare", lambda held: {f"model.{name}": tensor for name, tensor in held.items()}, "is missing and"),
        ("dense", shorter, r"embeddings.word_embeddings.weight is \[94, 16\] instead of \[95, 16\];"),
        ("dense", doubled, "encoder.layer.2.attention.output.LayerNorm.bias is of no layer and 15 more"),
        ("late", without("layer.1."), "is missing and 15 more"),
        ("cross", without("classifier"), "classifier.bias is missing and 1 more"),
        ("cross", without("layer.0."), "is missing and 15 more"),
    ],
)
def test_weights_of_other_layers_are_refused(
    models: dict[str, Path], tmp_path: Path, kind: str, change: Any, said: str
) -> None:
    folder = altered(models[kind], tmp_path / "m", tensors(change))
    with pytest.raises(UserError, match=f"not those of its architecture: .*{said}.*left_out"):
        load("dense" if kind == "bare" else kind, folder)


@pytest.mark.parametrize("precision", ["bfloat16", "frozen", "nf4"])
def test_in_every_precision(models: dict[str, Path], tmp_path: Path, precision: str) -> None:
    folder = altered(models["dense"], tmp_path / "m", tensors(without("layer.1.output")))
    options: dict[str, Any] = (
        {"dtype": "bfloat16"} if precision == "bfloat16" else {"frozen": precision.replace("frozen", "bfloat16")}
    )
    if precision == "nf4":
        pytest.importorskip("bitsandbytes")
    with pytest.raises(UserError, match="is missing and 3 more"):
        factory.encoder(tiny.entry(folder), **options)


@pytest.mark.parametrize(("kind", "part"), [("head", "2_*/"), ("late", "1_*/")])
def test_a_layer_behind_the_network_without_its_weights_is_refused(
    models: dict[str, Path], tmp_path: Path, kind: str, part: str
) -> None:
    folder = altered(models[kind], tmp_path / "m", tensors(lambda held: {"linear.wait": held["linear.weight"]}, part))
    assert "linear.weight" in refused(kind, folder)


def test_what_a_model_leaves_out_on_purpose_is_named_in_its_entry(models: dict[str, Path], tmp_path: Path) -> None:
    """A pooler that is absent and a head of another task change no vector."""
    head = tensors(
        lambda held: held | {"cls.predictions.bias": held["embeddings.word_embeddings.weight"][:, 0].clone()}
    )
    folder = altered(models["dense"], tmp_path / "m", tensors(without("pooler")), head)
    assert "pooler.dense.bias is missing and 2 more" in refused("dense", folder)
    assert "cls.predictions.bias is of no layer;" in refused("dense", folder, left_out=["pooler"])
    found = load("dense", folder, left_out=["pooler", "cls"]).encode(tiny.TEXTS, "document")
    np.testing.assert_array_equal(found, load("dense", models["dense"]).encode(tiny.TEXTS, "document"))


def test_a_part_that_is_left_out_and_used_gives_no_vector(models: dict[str, Path], workspace: Path) -> None:
    """An entry cannot let random numbers in: what was not read is no number, and the model fails its test."""
    folder = altered(models["dense"], workspace / "m", tensors(without("layer.1.output.dense")))
    assert "values are no numbers" in refused("dense", folder, left_out=["layer.1.output"])


def test_a_stanford_colbert_brings_its_projection_beside_the_network(models: dict[str, Path], tmp_path: Path) -> None:
    """Its `linear.weight` lies among the network's tensors and is of none of its layers."""
    import torch

    linear = tensors(lambda held: held | {"linear.weight": torch.arange(128.0).sin().reshape(8, 16)})
    folder = altered(models["bare"], tmp_path / "m", linear, config("config.json", architectures=["HF_ColBERT"]))
    assert "linear.weight is of no layer" in refused("late", folder)
    vectors, _ = load("late", folder, left_out=["linear"]).encode(["a pump"], "document")
    assert vectors.shape[1] == 8


@pytest.mark.parametrize(
    ("kind", "of", "said"),
    [
        ("late", "bare", "no projection of tokens"),  # it would get one of random numbers
        ("late", "dense", "holds a SentenceTransformer"),  # and so would this
        ("late", "head", "holds a SentenceTransformer"),
        ("dense", "late", "holds a MultiVectorEncoder"),
        ("cross", "dense", "holds a SentenceTransformer"),
        ("cross", "bare", "classifier.bias is missing"),
        ("dense", "cross", "classifier.bias is of no layer"),
    ],
)
def test_a_model_of_another_kind_is_refused(models: dict[str, Path], kind: str, of: str, said: str) -> None:
    assert said in refused(kind, models[of])


def test_a_dense_save_of_before_kinds_gets_no_random_projection(models: dict[str, Path], tmp_path: Path) -> None:
    folder = altered(models["dense"], tmp_path / "m", write("config_sentence_transformers.json", "{}"))
    assert "no projection of tokens" in refused("late", folder)
    assert load("dense", folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    ("kind", "piece", "part"),
    [
        ("dense", "layer.1.output.dense.weight", ""),
        ("cross", "classifier.weight", ""),
        ("late", "linear.weight", "1_*/"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(
    models: dict[str, Path], tmp_path: Path, kind: str, piece: str, part: str, value: float
) -> None:
    folder = altered(models[kind], tmp_path / "m", tensors(with_nan(piece, value), part))
    said = refused(kind, folder)
    assert said.startswith(f"tiny/model: its weights in {folder}")
    assert piece in said and "NaN" in said


def test_a_vector_that_overflows_names_the_text(models: dict[str, Path], workspace: Path) -> None:
    """Weights that are numbers, whose products are none: of the one text that has the letter q."""

    def change(held: dict[str, Any]) -> dict[str, Any]:
        held["embeddings.word_embeddings.weight"][7 + tiny.LETTERS.index("q")] = 3e38
        held["embeddings.word_embeddings.weight"][7 + len(tiny.LETTERS) + tiny.LETTERS.index("q")] = 3e38
        return held

    encoder = load("dense", altered(models["dense"], workspace / "m", tensors(change)))
    texts = ["a pump", "a quiet pump that opens a duct", "seals"]
    assert encoder.encode([texts[0], texts[2]], "document").shape == (2, 16)
    with pytest.raises(UserError, match=r"tiny/model: the vector of 'a quiet pump that opens a duct' in float32"):
        shards.encode(encoder, {"documents": ("document", texts)}, workspace, "test")
    assert not list((workspace / "cache").rglob("*.shard"))


def test_a_score_that_overflows_names_the_pair(models: dict[str, Path], tmp_path: Path) -> None:
    folder = altered(
        models["cross"],
        tmp_path / "m",
        tensors(with_nan("classifier.weight", 3e38)),
        tensors(with_nan("classifier.bias", 3e38)),
    )
    cross = load("cross", folder, tested=False)
    pairs = [("a pump", text) for text in tiny.TEXTS]
    with pytest.raises(UserError, match=r"tiny/model: its score of 'a pump' and '.*' in float32 is not a number"):
        [cross.score([pair]) for pair in pairs]


UNREADABLE: dict[str, tuple[tuple[Edit, ...], str]] = {
    "config empty": ((write("config.json", ""),), "config.json is empty"),
    "config not JSON": ((write("config.json", "{'model_type': bert}"),), "config.json is damaged"),
    "config a list": ((write("config.json", "[]"),), "config.json"),
    "config a number": ((write("config.json", "7"),), "config.json"),
    "config without a type": ((write("config.json", "{}"),), "model_type"),
    "config of nobody's type": ((write("config.json", '{"model_type": "warp"}'),), "`warp`"),
    "config not UTF-8": ((write("config.json", b"\xff\xfe{}"),), "config.json"),
    "config of wrong sizes": ((config("config.json", num_attention_heads=3),), "attention heads"),
    "modules not JSON": ((write("modules.json", "["),), "modules.json"),
    "modules empty": ((write("modules.json", "[]"),), "modules.json: is no list of modules"),
    "modules an object": ((write("modules.json", "{}"),), "modules.json: is no list of modules"),
    "modules of words": ((write("modules.json", '["Transformer"]'),), "modules.json: is no list of modules"),
    "module out of the folder": ((module(path="../../else"),), "leads out of the model's folder"),
    "module unknown": ((module(type="sentence_transformers.models.Warp"),), '"Warp"'),
    "module no class": ((module(type="sentence_transformers.util.fullname"),), "cannot be loaded"),
    "module's settings": ((write("1_Pooling/config.json", '{"warp": 1}'),), "'warp'"),
    "settings not JSON": ((write("1_Pooling/config.json", "{"),), "1_Pooling/config.json is damaged"),
    "settings a list": ((write("config_sentence_transformers.json", "[]"),), "config_sentence_transformers.json"),
    "weights empty": ((write("model.safetensors", b""),), "model.safetensors is empty"),
    "weights of another format": ((write("model.safetensors", b"PK\x03\x04" * 99),), "model.safetensors is damaged"),
    "weights' header cut": (
        (write("model.safetensors", b"\x90\x00\x00\x00\x00\x00\x00\x00{"),),
        "model.safetensors is damaged",
    ),
    "weights cut": ((lambda folder: os.truncate(folder / "model.safetensors", 5000),), "model.safetensors is damaged"),
    "index not JSON": ((write("model.safetensors.index.json", "{"),), "model.safetensors.index.json"),
    "index without a map": ((write("model.safetensors.index.json", "{}"),), "holds no `weight_map`"),
    "tokenizer not JSON": ((write("tokenizer.json", "{"),), "tokenizer.json is damaged"),
    "tokenizer's settings a list": (
        (write("tokenizer_config.json", "[]"),),
        "tokenizer_config.json holds no JSON object",
    ),
}


@pytest.mark.parametrize("fault", UNREADABLE)
def test_a_folder_that_cannot_be_read_is_one_line_that_names_the_file(
    models: dict[str, Path], tmp_path: Path, fault: str
) -> None:
    edits, said = UNREADABLE[fault]
    folder = altered(models["dense"], tmp_path / "m", *edits)
    assert said in refused("dense", folder)


def test_a_cross_encoder_that_cannot_be_read_is_one_line(models: dict[str, Path], tmp_path: Path) -> None:
    folder = altered(models["cross"], tmp_path / "m", write("model.safetensors", b""))
    assert "model.safetensors is empty" in refused("cross", folder)


def test_a_long_pair_loses_its_ends(models: dict[str, Path], tmp_path: Path) -> None:
    """Whatever side the files of a cross-encoder cut."""
    left = altered(models["cross"], tmp_path / "m", config("tokenizer_config.json", truncation_side="left"))
    pairs = [("a pump", f"a valve {'x' * 50} {'y' * 50}"), ("seals", "x")]
    np.testing.assert_array_equal(load("cross", left).score(pairs), load("cross", models["cross"]).score(pairs))


@pytest.mark.parametrize("files", [TOKENIZER, TOKENIZER[:1]])
def test_a_tokenizer_without_its_vocabulary_is_refused(
    models: dict[str, Path], tmp_path: Path, files: tuple[str, ...]
) -> None:
    """The library would make one of special tokens alone, and every text the same vector."""
    folder = altered(
        models["dense"],
        tmp_path / "m",
        *(lambda root, name=name: (root / name).unlink(missing_ok=True) for name in files),
    )
    assert "lacks the files of its tokenizer" in refused("dense", folder)
    with pytest.raises(UserError, match="lacks the files of its tokenizer"):
        tokens.tokenizer(tiny.entry(folder))


def test_a_tokenizer_of_a_larger_vocabulary_is_refused(models: dict[str, Path], tmp_path: Path) -> None:
    def more(folder: Path) -> None:
        held = json.loads((folder / "tokenizer.json").read_text())
        held["model"]["vocab"]["zz"] = len(held["model"]["vocab"])
        (folder / "tokenizer.json").write_text(json.dumps(held))

    folder = altered(models["dense"], tmp_path / "m", more)
    assert "its tokens go up to 95, the weights have 95 of them" in refused("dense", folder)
    folder = altered(models["cross"], tmp_path / "c", more)
    assert "the tokenizer in" in refused("cross", folder)


def test_a_tokenizer_may_have_tokens_beyond_the_weights_that_no_text_has(
    models: dict[str, Path], tmp_path: Path
) -> None:
    """As Gemma's has one for pictures, which its models of text have no row for."""

    def add(folder: Path) -> None:
        held = json.loads((folder / "tokenizer.json").read_text())
        flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        held["added_tokens"].append({"id": 95, "content": "<picture>", "special": True, **flags})
        (folder / "tokenizer.json").write_text(json.dumps(held))

    encoder = load("dense", altered(models["dense"], tmp_path / "m", add))
    assert len(encoder.tokenizer) == 96
    np.testing.assert_array_equal(
        encoder.encode(tiny.TEXTS, "query"), load("dense", models["dense"]).encode(tiny.TEXTS, "query")
    )


EVIL = "import pathlib; pathlib.Path({!r}).touch()\nclass C: pass\nM = Pooling = C\n"
AUTO = {"AutoConfig": "evil.C", "AutoModel": "evil.M"}


@pytest.mark.parametrize(
    "edit",
    [
        write("config.json", json.dumps({"model_type": "warp", "auto_map": AUTO})),
        module(type="evil.Pooling"),
        module(type="os.path.join"),
    ],
)
def test_code_of_a_model_runs_only_where_its_entry_says_so(models: dict[str, Path], tmp_path: Path, edit: Edit) -> None:
    ran = tmp_path / "ran"
    folder = altered(models["dense"], tmp_path / "m", edit, write("evil.py", EVIL.format(str(ran))))
    assert "only where its entry says `remote_code: true`" in refused("dense", folder)
    assert not ran.exists()


class Shell:
    def __init__(self, ran: Path) -> None:
        self.ran = ran

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.ran}",)


def test_a_pickle_with_a_command_is_one_line_and_runs_nothing(models: dict[str, Path], tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    folder = altered(models["dense"], tmp_path / "m", write("pytorch_model.bin", pickle.dumps(Shell(ran), protocol=2)))
    (folder / "model.safetensors").unlink()
    assert "is a pickle" in refused("dense", folder)
    pin = {"pytorch_model.bin": hashlib.sha256((folder / "pytorch_model.bin").read_bytes()).hexdigest()}
    assert "cannot be loaded" in refused("dense", folder, weights=pin)
    assert not ran.exists()


def test_weights_changed_in_place_are_found(models: dict[str, Path], tmp_path: Path) -> None:
    """DVC sees the entry: with what it pins, the scores that it keeps are of these weights, and of no others."""
    folder = altered(models["dense"], tmp_path / "m")
    entry = tiny.entry(folder)
    factory.encoder(entry)
    tensors(lambda held: {name: tensor * 2 for name, tensor in held.items()})(folder)
    with pytest.raises(UserError, match="not those that its entry pins") as caught:
        factory.encoder(entry)
    assert f"`digest: {tiny.pinned(folder)}`" in str(caught.value)
    with pytest.raises(UserError, match="not those that its entry pins"):
        tokens.tokenizer(entry)
    factory.encoder(tiny.entry(folder))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every address that is looked up or connected to; none answers."""
    found: list[Any] = []

    def refuse(*address: Any, **_: Any) -> Any:
        found.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    return found


@pytest.fixture(scope="module")
def adapter(models: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of rank 2 on both layers."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(3)
    model = get_peft_model(
        AutoModel.from_pretrained(models["bare"]), LoraConfig(r=2, target_modules=["query", "value"])
    )
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    model.save_pretrained(str(folder))
    return folder


def adapted(edit: Callable[[dict[str, Any]], dict[str, Any]]) -> Edit:
    return tensors(edit, "adapter_")


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (lambda folder: (folder / "adapter_model.safetensors").unlink(), "no adapter_model.safetensors"),
        (lambda folder: (folder / "adapter_config.json").unlink(), "no adapter_config.json"),
        (
            adapted(lambda held: {name.replace("encoder", "decoder"): tensor for name, tensor in held.items()}),
            "does not fit",
        ),
        (
            adapted(without("layer.1.attention.self.query.lora_B")),
            "layer.1.attention.self.query.lora_B.weight is missing;",
        ),
        (
            adapted(
                lambda held: held | {"base_model.model.encoder.layer.7.lora_A.weight": held[next(iter(held))].clone()}
            ),
            "is of no layer;",
        ),
        (
            adapted(with_nan("layer.1.attention.self.value.lora_A")),
            "layer.1.attention.self.value.lora_A.weight holds NaN",
        ),
        (write("adapter_model.safetensors", b""), "does not fit"),
        (write("adapter_config.json", "[]"), "does not fit"),
    ],
    ids=["no weights", "no settings", "other names", "one short", "one over", "NaN", "empty", "settings a list"],
)
def test_an_adapter_is_put_on_whole_or_refused_and_never_asked_for(
    models: dict[str, Path], adapter: Path, workspace: Path, asked: list[Any], edit: Edit, said: str
) -> None:
    folder = altered(adapter, Path("data/adapters"), edit)  # which could be the name of a repository
    with pytest.raises(UserError) as caught:
        factory.encoder(tiny.entry(models["dense"]), adapter=folder)
    assert said in str(caught.value)
    assert not asked


def test_no_stage_that_computes_with_a_model_asks_the_hub(
    workspace: Path, set_params: Callable[..., None], asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a library may want of the hub while embed, rerank and finetune load and compute."""
    import pandas as pd
    from huggingface_hub import HfApi, constants

    from patent_embeddings.core import layout, tables

    reached: list[bool] = []

    def want(*_: Any, **__: Any) -> Any:
        reached.append(constants.HF_HUB_OFFLINE)
        HfApi(endpoint="https://hub.invalid").model_info("data/adapters")

    set_params(recipe="r3", rerank={"model": "ms-marco-minilm-l6", "system": "rrf", "depth": 3})
    view = pd.DataFrame({"family_id": ["a", "b"], "text": ["a pump", "a valve"], "complete": True})
    tables.write(view, layout.view("l", "tac"), VIEW)
    queries = pd.DataFrame({"query_id": ["a"], "split": ["test"]})
    tables.write(queried.table(queries), layout.task("l", "queries"), QUERIES)
    found = pd.DataFrame({"query_id": ["a"], "family_id": ["b"], "rank": [1], "score": [1.0]}).astype(
        {"score": "float32"}
    )
    tables.write(found, layout.run("l", "rrf"), RUN)
    rows = [("train", 0, place, "section", "", *pair, "x", "y", [], "l") for place, pair in enumerate(("ab", "cd"))]
    pairs = pd.DataFrame(rows, columns=list(PAIRS.columns))
    tables.write(pairs, layout.PAIRS, PAIRS)
    monkeypatch.setattr("patent_embeddings.training.adapters.sealed", lambda *_: None, raising=False)
    monkeypatch.setattr("patent_embeddings.encoders.factory.encoder", want)
    monkeypatch.setattr("patent_embeddings.encoders.rerankers.reranker", want)
    for stage in (("embed", "l"), ("rerank", "l"), ("finetune",)):
        with pytest.raises(Exception, match="offline mode"):
            start(*stage)
    assert reached == [True] * 3
    assert not asked
    assert not constants.HF_HUB_OFFLINE or os.environ.get("HF_HUB_OFFLINE") == "1"
