"""The loss in chunks is the loss of the whole batch: the value, the gradients and the adapter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import test_training

pytestmark = pytest.mark.pipeline

FORBIDDEN = {row: [(row + 1) % 12, (row - 1) % 12] for row in range(12)}  # neighbours
SEED = 5


def step(network: Any, kept: int) -> tuple[float, dict[str, Any], list[int]]:
    """Loss and gradients of a batch of 12 pairs, and the tokens of every pass that keeps activations."""
    import torch

    from patent_embeddings.training.loss import AllowedNegatives

    seen: list[int] = []
    watch = network.register_forward_pre_hook(
        lambda _, inputs: seen.append(inputs[0]["attention_mask"].numel()) if torch.is_grad_enabled() else None
    )
    letters = "abcdefghijkl"
    texts = ([letters[i] * (i + 1) for i in range(12)], [letters[i] + " x" * (12 - i) for i in range(12)])
    features = [dict(network.preprocess(side)) for side in texts]
    network.zero_grad()
    torch.manual_seed(SEED)
    loss = AllowedNegatives(network, FORBIDDEN, kept)(features, torch.arange(12))
    loss.backward()
    watch.remove()
    return float(loss.detach()), {n: w.grad.clone() for n, w in network.named_parameters() if w.grad is not None}, seen


@pytest.mark.parametrize("kept", [20, 60, 150])
def test_gradients_in_chunks_equal_those_of_the_whole_batch(model: Path, kept: int) -> None:
    import tiny
    import torch

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora

    network = factory.encoder(tiny.entry(model)).model
    torch.manual_seed(0)
    lora.add(network, 4)
    for name, weight in network.named_parameters():
        if "lora_B" in name:  # which is zero at first, and lets no gradient through to A
            torch.nn.init.normal_(weight)
    whole, gradients, at_once = step(network, 10_000)
    assert len(at_once) == 2 and len(gradients) > 8
    cached, in_chunks, passes = step(network, kept)
    # Every text goes through once, none beside more than fit; a text alone may be longer than what is kept.
    assert len(passes) > 2 and max(passes) <= max(kept, 27)
    assert cached == pytest.approx(whole, rel=1e-6)
    assert in_chunks.keys() == gradients.keys()
    for name, gradient in gradients.items():
        assert (in_chunks[name] - gradient).norm() <= 1e-5 * gradient.norm(), name


def test_dropout_is_the_same_in_both_passes(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient is that of the loss that was given: by finite differences, dropout as it was drawn."""
    import tiny
    import torch

    from patent_embeddings.encoders import devices, factory
    from patent_embeddings.training import lora

    monkeypatch.setattr(devices, "products", lambda *_: "torch")  # oneDNN multiplies no float64
    network = factory.encoder(tiny.entry(model)).model.double()
    lora.add(network, 4)
    network.double().train()
    weight = next(weight for name, weight in network.named_parameters() if "lora_B" in name)
    _, gradients, _ = step(network, 60)
    name = next(name for name, one in network.named_parameters() if one is weight)
    direction = torch.randn(weight.shape, dtype=weight.dtype, generator=torch.Generator().manual_seed(1))
    values = []
    for sign in (1, -1):
        with torch.no_grad():
            weight.add_(direction, alpha=sign * 1e-5)
        values.append(step(network, 60)[0])
        with torch.no_grad():
            weight.add_(direction, alpha=-sign * 1e-5)
    slope = (values[0] - values[1]) / 2e-5
    assert abs(slope) > 1e-3
    assert float((gradients[name] * direction).sum()) == pytest.approx(slope, rel=1e-4)


def test_an_adapter_trained_in_chunks_is_that_of_whole_batches(
    model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tiny
    from safetensors.torch import load_file

    found = []
    for name, kept in (("whole", 8192), ("chunks", 64)):
        monkeypatch.setattr("patent_embeddings.training.memory.KEPT", kept)
        monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / f"scratch-{name}"))
        trained = test_training.train(tiny.entry(model), workspace / name)
        found.append((trained.curve["loss"], load_file(workspace / name / "adapter_model.safetensors")))
    (whole, one), (chunks, two) = found
    assert np.ptp(whole) > 0.3
    np.testing.assert_allclose(chunks, whole, atol=1e-4)
    for name, weight in one.items():
        np.testing.assert_allclose(two[name], weight, atol=2e-3)
