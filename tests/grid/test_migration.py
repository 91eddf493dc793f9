"""A clone of an older layout: one message, and entries that are carried over."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.grid import migration

MINE = {
    "source": "table", "description": "Pumps of Länder.", "licence": "mine", "relevance": "linked",
    "file": "data/raw/mine.jsonl", "sha256": "0" * 64,
}  # fmt: skip
RECIPES = {
    "r1": {"description": "Changed here.", "signals": ["citation"]},
    "r1-scaled": {"description": "No longer.", "signals": ["citation"], "scale": "dev"},
    "mine": {"description": "Citations alone.", "signals": ["citation"]},
}


@pytest.fixture
def older(workspace: Path) -> Path:
    """A workspace as a merge leaves it where git cannot tell that a registry moved."""
    migration.REGISTRY.mkdir(parents=True)
    for kind, blocks in (("landscapes", {"mine": MINE}), ("recipes", RECIPES)):
        text = yaml.safe_dump(blocks, allow_unicode=True)
        (migration.REGISTRY / f"{kind}.yaml").write_text(text, encoding="utf-8")
    migration.CHECKED.parent.mkdir()
    migration.CHECKED.write_text("checked\n")
    return workspace


def test_entries_where_nothing_reads_them_are_refused_with_the_command_that_carries_them(older: Path) -> None:
    with pytest.raises(UserError) as caught:
        migration.note()
    said = str(caught.value)
    assert said.startswith("stages/registry/landscapes.yaml: ") and "\n" not in said
    for word in ("data/raw", "experiments with their scores", "computed again", "python -m stages.check --carry"):
        assert word.casefold() in said.casefold()


def test_entries_are_carried_over_once_and_others_stay_as_they_are(older: Path) -> None:
    before = layout.registry("recipes").read_text(encoding="utf-8")
    said = migration.carry()
    assert "registry/landscapes.yaml: mine carried over" in said and "registry/recipes.yaml: mine carried over" in said
    assert "registry/recipes.yaml: r1 is there with other values, and stays as it is there" in said
    assert any("r1-scaled is left out" in line and "scale" in line for line in said) and len(said) == 4
    assert not list(migration.REGISTRY.glob("*.yaml"))
    assert registry.entry("landscapes", "mine", Landscape).description == "Pumps of Länder."
    after = layout.registry("recipes").read_text(encoding="utf-8")
    assert after.startswith(before) and list(yaml.safe_load(after[len(before) :])) == ["mine"]
    assert migration.carry() == ["stages/registry: no entries there"]


def test_an_older_clone_is_told_once(older: Path) -> None:
    migration.carry()
    said = migration.note()
    assert said and "computed again" in said.casefold() and "`dvc gc`" in said
    assert migration.note() is None


def test_a_clone_of_today_is_told_nothing(workspace: Path) -> None:
    assert migration.note() is None
