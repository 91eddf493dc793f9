"""How long the texts of each view are under the cell's tokenizer, how many are cut, which views coincide."""

from __future__ import annotations

import hashlib
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from patent_embeddings.encoders.entries import Model

SAMPLE = 2000  # families measured; the first of them by hash, so that the sample stays when families are added


def token_ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, special tokens included, nothing cut."""
    return tokenizer(texts, add_special_tokens=True, truncation=False, verbose=False)["input_ids"] if texts else []


def taken(tokenizer: Any, entry: Model) -> tuple[int, int]:
    """Tokens that the document's prompt takes, and special tokens that close a text."""
    from patent_embeddings.encoders.base import prompt

    bare, prompted = token_ids(tokenizer, ["a", prompt(entry, "document") + "a"])
    special = set(tokenizer.all_special_ids)
    return len(prompted) - len(bare), sum(1 for _ in itertools.takewhile(special.__contains__, reversed(bare)))


def measure(
    views: dict[str, pd.DataFrame], tokenize: Callable[[list[str]], list[list[int]]], length: int, prompt: int = 0, closing: int = 1
) -> pd.DataFrame:  # fmt: skip
    """Statistics of the views of one landscape.

    Args:
        views: name -> rows of `VIEW`, the same families in each.
        tokenize: texts -> token ids.
        length: tokens that texts are cut to, prompt included.
        prompt: tokens of the prompt.
        closing: special tokens behind a text, which the cut keeps.

    Returns:
        Rows of `LENGTHS`. Counted over all families: `families`, `empty`, `incomplete`. Over a
        sample of at most 2,000 (`sampled`): `truncated`, `median-tokens`, `p90-tokens`, and for each
        other view `same-as:VIEW`, the texts that are the same in both after the cut. `length`: the cut.
    """

    first = next(iter(views.values()))
    sample = _sample(first["family_id"])
    tokens = {name: tokenize(frame["text"].iloc[sample].tolist()) for name, frame in views.items()}
    rows: list[tuple[str, str, float]] = []
    for name, frame in views.items():
        counts = np.array([len(ids) for ids in tokens[name]])
        rows += [
            (name, "families", len(frame)), (name, "empty", int((frame["text"] == "").sum())),
            (name, "incomplete", int((~frame["complete"]).sum())), (name, "sampled", len(counts)),
            (name, "truncated", int((counts > length - prompt).sum())), (name, "median-tokens", float(np.median(counts))),
            (name, "p90-tokens", float(np.percentile(counts, 90))), (name, "length", length),
        ]  # fmt: skip
    for one, two in itertools.permutations(views, 2):
        same = sum(
            _cut(a, length - prompt, closing) == _cut(b, length - prompt, closing)
            for a, b in zip(tokens[one], tokens[two], strict=True)
        )
        rows.append((one, f"same-as:{two}", same))
    frame = pd.DataFrame(rows, columns=["view", "statistic", "value"])
    return frame.astype({"view": "str", "statistic": "str", "value": "float64"})


def _cut(tokens: list[int], length: int, closing: int) -> list[int]:
    """What the encoder sees: a text that is too long loses its end, not its closing special tokens."""
    return tokens if len(tokens) <= length else tokens[: length - closing] + tokens[len(tokens) - closing :]


def _sample(families: pd.Series[str]) -> list[int]:
    """Positions of the sampled families, ascending."""

    order = sorted(range(len(families)), key=lambda i: hashlib.sha256(families.iloc[i].encode()).digest())
    return sorted(order[:SAMPLE])
