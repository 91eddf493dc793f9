"""Weights as the hub's repositories have them, in classes of transformers, against a computation written out."""

from __future__ import annotations

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import direct
import numpy as np
import pytest
import standins
import torch
from safetensors.torch import load_file, save_file

from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import factory, tokens, weights
from patent_embeddings.training import lora

pytestmark = pytest.mark.pipeline

LAYERS = 2
TEXTS = ["a pump", "A valve with a spring, that closes a duct", "x", "seals: two. rings"]
CODE = "raise RuntimeError('code of the repository ran')\n"

# Of each form: the model of the registry that has it, the network written out, read-out, and what of the entry differs.
CASES: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "gte": ("gte-multilingual", ("gte", "cls", (), True), {}),
    "arctic": ("arctic-m-v2", ("gte", "cls", (), True), {}),
    "nomic": ("nomic-v1-5", ("rotary", "mean", (), False), {}),
    "jina": ("jina-v3", ("jina", "mean", (), True), {}),
    "llama": ("nemotron-1b", ("decoder_both", "mean", (), True), {}),
    "stella": ("stella-1-5b", ("decoder_both", "mean", ("2_Dense_1024",), False), {}),
    # gte-Qwen2: the last token of left-padded input, by the same code
    "qwen": (
        "stella-1-5b", ("decoder_both", "last", (), False),
        {"pooling": "last", "padding": "left", "head": False, "dimension": standins.HIDDEN},
    ),
}  # fmt: skip


