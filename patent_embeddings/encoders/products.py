"""Linear layers multiplied by oneDNN, for processors on which torch's own choice is slower.

torch multiplies float32 matrices by MKL, which on AMD's processors with AVX-512 is slower than oneDNN: 105 GFLOP/s a
core against 229 on a Zen 5, 90 against 98 on a Zen 4. On Intel's processors, and with AVX2 alone, both are equal.
In bfloat16 both are oneDNN's, but torch copies the bias in a pass of its own, a tenth of the product's time. The
operator is the one that torch's inductor would choose, without a minute of compiling, and with gradients.
"""

from __future__ import annotations

from typing import Any

import torch


class _Product(torch.autograd.Function):
    """x Wᵀ + b, [..., in] to [..., out], with the gradient of x: only adapters are trained, and never these weights."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        context.save_for_backward(weight)
        return multiply(x, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (weight,) = context.saved_tensors
        return multiply(gradients[0], weight.T), None, None


class Linear(torch.nn.Linear):
    """torch's linear layer with frozen weights, multiplied by oneDNN."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """[..., in] to [..., out]."""
        out: torch.Tensor = _Product.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out


def by_onednn(model: torch.nn.Module) -> None:
    """Let oneDNN multiply in every linear layer of a model on a processor."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:  # a subclass may multiply in another way
            module.__class__ = Linear


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x Wᵀ + b by oneDNN, [..., in] and [out, in] to [..., out], float32 or bfloat16; without gradients."""
    # No public function of torch chooses oneDNN for float32, or hands it the bias in bfloat16.
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found
