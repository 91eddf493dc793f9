"""How much of a training step is kept in memory at once."""

from __future__ import annotations

from patent_embeddings.encoders.values import Plan

KEPT = 8192  # tokens of a step on a processor: of 32 pairs of 128 tokens


def kept(plan: Plan, *, on_gpu: bool) -> int:
    """Tokens of a training step, padding included, whose activations are kept at once."""
    if not on_gpu:
        return KEPT
    # A share of what encoding takes, whose activations go layer by layer: here all layers' stay, or where they are
    # computed again their inputs.
    return plan.tokens // (2 if plan.checkpointing else 4)
