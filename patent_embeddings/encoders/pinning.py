"""Pin models: write the newest commit of the hub, and the sha256 of pickled weights, into their entries."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatch
from pathlib import PurePosixPath
from typing import Any

import yaml

from patent_embeddings.core import hub, layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import parse_yaml, write_text
from patent_embeddings.core.hub import File
from patent_embeddings.encoders.catalogue import OTHERS, entries_of
from patent_embeddings.encoders.entries import Terms

_PICKLE = "pytorch_model.bin"
_SHOWN = 8  # changed files that are named


def pin(names: Iterable[str]) -> list[str]:
    """Write the newest commit of each model or reranker into its entry.

    Returns lines that say what has changed since the pinned commit. Raises UserError: an id is unknown (before the hub
    is asked), a model is not of the hub, or the hub cannot be read; the models before that one are then pinned.
    """
    said: list[str] = []
    for name, entry in entries_of(names).items():
        if entry.source != "hub":
            raise UserError(f"{name}: comes from a {entry.source}, which has no commit to pin")
        said += _pin(name, entry)
    return said


def _pin(name: str, entry: Terms) -> list[str]:
    retry = f"python -m stages.model pin {name}"
    commit = hub.newest(entry.hub, "model", retry=retry)
    files = hub.listing(entry.hub, commit, "model", retry=retry)
    weights = {one: entry.weights.get(one) and files[one].sha256 for one in entry.weights if one in files}
    places = {PurePosixPath(one).parent for one in _ours(files) if one.endswith(".safetensors")}
    pickles = [PurePosixPath(one) for one in _ours(files) if one.endswith(_PICKLE)]
    weights |= {str(one): files[str(one)].sha256 for one in pickles if one.parent not in places}
    if not places and not pickles:
        raise UserError(f"{name}: {entry.hub} has neither safetensors nor a {_PICKLE}; use another model")
    hashes = {one: digest for one, digest in weights.items() if digest}
    if commit == entry.revision and hashes == entry.weights:
        return [f"{name}: {entry.hub} is pinned to its newest commit, {commit}"]
    path = layout.registry("rerankers" if name in registry.ids("rerankers") else "models")
    text = path.read_text(encoding="utf-8")
    write_text(path, edited(text, name, commit, hashes))
    size = sum(files[one].size for one in _ours(files) if one.endswith((".safetensors", _PICKLE)))
    lines = [f"{name}: {entry.hub} pinned to {commit} in {path}; its weights are {size / 1e9:.2g} GB"]
    lines += [f"  sha256 of {one}: {digest}" for one, digest in sorted(hashes.items()) if one not in entry.weights]
    if not entry.revision:
        return lines
    try:
        before = hub.listing(entry.hub, entry.revision, "model", retry=retry)
    except UserError:  # the entry is mended all the same
        return [*lines, f"  since {entry.revision}: not known, as the hub does not show that commit"]
    changes = sorted(_changes(before, files))
    more = [f"  and {len(changes) - _SHOWN} more"] if len(changes) > _SHOWN else []
    lines.append(f"  since {entry.revision}: {'no file has changed' if not changes else ''}".rstrip())
    return [*lines, *changes[:_SHOWN], *more]


def _ours(files: Mapping[str, File]) -> list[str]:
    """Files that are not weights for other runtimes."""
    return [one for one in files if not any(fnmatch(one, other) for other in OTHERS)]


def _changes(before: Mapping[str, File], after: Mapping[str, File]) -> Iterable[str]:
    for path in before.keys() | after.keys():
        old, new = before.get(path), after.get(path)
        if old != new:
            yield f"  {path}: {'new' if old is None else 'gone' if new is None else 'changed'}"


def edited(text: str, name: str, commit: str, weights: Mapping[str, str]) -> str:
    """Text of a registry file with a commit, and sha256 of weights by file, in one entry; all else is unchanged.

    Raises UserError: the entry is not written as an indented block, so that it cannot be edited by lines.
    """
    before = parse_yaml(text)
    wanted: dict[str, Any] = {**before[name], "revision": commit, **({"weights": dict(weights)} if weights else {})}
    wanted["unverified"] = [one for one in wanted.get("unverified", []) if one != "revision"]
    if not wanted["unverified"]:
        del wanted["unverified"]
    lines = text.splitlines(keepends=True)
    top: Any = yaml.compose(text)
    block = next(value for key, value in top.value if key.value == name)
    marks = {key.value: (key.start_mark.line, value.end_mark.line) for key, value in block.value}
    keys = {key: (first, max(first + 1, end)) for key, (first, end) in marks.items()}
    hashes = [f"    {one}: {digest}\n" for one, digest in sorted(wanted.get("weights", {}).items())]
    new = {"revision": [f"  revision: {commit}\n", *(["  weights:\n", *hashes] if hashes else [])], "weights": []}
    left = wanted.get("unverified")
    new["unverified"] = [f"  unverified: [{', '.join(left)}]\n"] if left else []
    if "revision" not in keys:
        new["hub"] = [lines[keys["hub"][0]], *new.pop("revision")]
    for key in sorted(new.keys() & keys.keys(), key=lambda one: -keys[one][0]):
        lines[slice(*keys[key])] = new[key]
    made = "".join(lines)
    if parse_yaml(made) != {**before, name: wanted}:
        raise UserError(f"entry {name}: cannot be edited by lines; set `revision: {commit}` in it by hand")
    return made
