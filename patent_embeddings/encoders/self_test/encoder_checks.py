"""Checks of a loaded model against its registry entry.

They hold for any weights: only one needs vectors with a meaning, and it compares sentences that share most of their
words.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_MASKED_LM_MAPPING_NAMES,
)

from patent_embeddings.encoders import weights
from patent_embeddings.encoders.base import POOLING, Encoder
from patent_embeddings.encoders.self_test import rotary
from patent_embeddings.encoders.self_test.gate import AGAIN, LONG, OTHER, SHORT, TEXT, Finding
from patent_embeddings.encoders.values import Side

SIDES: tuple[Side, ...] = ("query", "document")
_MOVED = 1e-4  # relative to the states; tokens without influence change them by nothing, or by a rounding


def findings(encoder: Encoder) -> Iterator[Finding]:
    """Check a loaded model; stops after vectors that are NaN or infinite."""
    entry = encoder.entry
    near = 1e-4 if encoder.dtype == "float32" else 3e-2
    with _passed(encoder.model[0]) as batches:
        found = _vectors(encoder, [SHORT, LONG, TEXT, AGAIN, OTHER], "document")
        alone, query = _vectors(encoder, [SHORT], "document")[0], _vectors(encoder, [SHORT], "query")[0]
    width = found[0].shape[-1]
    shown = f"{width}, entry {entry.dimension}"
    yield Finding("dimension", shown, width == entry.dimension, "`dimension` of its entry")
    every = [*found, alone, query]
    wrong = sum(int((~np.isfinite(one)).sum()) for one in every)
    cause = "weights or buffers that were not filled, or a type of number that is too small"
    yield Finding("finite", f"{wrong} of {sum(one.size for one in every)} values are no numbers", not wrong, cause)
    if wrong:
        return
    yield from _norms(encoder, every, near)
    yield from _texts(found, near)
    yield _padding(encoder, found, alone)
    yield from _sides(encoder, alone, query, near)
    for side, batch in zip(("document", "query"), batches[-2:], strict=True):
        yield _prompt(encoder, side, batch[0])
    yield from _direction(encoder)
    yield from _pooling(encoder, batches[0], near)
    yield from rotary.findings(encoder.model[0], encoder.entry, encoder.folder)


def _vectors(encoder: Encoder, texts: Sequence[str], side: Any) -> list[np.ndarray]:
    """An array a text: [dimension], or [tokens, dimension] for late interaction."""
    vectors = encoder.encode(texts, side)
    return np.split(vectors[0], vectors[1][1:]) if isinstance(vectors, tuple) else list(vectors)


_Pass = tuple[dict[str, Any], dict[str, Any]]  # features that a module is called with, and keywords such as the task


@contextmanager
def _passed(module: torch.nn.Module) -> Iterator[list[_Pass]]:
    """Record the inputs of a model's first module, in order of its calls."""
    seen: list[_Pass] = []

    def record(_: Any, given: Any, words: Any) -> None:
        seen.append((dict(given[0]), dict(words)))

    handle = module.register_forward_pre_hook(record, with_kwargs=True)
    try:
        yield seen
    finally:
        handle.remove()


def _norms(encoder: Encoder, found: Sequence[np.ndarray], near: float) -> Iterator[Finding]:
    norms = np.concatenate([np.linalg.norm(np.atleast_2d(one), axis=1) for one in found])
    shown = f"{norms.min():.4f} to {norms.max():.4f}"
    if any(type(module).__name__ == "Normalize" for module in encoder.model):
        yield Finding("norm", f"{shown}, promised 1", float(np.abs(norms - 1).max()) <= near, "a lost normalisation")
    else:
        yield Finding("norm", shown, bool(norms.min() > 0), "vectors of nothing")


