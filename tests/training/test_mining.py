"""Hard negatives are the nearest texts that may be negatives, and none that may not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import citing
import numpy as np
import pandas as pd
import pytest
import test_training

from patent_embeddings.core.entries import HardNegatives
from patent_embeddings.core.errors import UserError
from patent_embeddings.pairs.drawing import documents, laid_out
from patent_embeddings.pairs.entries import Recipe
from patent_embeddings.pairs.schemas import PAIRS
from patent_embeddings.pairs.values import Amount

pytestmark = pytest.mark.pipeline

AMOUNT = Amount(seed=0, pairs=60, steps=10, batch=8)


class Known:
    """An encoder that knows the vectors of texts."""

    def __init__(self, vectors: dict[str, np.ndarray]) -> None:
        self.vectors = vectors

    def encode(self, texts: list[str], side: str) -> np.ndarray:
        return np.stack([self.vectors[text] for text in texts]).astype(np.float32)


def mined(pairs: pd.DataFrame, held: pd.DataFrame, encoder: Any, **how: Any) -> pd.DataFrame:
    from patent_embeddings.training import mining

    return mining.mined(pairs, held, encoder, HardNegatives(**how))


def angle(degrees: float) -> np.ndarray:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def pair(signal: str = "citation", label: str = "", position: int = 0, **sides: str) -> tuple[Any, ...]:
    one = {"anchor_id": "a", "positive_id": "p", "anchor": "A", "positive": "P", **sides}
    return ("train", 0, position, signal, label, *one.values(), [], "x")


PLANTED = {  # family: text, its angle to the anchor, kin, labels; the positive is at 10 degrees
    "a": ("A", 0.0, ["p", "cited", "citing"], ["L"]),
    "p": ("P", 10.0, ["a", "of-p"], ["M"]),
    "twin-of-a": ("A", 0.0, [], []),
    "cited": ("cited by a", 21.0, ["a"], []),
    "citing": ("cites a", 22.0, ["a"], []),
    "of-p": ("cited by p", 23.0, ["p"], []),
    "twin-of-cited": ("cited by a", 21.0, [], []),
    "label-of-a": ("with a label of a", 24.0, [], ["L", "N"]),
    "label-of-p": ("with a label of p", 25.0, [], ["M"]),
    "too-near": ("nearer than the positive", 5.0, [], []),
    "first": ("nearest allowed", 30.0, [], ["N"]),
    "second": ("next", 40.0, [], []),
    "test": ("", 26.0, [], []),
}


def planted(labelled: bool) -> tuple[pd.DataFrame, Known]:
    rows = [("x", family, text, kin, labels if labelled else []) for family, (text, _, kin, labels) in PLANTED.items()]
    held = pd.DataFrame(rows, columns=["landscape", "family_id", "text", "kin", "labels"])
    return held, Known({text: angle(degrees) for text, degrees, _, _ in PLANTED.values()})


@pytest.mark.parametrize("labelled", [False, True])
def test_the_nearest_texts_are_forbidden_and_the_next_is_taken(labelled: bool) -> None:
    held, encoder = planted(labelled)
    frame = mined(pd.DataFrame([pair()], columns=list(PAIRS.columns)), held, encoder, each=2, margin=0.05)
    expected = ["first", "second"] if labelled else ["label-of-a", "label-of-p"]
    assert frame["negative_ids"].tolist() == [expected]
    assert frame["negatives"].tolist() == [[PLANTED[family][0] for family in expected]]
    # cos 10 less 5 % is cos 20.7, less 10 % cos 27.6.
    frame = mined(pd.DataFrame([pair()], columns=list(PAIRS.columns)), held, encoder, each=4, margin=0.1)
    assert frame["negative_ids"].tolist() == [["first", "second", "", ""]]


def test_a_cited_family_is_forbidden_by_its_text_in_each_landscape() -> None:
    held, known = planted(labelled=True)
    again = pd.DataFrame([("y", "cited", "cited by a, otherwise", ["a"], [])], columns=held.columns)
    known.vectors |= {"cited by a, otherwise": angle(29.0)}
    pairs = pd.DataFrame([pair()], columns=list(PAIRS.columns))
    moved = again.assign(landscape="x")  # its text in x; that in y comes last
    both = pd.concat(
        [moved, held[held["family_id"] != "cited"], held[held["family_id"] == "cited"].assign(landscape="y")]
    )
    assert mined(pairs, both, known, each=1, margin=0.0)["negative_ids"].tolist() == [["first"]]


def test_pairs_with_fewer_than_are_asked_for_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    """Of three pairs one has two of the two negatives, one has one, and one has none."""
    held, known = planted(labelled=True)
    held = held[held["family_id"].isin(["a", "p", "first", "second"])]
    held.loc[held["family_id"] == "second", "labels"] = [[["O"]]]
    without_text = [("x", "b", "", ["second"], []), ("x", "c", "", [], ["L", "M", "N", "O"])]
    more = pd.DataFrame(without_text, columns=held.columns)
    rows = [pair(), pair(position=1, positive_id="b"), pair(position=2, positive_id="c")]
    frame = mined(pd.DataFrame(rows, columns=list(PAIRS.columns)), pd.concat([held, more]), known, each=2, margin=0.0)
    assert frame["negative_ids"].tolist() == [["first", "second"], ["first", ""], ["", ""]]
    assert frame["barred"].tolist() == [[3, 4, 5], [1, 3, 4, 5], [0, 1, 2, 3, 4, 5]]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("hard negatives: ")]
    assert len(said) == 1 and "2 of 3 training pairs have fewer than the 2 asked for, 1 none" in said[0]


@pytest.mark.parametrize(("allowed", "counts"), [([], "1 share .* for 0"), (["first"], "0 share .* for 1")])
def test_where_no_pair_has_a_negative_the_recipe_is_refused(allowed: list[str], counts: str) -> None:
    held, known = planted(labelled=True)
    held = held[held["family_id"].isin(["a", "p", "cited", "label-of-a", "label-of-p", *allowed])]
    pairs = pd.DataFrame([pair()], columns=list(PAIRS.columns))
    with pytest.raises(UserError, match=rf"none of the 1 training pairs .* {counts} .*hard_negatives out.*recipes"):
        mined(pairs, held, known, margin=0.5)


def test_a_vector_that_is_no_number_is_not_taken_for_one_too_near() -> None:
    held, known = planted(labelled=False)
    known.vectors["P"] = np.array([np.nan, 0.0])
    known.entry, known.dtype = SimpleNamespace(hub="tiny/model"), "bfloat16"  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"the vector of 'P' in bfloat16 holds NaN .*; set `memory\.weights` of"):
        mined(pd.DataFrame([pair()], columns=list(PAIRS.columns)), held, known)


@pytest.mark.parametrize(("gpu", "read"), [(False, {"dtype": "float32"}), (True, {"dtype": "bfloat16"})])
def test_negatives_are_mined_by_the_model_as_it_is_evaluated(
    gpu: bool, read: dict[str, str], model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU too with the adapters of its tasks, which are left out where weights are frozen; and not in 4 bits."""
    import tiny
    import torch

    from patent_embeddings.training import tuning

    class Asked(Exception):
        pass

    def encoder(_: Any, **options: Any) -> None:
        raise Asked(options)

    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    monkeypatch.setattr(torch.cuda, "set_device", lambda _: None)
    monkeypatch.setattr(tuning.factory, "encoder", encoder)
    plan = {"weights": "nf4", "checkpointing": True, "tokens": 99}
    values = test_training.values(tiny.entry(model, memory=plan), hard_negatives=HardNegatives())
    with pytest.raises(Asked) as caught:
        tuning.train(values, test_training.pairs(), model, pd.DataFrame())
    assert caught.value.args == ({"length": 32, **read},)


