"""Every read-out of the registry against the same arithmetic written out with transformers alone."""

import json
import shutil
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
from imports import closure

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import base, cross, factory, fingerprints, specification
from patent_embeddings.encoders.entries import model_entry
from patent_embeddings.encoders.specification import CODE

pytestmark = pytest.mark.pipeline

SEARCH = "Represent this sentence for searching relevant passages: "[:20]  # short: the tiny model takes 64 letters
TEMPLATE = "Instruct: find\nQuery:"
CLOSE = {"rtol": 0, "atol": 1e-5}


@cache
def plain(folder: Path) -> Any:
    """Tokenizer and model of transformers, nothing else."""
    from transformers import AutoModel, AutoTokenizer

    return AutoTokenizer.from_pretrained(folder), AutoModel.from_pretrained(folder).eval()


def states(folder: Path, text: str, length: int) -> Any:
    """Last hidden states of one text alone, [tokens, dimension], cut to `length` tokens."""
    import torch

    tokenizer, model = plain(folder)
    ids = tokenizer(text, truncation=True, max_length=length)["input_ids"]
    with torch.no_grad():
        return model(input_ids=torch.tensor([ids])).last_hidden_state[0].numpy()


def unit(vector: Any) -> Any:
    return vector / np.linalg.norm(vector)


def head(folder: Path, vector: Any) -> Any:
    """The dense layer behind the pooling, from its own file."""
    from safetensors.numpy import load_file

    file = next(folder.glob("2_*/model.safetensors"))
    weights = load_file(file)
    return np.tanh(weights["linear.weight"] @ vector + weights["linear.bias"])


READ: dict[str, Callable[[Any], Any]] = {"mean": lambda h: h.mean(0), "cls": lambda h: h[0], "last": lambda h: h[-1]}
PROMPTS = {
    "none": {},
    "query": {"query": SEARCH},
    "both": {"query": "query: ", "document": "passage: "},
    "instruction": {"query": TEMPLATE},
    "space": {"query": TEMPLATE, "document": " "},
    "tasks": {"query": "q: ", "document": "d: ", "classification": "cl: ", "clustering": "cu: "},
}


def check(encoder: Any, base: Path, read: Callable[[Any], Any], sides: tuple[Any, ...] = ("query", "document")) -> None:
    """Vectors alone and in a padded batch of mixed lengths equal `read` of the prompted text's states."""
    for side in sides:
        batch = encoder.encode(tiny.TEXTS, side)
        assert batch.dtype == np.float32
        for text, row in zip(tiny.TEXTS, batch, strict=True):
            wanted = read(states(base, encoder.prompt(side) + text, encoder.length))
            np.testing.assert_allclose(row, wanted, **CLOSE)
            np.testing.assert_allclose(encoder.encode([text], side)[0], wanted, **CLOSE)


@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_encoder_models(bert: Path, tmp_path: Path, pooling: str, prompts: str) -> None:
    folder = tiny.dense(tmp_path / "m", bert, pooling)
    encoder = factory.encoder(tiny.entry(folder, pooling=pooling, prompts=PROMPTS[prompts]))
    check(encoder, bert, lambda h: unit(READ[pooling](h)), ("query", "document", "classification", "clustering"))


@pytest.mark.parametrize("prompts", ["none", "instruction", "space"])
def test_last_token_with_left_padding(decoder: Path, tmp_path: Path, prompts: str) -> None:
    folder = tiny.dense(tmp_path / "m", decoder, "lasttoken")
    encoder = factory.encoder(tiny.entry(folder, pooling="last", padding="left", prompts=PROMPTS[prompts]))
    assert encoder.tokenizer.padding_side == "left"
    check(encoder, decoder, lambda h: unit(h[-1]))


