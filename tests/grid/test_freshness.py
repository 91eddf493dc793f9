"""Commands that read the current cell: of what it was computed from, a change that matters is named, others are not."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import change, prepare, register

from patent_embeddings.core import layout, params
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.grid.keys import outdated

pytestmark = pytest.mark.pipeline

CHECK = "from patent_embeddings.core import params; from patent_embeddings.grid import keys; keys.write(params.load())"
PIPELINE = {
    "check": {
        "cmd": f'{sys.executable} -c "{CHECK}"', "params": [{"params.yaml": None}],
        "deps": ["registry/landscapes.yaml"], "outs": ["data/values"],
    },
    "search": {"foreach": "${evaluate_on}", "do": {
        "cmd": "mkdir -p data/runs/${item} && cp code.txt data/runs/${item}/dense.parquet",
        "deps": ["data/values/${item}/search.json", "code.txt"], "outs": ["data/runs/${item}/dense.parquet"],
    }},
}  # fmt: skip


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("current")
    prepare(root)
    (root / "dvc.yaml").write_text(yaml.safe_dump({"vars": ["params.yaml"], "stages": PIPELINE}, sort_keys=False))
    (root / "code.txt").write_text("one")
    for command in ("git init -q", "dvc init -q", "dvc repro -q"):
        subprocess.run(command.split(), cwd=root, check=True, capture_output=True)
    return root


@pytest.fixture
def here(computed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "cell"
    shutil.copytree(computed, root, symlinks=True)
    monkeypatch.chdir(root)
    return root


def fault(*stages: str) -> str | None:
    try:
        require_current(params.load(), *stages)
    except UserError as error:
        return str(error)
    return None


def test_a_cell_that_nothing_was_changed_of_is_current(here: Path) -> None:
    assert fault("search@sim-alpha") is None


def test_another_command_that_looks_at_the_clone_is_waited_for(here: Path) -> None:
    """Two searches at once; DVC itself gives up after three seconds."""
    held = "import time; from patent_embeddings.sharing import repository\n"
    held += "with repository.opened(): print('held', flush=True); time.sleep(5)"
    with subprocess.Popen([sys.executable, "-c", held], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "held\n"
        assert fault("search@sim-alpha") is None
        assert other.wait() == 0


def test_a_change_that_the_stage_reads_is_named_and_another_is_not(here: Path) -> None:
    change(here, metrics__clusterings=3, search__engine="ray")  # an engine computes the same run
    assert fault("search@sim-alpha") is None
    change(here, search__depth=17)
    said = fault("search@sim-alpha")
    changed = "stage search@sim-alpha ran with search.depth 1000, it is 17 now"
    assert said == f"the current cell was computed before a change: {changed}; run `dvc repro`"


def test_an_engine_makes_the_report_no_older(here: Path) -> None:
    change(here, search__engine="ray", embed__engine="ray")
    assert list(outdated(params.load(), "report")) == []
    change(here, bm25__k1=1.5)
    assert list(outdated(params.load(), "report")) == ["stage report ran with cell.bm25.k1 0.9, it is 1.5 now"]


def test_an_entry_of_the_registry_counts_where_it_is_read(here: Path) -> None:
    register(here, "landscapes", "further", {"source": "simulated", "description": "x", "licence": "y"})
    register(here, "models", "dotted", {**registry_entry("minilm"), "similarity": "dot"})
    assert fault("search@sim-alpha") is None
    change(here, model="dotted")
    assert "stage search@sim-alpha ran with similarity 'cosine', it is 'dot' now" in (fault("search@sim-alpha") or "")


def registry_entry(model: str) -> dict[str, Any]:
    return yaml.safe_load(layout.registry("models").read_text(encoding="utf-8"))[model]


def test_changed_code_and_a_changed_output_are_named(here: Path) -> None:
    (here / "code.txt").write_text("two")
    assert "code.txt is modified" in (fault("search@sim-beta") or "")
    (here / "code.txt").write_text("one")
    run = here / layout.run("sim-beta", "dense")
    run.unlink()
    assert fault("search@sim-beta") is None  # whoever reads it misses it
    run.write_text("other")
    assert f"{layout.run('sim-beta', 'dense')} is modified" in (fault("search@sim-beta") or "")
    assert fault("search@sim-alpha") is None


def test_nothing_computed_and_a_landscape_of_another_cell_are_one_line_each(here: Path) -> None:
    change(here, evaluate_on=["sim-beta"], landscape="sim-beta")
    assert fault("search@sim-alpha") == "no stage search@sim-alpha: params.yaml evaluates on sim-beta"
    shutil.rmtree(here / "data")
    assert (fault("search@sim-beta") or "").startswith("there is no current cell")
