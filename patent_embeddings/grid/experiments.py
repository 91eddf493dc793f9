"""Experiments as git and DVC hold them: which cell each one is, under which version of the code.

A cell's inputs are its parameters, the stages of dvc.yaml, the code and lock file that they depend on, and
the registry blocks of its model, recipe, landscapes and views. Two commits with the same inputs hold the same
cell, whatever else differs between them. The stages `check` and `report` compute no outcome and are left out.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import ValidationError

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.pairs.entries import recipe_entry

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from patent_embeddings.core.params import Params
    from patent_embeddings.grid.cell import Cell

_NO_OUTCOME = {"check", "report"}
_SPENT = ("finetune", "landscape")  # what a zero-shot cell has no use for


@dataclass(frozen=True)
class Experiment:
    """A finished cell: the experiment's name, its commit, its parameters, and the hash of its inputs."""

    name: str
    commit: str
    params: Params
    inputs: str


def git(*arguments: str) -> str:
    """What git prints.

    Raises:
        UserError: git fails, with its own first line, or prints what is no text.
    """
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    mend = "`git fsck` says whether .git is damaged, a fresh clone has it whole"
    if done.returncode:
        said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines() or ["failed"]
        raise UserError(f"git {arguments[0]}: {said[0]}; {mend}")
    try:
        return done.stdout.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UserError(f"git {' '.join(arguments)}: not UTF-8; save it in that encoding, or {mend}") from None


def head() -> str:
    """Commit of HEAD."""
    return git("rev-parse", "--verify", "HEAD").strip()


def clean() -> None:
    """Refuse to go on where what a cell depends on differs from HEAD.

    Raises:
        UserError: such a file, by name. Queued experiments run in a copy that has only what is committed.
    """
    changed = git("status", "--porcelain", "--", str(layout.PIPELINE), str(layout.PARAMS), *_code("HEAD"), str(layout.REGISTRY))  # fmt: skip
    lines = changed.splitlines()
    if lines:
        more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
        raise UserError(f"{lines[0][3:]}{more}: not committed; commit first, so that every experiment says which code made it")  # fmt: skip


def held() -> dict[str, Experiment]:
    """Every finished experiment of any commit by the hash of its inputs; of equals the first by name."""
    from dvc.repo import Repo

    with Repo() as repo:
        listed = repo.experiments.ls(all_commits=True)
    found: dict[str, Experiment] = {}
    for name, commit in sorted((name, commit) for pairs in listed.values() for name, commit in pairs):
        params = finished(commit)
        if params is not None:
            key = inputs(commit, params)
            found.setdefault(key, Experiment(name, commit, params, key))
    return found


def finished(commit: str) -> Params | None:
    """Parameters of the cell that a commit holds; None if it holds none, or one of other keys than today's."""

    names = set(_tree(commit))
    if not {"dvc.lock", layout.SCORES.as_posix(), layout.PARAMS.as_posix()} <= names:
        return None
    params = parsed(commit, layout.PARAMS.as_posix())
    lock = parsed(commit, "dvc.lock")
    reported = lock["stages"].get("report", {}).get("params", {}).get(layout.PARAMS.as_posix())
    if reported != params:  # the report is of other parameters: the cell was not computed to its end
        return None
    try:
        return Params.model_validate(params)
    except ValidationError:
        return None


def inputs(commit: str, params: Params) -> str:
    """Hash of everything at a commit that the outcomes of a cell depend on."""
    recipe = _block(commit, "recipes", params.recipe)
    content = {
        "params": settings(params, trained=bool(recipe.get("signals"))),
        "stages": _stages(commit),
        "code": {path: _tree(commit)[path] for path in _files(commit)},
        "model": _block(commit, "models", params.model),
        "recipe": recipe,
        "reranker": params.rerank.model and _block(commit, "rerankers", params.rerank.model),
        "landscapes": [_block(commit, "landscapes", name) for name in params.evaluate_on],
        "views": [_block(commit, "views", name) for name in (params.query_view, params.document_view)],
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()


def alike(one: str, other: str, cells: Iterable[Cell]) -> bool:
    """Whether cells over params.yaml are the same at two commits: every parameter is, and every input.

    Not where one of them lacks the files of today's layout.
    """

    typed = [Params.model_validate(cell.params) for cell in cells]
    try:
        # A queued cell keeps the parameters of its commit, whatever its name says that it changes.
        bases = [parsed(commit, layout.PARAMS.as_posix()) for commit in (one, other)]
        return bases[0] == bases[1] and all(inputs(one, params) == inputs(other, params) for params in typed)
    except UserError:
        return False


def digest(params: Params) -> str:
    """Twelve hexadecimal digits of the parameters that the outcomes of a cell depend on.

    Options that are off have no part in it, so that a new one leaves the expected scores of older cells theirs.
    """

    trained = bool(params.trained_on(recipe_entry(params.recipe)))
    content = json.dumps(settings(params, trained, off=False), sort_keys=True)
    return hashlib.sha256(content.encode()).hexdigest()[:12]


def settings(params: Params, trained: bool, off: bool = True) -> dict[str, Any]:
    """The parameters that the outcomes of a cell depend on; not where and how a model is trained that is not.

    Args:
        params: of the cell.
        trained: whether its recipe trains.
        off: also the options that are as their schema has them unless said.
    """
    values = params.model_dump(mode="json", exclude_defaults=not off)
    if not trained:
        values["embed"].pop("adapter_scale")
    return {key: value for key, value in values.items() if trained or key not in _SPENT}


@cache
def show(commit: str, path: str) -> str:
    """Text of a file at a commit."""
    return git("show", f"{commit}:{path}")


@cache
def parsed(commit: str, path: str) -> Any:
    """A YAML file at a commit."""

    # The parser in C reads a lock file of a thousand lines in milliseconds.
    return yaml.load(show(commit, path), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@cache
def _tree(commit: str) -> dict[str, str]:
    """Path -> git's hash of every file at a commit."""
    rows = [line.split(maxsplit=3) for line in git("ls-tree", "-r", "--full-tree", commit).splitlines()]
    return {path: digest for _, _, digest, path in rows}


@cache
def _stages(commit: str) -> dict[str, Any]:
    """Stages of dvc.yaml that lead to outcomes; descriptions change nothing."""
    stages = parsed(commit, layout.PIPELINE.as_posix())["stages"]
    bodies = {name: dict(body.get("do", body)) for name, body in stages.items() if name not in _NO_OUTCOME}
    return {name: {key: value for key, value in body.items() if key != "desc"} for name, body in bodies.items()}


@cache
def _code(commit: str) -> tuple[str, ...]:
    """Files and folders that the stages depend on and that git tracks."""
    deps = {dep for body in _stages(commit).values() for dep in body.get("deps", [])}
    return tuple(sorted(dep for dep in deps if not dep.startswith(f"{layout.DATA}/")))


def _files(commit: str) -> list[str]:
    roots = _code(commit)
    return [path for path in _tree(commit) if any(path == root or path.startswith(f"{root}/") for root in roots)]


def _block(commit: str, kind: str, name: str) -> Any:
    blocks: Mapping[str, Any] = parsed(commit, layout.registry(kind).as_posix())
    return blocks.get(name, {})