def test_a_landscape_without_labels_of_the_recipe_s_set_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    bare = replace(citing.material(), labels={})
    recipe = Recipe(description="", signals=["citation"], hard_negatives=HardNegatives())
    documents({"x": bare}, laid_out({"x": bare}, recipe, AMOUNT), recipe.label_set)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("landscape 'x': no label of the set 'ipc-subclass'") and "change label_set" in line


def test_a_negative_of_one_pair_is_barred_from_another_that_it_is_kin_to() -> None:
    held, encoder = planted(labelled=False)
    names = ("anchor_id", "anchor", "positive_id", "positive")
    other = dict(zip(names, ("label-of-a", "with a label of a", "first", "nearest allowed"), strict=True))
    rows = [pair(), pair(position=1, **other)]
    frame = mined(pd.DataFrame(rows, columns=list(PAIRS.columns)), held, encoder, each=1, margin=0.05)
    assert frame["negative_ids"].tolist() == [["label-of-a"], ["a"]]
    assert frame["barred"].tolist() == [[1], [0]]


@pytest.mark.parametrize("signals", [["citation"], ["label"], ["citation", "label"]])
def test_negatives_equal_a_direct_reading_of_the_rule(signals: list[str]) -> None:
    """None forbidden, none of another split, and the nearest of what is left, by vectors at random."""
    material = citing.material()
    recipe = Recipe(description="", signals=signals, hard_negatives=HardNegatives(each=2, margin=0.05))
    pairs = laid_out({"x": material}, recipe, AMOUNT)
    held = documents({"x": material}, pairs, recipe.label_set)
    rng = np.random.default_rng(1)
    vectors = {text: rng.normal(size=6) for text in material.texts.values()}
    vectors = {text: vector / np.linalg.norm(vector) for text, vector in vectors.items()}
    frame = mined(pairs, held, Known(vectors), each=2, margin=0.05)
    cited = set(zip(material.citations["citing_id"], material.citations["cited_id"], strict=True))

    def clash(one: Any, family: str) -> bool:
        sides = (one.anchor_id, one.positive_id)
        near = any(family == side or (family, side) in cited or (side, family) in cited for side in sides)
        return near or any(set(material.labels[side]) & set(material.labels[family]) for side in sides)

    taken = 0
    for step, batch in frame[frame["split"] == "train"].groupby("step"):
        everyones = batch.sort_values("position")["negative_ids"].explode().tolist()
        for one in batch.itertuples():
            anchor, limit = vectors[one.anchor], vectors[one.anchor] @ vectors[one.positive]
            scores = {
                family: anchor @ vectors[f"text {family}"]
                for family, split in material.splits.items()
                if split == "train" and not clash(one, family)
            }
            fit = [family for family in scores if scores[family] <= limit - 0.05 * abs(limit)]
            best = sorted(fit, key=lambda family: -scores[family])[:2]
            assert one.negative_ids == best + [""] * (2 - len(best)), step
            assert one.barred == [n for n, family in enumerate(everyones) if not family or clash(one, family)]
            taken += len(best)
    assert taken > 100
    assert not frame.loc[frame["split"] == "dev", ["negatives", "barred"]].map(len).to_numpy().any()


