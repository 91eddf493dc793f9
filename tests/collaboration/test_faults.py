"""What breaks, and what then happens: damage is named and made good, nothing half-written stays."""

from __future__ import annotations

import os
import resource
import signal
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from collaboration import clones, remotes
from collaboration.clones import BUT_REPORT, Clone, L, ran
from collaboration.test_kills import forget, inside, wait
from patent_embeddings.core import tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.retrieval.schemas import RUN as RUN_TABLE

RUN = "data/runs/tiny/bm25.parquet"
VECTORS = "data/embeddings/tiny/documents.npy"
pipeline, slow = pytest.mark.pipeline, pytest.mark.slow


def rows(**changes: Any) -> pa.Table:
    columns = {"query_id": ["q", "q"], "family_id": ["a", "b"], "rank": [1, 2], "score": pa.array([2, 1], pa.float32())}
    return pa.table(columns | changes)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (rows(rank=["1", "2"]), "column 'rank' is string, expected int64"),
        (rows(family_id=["a", None]), "'family_id' contains null"),
        (rows(query_id=["q", None]), "'query_id' contains null"),
        (rows(rank=[1, 1]), "ranks are not 1, 2, 3"),
        (rows(rank=[1, 3]), "ranks are not 1, 2, 3"),
        (rows(score=pa.array([2, np.nan], pa.float32())), "'score' contains null"),
        (rows(score=pa.array([1, 2], pa.float32())), "scores increase with rank"),
        (rows(family_id=["a", "a"]), "a family twice"),
    ],
)
def test_a_broken_run_is_refused_by_file_and_column(broken: pa.Table, said: str, tmp_path: Path) -> None:
    pq.write_table(broken, tmp_path / "bm25.parquet")
    with pytest.raises(UserError, match=rf"bm25\.parquet: .*{said}.*share check"):
        tables.read(tmp_path / "bm25.parquet", RUN_TABLE)


def test_no_flipped_bit_of_a_table_changes_what_is_read(tmp_path: Path) -> None:
    import pandas as pd

    path = tmp_path / "t.parquet"
    pair = tables.Table({"query_id": "text", "split": "text"}, key=("query_id",), among={"split": tables.SPLITS})
    frame = pd.DataFrame({"query_id": [f"q{i:04}" for i in range(600)], "split": ["train", "dev", "test"] * 200})
    tables.write(frame, path, pair)
    whole = path.read_bytes()
    refused = 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert tables.read(path, pair).equals(frame)
        except UserError:
            refused += 1
    assert refused > len(whole) // 2


# ------------------------------------------------------------------------------------------------ DVC's cache


def cached(clone: Clone, name: str) -> Path:
    """The cache's file behind a file of the workspace."""
    same = clone.path / name
    [found] = [path for path in (clone.path / ".dvc/cache/files").rglob("*") if path.is_file() and path.samefile(same)]
    return found


