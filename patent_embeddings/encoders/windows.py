"""Documents cut into passages: overlapping windows of tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from patent_embeddings.core.errors import UserError

if TYPE_CHECKING:
    from patent_embeddings.core.arrays import Integers

_TEXTS = 256  # tokenized at once


def cut(texts: Sequence[str], tokenizer: Any, tokens: int, stride: int) -> tuple[list[str], Integers]:
    """Cut texts into overlapping windows of whole words.

    A window begins at a word, holds as many words as fit in `tokens`, and the next begins at the last word that is
    at most `stride` tokens further on, so that no word is left out; the window that reaches the end is the last.
    A word of more tokens than a window holds is cut between its tokens, so that a text without blanks is cut too.

    Args:
        texts: plain texts.
        tokenizer: the model's; it must give the place of each token in the text.
        tokens: of a window, special tokens and prompt not counted.
        stride: tokens from the start of one window to that of the next, at most `tokens`.

    Returns:
        The windows of all texts, parts of their texts, at least one a text ("" of an empty one), and the first of
        each text, int64 [texts].

    Raises:
        UserError: the tokenizer does not say where tokens are.
    """

    if not getattr(tokenizer, "is_fast", False):
        raise UserError("embed.passages: this model's tokenizer does not say where its tokens are in a text; set embed.passages.tokens to null")  # fmt: skip
    passages: list[str] = []
    first = np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), _TEXTS):
        part = list(texts[start : start + _TEXTS])
        places = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        for number, (text, offsets) in enumerate(zip(part, places, strict=True)):
            first[start + number] = len(passages)
            passages += _windows(text, np.array(offsets, np.int64).reshape(-1, 2), tokens, stride)
    return passages, first


def room(encoder: Any, prompts: Sequence[str], tokens: int) -> None:
    """Raise UserError where a passage of `tokens`, special tokens and the longest of the prompts exceed the model's length."""
    taken = max(len(encoder.tokenizer(prompt)["input_ids"]) for prompt in prompts)
    if tokens > encoder.limit - taken:
        raise UserError(f"params.yaml: embed.passages.tokens is {tokens}, but beside special tokens and prompt {encoder.entry.hub} keeps {encoder.limit - taken} of a text; use so many or fewer")  # fmt: skip


def _windows(text: str, offsets: Integers, tokens: int, stride: int) -> list[str]:

    starts = np.array([word.start() for word in re.finditer(r"\S+", text)], np.int64)
    if not len(starts) or not len(offsets):
        return [text]
    # A token may begin with the blank before its word: its last character says whose it is.
    ends = np.maximum(offsets[:, 1] - 1, 0)
    owner = np.maximum(starts.searchsorted(ends, side="right") - 1, 0)
    long = np.bincount(owner, minlength=len(starts)) > tokens
    if long.any():
        starts = np.union1d(starts, offsets[long[owner], 0])
        owner = np.maximum(starts.searchsorted(ends, side="right") - 1, 0)
    past = np.cumsum([0, *np.bincount(owner, minlength=len(starts))])
    bounds = [*starts.tolist(), len(text)]
    found, here = [], 0
    while True:
        stop = max(here + 1, int(past.searchsorted(past[here] + tokens, side="right")) - 1)
        found.append(text[bounds[here] : bounds[stop]].strip())
        if stop == len(starts):
            return found
        here = max(here + 1, int(past.searchsorted(past[here] + stride, side="right")) - 1)
