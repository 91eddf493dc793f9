"""Compiling a model before it encodes: its weights are packed for oneDNN, and what lies between the products is fused.

torch's inductor takes 11 to 60 s for minilm and changes the entries of a vector by some 1e-7. On AMD's processors with
AVX-512, where torch's own products run at half of oneDNN's speed, it gave 1.5 to 1.65 times the texts a second, measured
elsewhere; on Intel's with AVX-512 nothing (1.0 times, 10,000 texts 40 s later); on an AMD without AVX-512, where both
products are level, 1.04 times after 63 s.
"""

from __future__ import annotations

from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages.progress import say

if TYPE_CHECKING:
    from collections.abc import Iterable

    from stages.encoders import Encoder

BREAK_EVEN = 2e12  # multiplications and additions, for each layer that is compiled, from which on it pays
_LARGEST = 1e9  # parameters; the packed weights are a second copy
_PROCESSOR = Path("/proc/cpuinfo")
_LETTERS = 5  # of a token, about


def pays(encoder: Encoder, texts: Iterable[str]) -> bool:
    """Whether compiling saves more than it takes for so many distinct texts.

    A function of model, texts and processor, never of clocks: it decides the last digits of the vectors.
    """
    if not _slow_products():
        return False
    if encoder.device != "cpu" or encoder.dtype != "float32" or encoder.late or encoder.entry.remote_code:
        return False
    if encoder.budget < 2 * encoder.limit:  # rows that go through the model alone are not compiled
        return False
    network = encoder.model[0].model
    embedded = network.get_input_embeddings().weight.numel()
    weights = sum(parameter.numel() for parameter in network.parameters()) - embedded
    tokens = sum(min(len(text) // _LETTERS, encoder.limit) for text in texts)
    return weights + embedded <= _LARGEST and 2.0 * weights * tokens > BREAK_EVEN * network.config.num_hidden_layers


def compiled(encoder: Encoder) -> bool:
    """Compile the encoder's model, once for batches of any shape; False, said why, where this machine cannot."""
    import torch

    network = encoder.model[0].model
    plain = network.forward
    fast = torch.compile(plain, dynamic=True, options={"freezing": True})

    @wraps(plain)
    def forward(*args: Any, **features: Any) -> Any:
        # One row is a special case to the compiler, which would begin anew for it.
        return (plain if len(features["input_ids"]) == 1 else fast)(*args, **features)

    say(f"{encoder.entry.hub}: compiling, which pays for this many texts")
    network.forward = forward
    try:
        encoder.encode(["a method", "a device for it", "use of both"], "document")
    except Exception as error:  # whatever the compiler stumbles over, the model itself works
        network.forward = plain
        torch.compiler.reset()
        say(f"{encoder.entry.hub}: not compiled ({str(error).strip().splitlines()[0]:.120}); encoding goes on without, somewhat slower")  # fmt: skip
        return False
    return True


def _slow_products() -> bool:
    """Whether torch's own products lag behind oneDNN's: on AMD's processors (as Linux says) with AVX-512."""
    import torch

    try:
        amd = "AuthenticAMD" in _PROCESSOR.read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return amd and torch.backends.cpu.get_cpu_capability().startswith("AVX512")
