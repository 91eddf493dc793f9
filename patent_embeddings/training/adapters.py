"""An adapter's folder in peft's format, for what need not import peft: that takes seconds."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, sha256, write_json

if TYPE_CHECKING:
    from patent_embeddings.encoders.entries import Model

CONFIG = "adapter_config.json"  # peft's name for it
SEAL = "seal.json"
ZERO_SHOT = "zero-shot.txt"
PUBLISHED = "zero-shot: the model as published, no adapter\n"


def seal(folder: Path) -> None:
    """Say which files an adapter is made of, when training has written the last of them."""
    write_json(folder / SEAL, _files(folder))


def sealed(folder: Path, entry: Model, trains: bool) -> Path | None:
    """The cell's adapter as training left it: the folder, or None for the model as published.

    Args:
        folder: that the finetune stage writes.
        entry: of the cell's model.
        trains: whether the cell's recipe does.

    Raises:
        UserError: the recipe trains and there is no adapter, it trains nothing and there is one, or the adapter is
            of another model or not what training sealed.
    """
    again = "run `dvc repro -f finetune`"
    found = _files(folder)
    if not found or found == {ZERO_SHOT: hashlib.sha256(PUBLISHED.encode()).hexdigest()}:
        if trains:
            raise UserError(f"{folder}: holds no adapter, but the recipe trains one; {again}")
        return None
    if not trains:
        raise UserError(f"{folder}: holds {next(iter(found))}, but the recipe trains nothing; {again}")
    known = read_json(folder / SEAL) if (folder / SEAL).is_file() else {}
    known = known if isinstance(known, dict) else {}
    if other := [name for name in sorted({*found, *known}) if found.get(name) != known.get(name)]:
        raise UserError(f"{folder}: {other[0]} is not as training sealed it; {again}")
    config = read_json(folder / CONFIG)
    of = config.get("base_model_name_or_path"), config.get("revision")
    if of != (entry.hub, entry.revision):
        raise UserError(f"{folder}: holds an adapter of {of[0]} at {of[1]}, not of {entry.hub} at {entry.revision}; {again}")  # fmt: skip
    return folder


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder but its seal."""
    return {path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL}  # fmt: skip


def held(folder: Path) -> Path | None:
    """A folder if it holds an adapter; None, as after the zero-shot recipe, where it does not."""
    return folder if (folder / CONFIG).exists() else None


def weigh(folder: Path, weight: float) -> None:
    """Let the adapter count by a weight times what it counts now: a LoRA adapter's change is alpha / rank x B A."""
    config = read_json(folder / CONFIG)
    write_json(folder / CONFIG, config | {"lora_alpha": config["lora_alpha"] * weight})
