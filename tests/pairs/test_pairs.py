from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import citing
import numpy as np
import pandas as pd
import pytest
import queried
import workspaces
from started import start

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import frame
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, LABELS, POOL, QRELS, QUERIES, VIEW
from patent_embeddings.corpus.splits import split_of
from patent_embeddings.pairs import drawing, signals
from patent_embeddings.pairs.drawing import documents, fewer, laid_out
from patent_embeddings.pairs.entries import Recipe, recipe_entry
from patent_embeddings.pairs.material import Kin, Material, Pair
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.pairs.values import Amount, PairsValues

RECIPES = {
    "r1": Recipe(description="", signals=["citation"]),
    "r2": Recipe(description="", signals=["label"]),
    "r3": Recipe(description="", signals=["section"]),
    "r4": Recipe(description="", signals=["citation", "label", "section"]),
}
SETTINGS = Amount(seed=0, pairs=60, steps=10, batch=8)


@pytest.fixture(scope="module")
def material() -> Material:
    return citing.material()


@pytest.mark.parametrize("name", RECIPES)
def test_no_training_pair_touches_a_dev_or_test_query(name: str, material: Material) -> None:
    train = laid_out({"x": material}, RECIPES[name], SETTINGS).query("split == 'train'")
    held = {query for query in material.queries if material.splits[query] != "train"}
    assert held and not held & (set(train["anchor_id"]) | set(train["positive_id"]))
    labelled = train[train["signal"] == "label"]
    assert {material.splits[f] for f in [*labelled["anchor_id"], *labelled["positive_id"]]} <= {"train"}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_the_same_pairs_and_steps(name: str, material: Material) -> None:
    train = laid_out({"x": material}, RECIPES[name], SETTINGS).query("split == 'train'")
    assert train.groupby("step").size().tolist() == [8] * 10
    assert len(train.drop_duplicates(["anchor_id", "positive_id", "signal"])) == 60
    signals = train.drop_duplicates(["anchor_id", "positive_id", "signal"])["signal"].value_counts()
    assert set(signals) == {60 // len(RECIPES[name].signals)}


def test_pairs_are_what_their_signal_says(material: Material) -> None:
    train = laid_out({"x": material}, RECIPES["r4"], SETTINGS)
    assert set(train["signal"]) == {"citation", "label", "section"}
    cited = set(zip(material.citations["citing_id"], material.citations["cited_id"], strict=True))
    for pair in train.itertuples():
        if pair.signal == "citation":
            assert (pair.anchor_id, pair.positive_id) in cited and pair.anchor == f"text {pair.anchor_id}"
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
    frame = laid_out({"x": material}, RECIPES[name], SETTINGS)
    cited = set(zip(material.citations["citing_id"], material.citations["cited_id"], strict=True))

    def clash(one: Any, two: Any) -> bool:
        for a, b in itertools.product((one.anchor_id, one.positive_id), (two.anchor_id, two.positive_id)):
            if a == b or (a, b) in cited or (b, a) in cited:
                return True
            if (one.label and one.label in material.labels[b]) or (two.label and two.label in material.labels[a]):
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


def test_a_text_that_two_families_share_is_in_conflict_like_its_family(material: Material) -> None:
    """F-200 cites F-150, whose text F-000 has too; F-100 has the same abstract as F-200."""
    citations = pd.DataFrame([("F-200", "F-150")], columns=["citing_id", "cited_id"])
    texts = material.texts | {"F-000": material.texts["F-150"]}
    twins = replace(material, citations=citations, labels={}, texts=texts)
    batch = [
        Pair("section", "F-200", "F-200", "abstract", "claims"),
        Pair("citation", "F-000", "F-001", texts["F-000"], texts["F-001"]),
        Pair("section", "F-100", "F-100", "abstract", "other claims"),
        Pair("citation", "F-002", "F-003", texts["F-002"], texts["F-003"]),
    ]
    assert drawing.conflicts(batch, Kin([twins])) == [[1, 2], [0], [0], []]


def test_a_twin_has_the_labels_and_citations_of_the_families_with_its_text(material: Material) -> None:
    """F-100 has the text of F-050, which has the label; F-200 that of F-150, which cites the twin of F-091."""
    texts = dict(material.texts)
    texts |= {"F-100": texts["F-050"], "F-200": texts["F-150"], "F-091": texts["F-090"]}
    citations = pd.DataFrame([("F-150", "F-090")], columns=["citing_id", "cited_id"])
    labels = {"F-000": ["L"], "F-001": ["L"], "F-050": ["L"]}
    twins = replace(material, citations=citations, labels=labels, texts=texts)

    def pair(signal: str, anchor: str, positive: str, label: str = "") -> Pair:
        return Pair(signal, anchor, positive, texts[anchor], texts[positive], label)

    batch = [
        pair("label", "F-000", "F-001", "L"),
        pair("citation", "F-100", "F-101"),
        pair("citation", "F-200", "F-201"),
        pair("citation", "F-091", "F-092"),
        pair("citation", "F-002", "F-003"),
    ]
    assert drawing.conflicts(batch, Kin([twins])) == [[1], [0], [3], [2], []]
    drawn = pd.DataFrame([("x", "train", one.anchor_id, one.positive_id) for one in batch],
                         columns=["landscape", "split", "anchor_id", "positive_id"])  # fmt: skip
    rows = documents({"x": twins}, drawn, "own").set_index("family_id")
    assert rows.loc["F-100", "labels"] == ["L"] and rows.loc["F-002", "labels"] == []
    assert rows.loc["F-200", "kin"] == ["F-090"] and rows.loc["F-091", "kin"] == ["F-150"]


def test_fewer_pairs_than_signals_is_the_cause_that_is_named(material: Material) -> None:
    two = dict.fromkeys("xy", material)
    with pytest.raises(UserError, match=r"params\.yaml: finetune\.pairs is 5, fewer than .* 3 signals on 2 landscapes"):
        laid_out(two, RECIPES["r4"], SETTINGS.model_copy(update={"pairs": 5}))
    assert len(laid_out(two, RECIPES["r4"], SETTINGS.model_copy(update={"pairs": 6})))


def test_drawing_twice_gives_the_same_table(material: Material) -> None:
    pd.testing.assert_frame_equal(
        laid_out({"x": material}, RECIPES["r4"], SETTINGS), laid_out({"x": material}, RECIPES["r4"], SETTINGS)
    )


def test_batches_go_through_all_pairs_before_repeating_one() -> None:
    pairs = [Pair("section", str(i), str(i), "a", "b") for i in range(10)]
    laid = drawing.batches(pairs, 4, 5, np.random.default_rng(0))
    order = [pair.anchor_id for batch in laid for pair in batch]
    assert sorted(order[:10]) == sorted(order[10:]) == sorted(str(i) for i in range(10))


def test_a_landscape_without_claims_says_what_to_change(material: Material) -> None:
    bare = replace(material, families=material.families.assign(claims=""))
    with pytest.raises(UserError, match=r"no families with both abstract and claims .* change sections of the recipe"):
        laid_out({"orbit": bare}, RECIPES["r3"], SETTINGS)


def test_a_dev_split_without_one_of_several_signals_is_enough(material: Material) -> None:
    dev = material.families["family_id"].map(material.splits) == "dev"
    claims = material.families["claims"].mask(dev, "")
    bare = replace(material, families=material.families.assign(claims=claims))
    both = Recipe(description="", signals=["citation", "section"])
    found = laid_out({"x": bare}, both, SETTINGS)
    assert set(found.query("split == 'dev'")["signal"]) == {"citation"}
    with pytest.raises(UserError, match="no families with both abstract and claims to draw dev pairs from"):
        laid_out({"x": bare}, RECIPES["r3"], SETTINGS)


def test_a_recipe_that_trains_nothing_cannot_say_how() -> None:
    with pytest.raises(ValueError, match="no `signals`"):
        Recipe(description="", weight=0.5)
    with pytest.raises(ValueError, match="`merge` is for `landscapes: all`"):
        Recipe(description="", signals=["citation"], merge=True)


def test_a_recipe_keeps_a_part_of_its_adapter_that_is_one() -> None:
    assert Recipe(description="", signals=["citation"]).weight == 1
    assert Recipe(description="", signals=["citation"], weight=0.5).weight == 0.5
    for weight in (0, 0.0, 1.5, -0.5, True, "half"):
        with pytest.raises(ValueError, match="weight"):
            Recipe(description="", signals=["citation"], weight=weight)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def three(material: Material) -> dict[str, Material]:
    """The landscape, a small one of other families, and one that shares forty of the first's families."""
    ids = [f"G-{i:03d}" for i in range(90)]
    edges = pd.DataFrame([(ids[i], ids[i // 2]) for i in range(1, 90)], columns=["citing_id", "cited_id"])
    other = replace(
        material,
        families=material.families.head(90).assign(family_id=ids),
        citations=edges,
        labels={},
        texts={i: f"small {i}" for i in ids},
        splits=split_of(ids, 0, 0),
        queries=frozenset(edges["citing_id"]),
    )
    shared = material.families["family_id"].tolist()[:40]
    crossed = pd.DataFrame(sorted({(a, b) for a, b in itertools.pairwise(shared)}), columns=["citing_id", "cited_id"])
    third = replace(material, families=material.families.head(40), citations=crossed, labels={},
                    texts={i: f"third {i}" for i in shared},
                    splits=split_of(shared, 0, 0), queries=frozenset(shared[:3]))  # fmt: skip
    every = material.queries | other.queries | third.queries
    return {name: replace(one, queries=every) for name, one in (("x", material), ("y", other), ("z", third))}


def where_of(texts: pd.Series) -> list[str]:
    """The landscape that a text of `three` is of."""
    return texts.str.split().str[0].map({"text": "x", "small": "y", "third": "z"}).tolist()


def test_every_landscape_has_its_share_of_every_batch(three: dict[str, Material]) -> None:
    frame = laid_out(three, RECIPES["r1"], SETTINGS)
    train = frame[frame["split"] == "train"]
    where = train["anchor"].str.split().str[0]
    counts = train.groupby(["step", where]).size().unstack()
    assert counts[["text", "small", "third"]].to_numpy().tolist() == [[3, 3, 2]] * 10
    assert frame["landscape"].tolist() == where_of(frame["anchor"])
    dev = frame[frame["split"] == "dev"]
    assert dev.groupby("step").size().nunique() == 1
    distinct = train.drop_duplicates(["anchor_id", "positive_id", "anchor"])
    assert len(distinct[distinct["anchor"].str.startswith("text")]) == 20


def test_no_pair_touches_a_test_query_of_any_landscape_of_the_batch(three: dict[str, Material]) -> None:
    train = laid_out(three, RECIPES["r1"], SETTINGS).query("split == 'train'")
    touched = set(train["anchor_id"]) | set(train["positive_id"])
    splits = {**three["x"].splits, **three["y"].splits}
    assert not [family for family in touched if splits[family] != "train" and family in three["x"].queries]


def test_what_is_linked_in_one_landscape_is_no_negative_in_another(three: dict[str, Material]) -> None:
    frame = laid_out(three, RECIPES["r1"], SETTINGS)
    cited = {frozenset(edge) for one in three.values() for edge in one.citations.itertuples(index=False)}
    met = 0
    for _, batch in frame.groupby(["split", "step"]):
        rows = list(batch.itertuples())
        for one, two in itertools.permutations(rows, 2):
            ends = itertools.product((one.anchor_id, one.positive_id), (two.anchor_id, two.positive_id))
            clash = any(a == b or frozenset((a, b)) in cited for a, b in ends)
            assert (str(two.position) in one.conflicts) == clash
            met += clash and one.anchor.split()[0] != two.anchor.split()[0]
    assert met > 0


def test_a_landscape_without_pairs_is_named_and_a_batch_holds_every_landscape(three: dict[str, Material]) -> None:
    bare = {**three, "z": replace(three["z"], citations=three["z"].citations.head(0))}
    with pytest.raises(UserError, match="landscape 'z' has no citations"):
        laid_out(bare, RECIPES["r1"], SETTINGS)
    with pytest.raises(UserError, match=r"finetune\.batch is 2, fewer than the 3 landscapes"):
        laid_out(three, RECIPES["r1"], SETTINGS.model_copy(update={"batch": 2}))


@pytest.mark.parametrize("recipe", ["r1", "r2", "r3", "r4", "r5"])
def test_no_pair_touches_a_query_of_a_landscape_that_is_only_scored_on(
    recipe: str, workspace: Path, set_params: Callable[..., None]
) -> None:
    """A hundred families of `home` are in `away` too, which asks with those that `home` does not ask with."""
    rng = np.random.default_rng(1)
    ids = [f"F-{i:03d}" for i in range(200)]
    splits = split_of(ids, 0, 0)
    asking = {"home": ids[100:], "away": ids[:100], "third": ids[:20]}
    families = {"home": ids, "away": ids[:100], "third": ids[:100]}
    simulated = {"source": "simulated", "description": "d", "licence": "l", "seed": 1, "families": 200}
    for name, mine in families.items():
        workspaces.register(workspace, "landscapes", name, simulated)
        number = len(mine)
        table = pd.DataFrame(
            {
                "family_id": mine,
                "title": "t",
                "abstract": "a",
                "claims": "c",
                "description": "",
                "ipc": [["A61B 1/00"]] * number,
                "cpc": [[]] * number,
                "jurisdiction": "",
                "date": "",
                "labels": [["A61B"]] * number,
            }
        )
        tables.write(frame(table.to_dict("records")), layout.families(name), FAMILIES)
        edges = sorted(
            {(query, mine[j]) for query in asking[name] for j in rng.integers(0, number, 4) if mine[j] != query}
        )
        citations = pd.DataFrame([(*edge, "") for edge in edges], columns=["citing_id", "cited_id", "category"])
        tables.write(citations, layout.citations(name), CITATIONS)
        split = [splits[family] for family in mine]
        tables.write(pd.DataFrame({"family_id": mine, "text": "x", "complete": True}), layout.view(name, "ta"), VIEW)
        labels = pd.DataFrame(
            {"family_id": mine, "label_set": "ipc-subclass", "labels": [["A61B"]] * number, "split": split}
        )
        tables.write(labels, layout.task(name, "labels"), LABELS)
        tables.write(
            pd.DataFrame({"family_id": mine, "date": "", "before": "", "split": split, "ranked": True}),
            layout.task(name, "pool"),
            POOL,
        )
        queries = pd.DataFrame({"query_id": asking[name], "split": [splits[family] for family in asking[name]]})
        tables.write(queried.table(queries), layout.task(name, "queries"), QUERIES)
    away = {family for family in asking["away"] if splits[family] != "train"}
    assert len(away) > 20 and not away & set(asking["home"])
    set_params(
        recipe=recipe,
        landscape="home",
        evaluate_on=["home", "away", "third"],
        document_view="ta",
        finetune__held_out=["away"],
    )
    start("pairs")
    drawn = tables.read(layout.PAIRS, PAIRS)
    for split, held in (("train", {"dev", "test"}), ("dev", {"test"})):
        ends = drawn.loc[drawn["split"] == split, ["anchor_id", "positive_id"]].to_numpy().ravel()
        assert len(ends) and not {family for family in ends if splits[family] in held} & away


def test_every_signal_has_a_module_and_every_module_is_one_that_recipes_may_name() -> None:
    assert set(signals.NAMES) == set(PAIRS.among["signal"]) == {"citation", "label", "section"}
    for name in signals.NAMES:
        assert callable(signals.module(name).draw) and callable(signals.module(name).needs)
    used = {name for recipe in registry.ids("recipes") for name in recipe_entry(recipe).signals}
    assert used == set(signals.NAMES)


def test_fewer_pairs_than_asked_for_are_said(material: Material) -> None:
    def said(**amount: int) -> list[str]:
        values = PairsValues(
            recipe=RECIPES["r1"], amount=SETTINGS.model_copy(update=amount), trained_on=["x"], evaluate_on=["x"],
            judged=[], document_view="ta",
        )  # fmt: skip
        return list(fewer(laid_out({"x": material}, values.recipe, values.amount), values))

    assert said() == []
    assert said(pairs=81) == [
        "10 steps of 8 have room for 80 of the 81 pairs asked for; raise finetune.steps to use them all"
    ]
    (line,) = said(pairs=1000, steps=125)
    assert "distinct training pairs, fewer than the 1000 asked for; all are used, steps stay 125" in line


@pytest.mark.parametrize("cited", [False, True])
def test_judgements_of_train_queries_stand_in_where_nothing_is_cited(
    cited: bool, workspace: Path, set_params: Callable[..., None]
) -> None:
    """Forty questions, and forty queries that are families, each with four judged families, three of them relevant."""
    rng = np.random.default_rng(2)
    ids, words = [f"F-{i:03d}" for i in range(200)], {f"q{i:02d}": f"question {i}" for i in range(40)}
    splits = split_of([*ids, *words], 0, 0)
    tables.write(frame({"family_id": family} for family in ids), layout.families("mine"), FAMILIES)
    view = pd.DataFrame({"family_id": ids, "text": [f"text of {family}" for family in ids], "complete": True})
    tables.write(view, layout.view("mine", "ta"), VIEW)
    edges = [(ids[150], ids[151], "")] if cited else []
    tables.write(tables.typed(pd.DataFrame(edges, columns=list(CITATIONS.columns)), CITATIONS),
                 layout.citations("mine"), CITATIONS)  # fmt: skip
    asking = sorted([*words, *ids[:40]])
    judged = [
        (query, ids[place], grade, "unknown")
        for query in asking
        for grade, place in zip((0, 1, 2, 3), rng.choice(np.arange(40, 200), 4, replace=False), strict=True)
    ]
    tables.write(pd.DataFrame(judged, columns=list(QRELS.columns)), layout.task("mine", "qrels"), QRELS)
    queries = queried.table(pd.DataFrame({"query_id": asking, "split": [splits[query] for query in asking]}))
    queries["text"] = [words.get(query, "") for query in asking]
    tables.write(queries, layout.task("mine", "queries"), QUERIES)
    tables.write(tables.empty(LABELS), layout.task("mine", "labels"), LABELS)
    pool = pd.DataFrame({"family_id": [*ids, *words], "date": "", "before": "", "split": [*splits.values()]})
    tables.write(pool.assign(ranked=pool["family_id"].isin(ids)), layout.task("mine", "pool"), POOL)
    entry = {"source": "table", "description": "d", "licence": "l", "relevance": "judged", "sha256": "0" * 64}
    kept = {"file": "data/raw/mine.qrels.parquet", "sha256": "0" * 64}
    workspaces.register(workspace, "landscapes", "mine", {**entry, "file": "data/raw/mine.jsonl", "qrels": kept})
    set_params(recipe="r1", landscape="mine", evaluate_on=["mine"], document_view="ta")
    if cited:  # one citation is enough: judgements are not mixed in
        with pytest.raises(UserError, match="no citations between its families to draw train pairs"):
            start("pairs")
        return
    start("pairs")
    drawn = tables.read(layout.PAIRS, PAIRS)
    relevant = {(query, family) for query, family, grade, _ in judged if grade}
    for split, held in (("train", {"dev", "test"}), ("dev", {"test"})):
        part = drawn[drawn["split"] == split]
        pairs = set(zip(part["anchor_id"], part["positive_id"], strict=True))
        assert pairs <= relevant and {query[0] for query, _ in pairs} == {"q", "F"}
        assert not {query for query, _ in pairs if splits[query] in held}
    texts = dict(zip(drawn["anchor_id"], drawn["anchor"], strict=True))
    assert all(text == words.get(query, f"text of {query}") for query, text in texts.items())
