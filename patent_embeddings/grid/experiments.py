"""Experiments in git and DVC: the cell that each one holds, and the version of the code that computed it.

The inputs of a cell are its parameters, the stages of dvc.yaml, the code and lock file that they depend on, and the
values that they read (`keys`). Two cells with the same inputs are the same cell, whatever else differs between their
commits. The values of an experiment are those in its dvc.lock, not what the present code would make of its entries: a
default that has changed since makes another cell. The stages `check` and `report` compute no outcome.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import as_json, parse_yaml
from patent_embeddings.core.git import git
from patent_embeddings.core.params import Params
from patent_embeddings.core.progress import say
from patent_embeddings.grid import keys
from patent_embeddings.grid.cell import Cell, only, used
from patent_embeddings.sharing import outputs

_NO_OUTCOME = ("check", "report")
_WORDS = ("desc", "description")  # fields of stages and entries that are only for people


@dataclass(frozen=True)
class Experiment:
    """A finished experiment: its name, commit, parameters, and the hash of its cell's inputs."""

    name: str
    commit: str
    params: Params
    inputs: str


def head() -> str:
    """Hash of the commit at HEAD."""
    return git("rev-parse", "--verify", "HEAD").strip()


def clean() -> None:
    """Raise UserError where something that a cell depends on is not committed: DVC queues a copy of HEAD."""
    code = _code(head(), ("report",))
    changed = git("status", "--porcelain", "--", *map(str, (layout.PIPELINE, layout.PARAMS, layout.REGISTRY)), *code)
    if lines := changed.splitlines():
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        mend = "commit first, so that every experiment says which code made it"
        raise UserError(f"{lines[0][3:]}{more}: not committed; {mend}")


def by_inputs() -> dict[str, Experiment]:
    """Finished experiments of all commits by the hash of their inputs; of several with one hash, the first by name."""
    found: dict[str, Experiment] = {}
    for name, commit in outputs.experiments():
        params = finished(commit)
        if params is not None:
            key = _hash(commit, params, _locked(commit, params))
            found.setdefault(key, Experiment(name, commit, params, key))
    return found


def current() -> list[Experiment]:
    """Finished experiments of the code version of HEAD, sorted by name. Raises UserError where there is none."""
    found, commit = by_inputs(), head()
    kept = [one for one in found.values() if _same(commit, one)]
    if not kept:
        others = f" ({len(found)} of other versions)" if found else ""
        mend = "run `python -m stages.grid run --preset sample` first"
        raise UserError(f"no experiment of this code version{others}; {mend}")
    if len(kept) < len(found):
        say(f"left out: {len(found) - len(kept)} experiments of other code versions")
    return sorted(kept, key=lambda one: one.name)


def of_this_code(commit: str) -> bool:
    """Whether a commit holds a finished cell whose inputs are the same at HEAD."""
    params = finished(commit)
    if params is None:
        return False
    return _same(head(), Experiment("", commit, params, _hash(commit, params, _locked(commit, params))))


def _same(commit: str, one: Experiment) -> bool:
    try:
        return inputs(commit, one.params) == one.inputs
    except UserError:  # its model, recipe or landscape is no longer in the registry
        return False


def finished(commit: str) -> Params | None:
    """Parameters of the finished cell that a commit holds; None if it holds none, or one of an older layout."""
    needed = (layout.LOCK, layout.SCORES, layout.PARAMS, layout.PIPELINE, layout.registry("recipes"))
    if not {path.as_posix() for path in needed} <= set(_tree(commit)):
        return None
    params = _typed(parsed(commit, layout.PARAMS.as_posix()))
    made = params is not None and _reported(parsed(commit, layout.LOCK.as_posix())["stages"], params)
    return params if made else None


def _typed(params: Any) -> Params | None:
    """Parameters as types, in which 1 and 1.0 are the same rate; None where they are of another version."""
    try:
        return Params.model_validate(params)
    except ValidationError:
        return None


def _reported(stages: Mapping[str, Any], params: Params) -> bool:
    """Whether the report in a dvc.lock was made from these parameters, so that the cell was computed to its end.

    Either the report tracks them itself, or it depends on the values that `check` wrote for them.
    """
    check, report = (stages.get(name, {}) for name in ("check", "report"))
    of_check, of_report = (_typed(body.get("params", {}).get(layout.PARAMS.as_posix())) for body in (check, report))
    written, read = (
        {part["path"]: part["md5"] for part in body.get(kind, [])}.get(layout.VALUES.as_posix())
        for body, kind in ((check, "outs"), (report, "deps"))
    )
    return of_report == params or (of_check == params and written == read is not None)


def inputs(commit: str, params: Params) -> str:
    """Hash of everything that the outcomes of a cell depend on: code at a commit, entries of the workspace.

    Raises UserError where an id of the cell is in no registry.
    """
    named = {
        dep.replace("${item}", name)
        for body in _stages(commit).values()
        for dep in body.get("deps", [])
        for name in params.evaluate_on
        if dep.startswith(f"{layout.VALUES}/")
    }
    return _hash(commit, params, {path: _md5(keys.usual(params), path) for path in named})


