"""TODO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from patent_embeddings.corpus.codes import prefixes

if TYPE_CHECKING:
    import pandas as pd

# Label set -> column of codes and the number of characters that name the label.
CODES = {"ipc-section": ("ipc", 1), "ipc-class": ("ipc", 3), "ipc-subclass": ("ipc", 4), "cpc-subclass": ("cpc", 4)}


def label_sets(families: pd.DataFrame, splits: dict[str, str]) -> pd.DataFrame:
    """Labels of each family under each label set; a family without a label in a set has no row there."""

    rows = []
    for family, ipc, cpc, own in zip(*(families[name] for name in ("family_id", "ipc", "cpc", "labels")), strict=True):
        codes = {"ipc": ipc, "cpc": cpc}
        sets = {name: prefixes(codes[column], length) for name, (column, length) in CODES.items()}
        sets["own"] = list(dict.fromkeys(own))
        rows += [(family, name, labels, splits[family]) for name, labels in sets.items() if labels]
    return pd.DataFrame(rows, columns=["family_id", "label_set", "labels", "split"]).astype(
        {"family_id": "str", "label_set": "str", "split": "str"}
    )
