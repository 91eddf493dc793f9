"""Training with the adapter folded into the weights is peft's own training."""

from __future__ import annotations

from typing import Any

import pytest
import tiny
import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear

from patent_embeddings.encoders import factory, products
from patent_embeddings.training import folded, lora

pytestmark = pytest.mark.pipeline

TEXTS = ["a pump", "a valve with a spring", "x", "seals: two. rings", "a duct that closes", "oil, and a sieve"]


@pytest.fixture(scope="module", params=["bert", "decoder"])
def entry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Registry entry of a tiny encoder, and of a tiny decoder, whose linear layers have no biases."""
    folder = tmp_path_factory.mktemp("folded")
    if request.param == "bert":
        return tiny.entry(tiny.bert(folder / "bert"))
    return tiny.entry(tiny.decoder(folder / "decoder"), pooling="last", padding="left")


def trained(entry: Any, monkeypatch: pytest.MonkeyPatch, fold: bool) -> tuple[set[type], dict[str, torch.Tensor]]:
    """What adapted layers are, and the adapter after eight steps of Adam towards far vectors."""
    with monkeypatch.context() as patch:
        if not fold:
            patch.setattr(lora, "fold", lambda network: None)
        model = factory.encoder(entry).model
        torch.manual_seed(1)
        lora.add(model, 4)
    lora.without_dropout(model)
    model.train()
    weights = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    optimiser = torch.optim.AdamW(weights.values(), lr=5e-3)
    for _ in range(8):
        optimiser.zero_grad()
        vectors = torch.nn.functional.normalize(model(model.preprocess(TEXTS))["sentence_embedding"], dim=1)
        (vectors @ vectors.T).logsumexp(1).sum().backward()
        optimiser.step()
    return {type(module) for module in model.modules() if isinstance(module, Linear)}, weights


def test_the_adapter_is_that_of_peft(entry: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, theirs = trained(entry, monkeypatch, fold=False)
    fast, ours = trained(entry, monkeypatch, fold=True)
    assert (plain, fast) == ({Linear}, {folded.Folded})
    assert ours.keys() == theirs.keys()
    for name, weight in ours.items():
        torch.testing.assert_close(weight, theirs[name], rtol=0, atol=1e-5)
    moved = [weight for name, weight in ours.items() if "lora_B" in name and "pooler" not in name]
    assert moved and all(weight.abs().max() > 1e-3 for weight in moved)


def adapted(layer: torch.nn.Linear) -> Any:
    """The layer with an adapter of rank 4 and scaling 2 on it, folded where it can be."""
    config = LoraConfig(r=4, lora_alpha=8, target_modules=["0"])
    network = inject_adapter_in_model(config, torch.nn.Sequential(layer))
    folded.fold(network)
    return network[0]


@pytest.mark.parametrize("shape", [(5, 7, 12), (3, 12)])
@pytest.mark.parametrize("bias", [True, False])
def test_values_and_gradients_are_those_of_the_formula(shape: tuple[int, ...], bias: bool) -> None:
    torch.manual_seed(0)
    layer = adapted(torch.nn.Linear(12, 8, bias=bias))
    assert isinstance(layer, folded.Folded)
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.nn.init.normal_(b)
    x = torch.randn(shape, requires_grad=True)
    whole, found = layer.base_layer.weight + 2 * b @ a, layer(x)
    wanted = x @ whole.T + (layer.base_layer.bias if bias else 0)
    torch.testing.assert_close(found, wanted)
    ours, theirs = (torch.autograd.grad((out**2).sum(), [x, a, b]) for out in (found, wanted))
    torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-4)
    assert layer.base_layer.weight.grad is None


def test_what_is_no_plain_product_in_float32_stays_with_peft(monkeypatch: pytest.MonkeyPatch) -> None:
    class Doubled(torch.nn.Linear):
        def forward(self, input: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(input)

    assert type(adapted(Doubled(4, 3))) is Linear
    assert type(adapted(torch.nn.Linear(4, 3, dtype=torch.bfloat16))) is Linear
    assert type(adapted(products.Linear(4, 3))) is folded.Folded
    monkeypatch.setattr("torch.backends.cpu.get_cpu_capability", lambda: "DEFAULT")
    assert type(adapted(torch.nn.Linear(4, 3))) is Linear
