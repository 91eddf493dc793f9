"""TODO."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def split_of(families: Iterable[str], seed: int, fold: int) -> dict[str, str]:
    """Split of each family, by a hash of seed and family id and nothing else.

    Ten buckets: 2 * fold and the one after it are test, the next is dev, the rest train. So five
    folds make every family a test family once, and adding families moves none.
    """
    test = {2 * fold, 2 * fold + 1}
    dev = (2 * fold + 2) % 10
    names = ["test" if bucket in test else "dev" if bucket == dev else "train" for bucket in range(10)]
    return {family: names[_bucket(seed, family)] for family in families}


def _bucket(seed: int, family: str) -> int:
    digest = hashlib.sha256(f"{seed}:{family}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % 10
