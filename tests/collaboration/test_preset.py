"""The study's whole preset from a hub to its page: stand-ins of its models, one command."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import hub
import pandas as pd
import pytest
import standins
import yaml

from collaboration import clones
from collaboration.clones import Clone, L

pytestmark = [pytest.mark.pipeline, pytest.mark.slow]

COMMIT = "c" * 40  # of models that nobody has pinned yet
NAMES = list(standins.MAKERS)


def block(name: str) -> dict[str, object]:
    """Entry of a stand-in, pinned to a commit: the study's own, or what `model pin` would write."""
    found = standins.block(name)
    return found if found.get("revision") else {**found, "revision": COMMIT}


@pytest.fixture
def served() -> Iterator[hub.Hub]:
    """A hub with the stand-ins."""
    with hub.serve() as server:
        for name in NAMES:
            entry = block(name)
            server.repositories[str(entry["hub"])] = hub.Repository(str(entry["revision"]), standins.files(name))
        yield server


@pytest.fixture
def clone(tmp_path: Path, served: hub.Hub) -> Clone:
    """A clone on a machine without any model, whose registry knows the sizes of the stand-ins."""
    variables = {"HF_ENDPOINT": served.endpoint, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
    made = clones.clone(clones.origin(tmp_path), tmp_path / "clone", **variables)
    path = made.path / "registry/models.yaml"
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    path.write_text(yaml.safe_dump(entries | {name: block(name) for name in NAMES}, sort_keys=False), encoding="utf-8")
    cell = made.path / "params.yaml"
    cell.write_text(cell.read_text(encoding="utf-8").replace(f"model: {L}\nrecipe: r3", "model: minilm\nrecipe: r3"))
    made.commit_here()
    return made


def computed(clone: Clone, *command: str) -> None:
    """Run a command for as long as 21 cells take: five minutes where nothing else is computed, an hour at the most."""
    process = clone.start(*command)
    said = process.communicate(timeout=3600)[0]
    assert process.returncode == 0, said


def test_the_whole_preset_is_fetched_computed_and_reported(clone: Clone, served: hub.Hub) -> None:
    command = ("python", "-m", "stages.grid", "run", "--preset", "paper", "--fetch", "--jobs", "2")
    said = clone.run(*command, status=2)  # nobody has logged in
    assert "accept the terms on the page of embeddinggemma" in said
    assert "queued" not in said.replace("nothing is queued", "")
    clone.variables["HF_TOKEN"] = "hf_of_nobody"
    computed(clone, *command)
    asked = {path.split("/resolve/")[0].strip("/") for method, path, _ in served.asked if "/resolve/" in path}
    assert asked == set(served.repositories)
    clone.run("python", "-m", "stages.grid", "report")
    scores = pd.read_csv(clone.path / "reports/grid/scores.csv")
    dense = scores[(scores["system"] == "dense") & (scores["metric"] == "nDCG@10") & (scores["scope"] == "all")]
    assert sorted(dense["model"]) == sorted(NAMES)
    assert dense["value"].between(0, 1).all() and dense["value"].nunique() > 10
    page = (clone.path / "reports/grid/index.html").read_text(encoding="utf-8")
    (table,) = re.findall(r'<table id="cells">.*?</table>', page, flags=re.S)
    assert len(re.findall(r"<tr", table.split("</thead>")[1])) == len(NAMES) == 21
    assert "21 of them held" in clone.run(*command)
