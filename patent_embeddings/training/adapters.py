"""The folder of an adapter in peft's format, read and written without importing peft, which takes seconds."""

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
    """Write the adapter folder of a zero-shot cell: a constant file that says that there is no adapter."""
    with replacing(folder) as place:
        place.mkdir()
        (place / ZERO_SHOT).write_text(PUBLISHED, encoding="utf-8")


def seal(folder: Path) -> None:
    """Record the hashes of an adapter's files, once all are written."""
    write_json(folder / SEAL, _files(folder))


def sealed(folder: Path, entry: Embedder, trains: bool) -> Path | None:
    """The folder of the cell's adapter, checked against its seal; None for a zero-shot cell.

    `trains`: whether the recipe trains an adapter. Raises UserError: it trains one and there is none, it trains none
    and there is one, or the adapter is of another model or was changed since training.
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
    if changed := [name for name in sorted({*found, *known}) if found.get(name) != known.get(name)]:
        raise UserError(f"{folder}: {changed[0]} is not as training sealed it; {again}")
    config = read_json(folder / CONFIG)
    base = config.get("base_model_name_or_path"), config.get("revision")
    if base != (entry.hub, entry.revision):
        ours = f"not of {entry.hub} at {entry.revision}"
        raise UserError(f"{folder}: holds an adapter of {base[0]} at {base[1]}, {ours}; {again}")
    return folder


def weigh(folder: Path, weight: float) -> None:
    """Scale the weight change of a LoRA adapter, alpha / rank x B A, by scaling its alpha."""
    config = read_json(folder / CONFIG)
    write_json(folder / CONFIG, config | {"lora_alpha": config["lora_alpha"] * weight})


def _files(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a folder except its seal."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name != SEAL)
    return {path.relative_to(folder).as_posix(): sha256(path) for path in files}