def _texts(found: Sequence[np.ndarray], near: float) -> Iterator[Finding]:
    """Vectors differ from text to text, most where the texts do."""
    like, unlike = _similarity(found[2], found[3]), _similarity(found[2], found[4])
    apart, cause = _apart(found[2], found[4]), "weights that were not filled, or a tokenizer without its words"
    yield Finding("texts", f"vectors of two texts differ by {apart:.1e} of their length", apart > near * 1e-2, cause)
    cause = "weights that were not filled, a wrong read-out, or positions of another base"
    shown = f"like texts {like:.4f}, unlike texts {unlike:.4f}"
    yield Finding("meaning", shown, like > unlike, cause)


def _similarity(one: np.ndarray, other: np.ndarray) -> float:
    """Cosine; of token vectors the mean over those of `one` of the best cosine."""
    left, right = (np.atleast_2d(side) / np.linalg.norm(np.atleast_2d(side), axis=1)[:, None] for side in (one, other))
    return float((left @ right.T).max(axis=1).mean())


def _apart(one: np.ndarray, other: np.ndarray) -> float:
    """Distance of vectors relative to the length of `other`; infinite where the shapes differ."""
    same = one.shape == other.shape
    return float(np.linalg.norm(one - other) / np.linalg.norm(other)) if same else float("inf")


def _padding(encoder: Encoder, found: Sequence[np.ndarray], alone: np.ndarray) -> Finding:
    """A text has the same vector alone and in a batch with a longer one.

    bfloat16 loses half the digits, more in deep networks. The difference allowed there also depends on how far unlike
    texts are apart, as in a network whose vectors are all alike a small difference already matters.
    """
    turned = _apart(found[0], alone)
    unlike = float(np.sqrt(max(0.0, 2 - 2 * _similarity(found[2], found[4]))))
    allowed = 1e-3 if encoder.dtype == "float32" else min(1e-1, unlike / 4)
    cause = f"padding on the {encoder.entry.padding} side, for a model with fixed positions or another read-out"
    shown = f"alone and in a batch differ by {turned:.1e} of their length, unlike texts by {unlike:.1e}"
    return Finding("padding", shown, turned <= allowed, cause)


def _sides(encoder: Encoder, document: np.ndarray, query: np.ndarray, near: float) -> Iterator[Finding]:
    entry = encoder.entry
    prompted = encoder.prompt("query") != encoder.prompt("document") or entry.tasks is not None
    like, sided = _apart(query, document) <= near * 1e-1, prompted or (encoder.late and _sided(encoder))
    vectors_are, prompts_are = "equal" if like else "different", "differ" if prompted else "are the same"
    shown = f"query and document vectors of one text are {vectors_are}, prompts {prompts_are}"
    yield Finding("sides", shown, like != sided, "`prompts` or `tasks` of its entry, which the model does not read")
    for side in SIDES:
        own, used = (encoder.model.prompts or {}).get(side), encoder.prompt(side)
        if own and own != used:
            yield Finding("words", f"{side}: the entry's {used!r} is used, the weights name {own!r}", True)


def _sided(encoder: Encoder) -> bool:
    """Whether a late-interaction model treats queries and documents differently, apart from their prompts.

    It may pad queries with further tokens, or drop tokens of one side such as punctuation.
    """
    if encoder.model[0].query_expansion:
        return True
    masks = [module for module in encoder.model if type(module).__name__ == "MultiVectorMask"]
    tokens = set(encoder.tokenizer.tokenize(SHORT))
    return any(
        mask.keep_only_token_ids
        or (len({"query", "document"} & {*mask.skiplist_tasks}) == 1 and tokens & {*mask.skiplist_words})
        for mask in masks
    )


def _prompt(encoder: Encoder, side: Any, batch: Mapping[str, Any]) -> Finding:
    """The tokens that reach the model are those of prompt and text, followed by padding of queries at most."""
    ids, mask = batch["input_ids"][0].cpu(), batch["attention_mask"][0].cpu().bool()
    given = ids[mask].tolist() if encoder.entry.encoder == "dense" else ids.tolist()
    words = encoder.prompt(side) + SHORT
    wanted = encoder.tokenizer(words, truncation=True, max_length=encoder.limit)["input_ids"]
    filled = {encoder.tokenizer.mask_token_id, encoder.tokenizer.pad_token_id}
    fits = given[: len(wanted)] == wanted and set(given[len(wanted) :]) <= filled
    rest = f"{len(given)} tokens reach the model, prompt and text have {len(wanted)}"
    return Finding("prompt", f"{side}: {rest}", fits, "a prompt that is put twice or not at all")


