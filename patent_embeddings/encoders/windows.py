"""Cut documents into passages: overlapping windows of tokens."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.arrays import Integers
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders.specification import Specification
from patent_embeddings.encoders.values import Side

_TEXTS = 256  # tokenized at once


def cut(texts: Sequence[str], tokenizer: Any, tokens: int, stride: int) -> tuple[list[str], Integers]:
    """Cut texts into overlapping windows of whole words.

    A window begins at a word, holds as many words as fit in `tokens`, and the next begins at the last word that is
    at most `stride` tokens further on, so that no word is left out; the window that reaches the end is the last.
    A word of more tokens than a window holds is cut between its tokens, so that a text without blanks is cut too.

    `tokens` of a window do not count special tokens and prompt; `stride`, from the start of one window to that of the
    next, is at most `tokens`. Returns the windows of all texts, at least one a text ("" of an empty one), and the first
    of each text, int64 [texts]. Raises UserError: the tokenizer does not say where tokens are.
    """
    if not getattr(tokenizer, "is_fast", False):
        what = "this model's tokenizer does not say where its tokens are in a text"
        raise UserError(f"embed.passages: {what}; set embed.passages.tokens to null")
    passages: list[str] = []
    first = np.zeros(len(texts), np.int64)
    for start in range(0, len(texts), _TEXTS):
        part = list(texts[start : start + _TEXTS])
        places = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, verbose=False)["offset_mapping"]
        for number, (text, offsets) in enumerate(zip(part, places, strict=True)):
            first[start + number] = len(passages)
            passages += _windows(text, np.array(offsets, np.int64).reshape(-1, 2), tokens, stride)
    return passages, first


def require_room(model: Specification, tokenizer: Any, sides: Sequence[Side], tokens: int) -> None:
    """Raise UserError where a passage, special tokens and the longest prompt exceed the model's length."""
    if tokens > (left := model.room(tokenizer, sides)):
        keeps = f"after special tokens and prompt {model.entry.hub} keeps {left} tokens of a text; use so many or fewer"
        raise UserError(f"{layout.PARAMS}: embed.passages.tokens is {tokens}, but {keeps}")


def _windows(text: str, offsets: Integers, tokens: int, stride: int) -> list[str]:
    """Windows of one text, whose tokens are at `offsets`, int64 [tokens, 2]; see `cut`."""
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
