"""Migration of a clone with an older layout: a note on what is computed again, and copying of its entries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_yaml, write_text
from patent_embeddings.corpus.entries import Landscape, View
from patent_embeddings.encoders.entries import Model, Reranker
from patent_embeddings.pairs.entries import Recipe

REGISTRY = Path("stages/registry")  # where entries were; a merge moves them unless both sides changed much
CHECKED = layout.DATA / "check.txt"  # which `check` wrote in the older layout
KINDS: dict[str, Any] = {
    "landscapes": Landscape,
    "models": Model,
    "recipes": Recipe,
    "rerankers": Reranker,
    "views": View,
}
CARRY = "python -m stages.check --carry"
NOTE = (
    f"results here are of an older layout. Kept: {layout.RAW}, the entries of {layout.REGISTRY}, and experiments with "
    "their scores (`dvc exp show`). Computed again, as every key is a new one: all stages of a cell; older results "
    f"stay in DVC's cache until `dvc gc`. Entries that you have in {REGISTRY} are carried over by `{CARRY}`"
)


def note() -> str | None:
    """A note for an older clone, the first time; None for any other.

    Raises UserError where entries are still in the older folder, which nothing reads.
    """
    if left := sorted(REGISTRY.glob("*.yaml")):
        raise UserError(
            f"{left[0]}: entries lie in {layout.REGISTRY} now, and nothing reads this file; `{CARRY}` copies those "
            f"that {layout.registry(left[0].stem)} lacks and removes it. {NOTE[0].upper()}{NOTE[1:]}"
        )
    if not CHECKED.exists():
        return None
    CHECKED.unlink()
    return NOTE


def carry() -> list[str]:
    """Copy older entries that the registry lacks, remove their files, and return a line for each entry."""
    said = []
    for path in sorted(REGISTRY.glob("*.yaml")):
        target = layout.registry(path.stem)
        ours = read_yaml(target) if target.exists() else {}
        text = target.read_text(encoding="utf-8") if target.exists() else ""
        for name, block in (read_yaml(path) or {}).items():
            if name in ours:
                if block != ours[name]:
                    said.append(f"{target}: {name} is there with other values, and stays as it is there")
            elif fault := _fault(path.stem, block):
                said.append(f"{path}: {name} is left out, as this version takes no such entry ({fault})")
            else:
                text += "\n" + yaml.safe_dump({name: block}, sort_keys=False, allow_unicode=True)
                said.append(f"{target}: {name} carried over")
        write_text(target, text)
        path.unlink()
    return said or [f"{REGISTRY}: no entries there"]


def _fault(kind: str, block: Any) -> str:
    """Why an older entry is not valid now; "" where it is."""
    try:
        TypeAdapter(KINDS.get(kind, Any)).validate_python(block)
    except ValidationError as error:
        first = error.errors()[0]
        return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    return ""
