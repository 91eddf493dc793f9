"""oneDNN's products are torch's, forward and backward, and stand in only where torch's lag behind."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tiny
import torch

from patent_embeddings.encoders import devices, factory, products
from patent_embeddings.encoders.devices import Device

pytestmark = pytest.mark.pipeline

TEXTS = [text * times for times in (1, 2, 3) for text in ("pump. ", "a valve, a seal; ", "x")]


@pytest.fixture(scope="module", params=["bert", "decoder"])
def entry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Registry entry of a tiny encoder, and of a tiny decoder that pads on the left."""
    folder = tmp_path_factory.mktemp("products")
    if request.param == "bert":
        return tiny.entry(tiny.bert(folder / "bert"))
    return tiny.entry(tiny.decoder(folder / "decoder"), pooling="last", padding="left")


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("shape", [(5, 7, 12), (3, 12), (1, 12)])
def test_values_and_gradients_are_those_of_torch(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    plain, fast = (torch.nn.Linear(12, 8, bias=bias).requires_grad_(False) for _ in range(2))
    fast.load_state_dict(plain.state_dict())
    products.by_onednn(torch.nn.Sequential(fast))
    assert isinstance(fast, products.Linear)
    x = torch.randn(shape)
    found = []
    for layer in (plain, fast):
        given = x.clone().requires_grad_()
        out = layer(given)
        (out**2).sum().backward()
        found.append([out.detach(), given.grad])
    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-5)


def test_a_subclass_of_a_linear_layer_keeps_its_own_product() -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    layer = Doubled(4, 3)
    before = layer(torch.ones(1, 4))
    products.by_onednn(torch.nn.Sequential(layer))
    torch.testing.assert_close(layer(torch.ones(1, 4)), before)


def test_vectors_are_the_plain_ones_and_the_key_says_who_multiplied(
    entry: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "products", lambda *_: "torch")
    plain, coarse = factory.encoder(entry), factory.encoder(entry, dtype="bfloat16")
    monkeypatch.setattr(devices, "products", lambda *_: "onednn")
    fast, half = factory.encoder(entry), factory.encoder(entry, dtype="bfloat16")
    layers = [type(module) for module in fast.model.modules() if isinstance(module, torch.nn.Linear)]
    assert set(layers) == {products.Linear}
    assert (plain.products, fast.products, half.products) == ("torch", "onednn", "onednn")
    for texts in (TEXTS, TEXTS[:1], TEXTS[3:5]):  # padded, alone, in another shape
        np.testing.assert_allclose(fast.encode(texts, "query"), plain.encode(texts, "query"), rtol=0, atol=1e-5)
        ours, own = (np.abs(one.encode(texts, "query") - plain.encode(texts, "query")).max() for one in (half, coarse))
        assert ours <= 2 * own  # as near to float32 as torch's own bfloat16
    assert fast.key("query") != plain.key("query")
    again = factory.encoder(entry, **fast.options)  # as a worker of Ray loads it
    assert again.key("query") == fast.key("query")
    np.testing.assert_array_equal(again.encode(TEXTS, "query"), fast.encode(TEXTS, "query"))


@pytest.mark.parametrize(
    ("make", "capability", "halves", "lags"),
    [
        ("AuthenticAMD", "AVX512", True, {"float32", "bfloat16"}),
        ("AuthenticAMD", "AVX512", False, {"float32"}),
        ("AuthenticAMD", "AVX2", True, set()),
        ("GenuineIntel", "AVX512", True, {"bfloat16"}),
        ("GenuineIntel", "AVX512", False, set()),
    ],
)
def test_where_torch_lags(
    make: str, capability: str, halves: bool, lags: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "instructions", lambda: capability)
    processor = Device("cpu", make, 1, halves)
    assert {dtype for dtype in ("float32", "bfloat16") if devices.products(processor, dtype) == "onednn"} == lags
    assert devices.products(Device("cuda", "NVIDIA H200", 1, True), "bfloat16") == "torch"
