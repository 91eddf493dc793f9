"""Token counts of each view's texts: how long they are, how many are truncated, which views coincide."""

from __future__ import annotations

import hashlib
import itertools
from typing import Any

import numpy as np
import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.schemas import LENGTHS

SAMPLE = 2000  # families measured: the first by hash, so that the sample is stable when families are added


def measure(views: dict[str, pd.DataFrame], tokenizer: Any, length: int, prompt: str = "") -> pd.DataFrame:
    """Rows of `LENGTHS`: statistics of the views of one landscape.

    Over all families: `families`, `empty`, `incomplete`. Over a sample of at most 2,000 (`sampled`): `truncated`,
    `median-tokens`, `p90-tokens`, and `same-as:VIEW`, the number of texts that equal those of another view when cut.

    Args:
        views: name -> rows of `VIEW`, the same families in each.
        tokenizer: of the transformers library.
        length: tokens that texts are cut to, prompt included.
        prompt: prepended to every text.
    """
    bare, prompted = _token_ids(tokenizer, ["a", f"{prompt}a"])
    room = length - (len(prompted) - len(bare))
    # Special tokens at the end of a text, which are kept when it is cut.
    closing = sum(1 for _ in itertools.takewhile(set(tokenizer.all_special_ids).__contains__, reversed(bare)))
    sample = _sample(next(iter(views.values()))["family_id"])
    tokens = {name: _token_ids(tokenizer, frame["text"].iloc[sample].tolist()) for name, frame in views.items()}
    rows: list[tuple[str, str, float]] = []
    for name, frame in views.items():
        counts = np.array([len(ids) for ids in tokens[name]])
        found = {
            "families": len(frame),
            "empty": int((frame["text"] == "").sum()),
            "incomplete": int((~frame["complete"]).sum()),
            "sampled": len(counts),
            "truncated": int((counts > room).sum()),
            "median-tokens": float(np.median(counts)),
            "p90-tokens": float(np.percentile(counts, 90)),
            "length": length,
        }
        rows += [(name, statistic, value) for statistic, value in found.items()]
    for one, two in itertools.permutations(views, 2):
        pairs = zip(tokens[one], tokens[two], strict=True)
        same = sum(_cut(a, room, closing) == _cut(b, room, closing) for a, b in pairs)
        rows.append((one, f"same-as:{two}", same))
    return tables.typed(pd.DataFrame(rows, columns=list(LENGTHS.columns)), LENGTHS)


def sampled(lengths: pd.DataFrame) -> int:
    """The number of texts tokenized for rows of `LENGTHS`, in all views."""
    return int(lengths.loc[lengths["statistic"] == "sampled", "value"].sum())


def _token_ids(tokenizer: Any, texts: list[str]) -> list[list[int]]:
    """Token ids of each text, special tokens included, not truncated."""
    return tokenizer(texts, add_special_tokens=True, truncation=False, verbose=False)["input_ids"] if texts else []


def _cut(tokens: list[int], length: int, closing: int) -> list[int]:
    """The tokens that the encoder sees: a text that is too long loses its end, but not its closing special tokens."""
    return tokens if len(tokens) <= length else tokens[: length - closing] + tokens[len(tokens) - closing :]


def _sample(families: pd.Series[str]) -> list[int]:
    """Positions of the sampled families, ascending."""
    order = sorted(range(len(families)), key=lambda i: hashlib.sha256(families.iloc[i].encode()).digest())
    return sorted(order[:SAMPLE])
