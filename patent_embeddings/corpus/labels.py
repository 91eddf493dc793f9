"""Label sets: what families are classified and clustered by."""

from __future__ import annotations

import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.corpus.codes import prefixes
from patent_embeddings.corpus.schemas import LABELS

# Label set -> column of codes and the number of characters that name the label.
CODES = {"ipc-section": ("ipc", 1), "ipc-class": ("ipc", 3), "ipc-subclass": ("ipc", 4), "cpc-subclass": ("cpc", 4)}
OWN = "own"  # the label set of the landscape's own labels


def label_sets(families: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Rows of `LABELS`: of each family under each set, in order of first appearance; none where it has no label."""
    rows = []
    for family, ipc, cpc, own in zip(*(families[name] for name in ("family_id", "ipc", "cpc", "labels")), strict=True):
        codes = {"ipc": ipc, "cpc": cpc}
        sets = {name: prefixes(codes[column], length) for name, (column, length) in CODES.items()}
        sets[OWN] = list(dict.fromkeys(own))
        rows += [(family, name, labels, splits[family]) for name, labels in sets.items() if labels]
    return tables.typed(pd.DataFrame(rows, columns=list(LABELS.columns)), LABELS)