def test_one_space_prompt_changes_the_vector(decoder: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", decoder, "lasttoken")
    plain = factory.encoder(tiny.entry(folder, pooling="last", padding="left"))
    spaced = factory.encoder(tiny.entry(folder, pooling="last", padding="left", prompts=PROMPTS["space"]))
    assert np.abs(plain.encode(tiny.TEXTS, "document") - spaced.encode(tiny.TEXTS, "document")).max() > 1e-3


def test_masked_mean_with_left_padding(decoder: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", decoder, "mean")
    check(factory.encoder(tiny.entry(folder, padding="left")), decoder, lambda h: unit(h.mean(0)))


def test_dense_head(bert: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "mean", head=True)
    encoder = factory.encoder(tiny.entry(folder, head=True, prompts=PROMPTS["both"]))
    check(encoder, bert, lambda h: head(folder, h.mean(0)))
    with pytest.raises(UserError, match=r"head: false.*have a dense layer"):
        factory.encoder(tiny.entry(folder))


def test_lost_dense_head_is_refused(bert: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "mean")
    with pytest.raises(UserError, match=r"head: true.*lack the dense layer"):
        factory.encoder(tiny.entry(folder, head=True))


def test_registry_prompt_wins_over_the_weights(bert: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "mean", prompts={"query": "theirs: ", "document": "theirs too: "})
    check(factory.encoder(tiny.entry(folder, prompts={"query": "ours: "})), bert, lambda h: unit(h.mean(0)))


@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_bare_weights_are_read_out_as_the_entry_says(bert: Path, pooling: str) -> None:
    check(factory.encoder(tiny.entry(bert, pooling=pooling)), bert, READ[pooling])


def test_wrong_pooling_is_refused_unless_unverified(
    bert: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "cls")
    with pytest.raises(UserError, match=r"pooling: mean.*'cls'"):
        factory.encoder(tiny.entry(folder))
    encoder = factory.encoder(tiny.entry(folder, unverified=["pooling"]))
    assert "unverified" in capsys.readouterr().err
    check(encoder, bert, lambda h: unit(h[0]))


def test_lengths_of_sides_in_the_weights_do_not_go_before_the_entry(bert: Path, tmp_path: Path) -> None:
    """sentence-transformers lets a configuration cut queries and documents at lengths of their own."""
    folder = tiny.dense(tmp_path / "m", bert, "mean")
    path = folder / "sentence_bert_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "query_length": 5, "document_length": 60}))
    check(factory.encoder(tiny.entry(folder)), bert, lambda h: unit(h.mean(0)))


def test_a_long_text_loses_its_end_and_never_its_prompt(bert: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "mean")
    path = folder / "tokenizer_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "truncation_side": "left"}))
    check(factory.encoder(tiny.entry(folder, prompts=PROMPTS["both"])), bert, lambda h: unit(h.mean(0)))


def test_length_cuts_prompt_and_text_together(bert: Path, tmp_path: Path) -> None:
    folder = tiny.dense(tmp_path / "m", bert, "mean")
    encoder = factory.encoder(tiny.entry(folder, prompts=PROMPTS["both"]), length=12)
    assert encoder.length == 12
    check(encoder, bert, lambda h: unit(h.mean(0)))
    assert factory.encoder(tiny.entry(folder), length=1000).length == 64


@pytest.mark.parametrize("side", ["query", "document"])
def test_a_length_that_only_the_prompt_fits_in_is_refused(bert: Path, tmp_path: Path, side: str) -> None:
    """All texts of the side would have the same vector."""
    entry = tiny.entry(tiny.dense(tmp_path / "m", bert, "mean"), prompts={side: "search: "})
    said = f"nothing of a {side} is kept in 9 tokens beside its prompt 'search: '; set embed.length"
    with pytest.raises(UserError, match=said):
        factory.encoder(entry, length=9)
    found = factory.encoder(entry, length=10, tested=False).encode(["a pump", "x"], "query")  # a letter of each is left
    assert np.abs(found[0] - found[1]).max() > 1e-3


def test_more_tokens_than_the_weights_have_positions_are_refused(bert: Path) -> None:
    with pytest.raises(UserError, match="its entry says `max_length: 65`, but the weights have 64 positions"):
        factory.encoder(tiny.entry(bert, max_length=65))


@pytest.mark.parametrize(("pooling", "named"), [("mean", "mean"), ("lasttoken", "last")])
def test_a_text_without_any_token_has_a_vector_of_zeros(
    decoder: Path, tmp_path: Path, pooling: str, named: str
) -> None:
    """Alone and beside others; a tokenizer that adds no end token makes nothing of an empty text."""
    bare = shutil.copytree(decoder, tmp_path / "bare")
    held = json.loads((bare / "tokenizer.json").read_text())
    (bare / "tokenizer.json").write_text(json.dumps({**held, "post_processor": None}))
    encoder = factory.encoder(tiny.entry(tiny.dense(tmp_path / "m", bare, pooling), pooling=named, padding="left"))
    alone, beside = encoder.encode(["", ""], "document"), encoder.encode(["", "a pump", "x"], "document")
    assert not alone.any() and not beside[0].any() and alone.shape == (2, tiny.DIMENSION)
    np.testing.assert_allclose(beside[1:], encoder.encode(["a pump", "x"], "document"), **CLOSE)


def test_minilm_equals_plain_sentence_transformers() -> None:
    from sentence_transformers import SentenceTransformer

    encoder = factory.encoder(model_entry("minilm"))
    plain = SentenceTransformer(str(encoder.folder), device="cpu")
    plain.max_seq_length = model_entry("minilm").length
    texts = ["A pump.", "A valve with a spring. " * 60, ""]
    for side in ("query", "document"):
        np.testing.assert_allclose(encoder.encode(texts, side), plain.encode(texts), **CLOSE)
    assert encoder.encode([], "query").shape == (0, 384)


def test_batches_hold_texts_of_like_length_within_the_token_budget(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = factory.encoder(tiny.entry(bert, prompts={"query": "ab"}))
    texts = ["c" * 3, "c" * 16, "c", "c " * 500, "cc", "c" * 15, "c" * 16]
    alone = [encoder.encode([text], "query")[0] for text in texts]
    shapes: list[tuple[int, ...]] = []
    encoder.model[0].register_forward_pre_hook(lambda _, features: shapes.append(tuple(features[0]["input_ids"].shape)))
    monkeypatch.setattr(specification, "_CACHED", 60)
    np.testing.assert_allclose(encoder.encode(texts, "query"), alone, **CLOSE)
    # A letter is a token; the prompt's two, [CLS] and [SEP] come on top.
    # 60 // 48 is one text, 60 // 20 three, 60 // 7 eight.
    assert shapes == [(1, 48), (3, 20), (3, 7)]


def test_tokens_of_a_long_text_are_made_of_its_beginning(bert: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = factory.encoder(tiny.entry(bert))
    read, real = [], encoder.model.preprocess
    monkeypatch.setattr(encoder.model, "preprocess", lambda texts, **told: read.append(texts) or real(texts, **told))
    texts = ["a pump. " * 5000, "a valve", "x\n" * 96 + "y", ""]  # 48 tokens are kept
    found = encoder.prepare(texts, "document")
    assert len(read) == 1 and [len(text) for text in read[0]] == [8 * 48, 7, 2 * 96, 0]
    plain = real(texts)
    assert all((found[name] == plain[name]).all() for name in ("input_ids", "attention_mask"))


def test_a_text_of_which_the_library_keeps_more_is_read_whole(bert: Path) -> None:
    encoder = factory.encoder(tiny.entry(bert))
    encoder.model[0].document_length = encoder.limit + 60  # a setting that goes before max_seq_length
    text = ["a b c d e f g h i j " * 40]
    plain = encoder.model.preprocess(text, prompt=None, task="document")
    assert (encoder.prepare(text, "document")["input_ids"].shape == plain["input_ids"].shape) and encoder.limit < 60


def test_a_text_whose_beginning_gives_no_tokens_is_read_whole(bert: Path) -> None:
    encoder = factory.encoder(tiny.entry(bert))
    nothing = "\x01 " * 200  # words that the tokenizer drops
    odd, plain = encoder.encode([f"{nothing}a pump"], "document"), encoder.encode(["a pump"], "document")
    np.testing.assert_allclose(odd, plain, **CLOSE)


PACKAGE = Path(base.__file__).parent


def test_only_code_that_can_change_a_vector_is_in_the_fingerprint(tmp_path: Path) -> None:
    folder = tmp_path / "encoders"
    shutil.copytree(PACKAGE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    before = fingerprints.code(folder, CODE)
    assert before == fingerprints.code(PACKAGE, CODE)
    for name in ("cross", "catalogue", "entries", "engines", "shards"):
        (folder / f"{name}.py").write_text((folder / f"{name}.py").read_text() + "# A comment.\n")
    assert fingerprints.code(folder, CODE) == before
    rule = (folder / "base.py").read_text()
    assert rule.count('"cls": "cls"') == 1
    (folder / "base.py").write_text(rule.replace('"cls": "cls"', '"cls": "max"'))
    assert fingerprints.code(folder, CODE) != before


# What an encoder imports of its package, and why no other vector comes of a change there.
KEYED = {
    "devices": "names the device, which is in the fingerprint",
    "fingerprints": "makes the fingerprint",
    "specification": "derives from an entry the values that the fingerprint holds",
    "precision": "names the type of numbers, which is in the fingerprint",
    "weights": "finds the files, whose commit or digest is in the fingerprint",
    "prompts": "cuts and prompts texts: the prompt is in the fingerprint, the text as cut names its shard",
    "values": "types of an entry's fields, of which the fingerprint holds what an encoder reads",
}


@pytest.mark.parametrize(("names", "kept"), [(("dense", "late"), CODE), (("cross",), cross.CODE)])
def test_every_module_that_a_model_imports_is_in_its_fingerprint_or_says_why_not(
    names: tuple[str, ...], kept: tuple[str, ...]
) -> None:
    reached = closure([f"patent_embeddings/encoders/{name}.py" for name in names])
    ours = {Path(file).stem for file in reached if file.startswith("patent_embeddings/encoders/")}
    assert ours - {*KEYED} == {*kept}
    assert names == ("cross",) or ours >= {*KEYED}


@pytest.fixture(scope="module")
def adapter(bert: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoRA adapter of rank 2 whose delta is not nothing."""
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModel

    folder = tmp_path_factory.mktemp("adapter")
    torch.manual_seed(3)
    model = get_peft_model(AutoModel.from_pretrained(bert), LoraConfig(r=2, lora_alpha=6, target_modules=["query"]))
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter)
    model.save_pretrained(str(folder))
    return folder


@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_adapter_is_added_to_the_weights(bert: Path, adapter: Path, tmp_path: Path, scale: float) -> None:
    from safetensors.torch import load_file
    from transformers import AutoModel, AutoTokenizer

    deltas = load_file(adapter / "adapter_model.safetensors")
    model = AutoModel.from_pretrained(bert)
    for i, layer in enumerate(model.encoder.layer):
        key = f"base_model.model.encoder.layer.{i}.attention.self.query.lora_{{}}.weight"
        layer.attention.self.query.weight.data += scale * (6 / 2) * deltas[key.format("B")] @ deltas[key.format("A")]
    model.save_pretrained(tmp_path / "summed")
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "summed")
    encoder = factory.encoder(tiny.entry(tiny.dense(tmp_path / "m", bert, "mean")), adapter=adapter, scale=scale)
    check(encoder, tmp_path / "summed", lambda h: unit(h.mean(0)))
    published = factory.encoder(tiny.entry(tmp_path / "m"))
    assert np.abs(published.encode(tiny.TEXTS, "query") - encoder.encode(tiny.TEXTS, "query")).max() > 1e-3
    assert published.fingerprint("query") != encoder.fingerprint("query")
    assert not any("lora" in name for name, _ in encoder.model.named_modules())
    half = factory.encoder(tiny.entry(tmp_path / "m"), adapter=adapter, scale=scale, dtype="bfloat16")
    np.testing.assert_allclose(half.encode(tiny.TEXTS, "query"), encoder.encode(tiny.TEXTS, "query"), atol=0.1)


def test_adapter_of_scale_nothing_is_the_published_model(bert: Path, adapter: Path, tmp_path: Path) -> None:
    entry = tiny.entry(tiny.dense(tmp_path / "m", bert, "mean"))
    off, plain = factory.encoder(entry, adapter=adapter, scale=0.0), factory.encoder(entry)
    np.testing.assert_array_equal(off.encode(tiny.TEXTS, "query"), plain.encode(tiny.TEXTS, "query"))
    assert off.fingerprint("query") == plain.fingerprint("query")


def test_adapter_of_another_model_is_refused(decoder: Path, adapter: Path, tmp_path: Path) -> None:
    entry = tiny.entry(tiny.dense(tmp_path / "m", decoder, "lasttoken"), pooling="last", padding="left")
    with pytest.raises(UserError, match="does not fit tiny/model"):
        factory.encoder(entry, adapter=adapter)
    with pytest.raises(UserError, match=r"no adapter_config\.json"):
        factory.encoder(entry, adapter=tmp_path)


def test_weights_frozen_in_four_bits_train_an_adapter(decoder: Path, tmp_path: Path) -> None:
    """QLoRA: the frozen weights are quantised, the vectors stay near, and gradients reach the adapter alone."""
    pytest.importorskip("bitsandbytes")
    from peft import LoraConfig, TaskType

    entry = tiny.entry(tiny.dense(tmp_path / "m", decoder, "lasttoken"), pooling="last", padding="left")
    encoder, plain = factory.encoder(entry, frozen="nf4"), factory.encoder(entry)
    assert any(type(module).__name__ == "Linear4bit" for module in encoder.model.modules())
    near = (encoder.encode(tiny.TEXTS, "query") * plain.encode(tiny.TEXTS, "query")).sum(1)
    assert near.min() > 0.7
    assert encoder.fingerprint("query") != plain.fingerprint("query")
    encoder.model.add_adapter(LoraConfig(task_type=TaskType.FEATURE_EXTRACTION, r=2, target_modules="all-linear"))
    encoder.model(encoder.model.preprocess(tiny.TEXTS))["sentence_embedding"].float().sum().backward()
    learning = {name for name, parameter in encoder.model.named_parameters() if parameter.grad is not None}
    assert learning
    assert all("lora_" in name for name in learning)


def test_four_bits_without_the_library_is_one_line(
    decoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib.util

    entry = tiny.entry(tiny.dense(tmp_path / "m", decoder, "lasttoken"), pooling="last", padding="left")
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "bitsandbytes" else find(name, *rest)
    )
    with pytest.raises(UserError, match="pip install bitsandbytes"):
        factory.encoder(entry, frozen="nf4")
