"""Remotes on which something is half there, gone or somebody else's: it is made whole, or said in one line."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from collaboration.test_trust import git, honest  # noqa: F401
from patent_embeddings.core.errors import UserError
from patent_embeddings.sharing import queue
from patent_embeddings.sharing.outputs import Outputs, cache, experiments
from stages import share

pytestmark = pytest.mark.pipeline


@pytest.fixture
def clone(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:  # noqa: F811
    """A copy of the clone that has computed and shared, in the current folder; its store is beside it."""
    shutil.copytree(honest, tmp_path / "b", symlinks=True)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    here = tmp_path / "b" / "a" / "clone"
    monkeypatch.chdir(here)
    settings = here / ".dvc/config"
    settings.write_text(settings.read_text().replace(str(honest / "store"), str(tmp_path / "b" / "store")))
    git(here, "add", "--all")
    git(here, "commit", "--quiet", "--message", "Computed")
    return here


def files(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


def test_what_is_half_there_or_deleted_is_sent_again(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = clone.parents[1] / "store"
    share.push()
    whole = files(store)
    for path in sorted(store.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            for damaged in (None, content[: len(content) // 2]):
                path.unlink()
                if damaged is not None:
                    path.write_bytes(damaged)
                capsys.readouterr()
                share.push()
                assert files(store) == whole, path
                assert "1 files and 0 records" in (said := capsys.readouterr().err) or "0 files and 1 records" in said
    share.push()
    assert "0 files and 0 records" in capsys.readouterr().err


def test_a_record_that_another_clone_is_writing_into_a_shared_cache_stays(clone: Path) -> None:
    """DVC writes it under another name and renames it: without it, that clone's `dvc repro` would end with an error."""
    [folder, *_] = Path(".dvc/cache/runs").glob("*/*")
    half = folder / ".mFtkqWc8.tmp"
    half.write_text("cmd: python -m sta")
    share.push()
    with pytest.raises(UserError, match="0 damaged files and 1 damaged records"):
        (folder / ("e" * 64)).write_text("cmd: python -m sta")
        share.check()
    assert half.exists() and not (folder / ("e" * 64)).exists()


def test_a_read_only_remote_gives_and_says_why_it_takes_nothing(clone: Path) -> None:
    store = clone.parents[1] / "store"
    shutil.rmtree(store / "files/md5")
    (store / "files").chmod(0o555)
    command = ["python", "-m", "stages.share"]
    plain = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([*plain, *command, "push"], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONPATH": str(root)})  # fmt: skip
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr
    assert "error: remote 'lab'" in done.stderr and "Permission denied" in done.stderr.splitlines()[-1]


def test_a_folder_that_is_not_mounted_is_named(clone: Path) -> None:
    store = clone.parents[1] / "store"
    store.rename(store.with_name("elsewhere"))
    with pytest.raises(UserError, match=r"remote 'lab' \(.*store\): no such folder; mount it"):
        share.pull()
    assert not store.exists()


def test_two_experiments_of_one_name_are_named_on_both_sides(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bare, other = clone.parents[1] / "origin.git", clone.parents[1] / "other"
    git(clone, "clone", "--quiet", "--bare", ".", str(bare))
    git(clone, "remote", "add", "origin", str(bare))
    base = git(clone, "rev-parse", "HEAD").strip()
    ref = f"refs/exps/{base[:2]}/{base[2:]}/mine"
    git(clone, "clone", "--quiet", str(bare), str(other))
    for place, text in ((other, "theirs"), (clone, "ours")):
        with (place / "params.yaml").open("a") as params:
            params.write(f"# {text}\n")
        git(place, "commit", "--quiet", "--all", "--message", text)
        git(place, "update-ref", ref, "HEAD")
        git(place, "reset", "--quiet", "--hard", base)
    git(other, "push", "--quiet", "origin", ref)
    for command in (share.push, share.pull):
        capsys.readouterr()
        command()
        said = capsys.readouterr().err
        assert "origin: 0 experiments" in said and "experiments not exchanged: mine: origin holds another" in said
    assert git(clone, "show", f"{ref}:params.yaml").endswith("# ours\n")
    assert git(bare, "show", f"{ref}:params.yaml").endswith("# theirs\n")


def test_experiments_of_one_name_from_several_commits_all_come(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commits = []
    for text in ("one", "two"):
        base = git(clone, "rev-parse", "HEAD").strip()
        with (clone / "params.yaml").open("a") as params:
            params.write(f"# {text}\n")
        git(clone, "commit", "--quiet", "--all", "--message", text)
        git(clone, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/mine", "HEAD")
        commits.append(git(clone, "rev-parse", "HEAD").strip()[:7])
    share.pull("mine")
    either = " or ".join(f"`dvc exp apply {one}`" for one in sorted(commits))
    assert f"{either} brings it into the workspace" in capsys.readouterr().err


def test_an_experiment_whose_files_nobody_shared_is_no_success(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    base = git(clone, "rev-parse", "HEAD").strip()
    lock = Path("dvc.lock")
    changed = yaml.safe_load(lock.read_text())
    out = next(one for one in changed["stages"]["make@one"]["outs"] if one["path"].startswith("data/things"))
    out["md5"] = "1" * 32
    lock.write_text(yaml.safe_dump(changed))
    git(clone, "commit", "--quiet", "--all", "--message", "Experiment")
    git(clone, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/mine", "HEAD")
    git(clone, "reset", "--quiet", "--hard", base)
    with pytest.raises(UserError, match=r"not on the remote: data/things/one\.txt; who computed it"):
        share.pull("mine")
    # What the workspace lacks is no matter of an experiment that has all.
    (clone / "params.yaml").open("a").write("# other\n")
    git(clone, "commit", "--quiet", "--all", "--message", "Another")
    git(clone, "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/whole", "HEAD")
    lock.write_text(yaml.safe_dump(changed))
    share.pull("whole")
    assert "`dvc exp apply whole` brings it" in capsys.readouterr().err


def test_a_remote_that_cannot_be_reached_is_the_cause_and_not_an_absent_file(clone: Path) -> None:
    shutil.rmtree(".dvc/cache/files")
    stages = yaml.safe_load(Path("dvc.lock").read_text())["stages"].values()
    hashes = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    store = clone.parents[1] / "store"
    with cache() as opened:
        one = Outputs(opened, "mine", git(clone, "rev-parse", "HEAD").strip(), hashes)
        assert one.read(Path("data/things/two.txt")) == b"two"
        assert one.read(Path("data/folders/one/two.txt")) == b"two.txt"
        shutil.rmtree(store / "files/md5")
        with pytest.raises(UserError, match="neither in the cache nor in a remote"):
            one.read(Path("data/things/two.txt"))
        shutil.rmtree(store)
        store.write_text("a file")
        for path in ("data/things/two.txt", "data/folders/two/two.txt"):
            with pytest.raises(UserError, match="the default remote: NotADirectoryError"):
                one.read(Path(path))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (".dvc", "not inside of a DVC .*; run this at the root of a clone"),
        (".git", "is not a git repository; run this at the root of a clone"),
        (".dvc/config", "config file error"),
    ],
)
def test_a_clone_that_dvc_cannot_read_is_said_in_one_line(clone: Path, broken: str, said: str) -> None:
    if Path(broken).is_dir():
        shutil.rmtree(broken)
    else:
        Path(broken).write_text("x: [")
    for command in (share.push, experiments, queue.baselines):
        with pytest.raises(UserError, match=said) as error:
            command()
        assert "\n" not in str(error.value)
