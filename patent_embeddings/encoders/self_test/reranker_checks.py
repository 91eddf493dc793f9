"""Checks of a loaded cross-encoder, on pairs whose scores are known to differ in certain ways.

Only one check needs a trained model: that a relevant document scores above those on other subjects. The rest holds for
any weights.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from patent_embeddings.encoders.cross import Cross
from patent_embeddings.encoders.self_test import rotary
from patent_embeddings.encoders.self_test.gate import LONG, OTHER, SHORT, TEXT, Finding

THIRD = "An antenna of copper is printed on a card and receives signals of a satellite."
DOCUMENTS = (TEXT, OTHER, THIRD)
QUERIES = ("How does a valve close a duct when the pressure falls?", "How are seeds of maize coated before sowing?",
           "Which antenna on a card receives signals of a satellite?")  # fmt: skip


def findings(cross: Cross) -> Iterator[Finding]:
    """Check a loaded cross-encoder; stops after scores that are NaN or infinite."""
    rough = cross.dtype != "float32"
    pairs = [(query, document) for query in QUERIES for document in DOCUMENTS]
    # A long pair beside them, so that all others are padded.
    batch = [*pairs, *((document, query) for query, document in pairs), (SHORT, SHORT), (TEXT, LONG)]
    found = cross.logits(batch)
    alone = np.concatenate([cross.logits([pair]) for pair in (*pairs, (SHORT, SHORT))])
    every = np.concatenate([found, alone])
    wrong = int((~np.isfinite(every)).sum())
    cause = "weights or buffers that were not filled, or a type of number that is too small"
    yield Finding("finite", f"{wrong} of {every.size} scores are no numbers", not wrong, cause)
    if wrong:
        return
    scores, turned = (part.reshape(3, 3).astype(np.float64) for part in (found[:9], found[9:18]))
    spread, rounding = float(scores.std()), float(np.abs(scores).max()) * (2**-7 if rough else 1e-6)
    cause = "weights that were not filled, a tokenizer without its words, or a head that reads nothing"
    yield Finding("pairs", f"scores of nine pairs spread by {spread:.1e}", spread > rounding, cause)
    yield from _sides(scores, rounding)
    moved = float(np.abs(scores - turned).max())
    shown = f"scores differ by up to {moved:.1e} when query and document change places"
    yield Finding("order", shown, moved > rounding, "a tokenizer that does not tell the two texts apart")
    off = float(np.abs(np.append(found[:9], found[18]) - alone).max())
    shown = f"alone and in a batch scores differ by {off:.1e}, from pair to pair they spread by {spread:.1e}"
    allowed = spread / 4 if rough else spread / 100
    yield Finding("padding", shown, off <= allowed, "a padding side or a token for it that the model does not know")
    yield from _meaning(cross, scores)
    yield from rotary.findings(cross.model, cross.entry, cross.folder)


def _sides(scores: np.ndarray, rounding: float) -> Iterator[Finding]:
    """Scores [queries, documents] change with the query and with the document."""
    for side, axis in (("document", 1), ("query", 0)):
        apart = float(np.ptp(scores, axis=axis).max())
        cause = f"a {side} that is cut off or does not reach the model"
        yield Finding(side, f"scores differ by up to {apart:.1e} from {side} to {side}", apart > rounding, cause)


def _meaning(cross: Cross, scores: np.ndarray) -> Iterator[Finding]:
    """Each query's relevant document scores best, [queries, documents]; not checked for untrained weights."""
    if not trained(cross):
        yield Finding("meaning", "not asked: its norms are as they are made, so that it was never trained", True)
        return
    best = scores.argmax(axis=1)
    right = int((best == np.arange(len(best))).sum())
    shown = f"{right} of {len(best)} queries score the document on what they ask for best"
    cause = "a head that was not filled, scores of the other sign, or a prompt that its repository puts in"
    yield Finding("meaning", shown, right == len(best), cause)


def trained(cross: Cross) -> bool:
    """Whether the weights have been trained: norms start with weights of exactly one, which training changes."""
    norms = [
        parameter
        for name, parameter in cross.model.named_parameters()
        if parameter.dim() == 1 and name.lower().endswith("norm.weight")
    ]
    return not norms or any(bool((norm != 1).any()) for norm in norms)