def truncate(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size // 2)


def flip(path: Path) -> None:
    """Flip one bit in the middle, the times unchanged, as a failing disk does."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(times.st_size // 2)
        byte = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte[0] ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@pipeline
@pytest.mark.parametrize(
    ("name", "damage", "reader"),
    [
        (RUN, flip, "fuse"),
        pytest.param(VECTORS, flip, "search", marks=slow),
        pytest.param(RUN, truncate, "fuse", marks=slow),
        pytest.param(VECTORS, truncate, "search", marks=slow),
    ],
)
def test_damage_in_the_cache_is_named_not_sent_and_made_good(
    tiny_clone: Clone, name: str, damage: Callable[[Path], None], reader: str, tmp_path: Path
) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    clone.dvc("checkout", "--relink")
    victim = cached(clone, name)
    victim.chmod(0o644)
    damage(victim)
    victim.chmod(0o444)
    assert f"error: {name}: damaged" in clone.run("python", "-m", f"stages.{reader}", L, status=2)
    clone.dvc("remote", "add", "--default", "lab", str(tmp_path / "store"))
    assert f"{name}: damaged" in clone.share("push", status=2)
    assert not list((tmp_path / "store").rglob("runs/*"))
    assert f"{name}: damaged in the cache" in clone.share("check", status=2)
    assert not victim.exists() and not (clone.path / name).exists()
    assert ran(clone.dvc("repro", *BUT_REPORT))
    assert clone.results() == tiny_clone.results()
    assert "files are whole" in clone.share("check")


@pipeline
@slow
def test_damage_on_the_remote_is_named_and_not_kept(bare: Path, tiny_clone: Clone, tmp_path: Path) -> None:
    a = clones.copy(tiny_clone, tmp_path / "a")
    a.dvc("remote", "add", "--default", "lab", str(tmp_path / "store"))
    a.share("push")
    digest = next(out["md5"] for out in lock(a)["bm25@tiny"]["outs"] if out["path"] == RUN)
    victim = tmp_path / "store/files/md5" / digest[:2] / digest[2:]
    victim.chmod(0o644)
    flip(victim)
    b = clones.clone(bare, tmp_path / "b")
    (b.path / "dvc.lock").write_bytes((a.path / "dvc.lock").read_bytes())
    b.dvc("remote", "add", "--default", "lab", str(tmp_path / "store"))
    assert RUN in b.share("pull", status=2)
    assert not (b.path / ".dvc/cache/files/md5" / digest[:2] / digest[2:]).exists()
    # What is whole arrived, the rest is computed.
    said = b.dvc("repro")
    assert set(ran(said)) <= {"bm25@tiny", "report"}
    assert b.results() == a.results()


def lock(clone: Clone) -> dict[str, Any]:
    stages: dict[str, Any] = yaml.safe_load((clone.path / "dvc.lock").read_text(encoding="utf-8"))["stages"]
    return stages


# ------------------------------------------------------------------------------------------------ disks and folders


@pipeline
@pytest.mark.parametrize(
    ("stage", "limit", "said"),
    [
        ("download@tiny", 4096, "data/families/tiny.parquet: cannot write"),
        pytest.param(f"embed@{L}", 4096, ".shard: cannot write", marks=slow),
        pytest.param("finetune", 4096, "cannot write", marks=slow),
    ],
)
def test_a_full_disk_is_said_in_one_line_and_leaves_nothing(
    tiny_clone: Clone, stage: str, limit: int, said: str, tmp_path: Path
) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    forget(clone, stage)
    command = ["python", "-m", *lock(tiny_clone)[stage]["cmd"].split()[2:]]
    full = clone.run(*command, status=2, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    assert said in next(line for line in full.splitlines() if line.startswith("error: "))
    assert "Traceback" not in full and not list(clone.path.rglob("*.partial"))
    assert stage in ran(clone.dvc("repro", *BUT_REPORT))
    assert clone.results() == tiny_clone.results()


@pipeline
@slow
def test_vectors_that_do_not_fit_leave_nothing(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    clone.run("python", "-m", "stages.embed", L)
    forget(clone, f"embed@{L}")
    # The shards are there already: the array is what is written.
    full = clone.run(
        "python", "-m", "stages.embed", L, status=2,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192)),
    )  # fmt: skip
    assert f"error: data/embeddings/{L}: cannot write" in full
    assert not (clone.path / "data/embeddings" / L).exists() and not list(clone.path.rglob("*.partial"))
    clone.dvc("repro")
    assert clone.results() == tiny_clone.results()


@pipeline
@slow
def test_a_read_only_data_folder_is_said_in_one_line(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    forget(clone, "download@tiny")
    folder = clone.path / "data/families"
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    # Root may write anywhere unless it gives that right up.
    plain = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"] if os.getuid() == 0 else []
    said = clone.run(*plain, "python", "-m", "stages.download", L, status=2)
    assert "error: data/families/tiny.parquet: cannot write (Permission denied)" in said
    folder.chmod(0o755)
    clone.dvc("repro")
    assert clone.results() == tiny_clone.results()


# ------------------------------------------------------------------------------------------------ processes


@pipeline
@slow
def test_a_java_that_dies_fails_its_stage_and_no_other(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    forget(clone, "bm25@tiny")
    process = clone.start("dvc", "repro")
    # Java runs inside the stage's process: wait until its libraries are mapped there.
    for _ in range(6000):
        java = [one for one in psutil.Process(process.pid).children(recursive=True) if has_java(one)]
        if java:
            break
        time.sleep(0.01)
    java[0].kill()
    said = process.communicate(timeout=300)[0]
    assert process.returncode and "failed to reproduce 'bm25@tiny'" in said
    assert ran(clone.dvc("repro"))[0] == "bm25@tiny"
    assert clone.results() == tiny_clone.results()


def has_java(process: psutil.Process) -> bool:
    try:
        return any(one.path.endswith("libjvm.so") for one in process.memory_maps())
    except psutil.Error:
        return False


@pipeline
@slow
def test_two_runs_at_once_in_one_clone_do_not_mix(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    forget(clone, f"embed@{L}")
    out = tmp_path / "said"
    first = clone.start("dvc", "repro", stdout=out.open("w"))
    while f"Running stage 'embed@{L}'" not in out.read_text():
        assert first.poll() is None
        time.sleep(0.05)
    said = clone.dvc("repro", status=None)
    assert "is busy, it is being blocked by" in said and f"PID {first.pid}" in said
    assert first.wait() == 0
    assert clone.results() == tiny_clone.results()
    assert not ran(clone.dvc("repro"))


@pipeline
@slow
def test_a_killed_queue_worker_loses_nothing(bare: Path, tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    clone.commit_here()
    change = ["--set-param", "search.dimensions=8"]
    clone.dvc("exp", "run", "--queue", "--name", "queued", *change)
    clone.dvc("queue", "start", stdout=subprocess.DEVNULL)  # the worker would hold a pipe open
    working = wait(lambda: [one for one in inside(clone, ".dvc/tmp/exps") if "stages." in " ".join(one.cmdline())])
    workers = [one for one in inside(clone) if "celery" in " ".join(one.cmdline()) or "dvc" in " ".join(one.cmdline())]
    for one in {*workers, *working}:
        if one.is_running():
            one.send_signal(signal.SIGKILL)
    wait(lambda: not inside(clone))
    clone.dvc("queue", "remove", "--all", status=0)
    clone.dvc("exp", "run", "--queue", "--name", "again", *change)
    clone.dvc("queue", "start", stdout=subprocess.DEVNULL)  # the worker would hold a pipe open
    wait(lambda: "Success" in clone.dvc("queue", "status"))
    clone.dvc("exp", "apply", "again")
    clone.dvc("checkout")
    alone = clones.copy(tiny_clone, tmp_path / "alone")
    alone.dvc("exp", "run", *change)
    assert clone.results() == alone.results()


@pipeline
@slow
def test_uncommitted_changes_survive_a_restore(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    clone.dvc("remote", "add", "--default", "lab", str(tmp_path / "store"))
    clone.share("push")
    params = clone.path / "params.yaml"
    changed = params.read_text().replace("dimensions: null", "dimensions: 8")
    params.write_text(changed)
    clone.share("pull")
    assert params.read_text() == changed
    mine = clone.path / RUN
    mine.unlink()
    mine.write_bytes(b"mine")
    assert RUN in clone.share("pull", status=2)
    assert mine.read_bytes() == b"mine"


# ------------------------------------------------------------------------------------------------ connections


@pipeline
@slow
def test_a_remote_that_drops_is_gone_on_with(bare: Path, tiny_clone: Clone, tmp_path: Path) -> None:
    a, b = clones.copy(tiny_clone, tmp_path / "a"), clones.clone(bare, tmp_path / "b")
    (b.path / "dvc.lock").write_bytes((a.path / "dvc.lock").read_bytes())
    with remotes.ssh(tmp_path / "server") as settings:
        relay = remotes.Relay(int(settings["port"]))
        for clone in (a, b):
            clone.dvc("remote", "add", "--default", "lab", settings["url"])
            for name, value in {**settings, "port": str(relay.port)}.items():
                clone.dvc("remote", "modify", "--local", "lab", name, value)
        size = sum(path.stat().st_size for path in (a.path / ".dvc/cache/files").rglob("*") if path.is_file())
        for clone, command in ((a, "push"), (b, "pull")):
            relay.cut_after(size // 2)
            said = clone.share(command, status=2)
            assert "goes on where it stopped" in said.splitlines()[-1] and "Traceback" not in said
            relay.heal()
            clone.share(command)
        assert set(ran(b.dvc("repro"))) <= {"report"}
        assert b.results() == a.results()
        relay.cut_after(0)
        assert "error: remote 'lab'" in a.share("push", status=2)


@pipeline
@slow
def test_a_remote_that_is_not_there_is_said(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    assert "no default remote" in clone.share("push", status=2)
    clone.dvc("remote", "add", "--default", "lab", f"ssh://127.0.0.1:{remotes.free_port()}/store")
    assert "error: remote 'lab'" in clone.share("pull", status=2)
    clone.dvc("remote", "add", "--force", "--default", "lab", "https://127.0.0.1/store")
    assert "holds no past runs" in clone.share("push", status=2)
    clone.git("remote", "set-url", "origin", str(tmp_path / "absent.git"))
    clone.dvc("remote", "add", "--force", "--default", "lab", str(tmp_path / "store"))
    assert "error: git remote 'origin'" in clone.share("pull", status=2)


# ------------------------------------------------------------------------------------------------ determinism


@pipeline
@slow
def test_a_cell_from_scratch_has_the_same_bytes_in_another_clone_and_as_an_experiment(
    bare: Path, tiny_clone: Clone, tmp_path: Path
) -> None:
    fresh = clones.clone(bare, tmp_path / "fresh")
    fresh.dvc("repro")
    assert fresh.results() == tiny_clone.results()
    queued = clones.clone(bare, tmp_path / "queued")
    queued.dvc("exp", "run", "--queue", "--name", "queued")
    queued.dvc("exp", "run", "--run-all")
    queued.dvc("exp", "apply", "queued")
    queued.dvc("checkout")
    assert queued.results() == tiny_clone.results()
