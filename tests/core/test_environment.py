"""Installed versions against environment.lock: a result is kept under the versions that computed it, or not at all."""

from __future__ import annotations

import importlib.metadata
import re
from pathlib import Path

import pytest
from imports import BODIES
from workspaces import ROOT

from patent_embeddings.core import costs, environment
from patent_embeddings.core.errors import UserError
from stages import check, fuse

LOCKED = dict(line.split("==") for line in (ROOT / "environment.lock").read_text().split())


def install(monkeypatch: pytest.MonkeyPatch, name: str, found: str | None) -> None:
    """Let a package appear in another version; None: not at all."""

    def version(asked: str) -> str:
        if asked != name:
            return LOCKED[asked]
        if found is None:
            raise importlib.metadata.PackageNotFoundError(asked)
        return found

    monkeypatch.setattr(environment, "version", version)


@pytest.mark.parametrize("name", LOCKED)
def test_another_version_is_refused_by_name_with_both_versions_and_a_mend(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(monkeypatch, name, "0.1.2")
    with pytest.raises(UserError) as caught:
        environment.verify()
    said = str(caught.value)
    assert f"{name} is 0.1.2 here, and {LOCKED[name]} in environment.lock" in said
    assert "make install" in said and "make lock" in said and "\n" not in said


@pytest.mark.parametrize("found", [None, "2.13", "2.13.0rc1", "2.13.0.post1", "2.13.1", "12.13.0"])
def test_what_is_nearly_the_locked_torch_is_refused(found: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "torch", found)
    with pytest.raises(UserError, match=f"torch is {found or 'absent'} here"):
        environment.verify()


@pytest.mark.parametrize("build", ["", "+cpu", "+cu129", "+rocm6.4"])
def test_builds_of_one_version_are_the_same(build: str, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, "torch", LOCKED["torch"] + build)
    environment.verify()


def test_comments_are_no_pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "environment.lock"
    locked.write_text("# libraries == versions\nnumpy==2.4.6  # by hand\n\n  scipy==1.17.1\n")
    assert environment.pins(locked) == {"numpy": "2.4.6", "scipy": "1.17.1"}
    monkeypatch.setattr(environment, "_OURS", locked)
    install(monkeypatch, "numpy", "2.4.5")
    with pytest.raises(UserError, match=r"numpy is 2\.4\.5 here, and 2\.4\.6 in"):
        environment.verify()


def test_what_is_installed_here_is_what_is_locked() -> None:
    environment.verify()


@pytest.mark.parametrize("name", ["sentence-transformers", "scipy"])
def test_nothing_is_computed_with_another_version(name: str, workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, name, "1.0")
    before = sorted(workspace.rglob("*"))
    for stage in (check.main, lambda: fuse.main("sim-alpha")):
        with pytest.raises(UserError, match=f"{name} is 1.0 here"):
            stage()
    with pytest.raises(UserError, match=f"{name} is 1.0 here"), costs.measured(workspace / "cost.json"):
        pytest.fail("computed")
    assert sorted(workspace.rglob("*")) == before


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("check", "report")])
def test_every_stage_that_computes_compares_first(name: str) -> None:
    text = (ROOT / f"stages/{name}.py").read_text(encoding="utf-8")
    assert re.search(rf'^ +with .*costs\.measured\(layout\.cost\("{name}"', text, re.MULTILINE)


def test_a_line_without_a_pin_is_no_traceback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    locked = tmp_path / "environment.lock"
    locked.write_text("<<<<<<< HEAD\nnumpy==2.4.6\n")  # what a merge leaves
    monkeypatch.setattr(environment, "_OURS", locked)
    with pytest.raises(UserError, match="HEAD is absent here"):
        environment.verify()
