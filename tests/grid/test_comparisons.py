"""Comparisons of many cells: winners that are marked and those that must not be, luck in training, advice."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import scipy.stats
from planted import Planted

from patent_embeddings.core.errors import UserError
from patent_embeddings.evaluation import statistics
from patent_embeddings.evaluation.systems import Task
from patent_embeddings.grid import comparisons, intervals, recommendation
from patent_embeddings.grid.cell import Config
from patent_embeddings.grid.gather import COSTS, KEYS, Grid
from patent_embeddings.grid.units import changed, units, where
from patent_embeddings.handover.sheets import latex
from patent_embeddings.pages.grid import page as grid_
from patent_embeddings.pages.grid.report import comparisons_csv
from patent_embeddings.pages.shell import _number as number

Floats = npt.NDArray[np.float64]
SYSTEMS = ("dense", "rrf", "interpolation", "bm25")


def led(cells: int, queries: int, seed: int = 0, errors: float = 10.0) -> Floats:
    """Outcomes [queries, cells], many of them 0; the first leads every other by some standard errors."""
    generator = np.random.default_rng(seed)
    shared = generator.beta(0.5, 1.0, queries) * (generator.random(queries) < 0.7)
    values = shared[:, None] + generator.normal(0, 0.05, (queries, cells))
    rest = values[:, 1:]
    noise = (values[:, :1] - rest) - (values[:, :1] - rest).mean(axis=0)
    far = errors * noise.std(axis=0, ddof=1) / np.sqrt(queries)
    values[:, 0] += (rest.mean(axis=0) + far).max() - values[:, 0].mean()
    return values


def frame(values: Floats, system: str = "dense", landscape: str = "a") -> pd.DataFrame:
    """Outcomes of zero-shot cells, of a model each."""
    queries, cells = values.shape
    names = [f"m{number:03d}" for number in range(cells)]
    rows = {
        "cell": np.tile(names, queries), "config": [zero_shot(name) for name in names] * queries,
        "query_id": np.repeat([f"q{number:03d}" for number in range(queries)], cells), "value": values.ravel(),
        "landscape": landscape, "simulated": False, "fold": 0, "seed": 0, "split": "test", "system": system,
        "task": "retrieval", "scope": "all", "metric": "nDCG@10",
    }  # fmt: skip
    return pd.DataFrame(rows)


def zero_shot(model: str) -> Config:
    return Config(model, "zero-shot", (), "ta", "ta")


def grid(outcomes: pd.DataFrame) -> Grid:
    empty = pd.DataFrame(columns=list(COSTS))
    return Grid(outcomes, pd.DataFrame(), empty, pd.DataFrame(), {})


def advice(found: Grid, task: Task) -> list[str]:
    return recommendation.lines(recommendation.advise(found, "a", task), found)


@pytest.mark.parametrize(("cells", "queries"), [(11, 30), (33, 30), (33, 100), (200, 60)])
def test_a_lead_of_ten_standard_errors_wins_among_many(cells: int, queries: int) -> None:
    # The number of random exchanges bounds no p-value: 200 are as good as 10,000.
    tested = comparisons.every_pair(frame(led(cells, queries)), "cells", "cells", "retrieval", 200)
    assert len(tested) == cells * (cells - 1) // 2
    assert {config.model for *_, config in grid_.winners(tested)} == {"m000"}
    assert not grid_.undecidable(tested)


def test_of_more_comparisons_than_a_page_holds_those_of_the_least_p_are_shown() -> None:
    tested = comparisons.every_pair(frame(led(8, 60)), "cells", "cells", "retrieval", 200)
    assert len(tested) == 28 and not grid_.comparisons(tested, 28).caption
    shown = grid_.comparisons(tested, 7)
    assert "7 of 28 comparisons" in shown.caption and "reports/grid/comparisons.csv" in shown.caption
    # The first cell leads each of the seven others by far, and nothing else differs.
    leads = [[*row] for row in grid_.comparisons(tested).rows if "m000" in f"{row[3]} {row[4]}"]
    assert [[*row] for row in shown.rows] == leads
    assert len(grid_.comparisons(tested).rows) == 28  # as a file has them


def test_the_lead_of_the_best_of_many_candidates_is_significant() -> None:
    values = led(34, 60)
    outcomes = pd.concat(
        [frame(part, system) for part, system in zip(np.split(values[:, :33], 3, axis=1), SYSTEMS, strict=False)]
    )
    outcomes = pd.concat([outcomes, frame(values[:, 33:], "bm25")], ignore_index=True)
    said = advice(grid(outcomes), "retrieval")
    assert said[0] == "retrieval on a: use m000, zero-shot, view ta, system dense"
    low, high = statistics.mean_interval(values[:, 0])
    assert (
        said[1] == f"  nDCG@10 {values[:, 0].mean():.4f} ({low:.4f} to {high:.4f}) over 60 test units; "
        "optimistic: the best of 34 candidates, chosen on the same units"
    )
    assert ", significant (p " in said[3] and said[3].endswith("after Holm over 561 comparisons)")


def test_too_few_units_for_so_many_comparisons_decide_nothing_and_say_so() -> None:
    outcomes = frame(led(20, 11))  # the least p-value is 2 ** -10, of 190 comparisons
    tested = comparisons.every_pair(outcomes, "cells", "cells", "retrieval", 500)
    assert not grid_.winners(tested)
    assert grid_.undecidable(tested) == ["a (retrieval)"]
    said = advice(grid(outcomes), "retrieval")
    assert "cannot be decided: so few units give no p-value below 0.05 after Holm over 190 comparisons" in said[3]
    # Equal cells on many queries are another matter.
    assert not comparisons.undecidable(
        comparisons.every_pair(frame(led(20, 40, errors=0)), "c", "cells", "retrieval", 99)
    )


def test_winners_that_are_none_are_marked_in_at_most_five_percent() -> None:
    """Two best cells that are equal, ten each far worse than the one before: what is marked leads by luck alone."""
    marked = 0
    for seed in range(150):
        generator = np.random.default_rng([1, seed])
        shared = generator.beta(0.5, 1.0, (40, 1)) * (generator.random((40, 1)) < 0.7)
        values = shared + generator.normal(0, 0.05, (40, 12)) - np.r_[0, 0:11] * 0.3
        pairs = list(combinations(range(12), 2))
        found = statistics.compare_ratios(values, np.ones_like(values), pairs, 300, seed, intervals=False)
        adjusted = comparisons.adjusted(found)
        assert adjusted[1] < 0.05  # the first against the third
        marked += adjusted[0] < 0.05
    assert marked / 150 <= 0.05 + 1.65 * np.sqrt(0.05 * 0.95 / 150)


def matched(luck: float, folds: int, seeds: int, seed: int, queries: int = 30) -> pd.DataFrame:
    """Rows of `paired` of two equal recipes on one landscape; an adapter shifts all of its queries by its luck."""
    generator = np.random.default_rng(seed)
    shifts = generator.normal(0, luck, (2, folds, 1, seeds))
    values = 0.4 + shifts + generator.normal(0, 0.05, (2, folds, queries, seeds))
    spread = values.mean(axis=2).var(axis=2, ddof=1) / seeds if seeds > 1 else np.full((2, folds), np.nan)
    config = Config("m", "a", ("home",), "ta", "ta")
    fold = np.repeat(np.arange(folds), queries)
    sides = {
        f"{name}_{side}": column
        for number, side in enumerate(("first", "second"))
        for name, column in (
            ("numerator", values[number].mean(axis=2).ravel()),
            ("denominator", 1.0),
            ("seeds", seeds),
            ("luck", spread[number][fold]),
        )
    }
    asked = np.tile(np.arange(queries), folds)
    return pd.DataFrame({"config": config, "landscape": "home", "fold": fold, "query_id": asked, **sides})


def test_folds_of_one_seed_are_compared_as_a_paired_t_test() -> None:
    pairs = matched(0.05, 6, 1, 10)
    folds = (pairs["numerator_first"] - pairs["numerator_second"]).groupby(pairs["fold"]).mean()
    theirs = scipy.stats.ttest_1samp(folds, 0)
    alone = comparisons.pooled(pairs, 999)
    ours = comparisons.of_recipes(alone, pairs)
    assert ours is not None and alone.p < 0.05 < ours.p == pytest.approx(theirs.pvalue)
    assert (ours.low, ours.high) == pytest.approx(tuple(theirs.confidence_interval(0.95)))
    assert (ours.difference, ours.n) == (alone.difference, 180)


def test_several_seeds_add_their_variance_to_that_of_the_units() -> None:
    pairs = matched(0.05, 2, 3, 4)
    alone = comparisons.pooled(pairs, 999)
    ours = comparisons.of_recipes(alone, pairs)
    differences = pairs["numerator_first"] - pairs["numerator_second"]
    # Luck of two folds, each half of the queries, of two recipes.
    luck = pairs.groupby("fold")[["luck_first", "luck_second"]].first().to_numpy() / 4
    expected = differences.var() / 60 + luck.sum()
    assert ours is not None and ours.p > alone.p
    half = (ours.high - ours.low) / 2
    freedom = expected**2 / ((differences.var() / 60) ** 2 / 59 + (luck**2 / 2).sum())
    assert half == pytest.approx(scipy.stats.t.ppf(0.975, freedom) * np.sqrt(expected))


def test_luck_is_the_variance_of_a_mean_over_seeds() -> None:
    scores = np.array([0.3, 0.5, 0.6])
    rows = pd.concat(
        [
            changed(
                frame(np.full((4, 1), score)).assign(seed=seed),
                lambda one: replace(one, recipe="r1", trained_on=("a",)),
            )
            for seed, score in enumerate(scores)
        ]
    )
    found = units(pd.concat([rows, frame(np.zeros((4, 1)))]), "retrieval")
    tuned = where(found, lambda one: one.recipe == "r1")
    assert tuned["luck"].tolist() == pytest.approx([scores.var(ddof=1) / 3] * 4)
    zero = where(found, lambda one: one.recipe == "zero-shot")
    assert (zero["seeds"] == 0).all() and (zero["luck"] == 0).all()
    assert units(rows[rows["seed"] == 0], "retrieval")["luck"].isna().all()


def test_nothing_tells_the_luck_of_one_adapter_and_nothing_has_none() -> None:
    pairs = matched(0.0, 5, 1, 0)
    assert comparisons.of_recipes(comparisons.pooled(pairs, 99), pairs) is None
    published = pairs.assign(seeds_first=0, luck_first=0.0, seeds_second=0, luck_second=0.0)
    result = comparisons.pooled(published, 99)
    assert comparisons.of_recipes(result, published) == result


@pytest.mark.parametrize(("folds", "seeds"), [(6, 1), (2, 3)])
def test_equal_recipes_differ_by_luck_in_at_most_five_percent(folds: int, seeds: int) -> None:
    found, before = [], []
    for seed in range(60):
        pairs = matched(0.02, folds, seeds, 1000 + seed)
        alone = comparisons.pooled(pairs, 200)
        ours = comparisons.of_recipes(alone, pairs)
        assert ours is not None
        found.append(ours.p < 0.05)
        before.append(alone.p < 0.05)
    assert np.mean(found) <= 0.05 + 1.65 * np.sqrt(0.05 * 0.95 / 60) < 0.25 < np.mean(before)


def test_intervals_of_few_or_equal_units_say_what_they_can() -> None:
    assert np.isnan(intervals.span(0.5, 0.4, 0.6, 5)).all()
    assert intervals.span(0.5, 0.4, 0.6, 6) == (0.4, 0.6)
    # Of 20 queries that are all 0, a share of 1 - .05 ** (1 / 20) may be otherwise: P(none among 20) is 5 % then.
    high = intervals.span(0.0, 0.0, 0.0, 20, (0.0, 1.0))[1]
    assert (1 - high) ** 20 == pytest.approx(0.05)
    values = np.full((20, 2), 0.4)
    (tested,) = comparisons.every_pair(frame(values), "cells", "cells", "retrieval", 99)
    assert (tested.result.low, tested.result.high) == (-high, high) and tested.result.p == 1
    # All of the score is lost by each of 20 queries; another could have kept all of a score of 1.
    loss, low, high = intervals.lost(np.column_stack([np.linspace(0.3, 0.5, 20), np.zeros(20)]), 99, 0)
    assert (loss, low, high) == pytest.approx((1.0, 1 - intervals.unseen(20) / 0.4, 1.0))
    assert intervals.lost(np.zeros((20, 2)), 99, 0) == pytest.approx((0.0, np.nan, np.nan), nan_ok=True)
    assert np.isnan(intervals.score_interval(units(Planted(5, folds=1).cell(0.5).frame(), "retrieval"))).all()


@pytest.mark.parametrize(("queries", "shown"), [(20, "inf"), (1, "–")])
def test_an_effect_is_shown_as_what_it_is(queries: int, shown: str) -> None:
    """Infinite where all differences are equal, and none of one query; there the float noise made it 1e15 and 0."""
    shared = np.random.default_rng(0).random((queries, 1))
    tested = comparisons.every_pair(frame(shared + np.array([0.1, 0.0])), "cells", "cells", "retrieval", 99)
    assert number(grid_.comparisons(tested).rows[0][-2]) == shown
    effect = comparisons_csv(tested).splitlines()[1].split(",")[-2]
    assert effect == ("inf" if queries > 1 else "")
    assert f"& {'inf' if queries > 1 else '--'} & {queries} " in latex(grid_.comparisons(tested))
    assert len(grid_.comparisons([*tested, *tested], 1).rows) == 1


def test_v_measure_stands_beside_that_of_random_vectors() -> None:
    outcomes = (
        Planted(12, folds=2).cell(0.74, tasks=("clustering",)).cell(0.7, view="ta", tasks=("clustering",)).frame()
    )
    cells = outcomes[[*KEYS, "landscape", "simulated"]].drop_duplicates()
    about = {
        "task": "clustering",
        "scope": "ipc-subclass",
        "metric": "V-measure",
        "ci_low": 0.5,
        "ci_high": 0.9,
        "n": 12,
    }
    floors = np.where(cells["fold"] == 0, 0.66, 0.7)
    scores = [
        cells.assign(system=system, value=value, **about) for system, value in (("kmeans", 0.74), ("random", floors))
    ]
    whole = replace(grid(outcomes), scores=pd.concat(scores))
    shown = grid_.cells(whole, [])
    place = list(shown.head).index("the same of random vectors")
    assert shown.head[place - 1] == "clustering, V-measure" and len(shown.rows) == 2
    assert all(
        row[place - 1].value == pytest.approx(0.74) and row[place].value == pytest.approx(0.68) for row in shown.rows
    )  # type: ignore[union-attr]
    assert " (random vectors: 0.6800) over 2 folds" in advice(whole, "clustering")[1]


def test_best_is_said_only_of_a_cell_that_was_compared_with_every_other() -> None:
    """Two pairs on different folds, each with a winner, which nothing compares."""
    plant = Planted(60, folds=2, noise=0.01)
    for model, level in (("m", 0.4), ("k", 0.3)):
        plant.cell(level, model=model).cell(level + 0.1, model=model, recipe="r1", trained_on="a")
    outcomes = plant.frame()
    folds = outcomes["config"].map(lambda one: {"m": 0, "k": 1}[one.model])
    found = [
        grid_.winners(comparisons.every_pair(rows, "cells", "cells", "retrieval", 500))
        for rows in (outcomes, outcomes[outcomes["fold"] == folds])
    ]
    said = [sorted((place, config.model, config.recipe) for place, _, config in one) for one in found]
    assert said == [[("a", "m", "r1")], []]


def test_a_winner_is_marked_whatever_options_its_system_does_not_read() -> None:
    plant = Planted(60, folds=1, noise=0.01).cell(0.4).cell(0.5, recipe="r1", trained_on="a", fuse__depth=500)
    outcomes = plant.frame()
    names = ["landscape", "simulated", "task", "system", "scope", "metric", "value", "ci_low", "ci_high", "n"]
    shown = grid_.cells(
        replace(grid(outcomes), scores=pd.DataFrame(columns=[*KEYS, *names])),
        comparisons.every_pair(outcomes, "cells", "cells", "retrieval", 500),
    )
    assert [(row[2], row[-1].note) for row in shown.rows] == [("r1", "best"), ("zero-shot", "")]  # type: ignore[union-attr]


def test_of_cells_that_are_one_to_a_system_that_of_most_seeds_is_kept() -> None:
    plant = Planted(10, folds=1).cell(0.5, recipe="r1", trained_on="a").cell(0.4)
    for seed in (0, 1, 2):
        plant.cell(0.5, recipe="r1", trained_on="a", rerank__depth=50, seed=seed)
    rows = comparisons.candidates(plant.frame(), "retrieval")
    tuned = where(rows[rows["system"] == "dense"], lambda one: one.recipe == "r1")
    assert len(tuned) == 10 and set(tuned["seeds"]) == {3}


def test_cost_and_change_elsewhere_are_those_of_the_recommended_system() -> None:
    """Fusion loses elsewhere though the dense run gains, and an option that only the second stage reads differs."""
    plant = Planted(60, folds=1, noise=0.01)
    for place, fused, lost in (("a", 0.1, 0.1), ("b", 0.1, -0.2)):
        plant.cell(0.4, place, fused=fused, rerank__depth=50)
        plant.cell(0.5, place, fused=lost, recipe="r1", trained_on="a", rerank__depth=50)
    outcomes = plant.frame()
    costs = outcomes[list(KEYS)].drop_duplicates().assign(stage="embed", seconds=7.0, texts_per_second=9, device="cpu")
    found = replace(grid(outcomes), costs=costs.reindex(columns=list(COSTS)))
    said = advice(found, "retrieval")
    assert said[0] == "retrieval on a: use m, r1 trained on a, view tac, system interpolation"
    assert "  cost: no training, 7 s of embedding every landscape (9 texts a second), on cpu" in said
    (there,) = [line for line in said if line.startswith("  on b, against zero-shot: ")]
    assert float(there.split(": ")[1].split()[0]) == pytest.approx(-0.2, abs=0.02)  # dense: +0.1


def test_scores_over_another_pool_or_other_folds_rank_no_cell() -> None:
    plant = Planted(30, folds=2, noise=0.01).cell(0.4).cell(0.5, model="k").cell(0.9, tasks__pool="earlier")
    said = advice(grid(plant.frame()), "retrieval")
    assert said[0] == "retrieval on a: use k, zero-shot, view tac, system interpolation"
    assert "  not compared: 1 cell of another split or pool, whose scores are of other queries or rankings" in said
    # A zero-shot cell of a judged landscape ranks for the queries of every fold, and classifies those of its own.
    both = Planted(30, folds=2, noise=0.01)
    for model in "mk":
        both.cell(0.5, model=model, tasks=("retrieval", "classification"))
    outcomes = both.frame()
    own = outcomes["config"].map(lambda one: {"m": 0, "k": 1}[one.model])
    outcomes = outcomes[(outcomes["task"] == "retrieval") | (outcomes["fold"] == own)]
    assert advice(grid(outcomes), "retrieval")
    with pytest.raises(UserError, match="these cells have no fold in common"):
        advice(grid(outcomes), "classification")


def test_holm_counts_a_comparison_of_systems_once_whatever_neither_of_them_reads() -> None:
    plant = Planted(20, folds=1).cell(0.4)
    alone = comparisons.every_pair(plant.frame(), "systems", "systems", "retrieval", 99)
    both = comparisons.every_pair(plant.cell(0.4, rerank__depth=50).frame(), "systems", "systems", "retrieval", 99)
    assert sorted(one.first[1] for one in alone) == ["bm25", "interpolation"]
    assert [(one.words, one.p_holm) for one in both] == [(one.words, one.p_holm) for one in alone]
    # An option of fusion makes a further comparison of the fusion, one of the vectors makes two.
    fused = comparisons.every_pair(plant.cell(0.4, fuse__depth=500).frame(), "s", "systems", "retrieval", 99)
    centred = comparisons.every_pair(plant.cell(0.4, search__centre="x").frame(), "s", "systems", "retrieval", 99)
    assert (len(fused), len(centred)) == (3, 5)


def test_bm25_with_other_constants_is_a_candidate_of_its_own() -> None:
    plant = Planted(20, folds=1).cell(0.4).cell(0.6, bm25__k1=1.2).cell(0.5, search__centre="landscape")
    rows = comparisons.candidates(plant.frame(), "retrieval")
    lexical = rows[rows["system"] == "bm25"]
    by_options = lexical.groupby(lexical["config"].map(lambda one: one.options))["numerator"].agg(["mean", "size"])
    other = (("bm25.k1", 1.2),)
    assert by_options["size"].to_dict() == {(): 20, other: 20}
    means = by_options["mean"].to_dict()
    assert means[other] > means[()] + 0.1
