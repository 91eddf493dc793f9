"""An adapter's folder in peft's format, for what need not import peft: that takes seconds."""

from __future__ import annotations

import hashlib
from pathlib import Path

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, replacing, sha256, write_json
from patent_embeddings.encoders.values import Embedder

CONFIG = "adapter_config.json"  # peft's name for it
SEAL = "seal.json"
ZERO_SHOT = "zero-shot.txt"
PUBLISHED = "zero-shot: the model as published, no adapter\n"


def leave_out(folder: Path) -> None:
    """Write what stands for an adapter where none is trained: a constant file that says so."""
    with replacing(folder) as place:
        place.mkdir()
        (place / ZERO_SHOT).write_text(PUBLISHED, encoding="utf-8")


def seal(folder: Path) -> None:
    """Say which files an adapter is made of, when training has written the last of them."""
    write_json(folder / SEAL, _files(folder))


def sealed(folder: Path, entry: Embedder, trains: bool) -> Path | None:
    """The cell's adapter as training left it: the folder, or None for the model as published.

    `trains` says whether the cell's recipe does. Raises UserError: it trains and there is no adapter, it trains nothing
    and there is one, or the adapter is of another model or not what training sealed.
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
        ours = f"not of {entry.hub} at {entry.revision}"
        raise UserError(f"{folder}: holds an adapter of {of[0]} at {of[1]}, {ours}; {again}")
    return folder


def weigh(folder: Path, weight: float) -> None:
    """Let the adapter count by a weight times what it counts now: a LoRA adapter's change is alpha / rank x B A."""
    config = read_json(folder / CONFIG)
    write_json(folder / CONFIG, config | {"lora_alpha": config["lora_alpha"] * weight})


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder but its seal."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
