"""Tokens of a training step whose activations are kept in memory at once."""

from __future__ import annotations

from patent_embeddings.encoders.values import Plan

KEPT = 8192  # tokens of a step on a processor: 32 pairs of texts of 128 tokens


def kept(plan: Plan, *, on_gpu: bool) -> int:
    """Most tokens, padding included, whose activations are kept at once; larger batches go in chunks."""
    if not on_gpu:
        return KEPT
    # Less than in encoding, which frees the activations of a layer after the next one: training keeps those of all
    # layers, or with checkpointing the inputs of all layers.
    return plan.tokens // (2 if plan.checkpointing else 4)