def test_where_nothing_else_is_kin_negatives_are_those_of_the_library(model: Path) -> None:
    import tiny
    from datasets import Dataset
    from sentence_transformers.util import mine_hard_negatives

    from patent_embeddings.encoders import factory

    encoder = factory.encoder(tiny.entry(model))
    pairs = test_training.pairs()
    train = pairs[pairs["split"] == "train"]
    rows = [("x", family, text, [], []) for family, text in train[["positive_id", "positive"]].itertuples(index=False)]
    ours = mined(pairs, pd.DataFrame(rows, columns=["landscape", "family_id", "text", "kin", "labels"]), encoder)
    given = Dataset.from_dict({side: train[side].tolist() for side in ("anchor", "positive")})
    theirs = mine_hard_negatives(
        given,
        encoder.model,
        relative_margin=0.05,
        num_negatives=1,
        range_max=95,
        verbose=False,
        output_format="triplet",
    ).to_pandas()
    expected = dict(zip(theirs["anchor"], theirs["negative"], strict=True))
    assert len(expected) > 60
    kept = ours[ours["split"] == "train"]
    found = {anchor: own[0] for anchor, own in zip(kept["anchor"], kept["negatives"], strict=True) if own[0]}
    assert found == expected


def test_the_loss_has_further_negatives_but_not_from_those_that_they_are_barred_from() -> None:
    """Against the formula written out, two hard negatives a pair; they count where a query looks for documents."""
    import torch

    from patent_embeddings.training.loss import AllowedNegatives

    sides = np.random.default_rng(0).normal(size=(4, 3, 6))
    barred = {10: [(11, 0)], 11: [], 12: [(10, 1), (12, 0)]}
    loss = AllowedNegatives(test_training.lookup(sides.reshape(12, 6)), {10: [12], 11: [], 12: [10]}, 99, barred)
    columns = [{"rows": rows, "attention_mask": torch.ones(3, 1)} for rows in torch.arange(12).split(3)]
    anchors, documents = test_training.unit(sides[0]), test_training.unit(sides[1:].reshape(9, 6))
    scores = 20.0 * anchors @ documents.T  # [pairs, positives, first negatives, second negatives]
    back = 20.0 * test_training.unit(sides[1]) @ anchors.T
    for row, column in ((0, 2), (2, 0)):
        scores[row, column] = back[row, column] = -np.inf
    for row, column in ((0, 3 + 1), (2, 6 + 0), (2, 3 + 2)):
        scores[row, column] = -np.inf
    log_sum = lambda x: np.log(np.exp(x).sum(axis=1))  # noqa: E731
    expected = np.mean(0.5 * (log_sum(scores) + log_sum(back)) - np.diag(scores))
    assert float(loss(columns, torch.tensor([10, 11, 12]))) == pytest.approx(expected, abs=1e-9)


