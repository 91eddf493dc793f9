"""The test before a model's first use: green for what does what its entry says, red for each planted fault."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import standins
import tiny

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import checking, factory, native, trial
from patent_embeddings.encoders.entries import model_entry

pytestmark = pytest.mark.pipeline

PROMPTS = {"query": "query: ", "document": "passage: "}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "patent-embeddings" / "trials"


def standin(name: str, folders: Path, **changes: Any) -> Any:
    """The stand-in of one of the study's models, untested."""
    folder = folders / name
    if not folder.exists():
        standins.repository(name, folder)
    return factory.encoder(standins.entry(name, folder, **changes), tested=False)


def red(encoder: Any) -> set[str]:
    return {one.what for one in checking.findings(encoder) if not one.fits}


KINDS = ["minilm", "me5-large", "qwen3-0-6b", "kalm-gemma3-12b", "nemotron-1b", "stella-1-5b", "gte-multilingual",
         "nomic-v2-moe", "embeddinggemma", "patembed-base", "colbert-v2", "jina-colbert-v2"]  # fmt: skip


@pytest.mark.parametrize("name", KINDS)
def test_a_model_that_does_what_its_entry_says_passes(name: str, folders: Path) -> None:
    encoder = standin(name, folders)
    found = list(checking.findings(encoder))
    assert not [one for one in found if not one.fits]
    looked_at = {one.what for one in found}
    assert {"dimension", "finite", "norm", "texts", "meaning", "padding", "side", "sides", "prompt"} <= looked_at
    assert "direction" in looked_at
    assert ("pooling" in looked_at) == (encoder.entry.encoder == "dense")


@pytest.mark.parametrize("make", ["bert", "decoder"])
@pytest.mark.parametrize("seed", range(6))
def test_random_weights_pass_whatever_their_seed(make: str, seed: int, tmp_path: Path) -> None:
    """Like texts share most of their words, so that no training is needed to find them alike."""
    import torch

    encoder = untrained(make, tmp_path)
    torch.manual_seed(seed)
    for parameter in encoder.model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    assert not red(encoder)


def untrained(make: str, folder: Path, **changes: Any) -> Any:
    """A letter a token: BERT with a mean, or Qwen3 with the last token of left-padded input."""
    base = tiny.bert(folder / "base") if make == "bert" else tiny.decoder(folder / "base")
    model = tiny.dense(folder / "m", base, "mean" if make == "bert" else "lasttoken")
    read = {} if make == "bert" else {"pooling": "last", "padding": "left"}
    return factory.encoder(tiny.entry(model, **{**read, **changes}), tested=False)


# Faults, each planted in a loaded model


def not_a_number(encoder: Any) -> None:
    """One row of a batch."""
    plain = encoder.compute

    def faulty(prepared: Any, side: Any) -> Any:
        vectors = plain(prepared, side)
        vectors[-1] = np.nan
        return vectors

    encoder.compute = faulty


def causal(encoder: Any) -> None:
    """No token sees those after it, as a decoder has it that is loaded without what makes it see both ways."""
    for module in encoder.model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = True
    encoder.model.transformers_model.config.is_causal = True


def both_ways(encoder: Any) -> None:
    for module in encoder.model.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = False
    encoder.model.transformers_model.config.is_causal = False


def first_token(encoder: Any) -> None:
    next(module for module in encoder.model if type(module).__name__ == "Pooling").pooling_mode = "cls"


def prompt_twice(encoder: Any) -> None:
    plain = encoder.prepare
    encoder.prepare = lambda texts, side: plain([encoder.prompt(side) + text for text in texts], side)


def no_prompt(encoder: Any) -> None:
    encoder.model.preprocess = lambda texts, prompt=None, *, plain=encoder.model.preprocess, **rest: plain(
        texts, prompt="", **rest
    )


def other_side(encoder: Any) -> None:
    tokenizer = encoder.tokenizer
    tokenizer.padding_side = "left" if tokenizer.padding_side == "right" else "right"


def rebased(encoder: Any) -> None:
    """Frequencies as of a base of 500, where the configuration says another."""
    for module in encoder.model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name.endswith("inv_freq"):
                buffer.copy_(500.0 ** (-buffer.new_tensor(range(len(buffer))) / len(buffer)))


def unfilled(encoder: Any) -> None:
    """What transformers 5 leaves of a table that is no weight where old code makes it: any bytes."""
    for module in encoder.model.modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name.endswith("inv_freq"):
                buffer.zero_()


def unnormed(encoder: Any) -> None:
    next(one for one in encoder.model if type(one).__name__ == "Normalize").forward = lambda features: features


def constant(encoder: Any) -> None:
    """Every text the same vector."""
    plain = encoder.compute
    encoder.compute = lambda prepared, side: plain(prepared, side)[:1].repeat(len(prepared["input_ids"]), axis=0)


