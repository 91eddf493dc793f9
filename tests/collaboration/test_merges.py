"""Two branches that ran cells of their own, merged by git and mended as docs/sharing.md says."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
from workspaces import ROOT

from collaboration import clones
from collaboration.clones import Clone

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]


def cell(of: Clone, folder: Path, *changes: tuple[str, str]) -> tuple[Clone, str]:
    """A copy of a computed clone that has computed and committed another cell."""
    made = clones.copy(of, folder)
    params = made.path / "params.yaml"
    for old, new in changes:
        text = params.read_text(encoding="utf-8")
        assert old in text
        params.write_text(text.replace(old, new), encoding="utf-8")
    said = made.dvc("repro")
    made.commit_here()
    return made, said


def test_the_lock_file_of_two_branches_is_mended_as_documented(tiny_clone: Clone, tmp_path: Path) -> None:
    start = clones.copy(tiny_clone, tmp_path / "start")
    start.commit_here()
    here, there = ("k1: 0.9", "k1: 1.2"), ("rrf_k:\n  - 10", "rrf_k:\n  - 12")
    ours, _ = cell(start, tmp_path / "ours", here)
    theirs, _ = cell(start, tmp_path / "theirs", there)
    ours.git("fetch", "--quiet", str(theirs.path), "HEAD")
    said = ours.run("git", "-c", "user.name=A", "-c", "user.email=a@example.org", "merge", "FETCH_HEAD", status=1)
    assert "Merge conflict in dvc.lock" in said and "Merge conflict in reports/scores.csv" in said
    # What mends a damaged lock file does not mend this one.
    assert "unmerged" in ours.run("git", "checkout", "dvc.lock", status=None)
    mend = re.search(r"`(git checkout --theirs [^`]+)`", (ROOT / "docs/sharing.md").read_text(encoding="utf-8"))
    assert mend
    ran = clones.ran(ours.run("sh", "-c", mend[1]))
    assert {name.split("@")[0] for name in ran} <= {"check", "fuse", "rerank", "metrics", "report"}
    assert "up to date" in ours.dvc("status")
    ours.git("add", "dvc.lock", "reports")
    ours.git("commit", "--quiet", "--message", "Merged")
    shutil.rmtree(theirs.path)
    both, _ = cell(start, tmp_path / "both", here, there)
    assert ours.results() == both.results()
    assert (ours.path / "dvc.lock").read_text().replace("\n", "").count("<<<<") == 0
