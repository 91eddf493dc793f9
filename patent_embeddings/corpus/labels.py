"""Label sets, by which families are classified and clustered."""

from __future__ import annotations

import re
from collections.abc import Iterable

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.codes import prefixes
from patent_embeddings.corpus.schemas import LABELS

# Label set -> column of codes and length of the prefix that is the label.
CODES = {"ipc-section": ("ipc", 1), "ipc-class": ("ipc", 3), "ipc-subclass": ("ipc", 4), "cpc-subclass": ("cpc", 4)}
DOMAIN = "domain"  # the label set of the landscape's own domains
OWN = "own"  # the label set of its own labels; `own-LEVEL` for one level of them
_LEVEL = re.compile(r"([A-Za-z0-9_-]{1,30}):(.*\S.*)", re.DOTALL)


def label_sets(families: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Rows of `LABELS`: the labels of each family in each set where it has any, in order of first appearance."""
    columns = ("family_id", "ipc", "cpc", "domains", "labels")
    levelled = not beside_levels(label for own in families["labels"] for label in own)
    rows = []
    for family, ipc, cpc, domains, own in zip(*(families[name] for name in columns), strict=True):
        codes = {"ipc": ipc, "cpc": cpc}
        sets = {name: prefixes(codes[column], length) for name, (column, length) in CODES.items()}
        sets[DOMAIN] = list(dict.fromkeys(domains))
        sets |= _levels(own) if levelled else {OWN: list(dict.fromkeys(own))}
        rows += [(family, name, labels, splits[family]) for name, labels in sets.items() if labels]
    return tables.typed(pd.DataFrame(rows, columns=list(LABELS.columns)), LABELS)


def beside_levels(labels: Iterable[str]) -> list[str]:
    """Labels that are not written `LEVEL:LABEL`; if there is one, colons have no meaning in any label."""
    return [label for label in labels if not _LEVEL.fullmatch(label)]


def _levels(labels: Iterable[str]) -> dict[str, list[str]]:
    """Labels by the label set of their level, with the level stripped."""
    sets: dict[str, dict[str, None]] = {}
    for level, label in (_LEVEL.fullmatch(label).groups() for label in labels):  # type: ignore[union-attr]
        sets.setdefault(f"{OWN}-{level}", {})[label.strip()] = None
    return {name: list(each) for name, each in sets.items()}
