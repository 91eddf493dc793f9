"""What one clone has computed, another restores: over a folder, SSH and S3, without running anything again."""

from __future__ import annotations

import random
import re
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspaces import ROOT

from collaboration import clones, remotes
from collaboration.clones import BUT_REPORT, SECOND, Clone, ran
from patent_embeddings.core import params
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import experiments, gather

pytestmark = pytest.mark.pipeline


@contextmanager
def folder(path: Path) -> Iterator[dict[str, str]]:
    yield {"url": str(path / "store")}


@pytest.fixture(scope="session")
def two_cells(bare: Path, tiny_clone: Clone, once: Callable[[str, Callable[[Path], None]], Path]) -> tuple[Clone, Path]:
    """Clone A, which has run two cells, the second as an experiment, and its origin."""

    def compute(base: Path) -> None:
        a = clones.copy(tiny_clone, base / "a")
        a.run("git", "clone", "--quiet", "--bare", str(bare), str(base / "origin.git"))
        a.git("remote", "set-url", "origin", str(base / "origin.git"))
        # Before the first experiment: applying one brings the configuration back that it was run with.
        a.dvc("remote", "add", "--default", "lab", "/nowhere")
        a.commit()
        a.dvc("exp", "run", "--temp", "--name", SECOND, "--set-param", "search.dimensions=8")

    folder = once("two", compute)
    return Clone(folder / "a"), folder / "origin.git"


@pytest.mark.parametrize(
    "kind",
    [folder, pytest.param(remotes.ssh, marks=pytest.mark.slow), pytest.param(remotes.s3, marks=pytest.mark.slow)],
    ids=["folder", "ssh", "s3"],
)
def test_a_fresh_clone_restores_what_another_computed(
    two_cells: tuple[Clone, Path], kind: object, tmp_path: Path
) -> None:
    a, origin = clones.copy(two_cells[0], tmp_path / "a"), tmp_path / "origin.git"
    a.run("git", "clone", "--quiet", "--mirror", str(two_cells[1]), str(origin))
    a.git("remote", "set-url", "origin", str(origin))
    with kind(tmp_path / "server") as settings:  # type: ignore[operator]
        a.connect(settings)
        assert "1 experiments" in a.share("push")
        assert "0 files and 0 records" in a.share("push")

        b = clones.clone(origin, tmp_path / "elsewhere" / "b")
        b.connect(settings)
        b.share("pull")
        assert not set(ran(b.dvc("repro"))) - {"report"}
        assert b.results() == a.results()

        b.git("checkout", "--", ".")
        b.dvc("exp", "apply", SECOND)
        assert not ran(b.dvc("repro", *BUT_REPORT))
        assert b.results()["data/runs/tiny/dense.parquet"] != a.results()["data/runs/tiny/dense.parquet"]
        a.dvc("exp", "apply", SECOND)
        a.dvc("checkout")
        assert b.results() == a.results()

        # A run of the past that no commit and no experiment names comes from its record.
        b.git("checkout", "--force", "HEAD", "--", ".")
        b.dvc("exp", "remove", SECOND)
        b.dvc("checkout")
        said = b.dvc("exp", "run", "--set-param", "search.dimensions=8", *BUT_REPORT)
        assert not set(ran(said)) - {"check"}


def test_one_experiment_is_fetched_by_name(two_cells: tuple[Clone, Path], tmp_path: Path) -> None:
    a, origin = clones.copy(two_cells[0], tmp_path / "a"), tmp_path / "origin.git"
    a.run("git", "clone", "--quiet", "--mirror", str(two_cells[1]), str(origin))
    a.git("remote", "set-url", "origin", str(origin))
    a.connect({"url": str(tmp_path / "store")})
    a.share("push")
    b = clones.clone(origin, tmp_path / "b")
    b.connect({"url": str(tmp_path / "store")})
    assert f"dvc exp apply {SECOND}" in b.share("pull", SECOND)
    assert not (b.path / ".dvc/cache/runs").exists()
    b.dvc("exp", "apply", SECOND)
    assert not ran(b.dvc("repro", *BUT_REPORT))
    assert "no experiment 'absent'" in b.share("pull", "absent", status=2)


