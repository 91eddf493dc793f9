"""Products of linear layers by oneDNN, where those that torch chooses by itself lag behind.

torch multiplies float32 matrices by MKL, which on AMD's processors with AVX-512 reaches half of what oneDNN does: 105
GFLOP/s a core against 229 on a Zen 5. On Intel's processors, and on AMD's without AVX-512, both are level. It is the
operator that torch's inductor would choose, without its minute of compiling, and with gradients.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

_PROCESSOR = Path("/proc/cpuinfo")


class _Product(torch.autograd.Function):
    """x Wᵀ + b, float32 [..., in] to [..., out]."""

    @staticmethod
    def forward(context: Any, x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        context.save_for_backward(x, weight)
        return multiply(x, weight, bias)

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = gradients
        x, weight = context.saved_tensors
        wanted = context.needs_input_grad
        rows = gradient.flatten(0, -2)
        return (
            multiply(gradient, weight.T) if wanted[0] else None,
            rows.T @ x.flatten(0, -2) if wanted[1] else None,
            rows.sum(0) if wanted[2] else None,
        )


class Linear(torch.nn.Linear):
    """torch's linear layer, multiplied by oneDNN."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """float32 [..., in] to [..., out]."""
        out: torch.Tensor = _Product.apply(input, self.weight, self.bias)  # type: ignore[no-untyped-call]
        return out


def by_onednn(model: torch.nn.Module) -> None:
    """Let oneDNN multiply in every linear layer of a model in float32 on a processor."""
    for module in model.modules():
        if type(module) is torch.nn.Linear:  # a subclass may multiply in another way
            module.__class__ = Linear


def lag() -> bool:
    """Whether torch's own products lag behind oneDNN's: on AMD's processors (as Linux says) with AVX-512."""
    try:
        amd = "AuthenticAMD" in _PROCESSOR.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return amd and torch.backends.cpu.get_cpu_capability().startswith("AVX512")


def multiply(x: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None = None) -> torch.Tensor:
    """x Wᵀ + b by oneDNN, float32 [..., in] and [out, in] to [..., out]; without gradients."""
    # No public function of torch chooses oneDNN for float32.
    found: torch.Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return found
