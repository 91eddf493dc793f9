"""DVC's insides: used in one package alone, written for one version, and each attribute that is used still there."""

from __future__ import annotations

import ast
import importlib
import subprocess
from collections.abc import Iterator
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
from workspaces import ROOT

from patent_embeddings import sharing

FOLDER = ROOT / "patent_embeddings/sharing"
SOURCES = {path.name: ast.parse(path.read_text(encoding="utf-8")) for path in sorted(FOLDER.glob("*.py"))}
OTHERS = [
    path
    for folder in ("patent_embeddings", "stages", "benchmarks", "studies")
    for path in (ROOT / folder).rglob("*.py")
    if path.parent != FOLDER
]
PACKAGES = {"dvc", "dvc_data", "dvc_objects", "scmrepo"}
# What these modules call the objects that DVC hands out, whatever they were taken from.
NAMES = ("repo", "remote", "cache", "odb", "out", "queue", "entry", "ref", "result")


def imports(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Modules of DVC that a module imports, each with the name that it takes of it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names if alias.name.split(".")[0] in PACKAGES)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PACKAGES:
            yield from ((str(node.module), alias.name) for alias in node.names)


def chains(tree: ast.AST) -> Iterator[str]:
    """`repo.cache.local.all` and its like: attributes of what DVC hands out."""
    for node in ast.walk(tree):
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            names = [node.id, *reversed(parts)]
            names = names[1:] if names[:2] == ["self", "repo"] else names
            if names[0] in NAMES and len(names) > 1:
                yield ".".join(names)


IMPORTS = sorted({one for tree in SOURCES.values() for one in imports(tree)})
CHAINS = sorted({one for tree in SOURCES.values() for one in chains(tree)})


def gone(handed_out: dict[str, Any]) -> list[str]:
    """What is used and not there."""
    lacking = []
    for module, name in IMPORTS:
        try:
            found = importlib.import_module(module)
            if name and not hasattr(found, name):
                lacking.append(f"{module}.{name}")
        except ImportError:
            lacking.append(module)
    for chain in CHAINS:
        name, *attributes = chain.split(".")
        try:
            reduce(getattr, attributes, handed_out[name])
        except AttributeError:
            lacking.append(chain)
    return lacking


@pytest.fixture
def handed_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What the modules get from DVC, by their names for it, in a repository of one stage with a remote."""
    from dvc.repo import Repo
    from dvc.repo.experiments.queue.base import QueueEntry
    from dvc.repo.experiments.refs import ExpRefInfo
    from dvc_data.hashfile.transfer import TransferResult

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    subprocess.run(["git", "init", "--quiet"], check=True)
    Path("dvc.yaml").write_text("stages: {make: {cmd: touch out, outs: [out]}}\n", encoding="utf-8")
    with Repo.init() as repo, repo.config.edit() as settings:
        settings["remote"] = {"lab": {"url": str(tmp_path / "store")}}
        settings["core"] |= {"remote": "lab", "analytics": False}
    with Repo() as repo:
        yield {
            "repo": repo,
            "remote": repo.cloud.get_remote(),
            "cache": repo.cache.local,
            "odb": repo.cache.legacy,
            "out": next(iter(repo.index.outs)),
            "queue": repo.experiments.celery_queue,
            "entry": QueueEntry("", "", "", "", "", "", ""),
            "ref": ExpRefInfo("0" * 40, "name"),
            "result": TransferResult(set(), set()),
        }


def test_only_this_package_imports_dvc() -> None:
    found = {path: list(imports(ast.parse(path.read_text(encoding="utf-8")))) for path in OTHERS}
    assert len(found) > 50
    assert not {str(path): names for path, names in found.items() if names}


def test_it_is_written_for_the_version_that_is_installed() -> None:
    assert version("dvc") == sharing.DVC, (
        f"patent_embeddings/sharing was written for DVC {sharing.DVC}, {version('dvc')} is installed: "
        "see that the other tests of this file pass, then `make test-slow`, and write the new version there"
    )


def test_every_attribute_of_dvc_that_is_used_is_there(handed_out: dict[str, Any]) -> None:
    from dvc.exceptions import CheckoutError
    from dvc_objects.fs.errors import RemoteMissingDepsError

    # What the scan must find, or it would pass on anything.
    assert ("dvc.stage.cache", "_get_cache_hash") in IMPORTS
    assert {"repo.stage_cache.cache_dir", "repo.experiments.celery_queue", "remote.legacy_odb"} <= set(CHAINS)
    assert gone(handed_out) == []
    assert CheckoutError(["x"], {}).target_infos == ["x"]
    assert {"url", "protocol"} <= vars(RemoteMissingDepsError(None, "s3", "s3://x", [])).keys()


@pytest.mark.parametrize(
    ("owner", "attribute", "said"),
    [
        ("dvc.stage.cache", "_get_cache_hash", "dvc.stage.cache._get_cache_hash"),
        ("dvc.data_cloud:DataCloud", "get_remote", "repo.cloud.get_remote"),
        ("dvc.repo.experiments.queue.celery:LocalCeleryQueue", "worker_status", "queue.worker_status"),
        ("dvc.output:Output", "is_dir_checksum", "out.is_dir_checksum"),
    ],
)
def test_an_attribute_that_a_newer_dvc_lacks_is_named(
    owner: str, attribute: str, said: str, handed_out: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module, _, inside = owner.partition(":")
    found = importlib.import_module(module)
    monkeypatch.delattr(getattr(found, inside) if inside else found, attribute)
    assert said in gone(handed_out)
