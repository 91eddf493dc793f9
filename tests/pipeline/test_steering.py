"""No id of params.yaml leads DVC to an output outside its own folder: DVC removes outputs before `check` runs."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import yaml
from workspaces import ROOT, copy_tracked

pytestmark = pytest.mark.pipeline

KEPT = (
    "docs/grid.md",
    "data/raw/mine.jsonl",
    "data/raw/mine.jsonl.dvc",
    "data/views/other/tac.parquet",
    "stages/search.py",
)
BAD = (
    "..", ".", "../raw", "../raw/mine", "../../data/raw", "../../docs", "../../stages", "../../.git",
    "../../../checkout", "sim-alpha/..", "x/../../raw", "../costs", "../costs/sim-alpha",
    "../../data/costs/sim-alpha", "../views/sim-alpha",
)  # fmt: skip


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What DVC reads of this repository, with the user's own files beside it."""
    folder = tmp_path_factory.mktemp("steering") / "checkout"
    copy_tracked(folder, ":!tests", ":!reports", ":!benchmarks")
    run(folder, "git", "init", "--quiet")
    for name in KEPT:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    (folder / KEPT[2]).write_text(
        yaml.safe_dump(
            {"outs": [{"path": "mine.jsonl", "md5": "d41d8cd98f00b204e9800998ecf8427e", "size": 0, "hash": "md5"}]}
        )
    )
    run(folder, "git", "add", "--all")
    run(folder, "git", "commit", "--quiet", "--message", "All")
    return folder


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    who = {f"GIT_{role}_{part}": "a@example.org" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")}
    beside = {"HOME": str(folder.parent), "DVC_SITE_CACHE_DIR": str(folder.parent / "site")}
    return subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **who, **beside, "PATH": path},
    )


def lost(folder: Path) -> list[str]:
    return [name for name in (*KEPT, ".git/HEAD", "dvc.yaml") if not (folder / name).exists()]


def test_an_experiment_with_an_id_that_leads_elsewhere_removes_nothing(checkout: Path) -> None:
    done = run(checkout, "dvc", "exp", "run", "-S", "evaluate_on=[sim-alpha,../../docs]")
    run(checkout, "git", "checkout", "--quiet", "params.yaml")
    assert not lost(checkout)
    assert done.returncode and ".dvcignore" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("bad", "target", "said"),
    [
        ("../raw", ["--single-item", "views@../raw"], ".dvcignore"),
        # Outside of the checkout DVC ignores nothing, but several outputs are then one path.
        ("../../../beside", [], "is already specified in stage"),
    ],
)
def test_a_cell_with_an_id_that_leads_elsewhere_removes_nothing(
    bad: str, target: list[str], said: str, checkout: Path
) -> None:
    beside = checkout.parent / "beside/file"
    beside.parent.mkdir(exist_ok=True)
    beside.touch()
    params = checkout / "params.yaml"
    params.write_text(params.read_text().replace("[sim-alpha, sim-beta]", f"[sim-alpha, {bad}]"))
    done = run(checkout, "dvc", "repro", *target)
    run(checkout, "git", "checkout", "--quiet", "params.yaml")
    assert done.returncode and said in done.stderr
    assert beside.exists() and not lost(checkout)


def outputs(repository: Any, item: str) -> dict[str, list[str]]:
    """Paths of each landscape stage's outputs, as DVC has them; raises what DVC does."""
    from dvc.output import Output
    from dvc.stage import PipelineStage

    stage = PipelineStage(repository, path=f"{repository.root_dir}/dvc.yaml", wdir=repository.root_dir)
    paths: dict[str, list[str]] = {}
    for name, body in STAGES.items():
        paths[name] = [out.replace("${item}", item) for out in body["do"]["outs"]]
        for path in paths[name]:
            Output(stage, path)
    return paths


PIPELINE = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
STAGES = {name: body for name, body in PIPELINE.items() if "do" in body}


def walked() -> Iterator[str]:
    parts = ("..", ".", "data", "costs", "raw", "checkout")
    yield "/docs"
    for length in range(1, 4):
        yield from map("/".join, itertools.product(parts, repeat=length))


def test_whatever_way_an_id_leads_it_is_refused_or_stays_in_the_stages_own_folders(checkout: Path) -> None:
    from dvc.output import OutputIsIgnoredError
    from dvc.repo import Repo

    refused = set()
    with Repo(str(checkout)) as repository:
        for item in (*BAD, *walked()):
            try:
                found = outputs(repository, item)
            except OutputIsIgnoredError:
                refused.add(item)
                continue
            if len({os.path.normpath(path) for path in found["download"]}) < len(found["download"]):
                refused.add(item)  # two outputs are one, which DVC refuses as well
                continue
            for name, paths in found.items():
                for path, template in zip(paths, STAGES[name]["do"]["outs"], strict=True):
                    folders = PurePosixPath(os.path.normpath(path)).parts
                    assert folders[:2] == PurePosixPath(template).parts[:2], f"{name}: {item}: {path}"
                    assert len(folders) >= len(PurePosixPath(template).parts), f"{name}: {item}: {path}"
        assert set(BAD) <= refused
        for item in ("sim-alpha", "a", "cell", "0", "my-field"):
            outputs(repository, item)


def test_only_ids_of_landscapes_are_part_of_an_output() -> None:
    for name, body in PIPELINE.items():
        for out in body.get("do", body)["outs"]:
            assert "${" not in str(out).replace("${item}", ""), f"{name}: {out}"
            assert name in STAGES or "${" not in str(out)
        if name in STAGES:  # what .dvcignore refuses elsewhere
            assert f"data/costs/${{item}}/{name}.json" in body["do"]["outs"]
            assert f"\n{name}.json\n" in (ROOT / ".dvcignore").read_text(encoding="utf-8")
