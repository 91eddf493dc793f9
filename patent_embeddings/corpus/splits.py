"""Splits by family: train, dev and test."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def split_of(families: Iterable[str], seed: int, fold: int) -> dict[str, str]:
    """Split of each family, by a hash of seed and family id and nothing else.

    Of ten buckets, 2 * fold and the next one are test, the one after is dev, the rest are train. So five folds make
    every family a test family once, and adding families moves none.
    """
    names = {2 * fold: "test", 2 * fold + 1: "test", (2 * fold + 2) % 10: "dev"}
    return {family: names.get(bucket, "train") for family, bucket in _buckets(families, seed).items()}


def fold_of(families: Iterable[str], seed: int) -> dict[str, int]:
    """The fold in which each family is a test family, 0 to 4."""
    return {family: bucket // 2 for family, bucket in _buckets(families, seed).items()}


def _buckets(families: Iterable[str], seed: int) -> dict[str, int]:
    digests = {family: hashlib.sha256(f"{seed}:{family}".encode()).digest() for family in families}
    return {family: int.from_bytes(digest[:8], "big") % 10 for family, digest in digests.items()}