def reads_both_ways(encoder: Encoder) -> bool | None:
    """Whether every token attends to those after it, by entry, configuration and architecture; None: unknown.

    Every form of `native` is a network that attends both ways; what code of a repository does is unknown.
    """
    entry, config = encoder.entry, weights.read(encoder.folder / "config.json")
    kind = config.get("model_type")
    if entry.remote_code:
        return None
    if entry.native or kind in MODEL_FOR_MASKED_LM_MAPPING_NAMES:
        return True
    if config.get("is_causal") is False or config.get("use_bidirectional_attention") in (True, "all"):
        return True
    return False if kind in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES else None


def _direction(encoder: Encoder) -> Iterator[Finding]:
    """Whether states of tokens change with later tokens, by swapping two of these."""
    if (both := reads_both_ways(encoder)) is None:
        return
    with _passed(encoder.model[0]) as batches:
        encoder.encode([TEXT], "document")
    features, words = batches[-1]
    ids = features["input_ids"]
    place = next((at for at in range(ids.shape[1] - 2, 1, -1) if ids[0, at] != ids[0, at - 1]), None)
    if place is None:
        return
    swapped = ids.clone()
    swapped[0, place - 1], swapped[0, place] = ids[0, place], ids[0, place - 1]
    runs = (_run(encoder, ({**features, "input_ids": one}, words)) for one in (ids, swapped))
    before, after = (run["token_embeddings"].float()[0, : place - 1] for run in runs)
    moved = float((before - after).abs().max() / before.abs().max())
    fits = moved > _MOVED if both else moved <= _MOVED
    said = "both directions" if both else "what comes before"
    cause = "causal attention" if both else "attention in both directions"
    yield Finding("direction", f"tokens see {said}: a later word changes earlier states by {moved:.1e}", fits, cause)


def _run(encoder: Encoder, given: _Pass) -> dict[str, Any]:
    """Output of the model's first module; its `token_embeddings` are [texts, tokens, size]."""
    features, words = given
    with torch.inference_mode():
        made: dict[str, Any] = encoder.model[0](dict(features), **words)
    return made


def _pooling(encoder: Encoder, given: _Pass, near: float) -> Iterator[Finding]:
    """The model's own pooling gives the state, or the mean of the states, that the entry names."""
    pooling = next((module for module in encoder.model if type(module).__name__ == "Pooling"), None)
    if pooling is None or not pooling.include_prompt:
        return
    wanted: str = encoder.entry.pooling
    if "pooling" in encoder.entry.unverified:  # then the weights' own is followed
        wanted = next((name for name, mode in POOLING.items() if mode == pooling.pooling_mode), "")
    made = _run(encoder, given)
    states, mask = made["token_embeddings"].float(), given[0]["attention_mask"].bool()
    rows = [row[kept] for row, kept in zip(states, mask, strict=True)]
    read = {"mean": lambda row: row.mean(0), "cls": lambda row: row[0], "last": lambda row: row[-1]}
    if wanted not in read:
        return
    with torch.inference_mode():
        found = pooling(made)["sentence_embedding"].float()
    pairs = ((read[wanted](row).cpu().numpy(), one.cpu().numpy()) for row, one in zip(rows, found, strict=True))
    apart = max(_apart(one, wanted_one) for wanted_one, one in pairs)
    shown = f"read out by {wanted}, differs from that by {apart:.1e} of its length"
    yield Finding("pooling", shown, apart <= near, "`pooling` of its entry, or a padding side that it does not know")