def test_training_with_hard_negatives_also_in_chunks(
    model: Path, workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another adapter than without them, the same in chunks, and what was shown is said."""
    import tiny

    from patent_embeddings.training import tuning

    pairs = test_training.pairs()
    own = pairs[pairs["split"] == "train"].drop_duplicates("positive_id")
    held = pd.DataFrame(
        {"landscape": "x", "family_id": own["positive_id"], "text": own["positive"]}
    ).assign(kin=[[] for _ in own.index], labels=[[] for _ in own.index])  # fmt: skip
    curves = {}
    for name, kept, hard in (("plain", 8192, None), ("hard", 8192, {"each": 2}), ("chunks", 100, {"each": 2})):
        monkeypatch.setattr("patent_embeddings.training.memory.KEPT", kept)
        monkeypatch.setenv("XDG_CACHE_HOME", str(workspace / f"scratch-{name}"))
        how = HardNegatives(**hard) if hard else None
        (workspace / name).mkdir()
        values = test_training.values(tiny.entry(model), hard_negatives=how)
        trained = tuning.train(values, pairs, workspace / name, held)
        curves[name] = trained.curve.set_index(["split", "step"])["loss"]
        assert bool(trained.negatives) == bool(how) and set(trained.negatives) <= set(own["positive_id"])
    first = {name: curve["train", 1] for name, curve in curves.items()}
    assert first["hard"] > first["plain"] + 0.1  # more in the softmax, and the model is the same before the first step
    assert curves["hard"]["dev", 0] == curves["plain"]["dev", 0]
    np.testing.assert_allclose(curves["chunks"], curves["hard"], atol=1e-3)


def test_section_pairs_have_no_hard_negatives() -> None:
    with pytest.raises(ValueError, match="section pairs are not"):
        Recipe(description="", signals=["citation", "section"], hard_negatives=HardNegatives())
    assert not Recipe(description="", signals=["citation"], hard_negatives=HardNegatives()).plain
    assert Recipe(description="", signals=["citation"]).plain
