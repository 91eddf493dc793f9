"""LoRA layers for training on a processor, with fewer matrix products than peft's.

peft multiplies by the frozen weights and by both thin matrices of the adapter, and adds: three products forward, six
backward, and as many passes over activations that are too large for a cache. Here the adapter is merged into the frozen
weights before each product, which costs little: one product forward, one backward, and the four thin ones of the
adapter's gradients. oneDNN computes them (see `encoders.products`), which is never slower for these shapes.
"""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners.lora import Linear

from patent_embeddings.encoders import products


class _Product(torch.autograd.Function):
    """x (W + s B A)ᵀ + b, float32 [..., in] to [..., out], with gradients of x, A [rank, in] and B [out, rank]."""

    @staticmethod
    def forward(
        context: Any,
        x: torch.Tensor,
        a: torch.Tensor,
        b: torch.Tensor,
        weight: torch.Tensor,
        bias: torch.Tensor | None,
        scaling: float,
    ) -> torch.Tensor:
        whole = torch.addmm(weight, b, a, alpha=scaling)
        context.save_for_backward(x, a, b, whole)
        context.scaling = scaling
        return products.multiply(x, whole, bias)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        x, a, b, whole = context.saved_tensors
        rows, given = gradient.flatten(0, -2), x.flatten(0, -2)
        of_a = products.multiply(rows, b.T).T @ given
        of_b = (products.multiply(given, a).T @ rows).T
        # The first layer's input is the frozen embeddings.
        of_x = products.multiply(gradient, whole.T) if context.needs_input_grad[0] else None
        return of_x, context.scaling * of_a, context.scaling * of_b, None, None, None


class Folded(Linear):
    """peft's LoRA layer with the same values and gradients but for rounding."""

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> torch.Tensor:
        """float32 [..., in] to [..., out]."""
        (name,) = self.active_adapters
        a, b, frozen = self.lora_A[name].weight, self.lora_B[name].weight, self.base_layer
        weights = a, b, frozen.weight, frozen.bias, self.scaling[name]
        out: torch.Tensor = _Product.apply(x, *weights)  # type: ignore[no-untyped-call]
        return out


def fold(network: torch.nn.Module) -> None:
    """Turn every LoRA layer on a plain linear layer, in float32 on an x86 processor, into `Folded`.

    Only for a network with one adapter, without dropout, that peft neither disables nor merges.
    """
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        return
    for module in network.modules():
        if type(module) is Linear and _plain(module.base_layer):
            module.__class__ = Folded


def _plain(layer: Any) -> bool:
    if type(layer) not in (torch.nn.Linear, products.Linear):  # another subclass may multiply in another way
        return False
    weight = layer.weight
    return weight.device.type == "cpu" and weight.dtype == torch.float32