@pytest.mark.slow
def test_two_clones_share_a_cache_directory_at_the_same_time(bare: Path, tiny_clone: Clone, tmp_path: Path) -> None:
    cells = [clones.clone(bare, tmp_path / name) for name in ("one", "two")]
    for cell in cells:
        cell.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    commands = [["dvc", "repro"], ["dvc", "exp", "run", "--set-param", "search.dimensions=8"]]
    started = [cell.start(*command) for cell, command in zip(cells, commands, strict=True)]
    for process in started:
        said = process.communicate(timeout=600)[0]
        assert process.returncode == 0, said
    assert cells[0].results() == tiny_clone.results()
    alone = clones.copy(tiny_clone, tmp_path / "alone")
    alone.dvc("exp", "run", "--set-param", "search.dimensions=8")
    assert cells[1].results() == alone.results()
    third = clones.clone(bare, tmp_path / "three")
    third.dvc("cache", "dir", "--local", str(tmp_path / "cache"))
    assert set(ran(third.dvc("repro"))) <= {"report"}


def test_documented_credentials_cannot_be_committed(bare: Path, tmp_path: Path) -> None:
    """Every command of README and docs that sets up a remote is run; then nothing that is committed holds a secret."""
    clone = clones.clone(bare, tmp_path / "clone")
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
    lines = [line for page in pages for line in re.findall(r"^dvc (?:remote|cache|config) .*$", page.read_text(), re.M)]
    private = [line for line in lines if re.search(r"secret|key|password|token|\buser\b", line)]
    assert len(lines) > 5 and private
    assert all("--local" in line for line in private), private
    secret = uuid.uuid4().hex
    for line in lines:
        clone.run("bash", "-c", re.sub(r"\s#.*", "", line).replace("MY_SECRET", secret))
    assert secret in (clone.path / ".dvc/config.local").read_text()
    assert clone.git("check-ignore", ".dvc/config.local").strip() == ".dvc/config.local"
    clone.git("add", "--all")
    clone.git("commit", "--quiet", "--allow-empty", "--message", "Remote")
    assert clone.git("ls-files") and not clone.git("log", "--all", "--format=%h", f"-S{secret}")


@pytest.mark.slow
def test_a_flipped_bit_in_cache_or_git_changes_no_grid(
    two_cells: tuple[Clone, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything that a grid's tables come from: one bit of any of it gives the same tables, or one line."""
    clone = clones.copy(two_cells[0], tmp_path / "a")
    monkeypatch.chdir(clone.path)

    def read() -> list[str]:
        for one in (experiments.show, experiments.parsed, experiments._tree, experiments._stages, experiments._code):
            one.cache_clear()  # type: ignore[attr-defined]
        grid = gather.load(experiments.current(), params.load())
        return [table.to_csv() for table in (grid.outcomes, grid.scores, grid.costs, grid.jurisdictions)]

    truth, rng, said = read(), random.Random(0), []
    roots = [".dvc/cache/files", ".git/objects", ".git/refs"]
    files = {
        root: sorted(path for path in Path(root).rglob("*") if path.is_file() and path.stat().st_size) for root in roots
    }
    for number in range(90):
        path = rng.choice(files[roots[number % 3]])
        content, place = path.read_bytes(), rng.randrange(path.stat().st_size)
        path.chmod(0o644)
        path.write_bytes(content[:place] + bytes([content[place] ^ (1 << rng.randrange(8))]) + content[place + 1 :])
        try:
            assert read() == truth, path
        except UserError as error:
            said.append(str(error))
        path.write_bytes(content)
    assert any("damaged in DVC's cache" in one for one in said) and any("git fsck" in one for one in said)
