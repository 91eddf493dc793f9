"""Every model of the study's preset, fetched from a hub and tested: what a cell does before it computes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import hub
import pytest
import standins
import yaml
from workspaces import ROOT

pytestmark = pytest.mark.pipeline

CODE = """
import sys
from patent_embeddings.encoders import catalogue, factory
from patent_embeddings.encoders.entries import model_entry
for name in sys.argv[1:]:
    catalogue.fetch([name])
    vectors = factory.encoder(model_entry(name)).encode(["A pump."], "document")
    print(name, (vectors[0] if isinstance(vectors, tuple) else vectors).shape[1])
"""


def test_stand_ins_of_the_whole_preset_come_from_a_hub_and_pass_their_test(workspace: Path) -> None:
    """No code of a repository runs: nobody has agreed to it here."""
    preset = yaml.safe_load((ROOT / "registry/presets.yaml").read_text(encoding="utf-8"))["paper"]
    names = preset["axes"]["model"]
    assert sorted(names) == sorted(standins.MAKERS) and len(names) == 21
    entries = yaml.safe_load((ROOT / "registry/models.yaml").read_text(encoding="utf-8"))
    with hub.serve() as served:
        for name in names:
            block = standins.block(name)
            entries[name] = block | {"revision": block.get("revision") or "c" * 40}
            kept = hub.Repository(entries[name]["revision"], standins.files(name))
            served.repositories[entries[name]["hub"]] = kept
        (workspace / "registry/models.yaml").write_text(yaml.safe_dump(entries), encoding="utf-8")
        environment = served.environment(workspace / "hf") | {"PYTHONPATH": str(ROOT)}
        environment.pop("TRUST_REMOTE_CODE", None)
        command = [sys.executable, "-c", CODE, *names]
        done = subprocess.run(command, cwd=workspace, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert found == {name: str(entries[name]["dimension"]) for name in names}
