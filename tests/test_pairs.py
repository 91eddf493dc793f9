from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from stages.errors import UserError
from stages.pairs import batches
from stages.pairs.__main__ import laid_out
from stages.pairs.material import Material, Pair
from stages.params import Finetune
from stages.registry.entries import Recipe
from stages.tasks import split_of

RECIPES = {
    "r1": Recipe(description="", signals=["citation"]),
    "r2": Recipe(description="", signals=["label"]),
    "r3": Recipe(description="", signals=["section"]),
    "r4": Recipe(description="", signals=["citation", "label", "section"]),
    "cross": Recipe(description="", signals=["citation", "cross-field"]),
}
SETTINGS = Finetune(seed=0, pairs=60, steps=10, batch=8, length=16, rate=1e-4, rank=4, evaluations=2)


@pytest.fixture(scope="module")
def material() -> Material:
    """300 families that cite at random and carry one or two of 30 labels."""
    rng = np.random.default_rng(0)
    ids = [f"F-{i:03d}" for i in range(300)]
    edges = {(ids[i], ids[j]) for i in range(1, 300) for j in rng.integers(0, i, 3)}
    citations = pd.DataFrame(sorted(edges), columns=["citing_id", "cited_id"])
    families = pd.DataFrame(
        {"family_id": ids, "abstract": [f"abstract {i}" for i in ids], "claims": [f"claims {i}" for i in ids]}
    ).astype("str").assign(ipc=[[["A61B 1/00"], ["F16K 1/00", "A61B 2/00"], ["G06F 3/00"], []][i % 4] for i in range(300)])  # fmt: skip
    return Material(
        families=families, citations=citations, labels={i: sorted({f"L{n}" for n in rng.integers(0, 30, 2)}) for i in ids},
        texts={i: f"text {i}" for i in ids}, splits=split_of(ids, 0, 0), queries=frozenset(citations["citing_id"]),
    )  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_no_training_pair_touches_a_dev_or_test_query(name: str, material: Material) -> None:
    train = laid_out(material, RECIPES[name], SETTINGS, "x").query("split == 'train'")
    held = {query for query in material.queries if material.splits[query] != "train"}
    assert held and not held & (set(train["anchor_id"]) | set(train["positive_id"]))
    labelled = train[train["signal"] == "label"]
    assert {material.splits[f] for f in [*labelled["anchor_id"], *labelled["positive_id"]]} <= {"train"}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_the_same_pairs_and_steps(name: str, material: Material) -> None:
    train = laid_out(material, RECIPES[name], SETTINGS, "x").query("split == 'train'")
    assert train.groupby("step").size().tolist() == [8] * 10
    assert len(train.drop_duplicates(["anchor_id", "positive_id", "signal"])) == 60
    signals = train.drop_duplicates(["anchor_id", "positive_id", "signal"])["signal"].value_counts()
    assert set(signals) == {60 // len(RECIPES[name].signals)}


def test_pairs_are_what_their_signal_says(material: Material) -> None:
    train = pd.concat([laid_out(material, RECIPES[name], SETTINGS, "x") for name in ("r4", "cross")])
    assert set(train["signal"]) == {"citation", "cross-field", "label", "section"}
    cited = set(zip(material.citations["citing_id"], material.citations["cited_id"], strict=True))
    for pair in train.itertuples():
        if pair.signal == "citation":
            assert (pair.anchor_id, pair.positive_id) in cited and pair.anchor == f"text {pair.anchor_id}"
        elif pair.signal == "cross-field":
            codes = dict(zip(material.families["family_id"], material.families["ipc"], strict=True))
            classes = [{code[:3] for code in codes[family]} for family in (pair.anchor_id, pair.positive_id)]
            assert (pair.anchor_id, pair.positive_id) in cited
            assert classes[0] and classes[1] and not classes[0] & classes[1]
        elif pair.signal == "label":
            assert pair.label in material.labels[pair.anchor_id] and pair.label in material.labels[pair.positive_id]
            assert pair.anchor_id != pair.positive_id
        else:
            assert pair.anchor_id == pair.positive_id and (pair.anchor, pair.positive) == (
                f"abstract {pair.anchor_id}",
                f"claims {pair.anchor_id}",
            )


@pytest.mark.parametrize("name", RECIPES)
def test_conflicts_equal_a_direct_reading_of_the_rule(name: str, material: Material) -> None:
    frame = laid_out(material, RECIPES[name], SETTINGS, "x")
    cited = set(zip(material.citations["citing_id"], material.citations["cited_id"], strict=True))

    def clash(one: object, two: object) -> bool:
        for a, b in itertools.product((one.anchor_id, one.positive_id), (two.anchor_id, two.positive_id)):  # type: ignore[attr-defined]
            if a == b or (a, b) in cited or (b, a) in cited:
                return True
            if (one.label and one.label in material.labels[b]) or (two.label and two.label in material.labels[a]):  # type: ignore[attr-defined]
                return True
        return False

    found = 0
    for _, batch in frame.groupby(["split", "step"]):
        rows = list(batch.itertuples())
        for one in rows:
            expected = [two.position for two in rows if two is not one and clash(one, two)]
            assert [int(other) for other in one.conflicts] == expected
            found += len(expected)
    assert found > 0


def test_drawing_twice_gives_the_same_table(material: Material) -> None:
    pd.testing.assert_frame_equal(
        laid_out(material, RECIPES["r4"], SETTINGS, "x"), laid_out(material, RECIPES["r4"], SETTINGS, "x")
    )


def test_batches_go_through_all_pairs_before_repeating_one() -> None:
    pairs = [Pair("section", str(i), str(i), "a", "b") for i in range(10)]
    laid = batches.batches(pairs, 4, 5, np.random.default_rng(0))
    order = [pair.anchor_id for batch in laid for pair in batch]
    assert sorted(order[:10]) == sorted(order[10:]) == sorted(str(i) for i in range(10))


def test_a_landscape_without_claims_says_what_to_change(material: Material) -> None:
    bare = replace(material, families=material.families.assign(claims=""))
    with pytest.raises(UserError, match=r"no families with both abstract and claims .* change sections of the recipe"):
        laid_out(bare, RECIPES["r3"], SETTINGS, "orbit")


def test_a_dev_split_without_one_of_several_signals_is_enough(material: Material) -> None:
    dev = {family for family, split in material.splits.items() if split == "dev"}
    codes = [[] if family in dev else own for family, own in zip(material.families["family_id"], material.families["ipc"], strict=True)]  # fmt: skip
    bare = replace(material, families=material.families.assign(ipc=codes))
    found = laid_out(bare, RECIPES["cross"], SETTINGS, "x")
    assert set(found.query("split == 'dev'")["signal"]) == {"citation"}
    with pytest.raises(UserError, match="no citations between families that share no IPC class"):
        laid_out(bare, Recipe(description="", signals=["cross-field"]), SETTINGS, "x")


def test_a_recipe_that_trains_nothing_cannot_say_how() -> None:
    with pytest.raises(ValueError, match="no `signals`"):
        Recipe(description="", anchor=1.0)