FAULTS: list[tuple[str, Callable[[Any], None], str]] = [
    ("minilm", not_a_number, "finite"),
    ("colbert-v2", lambda encoder: encoder.model[1].linear.weight.data.fill_(np.nan), "finite"),
    ("nemotron-1b", causal, "direction"),
    ("stella-1-5b", causal, "direction"),
    ("qwen3-0-6b", both_ways, "direction"),
    ("minilm", first_token, "pooling"),
    ("qwen3-0-6b", first_token, "pooling"),
    ("me5-large", prompt_twice, "prompt"),
    ("qwen3-0-6b", prompt_twice, "prompt"),
    ("colbert-v2", prompt_twice, "prompt"),
    ("me5-large", no_prompt, "prompt"),
    ("qwen3-0-6b", other_side, "side"),
    ("minilm", other_side, "side"),
    ("qwen3-0-6b", rebased, "rotary"),
    ("gte-multilingual", rebased, "rotary"),
    ("kalm-gemma3-12b", rebased, "rotary"),
    ("nemotron-1b", unfilled, "rotary"),
    ("me5-large", unnormed, "norm"),
    ("me5-large", constant, "texts"),
]


@pytest.mark.parametrize(
    ("name", "plant", "what"), FAULTS, ids=[f"{name}-{what}-{number}" for number, (name, _, what) in enumerate(FAULTS)]
)
def test_a_planted_fault_is_found(name: str, plant: Callable[[Any], None], what: str, folders: Path) -> None:
    encoder = standin(name, folders)
    plant(encoder)
    assert what in red(encoder)


def test_left_for_right_padding_is_found_where_it_changes_vectors(tmp_path: Path) -> None:
    """BERT counts its positions from the first column: an entry that pads it on the left is wrong."""
    assert "padding" in red(untrained("bert", tmp_path, padding="left"))


def test_an_entry_of_another_size_or_without_its_prompt_is_found(folders: Path) -> None:
    assert red(standin("minilm", folders, dimension=64)) == {"dimension"}


def test_a_form_that_forgets_its_direction_is_found(folders: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole way: a repository's decoder for both directions, read into a class that looks back only."""
    form = native.FORMS["llama-both-directions"]
    monkeypatch.setitem(native.FORMS, "llama-both-directions", native.Form(**{**vars(form), "fixed": {}}))
    assert red(standin("nemotron-1b", folders)) == {"direction"}


def test_a_fault_is_one_line_that_names_the_model_and_what_to_do(tmp_path: Path, scratch: Path) -> None:
    with pytest.raises(UserError) as caught:
        trial.passed(untrained("bert", tmp_path, padding="left"))
    said = str(caught.value)
    assert "\n" not in said
    for part in ("tiny/model: failed its test before first use", "padding", "differ by", "left", "stages.model check"):
        assert part in said
    assert not list(scratch.glob("*"))  # what failed is tested again


def test_a_model_is_tested_once_and_again_when_something_changes(
    tmp_path: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[Any] = []
    plain = checking.findings
    monkeypatch.setattr(checking, "findings", lambda encoder: tested.append(encoder) or plain(encoder))
    folder = tiny.dense(tmp_path / "m", tiny.bert(tmp_path / "base"), "mean")
    for _ in range(2):
        factory.encoder(tiny.entry(folder))
    assert len(tested) == len(list(scratch.glob("*"))) == 1
    factory.encoder(tiny.entry(folder, prompts=PROMPTS))
    factory.encoder(tiny.entry(folder), dtype="bfloat16")
    factory.encoder(tiny.entry(folder, licence="MIT"))  # which changes nothing
    assert len(tested) == 3
    moved = shutil.copytree(folder, tmp_path / "moved")
    (moved / "config.json").write_text((moved / "config.json").read_text().replace("1e-12", "1e-11"))
    factory.encoder(tiny.entry(moved))
    assert len(tested) == 4


def test_it_costs_a_second_once_and_nothing_later() -> None:
    encoder = factory.encoder(model_entry("minilm"), tested=False)
    spent = []
    for _ in range(3):
        start = time.process_time()  # of this process: others compute beside it
        trial.passed(encoder)
        spent.append(time.process_time() - start)
    assert spent[0] < 1.5
    assert min(spent[1:]) < 0.05


def test_a_read_out_that_nobody_checked_and_no_entry_can_name_is_not_looked_at(folders: Path) -> None:
    encoder = standin("minilm", folders, unverified=["pooling"])
    (pooling,) = (module for module in encoder.model if type(module).__name__ == "Pooling")
    pooling.pooling_mode = "max"
    assert not red(encoder)
    assert "pooling" not in {one.what for one in checking.findings(encoder)}


def test_tables_of_layers_with_heads_of_several_sizes_are_those_of_their_layers(tmp_path: Path) -> None:
    import torch
    from transformers import EmbeddingGemma2TextConfig
    from transformers.models.embedding_gemma2.modeling_embedding_gemma2 import EmbeddingGemma2RotaryEmbedding

    from patent_embeddings.encoders import rotary

    (tmp_path / "config.json").write_text("{}")
    network = torch.nn.Module()
    network.positions = EmbeddingGemma2RotaryEmbedding(EmbeddingGemma2TextConfig(num_hidden_layers=6, hidden_size=64))
    entry = model_entry("minilm")
    ((what, _, fits, _),) = rotary.findings(network, entry, tmp_path)
    assert what == "rotary" and fits
    network.positions.full_attention_inv_freq *= 1.1
    ((_, _, fits, _),) = rotary.findings(network, entry, tmp_path)
    assert not fits