def edit(path: Path, **change: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


@pytest.fixture(scope="module")
def repositories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each case, as the hub has it, with a module that must not run."""
    made = {}
    for name, (model, *_) in CASES.items():
        made[name] = folder = standins.repository(model, tmp_path_factory.mktemp(name))
        (folder / "modeling.py").write_text(CODE)
        if name in ("stella", "qwen"):  # the end token is added by code of the repository
            edit(folder / "tokenizer.json", post_processor=None)
            (folder / "special_tokens_map.json").unlink()
            own = {"AutoTokenizer": ["modeling.Qwen2Tokenizer", "modeling.Qwen2TokenizerFast"]}
            edit(folder / "tokenizer_config.json", auto_map=own, add_eos_token=True, eos_token="<|endoftext|>")
        if name == "qwen":
            edit(folder / "1_Pooling/config.json", pooling_mode_mean_tokens=False, pooling_mode_lasttoken=True)
            listed = json.loads((folder / "modules.json").read_text())
            (folder / "modules.json").write_text(json.dumps(listed[:2]))
    return made


def entry(name: str, folder: Path, **changes: Any) -> Any:
    model, _, own = CASES[name]
    return standins.entry(model, folder, **{**own, **changes})


def load(name: str, folder: Path, **options: Any) -> Any:
    return factory.encoder(entry(name, folder), **options)


def written_out(name: str, encoder: Any, texts: list[str], side: Any = "document", adapter: Any = None) -> np.ndarray:
    """Vectors by the computation written out; `adapter`: a folder with what is added to the weights."""
    tasks = encoder.entry.tasks
    model = direct.Repository(encoder.folder, getattr(tasks, side).replace(".", "_") if tasks else "")
    if adapter:
        vars(model)["tensors"] = direct.adapted(model.tensors, adapter)
    ids = [torch.tensor(encoder.tokenizer(encoder.prompt(side) + text)["input_ids"]) for text in texts]
    network, *read = CASES[name][1]
    return np.stack([direct.vector(model, network, one, *read).numpy() for one in ids])


@pytest.mark.parametrize("name", CASES)
def test_vectors_are_those_of_the_computation_written_out(
    repositories: dict[str, Path], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(weights.CONSENT, raising=False)
    encoder = load(name, repositories[name])
    expected = written_out(name, encoder, TEXTS)
    assert np.abs(encoder.encode(TEXTS, "document") - expected).max() < 1e-5
    for text, vector in zip(TEXTS, expected, strict=True):
        assert np.abs(encoder.encode([text], "document")[0] - vector).max() < 1e-5
    assert np.ptp(expected, axis=0).max() > 0.05


def causal(network: Any) -> None:
    network.config.is_causal = True  # of decoders
    for module in network.modules():
        if hasattr(module, "is_causal"):
            module.is_causal = True  # of encoders, where nothing is padded


def other_base(network: Any) -> None:
    network.rotary_emb.inv_freq.mul_(0.8)


@pytest.mark.parametrize("fault", [causal, other_base])
@pytest.mark.parametrize("name", CASES)
def test_a_fault_in_the_network_shows(repositories: dict[str, Path], name: str, fault: Callable[[Any], None]) -> None:
    encoder = load(name, repositories[name])
    fault(encoder.network)
    found, expected = encoder.encode([TEXTS[1]], "document"), written_out(name, encoder, [TEXTS[1]])
    assert np.abs(found - expected).max() > 1e-3


def test_each_side_has_the_adapter_of_its_task(
    repositories: dict[str, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    capfd.readouterr()
    encoder = load("jina", repositories["jina"])
    assert "".join(capfd.readouterr()) == ""
    found = {}
    for side in ("query", "document", "classification", "clustering"):
        (found[side],) = encoder.encode([TEXTS[1]], side)
        assert np.abs(found[side] - written_out("jina", encoder, [TEXTS[1]], side)[0]).max() < 1e-5
    assert np.abs(found["clustering"] - found["classification"]).max() > 0.03


@pytest.mark.parametrize(
    ("file", "change", "said"),
    [
        ("retrieval_query/adapter_model.safetensors", None, "lacks retrieval_query/adapter_model.safetensors"),
        ("separation/adapter_model.safetensors", {"fc1": torch.nan}, "not all numbers: .*separation.* holds NaN"),
        ("separation/adapter_model.safetensors", {"layers.1": None}, "is of another network"),
    ],
)
def test_an_adapter_of_a_task_is_whole_or_refused(
    repositories: dict[str, Path], tmp_path: Path, file: str, change: Any, said: str
) -> None:
    folder = shutil.copytree(repositories["jina"], tmp_path / "altered")
    state = load_file(folder / file)
    (folder / file).unlink()
    for piece, value in (change or {}).items():
        touched = {name: tensor for name, tensor in state.items() if piece in name}
        others = {name: tensor for name, tensor in state.items() if piece not in name}
        save_file(others | ({} if value is None else {n: t * value for n, t in touched.items()}), folder / file)
    with pytest.raises(UserError, match=said):
        load("jina", folder)


@pytest.mark.parametrize(
    ("name", "change", "said"),
    [
        ("gte", {"rope_scaling": {"type": "yarn", "factor": 2.0}}, "`rope_scaling: .*yarn"),
        ("gte", {"rope_scaling": {"type": "ntk", "factor": 8.0, "mixed_b": 0.5}}, "`rope_scaling: .*mixed_b"),
        ("gte", {"layer_norm_type": "rms_norm"}, '`layer_norm_type: "rms_norm"`'),
        ("gte", {"logn_attention_scale": True}, "`logn_attention_scale: true`"),
        ("gte", {"hidden_act": "relu"}, '`hidden_act: "relu"`'),
        ("nomic", {"rotary_emb_fraction": 0.5}, "`rotary_emb_fraction: 0.5`"),
        ("nomic", {"rotary_scaling_factor": 2}, "`rotary_scaling_factor: 2`"),
        ("nomic", {"activation_function": "gelu"}, '`activation_function: "gelu"`'),
        ("nomic", {"prenorm": True}, "`prenorm: true`"),
        ("nomic", {"num_experts": 8}, "`num_experts: 8`"),
        ("llama", {"pooling": "weighted_avg"}, '`pooling: "weighted_avg"`'),
        ("llama", {"a_new_switch": 3}, "`a_new_switch: 3`"),
        ("stella", {"use_sliding_window": True}, "`use_sliding_window: true`"),
        ("stella", {"is_causal": True}, "`is_causal: true`"),
    ],
)
def test_what_a_class_cannot_do_is_refused(
    repositories: dict[str, Path], tmp_path: Path, name: str, change: dict[str, Any], said: str
) -> None:
    folder = shutil.copytree(repositories[name], tmp_path / "altered")
    edit(folder / "config.json", **change)
    with pytest.raises(UserError, match=f"config.json says {said}.*, which `native: .*` of its entry cannot do"):
        load(name, folder)


def test_a_repository_s_own_module_is_refused(repositories: dict[str, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(repositories["nomic"], tmp_path / "altered")
    listed = (folder / "modules.json").read_text()
    (folder / "modules.json").write_text(listed.replace("sentence_transformers.models.Pooling", "modeling.Pooling"))
    with pytest.raises(UserError, match=r"names code of its own, modeling\.Pooling"):
        load("nomic", folder)


@pytest.mark.parametrize("name", CASES)
def test_every_linear_layer_is_tuned(repositories: dict[str, Path], name: str, tmp_path: Path) -> None:
    """One step, its adapter written, and put on again: the same vectors, beside a task's adapter too."""
    folder = repositories[name]
    encoder = load(name, folder, frozen="float32" if name == "jina" else None)
    linears = sum(isinstance(module, torch.nn.Linear) for module in encoder.network.modules())
    torch.manual_seed(0)
    lora.add(encoder.model, 2)
    encoder.model(encoder.prepare(TEXTS, "document"))["sentence_embedding"].pow(2)[:, 0].sum().backward()
    trained = {key: each for key, each in encoder.network.named_parameters() if "lora_B" in key}
    pooled = sum("pooler" in key for key in trained)
    assert len(trained) == linears == LAYERS * (6 if name == "jina" else 7) + pooled
    with torch.no_grad():
        for key, each in trained.items():
            if "pooler" not in key:  # which is not read
                assert each.grad is not None and each.grad.abs().max() > 0, key
                each -= 0.1 * each.grad
    out = tmp_path / "adapter"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lora.save(encoder.model, encoder.entry, out)
    tuned = encoder.model(encoder.prepare(TEXTS, "document"))["sentence_embedding"].detach().numpy()
    again = factory.encoder(entry(name, folder, tasks=None), adapter=out)
    assert np.abs(again.encode(TEXTS, "document") - tuned).max() < 1e-5


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-5), ("bfloat16", 0.03)])
def test_a_recipe_s_adapter_is_added_to_that_of_the_task(
    repositories: dict[str, Path], tmp_path: Path, dtype: str, tolerance: float
) -> None:
    """Merged in float32, beside the frozen weights in bfloat16."""
    folder, adapter = repositories["jina"], tmp_path / "adapter"
    encoder = load("jina", folder, frozen="float32")
    torch.manual_seed(0)
    lora.add(encoder.model, 2)
    with torch.no_grad():
        for key, each in encoder.network.named_parameters():
            if "lora_B" in key:
                each.normal_(0, 0.2)
    lora.save(encoder.model, encoder.entry, adapter)
    tuned = load("jina", folder, adapter=adapter, dtype=dtype, tested=False)
    (found,), (expected,) = tuned.encode([TEXTS[1]], "query"), written_out("jina", tuned, [TEXTS[1]], "query", adapter)
    assert np.abs(found - expected).max() < tolerance
    assert np.abs(written_out("jina", tuned, [TEXTS[1]], "query")[0] - expected).max() > 3 * tolerance


def test_tokens_are_what_the_repository_s_own_code_gives(repositories: dict[str, Path]) -> None:
    for name in ("stella", "qwen"):
        folder = repositories[name]
        held = json.loads((folder / "tokenizer.json").read_text())
        alphabet, end = held["model"]["vocab"], held["added_tokens"][0]
        assert end["content"] == "<|endoftext|>"
        for tokenizer in (load(name, folder).tokenizer, tokens.tokenizer(entry(name, folder))):
            assert tokenizer("a pump")["input_ids"] == [*(alphabet[letter] for letter in "aĠpump"), end["id"]]
    llama = load("llama", repositories["llama"]).tokenizer
    assert llama("x")["input_ids"][0] == llama.convert_tokens_to_ids("<|begin_of_text|>")
