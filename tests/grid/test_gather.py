"""What many experiments come to, read at their commits."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd
import pytest
from planted import Planted

from patent_embeddings.corpus.splits import fold_of
from patent_embeddings.evaluation.scores import parse_scores, scores_csv
from patent_embeddings.grid import gather
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.units import changed, paired, units


@pytest.mark.parametrize("name", ["1e5", "007", "inf", "nan"])
def test_ids_that_look_like_numbers_stay_text(name: str) -> None:
    row = {"landscape": name, "simulated": True, "task": "retrieval", "system": "dense", "scope": "all"}
    scores = pd.DataFrame([{**row, "metric": "nDCG@10", "value": 0.5, "ci_low": float("nan"), "ci_high": 0.6, "n": 9}])
    read = parse_scores(scores_csv(scores))
    assert read["landscape"].tolist() == [name] and read["ci_low"].isna().all() and read["value"].tolist() == [0.5]


def test_a_landscape_under_a_second_id_counts_once(capsys: pytest.CaptureFixture[str]) -> None:
    plant = Planted(6)
    for place in ("a", "c"):
        plant.cell(0.4, place).cell(0.5, place, recipe="r1", trained_on="a")
    frame = plant.frame()
    double = frame[frame["landscape"] == "a"].replace({"landscape": {"a": "b"}})
    double = changed(double, lambda one: replace(one, trained_on=("b",) if one.trained_on else ()))
    both = pd.concat([frame, double], ignore_index=True)
    titles = {name: pd.DataFrame({"query_id": sorted(set(frame["query_id"])), "title": "one"}) for name in "ab"}
    once = gather.once(both, titles)
    pd.testing.assert_frame_equal(once, frame)
    assert "left out: b, as most of its queries" in capsys.readouterr().err
    # Two landscapes that number their families alike hold other patents.
    assert len(gather.once(both, {**titles, "b": titles["b"].assign(title="other")})) == len(both)


def test_where_nothing_trains_every_query_counts_once_and_in_its_own_fold() -> None:
    """Zero-shot cells of two folds, each over all queries, beside a tuned cell of one fold over its own."""
    names = [f"q{number}" for number in range(40)]
    folds = fold_of(names, 0)
    zero = Config("m", "zero-shot", (), "tac", "tac")
    tuned = replace(zero, recipe="r1", trained_on=("mine",))

    def rows(config: Config, fold: int, asked: list[str]) -> pd.DataFrame:
        frame = pd.DataFrame({"query_id": asked, "value": [0.1 * folds[name] for name in asked]})
        about = {"config": config, "fold": fold, "seed": 0, "landscape": "mine", "task": "retrieval"}
        every = {"system": "dense", "scope": "all", "metric": "nDCG@10", "split": "test", "simulated": False}
        return frame.assign(**about, **every)

    both = [gather.refolded(rows(zero, fold, names), 0) for fold in (0, 3)]
    own = rows(tuned, 3, [name for name in names if folds[name] == 3])
    found = units(gather.counted(pd.concat([*both, own], ignore_index=True), {"mine"}), "retrieval")
    ours = found[found["config"] == zero]
    assert sorted(ours["query_id"]) == sorted(names) and dict(zip(ours["query_id"], ours["fold"], strict=True)) == folds
    pairs = paired(found[found["config"] == tuned], ours, ["recipe", "trained_on"])
    assert sorted(pairs["query_id"]) == sorted(own["query_id"]) and set(pairs["fold"]) == {3}
    labels = rows(zero, 3, names).assign(task="classification")
    assert set(gather.refolded(labels, 0)["fold"]) == {3}