def _md5(params: Params, path: str) -> str:
    """Hash that DVC computes for a file of values of a cell."""
    values = keys.resolved(params, Path(path).stem, Path(path).parent.name)
    return hashlib.md5(as_json(values).encode(), usedforsecurity=False).hexdigest()


def _locked(commit: str, params: Params) -> dict[str, str]:
    """Hash of each file of values that a commit's cell was computed with, by path; as of the usual engines."""
    # A dvc.lock keeps the stages of landscapes that are no longer evaluated.
    scored = {layout.CELL, *params.evaluate_on}
    stages: Mapping[str, Any] = parsed(commit, layout.LOCK.as_posix())["stages"]
    held: dict[str, str] = {
        dep["path"]: dep["md5"]
        for name, body in stages.items()
        for dep in body.get("deps", [])
        if name.partition("@")[0] not in _NO_OUTCOME
        and dep["path"].startswith(f"{layout.VALUES}/")
        and dep["path"].split("/")[-2] in scored
    }
    if keys.usual(params) != keys.ordered(params):
        with suppress(UserError):  # an entry that is gone makes it a cell of another version anyway
            same = [path for path, md5 in held.items() if md5 == _md5(params, path)]
            held |= {path: _md5(keys.usual(params), path) for path in same}
    return held


def _hash(commit: str, params: Params, values: Mapping[str, str]) -> str:
    """Hash of the inputs of a cell: its parameters, the code at a commit, and the hash of each file of values."""
    recipe = _entry(commit, "recipes", params.recipe)
    trains, at_home = bool(recipe.get("signals")), recipe.get("landscapes", "home") == "home"

    def wanted(key: str) -> bool:
        # The values hold the type of number and the length that an entry decides where params.yaml leaves them open.
        return key not in ("embed.dtype", "embed.length") and used(params, trains, at_home, key)

    content = {
        "params": only(keys.usual(params).model_dump(mode="json"), wanted),
        "stages": _stages(commit),
        "code": _hashes(commit, _code(commit)),
        "values": values,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def alike(one: str, other: str, cells: Iterable[Cell]) -> bool:
    """Whether cells over params.yaml, not computed yet, are the same at two commits.

    They are not where a commit has an older layout, or where the code that resolves their values differs.
    """
    try:
        # A queued cell has the parameters of its commit, except those that its name lists.
        bases = [parsed(commit, layout.PARAMS.as_posix()) for commit in (one, other)]
        return bases[0] == bases[1] and _resolved(one, cells) == _resolved(other, cells)
    except UserError:
        return False


def _resolved(commit: str, cells: Iterable[Cell]) -> list[Any]:
    """Everything at a commit from which the inputs of cells follow."""
    code = [path for path in _code(commit, ("report",)) if not path.startswith(f"{layout.REGISTRY}/")]
    return [_stages(commit, ("report",)), _hashes(commit, code), *(_entries(commit, cell.params) for cell in cells)]


def _entries(commit: str, params: Params) -> list[Any]:
    """The registry entries that a cell names, at a commit."""
    named = [("models", params.model), ("recipes", params.recipe), ("rerankers", params.rerank.model or "")]
    named += [("landscapes", name) for name in params.evaluate_on]
    named += [("views", name) for name in (params.query_view, params.document_view)]
    return [_entry(commit, kind, name) for kind, name in named]


@cache
def show(commit: str, path: str) -> str:
    """Text of a file at a commit."""
    return git("show", f"{commit}:{path}")


@cache
def parsed(commit: str, path: str) -> Any:
    """A YAML file at a commit."""
    return parse_yaml(show(commit, path))


@cache
def _tree(commit: str) -> dict[str, str]:
    """Git's hash of every file at a commit, by path."""
    rows = [line.split(maxsplit=3) for line in git("ls-tree", "-r", "--full-tree", commit).splitlines()]
    return {path: digest for _, _, digest, path in rows}


@cache
def _stages(commit: str, without: tuple[str, ...] = _NO_OUTCOME) -> dict[str, Any]:
    """Stages of dvc.yaml at a commit, without their descriptions."""
    stages = parsed(commit, layout.PIPELINE.as_posix())["stages"]
    return {name: _silent(body.get("do", body)) for name, body in stages.items() if name not in without}


@cache
def _code(commit: str, without: tuple[str, ...] = _NO_OUTCOME) -> tuple[str, ...]:
    """Files and folders tracked by git that the stages depend on."""
    deps = {dep for body in _stages(commit, without).values() for dep in body.get("deps", [])}
    return tuple(sorted(dep for dep in deps if not dep.startswith(f"{layout.DATA}/")))


def _hashes(commit: str, roots: Iterable[str]) -> dict[str, str]:
    """Git's hash of some files, and of all files in some folders, at a commit, by path."""
    tree, roots = _tree(commit), tuple(roots)
    folders = tuple(f"{root}/" for root in roots)
    return {path: digest for path, digest in tree.items() if path in roots or path.startswith(folders)}


def _entry(commit: str, kind: str, name: str) -> dict[str, Any]:
    """A registry entry at a commit without its description; empty where there is none."""
    entries: Mapping[str, Any] = parsed(commit, layout.registry(kind).as_posix())
    return _silent(entries.get(name) or {})


def _silent(block: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in block.items() if key not in _WORDS}
