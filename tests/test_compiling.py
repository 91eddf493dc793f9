"""Compiled models give the plain ones' vectors, and are compiled only where that pays."""

from __future__ import annotations

import shutil
import sysconfig
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny

from stages import encoders
from stages.encoders import compiling, engines, shards

pytestmark = pytest.mark.pipeline

compiler = pytest.mark.skipif(
    shutil.which("g++") is None or not Path(sysconfig.get_path("include"), "Python.h").is_file(),
    reason="needs a C++ compiler and Python's headers",
)
MANY = [text * times for times in (1, 2, 3) for text in ("pump. ", "a valve, a seal; ", "x")]


@pytest.fixture(scope="module", params=["bert", "decoder"])
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Registry entry of a tiny encoder, and of a tiny decoder that pads on the left."""
    if request.param == "bert":
        return tiny.entry(tiny.bert(tmp_path_factory.mktemp("compiled") / "bert"))
    return tiny.entry(tiny.decoder(tmp_path_factory.mktemp("compiled") / "decoder"), pooling="last", padding="left")


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.bert(tmp_path_factory.mktemp("compiled") / "bert")


@pytest.fixture
def amd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "_slow_products", lambda: True)


@pytest.fixture
def eager_to_compile(amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiling, "BREAK_EVEN", 0.0)


@compiler
def test_a_compiled_model_gives_the_plain_vectors_and_is_in_the_key(
    made: Any, eager_to_compile: None, capsys: pytest.CaptureFixture[str]
) -> None:
    plain, fast = encoders.load(made), encoders.load(made)
    fast.settle(MANY)
    assert fast.compiled and not plain.compiled
    assert "tiny/model: compiling" in capsys.readouterr().err
    for texts in (MANY, MANY[:1], MANY[3:5]):  # padded, alone, in another shape
        np.testing.assert_allclose(fast.encode(texts, "query"), plain.encode(texts, "query"), rtol=0, atol=1e-5)
    assert engines.key(fast, "query") != engines.key(plain, "query")
    again = encoders.load(made, **fast.options)  # as a worker of Ray loads it
    assert engines.key(again, "query") == engines.key(fast, "query")
    np.testing.assert_array_equal(again.encode(MANY, "query"), fast.encode(MANY, "query"))


def test_without_a_compiler_encoding_goes_on(
    bert: Path, workspace: Path, eager_to_compile: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    import torch

    torch.compiler.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(workspace / "inductor"))
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("no-such-compiler",))
    encoder = encoders.load(tiny.entry(bert))
    shards.encode(encoder, {"documents": ("document", MANY)}, workspace, "t")
    assert "not compiled" in capsys.readouterr().err and not encoder.compiled
    plain = encoders.load(tiny.entry(bert)).encode(MANY, "document")
    np.testing.assert_array_equal(np.load(workspace / "documents.npy"), plain)


def test_only_batches_of_several_texts_in_float32_where_products_lag_are_compiled(
    bert: Path, eager_to_compile: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = encoders.load(tiny.entry(bert))
    assert compiling.pays(encoder, MANY)
    assert not compiling.pays(encoders.load(tiny.entry(bert), dtype="bfloat16"), MANY)
    monkeypatch.setattr(compiling, "_slow_products", lambda: False)
    assert not compiling.pays(encoder, MANY)
    monkeypatch.setattr(compiling, "_slow_products", lambda: True)
    monkeypatch.setattr("stages.encoders.base._CACHED", 2 * encoder.limit - 1)  # a longest text fills a batch
    assert not compiling.pays(encoder, MANY)


@pytest.mark.parametrize(
    ("make", "capability", "slow"),
    [("AuthenticAMD", "AVX512", True), ("AuthenticAMD", "AVX2", False), ("GenuineIntel", "AVX512", False)],
)
def test_products_lag_on_amd_with_avx512(
    make: str, capability: str, slow: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    described = tmp_path / "cpuinfo"
    described.write_text(f"processor\t: 0\nvendor_id\t: {make}\n", encoding="ascii")
    monkeypatch.setattr(compiling, "_PROCESSOR", described)
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: capability)
    assert compiling._slow_products() is slow


def test_it_pays_from_some_number_of_tokens_on(bert: Path, amd: None, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = encoders.load(tiny.entry(bert))
    network = encoder.model[0].model
    weights = sum(p.numel() for p in network.parameters()) - network.embeddings.word_embeddings.weight.numel()
    # 2 layers; texts of 100 letters count for 20 tokens, of 1,000 for the 48 that are kept.
    tokens = 20 + 48
    texts = ["a" * 100, "b" * 1000]
    monkeypatch.setattr(compiling, "BREAK_EVEN", 2 * weights * tokens / 2)
    assert not compiling.pays(encoder, texts)
    assert compiling.pays(encoder, [*texts, "c" * 5])
