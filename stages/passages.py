"""Documents as passages: cut into overlapping windows of tokens, and searched by the best of them.

The passages of a document are consecutive rows of its landscape's vectors, as the tokens of late interaction are.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from stages.errors import UserError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np
    import numpy.typing as npt

    from stages.ranking import Floats, Integers, Search

BEST = {"best": 1, "top3": 3}  # how many of a family's passages its score is the mean of
_TEXTS = 256  # tokenized at once
_HELD = 1 << 23  # numbers of a block of scores or vectors: bounds memory, not the result


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
    import numpy as np

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
    import numpy as np

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


def search(
    queries: Floats, documents: Floats, offsets: Integers, best: int, ready: Callable[[Floats], Floats]
) -> tuple[Search, float]:
    """Exact search by inner product over passages, a family's score the mean of its best ones; and its margin.

    Memory is bounded, whatever the number of documents. What lies within the margin is computed again in float64,
    each pair by itself, so that equal families score the same wherever they stand (as in `stages.search`).

    Args:
        queries: float32 [queries, dimension].
        documents: float32 [passages of all families, dimension]; may be a memory map.
        offsets: int64 [families], first row of each family, which has at least one.
        best: how many of its best passages a family's score is the mean of; all of them where it has fewer.
        ready: rows of documents as they are searched.
    """
    import numpy as np

    from stages.encoders.late import blocks

    starts = np.append(offsets, len(documents))
    width = max(1, queries.shape[1])
    longest = [
        max((_longest(ready(documents[starts[a] : starts[b]])) for a, b in blocks(starts, max(1, _HELD // width))), default=0.0),
        _longest(queries),
    ]  # fmt: skip
    margin = 2e-6 * longest[0] * longest[1]

    def run(part: Integers, k: int) -> tuple[Floats, Integers]:
        asked = queries[part]
        scores, rows = np.zeros((len(part), 0), np.float32), np.zeros((len(part), 0), np.int64)
        for first, last in blocks(starts, max(1, _HELD // max(len(part), width))):
            similar = asked @ ready(documents[starts[first] : starts[last]]).T
            found = _mean_of_best(similar, starts[first : last + 1] - starts[first], best)
            scores = np.concatenate([scores, found], axis=1)
            rows = np.concatenate([rows, np.broadcast_to(np.arange(first, last), found.shape)], axis=1)
            if scores.shape[1] > k:
                kept = np.argpartition(-scores, k - 1, axis=1)[:, :k]
                scores, rows = np.take_along_axis(scores, kept, 1), np.take_along_axis(rows, kept, 1)
        order = np.argsort(-scores, axis=1, kind="stable")
        scores, rows = np.take_along_axis(scores, order, 1), np.take_along_axis(rows, order, 1)
        near = np.zeros(scores.shape, dtype=bool)
        near[:, 1:] = scores[:, :-1] - scores[:, 1:] <= margin
        near[:, :-1] |= near[:, 1:]
        for query, place in _portions(near, rows, starts, width):
            scores[query, place] = _exact(asked[query], rows[query, place], documents, starts, best, ready)
        return scores, rows

    return run, margin


def _longest(vectors: Floats) -> float:
    import numpy as np

    return float(np.sqrt(np.einsum("ij,ij->i", vectors, vectors).max(initial=0.0)))


def _mean_of_best(similar: Floats, starts: Integers, best: int) -> Floats:
    """Mean of the best columns of each family, [queries, families]; its columns are from one start to the next."""
    import numpy as np

    counts = np.diff(starts)
    out = np.empty((len(similar), len(counts)), np.float32)
    for count in np.unique(counts):
        same = np.flatnonzero(counts == count)
        part, kept = similar[:, starts[same][:, None] + np.arange(count)], min(best, count)
        out[:, same] = np.partition(part, count - kept, axis=2)[:, :, -kept:].mean(axis=2)
    return out


def _portions(
    near: npt.NDArray[np.bool_], rows: Integers, starts: Integers, width: int
) -> Iterator[tuple[Integers, Integers]]:
    """Places of the marked pairs, in portions whose passages fit in memory."""
    import numpy as np

    query, place = np.nonzero(near)
    passages = np.cumsum(np.diff(starts)[rows[query, place]])
    portion = passages // max(1, _HELD // width)
    for part in np.split(np.arange(len(query)), np.flatnonzero(np.diff(portion)) + 1):
        if len(part):
            yield query[part], place[part]


def _exact(
    asked: Floats, families: Integers, documents: Floats, starts: Integers, best: int, ready: Callable[[Floats], Floats]
) -> Floats:
    """Scores of pairs of a query [pairs, dimension] and a family [pairs], each by itself in float64."""
    import numpy as np

    counts = np.diff(starts)[families]
    begin = np.cumsum(counts) - counts
    pair = np.repeat(np.arange(len(families)), counts)
    passage = np.arange(len(pair)) - begin[pair] + starts[families][pair]
    similar = np.einsum("ij,ij->i", asked[pair], ready(documents[passage]), dtype=np.float64)
    falling = similar[np.lexsort((-similar, pair))]
    among = np.arange(len(pair)) - begin[pair] < best
    totals = np.add.reduceat(np.where(among, falling, 0.0), begin)
    return (totals / np.minimum(best, counts)).astype(np.float32)
