"""Frontier, out-of-domain table and the protocol's hypotheses, on outcomes with planted effects."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from planted import Planted

from patent_embeddings.core import registry
from patent_embeddings.core.params import Params
from patent_embeddings.evaluation.statistics import mean_interval
from patent_embeddings.grid import beyond, comparisons, hypotheses
from patent_embeddings.grid.entries import Protocol
from patent_embeddings.grid.gather import KEYS, Grid
from patent_embeddings.pages import grid, grid_figures, grid_section

PROTOCOL = registry.entry("protocol", "robust", Protocol)
CENTRED = "search.centre=landscape"
HALF = "embed.adapter_scale=0.5"
BASE = {
    "search.centre": "none",
    "embed.adapter_scale": 1.0,
    "embed.passages.tokens": None,
    "search.passages": "best",
    "bm25.query_side": False,
}
FAST = {"resamples": 1000}


def tuned(plant: Planted, recipe: str, home: float, abroad: float, variant: str = "", seeds: Any = (0, 1, 2), **more: Any) -> None:  # fmt: skip
    """Cells of a recipe trained on a and on b, each scored on both."""
    for trained_on in ("a", "b"):
        for place in ("a", "b"):
            level = 0.4 * (1 + (home if place == trained_on else abroad))
            for seed in seeds:
                plant.cell(level, place, recipe=recipe, trained_on=trained_on, seed=seed, variant=variant, **more)


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    """Zero-shot, centred (OUT better), r1 (+20 % at home, -15 % abroad), half of it (+15 %, 0), r5 (+19 %, +3 %)."""
    plant = Planted(60, noise=0.02)
    for place in ("a", "b"):
        plant.cell(0.4, place)
        plant.cell(0.4, place, variant=CENTRED, loss=0.4)
    tuned(plant, "r1", 0.20, -0.15)
    tuned(plant, "r1", 0.15, 0.0, variant=HALF)
    tuned(plant, "r5", 0.19, 0.03)
    tuned(plant, "r5", 0.19, 0.03, variant=CENTRED, loss=0.05, fused_loss=0.05, fused=0.02)
    return plant.frame()


@pytest.fixture(scope="module")
def points(outcomes: pd.DataFrame) -> pd.DataFrame:
    return beyond.frontier(outcomes, 0.02, 500).set_index(["recipe", "variant"])


def test_frontier_finds_what_was_planted(points: pd.DataFrame) -> None:
    assert points.index.tolist() == [("r1", ""), ("r1", HALF), ("r5", ""), ("r5", CENTRED)]
    for key, (home, abroad) in {("r1", ""): (0.20, -0.15), ("r1", HALF): (0.15, 0.0), ("r5", ""): (0.19, 0.03)}.items():
        row = points.loc[key]
        assert row["home"] == pytest.approx(home, abs=0.02)
        assert row["worst"] == pytest.approx(abroad, abs=0.02)
        assert row["worst"] <= row["mean"] == pytest.approx(abroad, abs=0.02)
        assert row["mean_low"] < row["mean"] < row["mean_high"]
        assert row["home_low"] < row["home"] < row["home_high"]
        assert row["worst_low"] < row["worst"] < row["worst_high"]
        assert (row["abroad"], row["homes"], row["seeds"], row["folds"], row["cells"]) == (2, 2, 3, 5, 30)
    assert points["harmless"].to_dict()["r1", ""] == 0
    assert points["harmless"].to_dict()["r5", ""] == 2
    assert points["where"].to_dict()["r1", ""] in ("a on b", "b on a")


def test_frontier_counts_the_cells_that_it_has(outcomes: pd.DataFrame) -> None:
    last = outcomes[["recipe", "trained_on", "seed", "fold", "variant"]].eq(["r1", "a", 2, 4, ""]).all(axis=1)
    found = beyond.frontier(outcomes[~last], 0.02, 50).set_index(["recipe", "variant"])
    assert (found.loc[("r1", ""), ["seeds", "folds", "cells"]] == [3, 5, 29]).all()
    assert found.loc[("r1", HALF), "cells"] == 30


def test_seeds_are_averaged_query_by_query_whatever_folds_they_have() -> None:
    plant = Planted(60, noise=0.02).cell(0.4, "a")
    for seed, change in enumerate((0.1, 0.4)):
        plant.cell(0.4 * (1 + change), "a", recipe="r1", trained_on="a", seed=seed)
    outcomes = plant.frame()
    row = beyond.frontier(outcomes[~((outcomes["seed"] == 1) & (outcomes["fold"] > 0))], 0.02, 500).iloc[0]
    # One fold at the mean of +10 and +40 %, four at +10 %, of zero-shot scores that are nearly the same in each.
    assert row["home"] == pytest.approx((0.25 + 4 * 0.1) / 5, abs=0.01) and row["cells"] == 6


def test_copies_of_a_seed_on_some_folds_change_nothing() -> None:
    plant = Planted(60, noise=0.1).cell(0.4, "a").cell(0.44, "a", recipe="r1", trained_on="a")
    outcomes = plant.frame()
    some = outcomes[(outcomes["recipe"] == "r1") & (outcomes["fold"] < 2)]
    copied = pd.concat([outcomes, some.assign(seed=1), some.assign(seed=2)], ignore_index=True)
    columns = ["home", "home_low", "home_high"]
    once, thrice = (beyond.frontier(rows, 0.02, 500).iloc[0][columns].to_numpy(dtype=float) for rows in (outcomes, copied))  # fmt: skip
    np.testing.assert_allclose(once, thrice)


def test_the_interval_of_a_mean_over_landscapes_covers_what_one_adapter_does_to_all_of_them() -> None:
    """Pure spread of seeds, the same on both landscapes abroad: their mean is no surer than either."""
    plant = Planted(60, noise=0.001)
    for place in ("b", "c"):
        plant.cell(0.4, place)
        for seed, shift in enumerate((-0.2, 0.0, 0.2)):
            plant.cell(0.4 * (1 + shift), place, recipe="r1", trained_on="a", seed=seed)
    plant.cell(0.4, "a").cell(0.4, "a", recipe="r1", trained_on="a")
    row = beyond.frontier(plant.frame(), 0.02, 2000).iloc[0]
    width = row["worst_high"] - row["worst_low"]
    assert row["mean_high"] - row["mean_low"] == pytest.approx(width, rel=0.1)


def test_frontier_values_are_the_ratio_of_means(outcomes: pd.DataFrame, points: pd.DataFrame) -> None:
    rows = outcomes[(outcomes["system"] == "dense") & (outcomes["scope"] == "all") & (outcomes["variant"] == "")]
    zero = rows[rows["recipe"] == "zero-shot"].groupby("landscape")["value"].mean()
    r1 = rows[rows["recipe"] == "r1"].groupby(["trained_on", "landscape"])["value"].mean()
    change = {key: value / zero[key[1]] - 1 for key, value in r1.items()}
    assert points.loc[("r1", ""), "home"] == pytest.approx(np.mean([change["a", "a"], change["b", "b"]]))
    assert points.loc[("r1", ""), "mean"] == pytest.approx(np.mean([change["a", "b"], change["b", "a"]]))
    assert points.loc[("r1", ""), "worst"] == pytest.approx(min(change["a", "b"], change["b", "a"]))


def test_interval_of_the_frontier_grows_with_the_spread_of_seeds() -> None:
    widths = []
    for spread in (0.0, 0.2):
        plant = Planted(60, noise=0.01).cell(0.4, "a")
        for seed, shift in enumerate((-spread, 0.0, spread)):
            plant.cell(0.4 * (1.1 + shift), "a", recipe="r1", trained_on="a", seed=seed)
        row = beyond.frontier(plant.frame(), 0.02, 500).iloc[0]
        assert row["home"] == pytest.approx(0.1, abs=0.01)
        assert np.isnan(row["mean"]) and np.isnan(row["worst"]) and np.isnan(row["provable"]) and row["abroad"] == 0
        widths.append(row["home_high"] - row["home_low"])
    assert widths[0] < 0.02
    # Three seeds at -.2, 0 and .2 in each of five folds: a standard error of .2 / sqrt(3) a fold.
    assert widths[1] == pytest.approx(2 * 1.96 * 0.2 / np.sqrt(3 * 5), rel=0.1)


def test_several_landscapes_of_training_are_home_and_the_held_out_one_is_abroad() -> None:
    plant = Planted(60, noise=0.02)
    for place, change in (("a", 0.1), ("b", 0.2), ("c", -0.1)):
        plant.cell(0.4, place)
        plant.cell(0.4 * (1 + change), place, recipe="r1-all", trained_on="a+b")
    row = beyond.frontier(plant.frame(), 0.02, 500).iloc[0]
    assert row["home"] == pytest.approx(0.15, abs=0.02) and row["homes"] == 2
    assert row["worst"] == pytest.approx(-0.1, abs=0.02) and row["where"] == "a+b on c"


def test_the_picture_names_what_no_other_betters(points: pd.DataFrame) -> None:
    """By hand: r1 is best at home, half of it and r5 are better abroad, and r5 is better than half of it in both."""
    spec = grid_figures.frontier(points.reset_index().query(f"variant != '{CENTRED}'").assign(ground="simulated")).spec
    assert spec is not None
    rows = spec["data"]["values"]
    assert {row["cell"]: row["label"] for row in rows} == {"r1": "r1", f"r1 {HALF}": "", "r5": "r5"}


def test_recipes_on_one_spot_have_one_name(points: pd.DataFrame) -> None:
    rows = points.reset_index().query("variant == ''").assign(ground="simulated")
    twin = rows[rows["recipe"] == "r1"].assign(recipe="r1-all")
    spec = grid_figures.frontier(pd.concat([twin, rows], ignore_index=True)).spec
    assert spec is not None
    named = {row["cell"]: row["label"] for row in spec["data"]["values"]}
    assert named == {"r1": "r1 and 1 more", "r1-all": "", "r5": "r5"}


def test_a_label_says_a_view_once_that_both_sides_have(points: pd.DataFrame) -> None:
    rows = points.reset_index().query("variant == ''").assign(query_view=["ta", "tac"], document_view=["ta", "tac"])
    assert grid_section.labels(rows) == ["ta r1", "tac r5"]
    assert grid_section.labels(rows.assign(document_view=["tac", "ta"])) == ["ta tac r1", "tac ta r5"]


def test_what_an_option_adds_of_its_own_is_in_the_change_against_the_plain_model() -> None:
    """Centring raises the zero-shot score from .40 to .42, tuning that to .44 at home and .40 abroad."""
    plant = Planted(60, noise=0.001)
    for place, level in (("a", 0.44), ("b", 0.40)):
        plant.cell(0.40, place).cell(0.42, place, variant=CENTRED)
        for variant in ("", CENTRED):
            plant.cell(level, place, recipe="r1", trained_on="a", variant=variant)
    found = beyond.frontier(plant.frame(), 0.02, 200).set_index("variant")
    centred, columns = found.loc[CENTRED], ["home", "mean", "home_plain", "mean_plain"]
    wanted = [0.44 / 0.42 - 1, 0.40 / 0.42 - 1, 0.44 / 0.40 - 1, 0.0]
    assert centred[columns].tolist() == pytest.approx(wanted, abs=0.005)
    assert centred["home_plain_low"] < centred["home_plain"] < centred["home_plain_high"]
    assert found.loc["", columns[2:]].isna().all()


def test_another_pool_is_another_task_and_no_option() -> None:
    """Ranking earlier patents alone raises every score from .40 to .60: no gain of the recipe's, with or without centring."""
    plant = Planted(60, noise=0.001)
    earlier = "tasks.pool=earlier"
    for place in ("a", "b"):
        plant.cell(0.40, place).cell(0.60, place, variant=earlier).cell(0.63, place, variant=f"{CENTRED} {earlier}")
        for variant in (earlier, f"{CENTRED} {earlier}"):
            plant.cell(0.66, place, recipe="r1", trained_on="a", variant=variant)
    found = beyond.frontier(plant.frame(), 0.02, 200).set_index("variant")
    assert found.loc[earlier, ["home_plain", "mean_plain"]].isna().all()
    assert found.loc[f"{CENTRED} {earlier}", "home_plain"] == pytest.approx(0.1, abs=0.005)


def test_options_of_bm25_make_no_row_of_the_dense_frontier(outcomes: pd.DataFrame) -> None:
    again = outcomes[outcomes["recipe"] == "r1"]
    both = pd.concat([outcomes, again.assign(variant=(again["variant"] + " bm25.query_side=True").str.strip())])
    pd.testing.assert_frame_equal(beyond.frontier(both, 0.02, 200), beyond.frontier(outcomes, 0.02, 200))
    pd.testing.assert_frame_equal(beyond.against_baseline(both, 200), beyond.against_baseline(outcomes, 200))


def test_recipes_are_compared_with_plain_citation_pairs_where_both_have_cells(outcomes: pd.DataFrame) -> None:
    last = outcomes[["recipe", "seed"]].eq(["r5", 2]).all(axis=1) | outcomes[["recipe", "fold"]].eq(["r5", 4]).all(
        axis=1
    )
    found = beyond.against_baseline(outcomes[~last], 500).set_index(["recipe", "variant"])
    # Nothing is compared with itself, and r5 centred has no r1 that was centred.
    assert found.index.tolist() == [("r1", HALF), ("r5", "")]
    for key, (home, abroad) in {("r1", HALF): (-0.05, 0.15), ("r5", ""): (-0.01, 0.18)}.items():
        row = found.loc[key]
        assert row["home"] == pytest.approx(home, abs=0.01) and row["home_low"] < row["home"] < row["home_high"]
        assert row["abroad"] == pytest.approx(abroad, abs=0.01) and row["abroad_low"] > 0.1
    assert found.loc[("r5", ""), ["landscapes", "seeds", "folds", "n"]].tolist() == [2, 2, 4, 480]
    rows = outcomes[(outcomes["system"] == "dense") & (outcomes["scope"] == "all") & (outcomes["variant"] == "")]
    mine = rows[(rows["fold"] < 4) & (rows["seed"] < 2)].groupby(["recipe", "trained_on", "landscape"])["value"].mean()
    by_hand = [
        (mine["r5", other, place] - mine["r1", other, place]) / mine["zero-shot", "", place]
        for other, place in ("ab", "ba")
    ]
    assert found.loc[("r5", ""), "abroad"] == pytest.approx(np.mean(by_hand))


def test_dev_queries_stand_beside_the_test_queries_and_change_nothing_of_theirs(outcomes: pd.DataFrame) -> None:
    dev = outcomes[outcomes["fold"] == 0].assign(split="dev")
    dev["value"] += 0.04 * (dev["recipe"] == "r5")  # a tenth of the zero-shot score
    both = pd.concat([outcomes, dev], ignore_index=True)
    alone, found = beyond.against_baseline(outcomes, 200), beyond.against_baseline(both, 200)
    new = [name for name in found if name.endswith("_dev")]
    pd.testing.assert_frame_equal(found.drop(columns=new), alone.drop(columns=new))
    assert alone[new].isna().all(axis=None)
    # Dev queries of another fold are test queries here.
    more = pd.concat([both, outcomes[outcomes["fold"] == 1].assign(split="dev")], ignore_index=True)
    pd.testing.assert_frame_equal(beyond.against_baseline(more, 200), found)
    first = beyond.against_baseline(outcomes[outcomes["fold"] == 0], 200).set_index(["recipe", "variant"])
    found = found.set_index(["recipe", "variant"])
    assert (found["n_dev"] == first["n"]).all()
    for key, more in {("r1", HALF): 0.0, ("r5", ""): 0.1}.items():
        for side in ("home", "abroad"):
            assert found.loc[key, f"{side}_dev"] == pytest.approx(first.loc[key, side] + more, abs=0.005)
    pd.testing.assert_frame_equal(beyond.frontier(both, 0.02, 200), beyond.frontier(outcomes, 0.02, 200))
    pd.testing.assert_frame_equal(beyond.out_of_domain(both, 200), beyond.out_of_domain(outcomes, 200))


def test_two_adapters_abroad_count_as_their_mean_against_one_of_both() -> None:
    plant = Planted(60, noise=0.001)
    for place in ("a", "b", "c"):
        plant.cell(0.4, place)
    plant.cell(0.44, "c", recipe="r1", trained_on="a").cell(0.36, "c", recipe="r1", trained_on="b")
    plant.cell(0.42, "c", recipe="r1-all", trained_on="a+b")
    frame = plant.frame()
    row = beyond.against_baseline(frame, 500).iloc[0]
    assert row["abroad"] == pytest.approx(0.05, abs=0.002) and np.isnan(row["home"]) and row["landscapes"] == 1
    assert 0.04 < row["abroad_low"] < row["abroad_high"] < 0.06
    assert beyond.against_baseline(frame[frame["recipe"] != "r1"], 500).empty


def test_provable_margin_is_what_the_widest_spread_of_the_queries_allows() -> None:
    plant = Planted(60, noise=0.1)
    for place, level in (("a", 0.4), ("b", 0.4), ("c", 0.2)):
        plant.cell(level, place)
        plant.cell(0.75 * level, place, recipe="r1", trained_on="a")
    frame = plant.frame()
    row = beyond.frontier(frame, 0.02, 2000).iloc[0]
    rows = frame[(frame["scope"] == "all") & (frame["system"] == "dense")]
    margins = {}
    for place in ("b", "c"):
        zero, tuned = (
            rows[rows["recipe"].eq(recipe) & rows["landscape"].eq(place)].set_index(["fold", "query_id"])["value"].sort_index()
            for recipe in ("zero-shot", "r1")
        )  # fmt: skip
        # Standard error of a ratio of means, linearised; 1.96 of them for the interval and .84 for the power.
        spread = (tuned - tuned.mean() / zero.mean() * zero).std() / np.sqrt(len(zero)) / zero.mean()
        margins[place] = (1.96 + 0.8416) * spread
    assert margins["c"] > 1.5 * margins["b"]
    assert row["provable"] == pytest.approx(margins["c"], rel=0.1)


def test_out_table_against_hand_computed_values(outcomes: pd.DataFrame) -> None:
    table = beyond.out_of_domain(outcomes, **FAST).set_index(["recipe", "variant", "system"])
    wide = outcomes[(outcomes["scope"] == "out-paired") & outcomes["recipe"].eq("zero-shot")].pivot_table(
        index=["landscape", "query_id"], columns=["variant", "system"], values="value"
    )
    base, centred = wide["", "dense"], wide[CENTRED, "dense"]
    row = table.loc[("zero-shot", CENTRED, "dense")]
    assert row["value"] == pytest.approx(centred.mean()) and row["change"] == pytest.approx((centred - base).mean())
    assert row["p_holm"] < 0.05 and row["change_low"] > 0
    assert row["times"] == pytest.approx(centred.mean() / max(base.mean(), wide["", "bm25"].mean()))
    assert row["detectable"] == pytest.approx(2.8016 * (centred - base).std() / np.sqrt(len(base)), rel=1e-4)
    assert row["n"] == len(base) == 600
    inside = outcomes[(outcomes["scope"] == "in-paired") & (outcomes["system"] == "dense") & (outcomes["variant"] == CENTRED) & outcomes["recipe"].eq("zero-shot")]  # fmt: skip
    assert row["gap"] == pytest.approx(1 - centred.mean() / inside["value"].mean()) == pytest.approx(0.4, abs=0.03)
    reference = table.loc[("zero-shot", "", "dense")]
    assert np.isnan(reference["p"]) and np.isnan(reference["p_holm"])
    assert (table["p_holm"].dropna() >= table.loc[table["p_holm"].notna(), "p"]).all()
    assert ("r1", "", "bm25") not in table.index and ("zero-shot", "", "bm25") in table.index


def test_scores_out_of_domain_have_the_interval_that_such_scores_have_everywhere() -> None:
    """Mostly zero outcomes, whose bootstrap is too narrow and starts at 0 where a hit is among them."""
    frame = Planted(12, folds=1).cell(0.4).cell(0.4, variant=CENTRED).frame()
    rare = frame["query_id"].str.endswith("-0")
    table = beyond.out_of_domain(frame.assign(value=np.where(rare, 0.8, 0.0)), **FAST)
    values = np.array([0.8] + 11 * [0.0])
    low, high = mean_interval(values)
    assert len(table) > 3 and table["n"].eq(12).all()
    assert np.allclose(table["low"], low) and np.allclose(table["high"], high)
    assert low > 0 and high > 0.3


def test_where_no_leg_finds_anything_the_page_has_a_dash_and_no_nan() -> None:
    frame = Planted(7, folds=1).cell(0.4).frame().assign(value=0.0)
    table = beyond.out_of_domain(frame, **FAST).assign(ground="confirmation")
    shown = grid_section.out_of_domain(table, pd.DataFrame())
    assert shown is not None and len(shown.rows) > 2
    assert all(row[list(shown.head).index("times the best leg")] is None for row in shown.rows)
    assert not any(isinstance(cell, float) and np.isnan(cell) for row in shown.rows for cell in row)


def test_oracle_is_the_best_of_each_query_and_no_system_passes_it(outcomes: pd.DataFrame) -> None:
    table = beyond.out_of_domain(outcomes, **FAST)
    oracles = table[table["recipe"] == "oracle"].set_index("variant")["value"]
    wide = outcomes[
        (outcomes["scope"] == "out-paired") & outcomes["recipe"].eq("zero-shot") & outcomes["variant"].eq("")
    ]
    wide = wide.pivot_table(index=["landscape", "query_id"], columns="system", values="value")
    assert oracles["BM25 or dense, zero-shot"] == pytest.approx(wide[["bm25", "dense"]].max(axis=1).mean())
    assert oracles["any option or system"] >= table["value"].max() - 1e-12


def test_options_that_some_folds_lack_take_no_query_from_the_oracle(outcomes: pd.DataFrame) -> None:
    zero = outcomes[outcomes["recipe"] == "zero-shot"]
    some = outcomes[outcomes["recipe"].eq("r1") & outcomes["fold"].eq(0)]
    alone, both = (beyond.out_of_domain(rows, **FAST) for rows in (zero, pd.concat([zero, some])))
    columns = ["variant", "value", "low", "high", "n"]
    one, other = (table.loc[table["recipe"] == "oracle", columns].reset_index(drop=True) for table in (alone, both))
    pd.testing.assert_frame_equal(one, other)
    assert len(one) == 2 and (one["n"] == both.loc[both["recipe"] == "zero-shot", "n"].max()).all()


def test_detectable_effects_are_found_four_times_in_five() -> None:
    from patent_embeddings.evaluation import statistics

    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        noise = rng.normal(0, 1, 80)
        differences = noise + beyond.detectable(rng.normal(0, 1, 100_000)) * np.sqrt(100_000 / 80)
        found.append(statistics.sign_flip(differences, 500, 0) < 0.05)
    assert 0.7 < np.mean(found) < 0.9


def verdicts(outcomes: pd.DataFrame) -> dict[str, hypotheses.Verdict]:
    return {one.hypothesis: one for one in hypotheses.judge(outcomes, PROTOCOL, BASE, **FAST)}


def test_planted_hypotheses_are_supported_and_harm_is_contradicted(outcomes: pd.DataFrame) -> None:
    found = verdicts(outcomes)
    assert list(found) == list(PROTOCOL.hypotheses)
    assert {one.ground for one in found.values()} == {"confirmation"}
    expected = {
        "r5-keeps-the-gain": "supported", "r5-harms-nobody": "supported", "all-harms-nobody-held-out": "not tested",
        "centring-raises-out": "supported", "passages-raise-out": "not tested", "r5-raises-out": "supported",
    }  # fmt: skip
    assert {name: found[name].verdict for name in expected} == expected
    assert found["half-an-adapter-harms-nobody"].verdict != "contradicted"
    assert found["best-combination-reaches-out"].verdict == "supported"
    assert "the best recipe, r1, +0.0" in found["r5-keeps-the-gain"].reason
    assert found["r5-harms-nobody"].value == pytest.approx(0.03, abs=0.02)
    assert found["passages-raise-out"].reason.startswith("No cell of zero-shot embed.passages.tokens=64")
    harmed = Planted(60, noise=0.02)
    for place in ("a", "b"):
        harmed.cell(0.4, place)
    tuned(harmed, "r5", 0.05, -0.2)
    tuned(harmed, "r1", 0.3, -0.2)
    worse = verdicts(harmed.frame())
    assert worse["r5-harms-nobody"].verdict == worse["r5-keeps-the-gain"].verdict == "contradicted"


def test_harm_to_one_model_is_not_hidden_by_the_gain_of_another() -> None:
    plant = Planted(60, noise=0.02)
    for model, abroad in (("x", -0.05), ("y", 0.07)):
        for place in ("a", "b"):
            plant.cell(0.4, place, model=model)
        tuned(plant, "r5", 0.1, abroad, model=model)
    found = verdicts(plant.frame())["r5-harms-nobody"]
    assert found.verdict == "contradicted" and found.value == pytest.approx(-0.05, abs=0.02)
    assert "0 of 2" not in found.reason and "On 2 of 4 pairs" in found.reason and "x a on b" in found.reason.replace("x b on a", "x a on b")  # fmt: skip
    assert found.n == 2 * 5 * 60


def test_a_part_of_the_landscapes_judges_nothing(outcomes: pd.DataFrame) -> None:
    third = Planted(60, noise=0.02).cell(0.4, "c").frame()
    found = verdicts(pd.concat([outcomes, third], ignore_index=True))
    assert found["r5-harms-nobody"].verdict == found["r5-keeps-the-gain"].verdict == "not tested"
    assert "lacks c" in found["r5-harms-nobody"].reason and "lacks c" in found["r5-keeps-the-gain"].reason


def test_a_lead_cannot_confirm_itself_and_a_plant_cannot_support(outcomes: pd.DataFrame) -> None:
    seen = outcomes.assign(landscape=outcomes["landscape"].map({"a": "kista-orbit-satellite", "b": "kista-offshore-plant"}),
                           trained_on=outcomes["trained_on"].map({"": "", "a": "kista-orbit-satellite", "b": "kista-offshore-plant"}))  # fmt: skip
    assert verdicts(seen)["centring-raises-out"].verdict == "suggested"
    assert verdicts(seen)["r5-harms-nobody"].ground == "exploratory"
    assert verdicts(outcomes.assign(simulated=True))["centring-raises-out"].verdict == "plant recovered"
    both = hypotheses.judge(pd.concat([outcomes, seen]), PROTOCOL, BASE, **FAST)
    assert [one.ground for one in both] == ["confirmation"] * len(PROTOCOL.hypotheses) + ["exploratory"] * len(PROTOCOL.hypotheses)  # fmt: skip


def test_without_the_declared_seeds_and_folds_nothing_is_judged(outcomes: pd.DataFrame) -> None:
    one_seed = outcomes[(outcomes["seed"] == 0)]
    reason = verdicts(one_seed)["r5-harms-nobody"].reason
    assert reason == "r5, m on a, lacks 10 of 15 declared runs, the first fold 0 with seed 1."
    # Every fold and every seed is there, but not each with each.
    cross = outcomes[(outcomes["seed"] == 0) | (outcomes["fold"] == 0)]
    assert "lacks 8 of 15 declared runs" in verdicts(cross)["r5-harms-nobody"].reason
    # A second model that lacks folds is not carried by the first.
    other = outcomes[outcomes["fold"] == 0].assign(model="k", cell="k" + outcomes["cell"])
    assert "r5, k on a, lacks" in verdicts(pd.concat([outcomes, other]))["r5-raises-out"].reason
    # Runs that were not declared do not count.
    more = outcomes[outcomes["recipe"].eq("r5") & outcomes["seed"].eq(0)].assign(seed=7, value=0.0)
    assert verdicts(pd.concat([outcomes, more]))["r5-raises-out"] == verdicts(outcomes)["r5-raises-out"]
    few = outcomes[outcomes["fold"] < 3]
    assert verdicts(few)["centring-raises-out"].verdict == "not tested"
    assert "lacks 2 of 5 declared runs, the first fold 3" in verdicts(few)["centring-raises-out"].reason


def test_without_a_rival_no_share_of_the_best_gain_is_kept(outcomes: pd.DataFrame) -> None:
    alone = outcomes[outcomes["recipe"].isin(["zero-shot", "r5"])]
    assert verdicts(alone)["r5-keeps-the-gain"].verdict == "not tested"
    lacking = outcomes[(outcomes["recipe"] != "r1") | (outcomes["seed"] != 2)]
    r3 = outcomes[outcomes["recipe"].eq("r1") & outcomes["variant"].eq("")].assign(recipe="r3-ta")
    found = verdicts(pd.concat([lacking, r3]))["r5-keeps-the-gain"]
    assert found.reason.endswith("Left out, as runs are missing: r1.") and "the best recipe, r3-ta" in found.reason


def test_a_landscape_of_few_queries_withholds_that_nobody_is_harmed(outcomes: pd.DataFrame) -> None:
    plant = Planted(1, noise=0.0)
    plant.cell(0.4, "c")
    for home in ("a", "b"):
        for seed in range(3):
            plant.cell(0.1, "c", recipe="r5", trained_on=home, seed=seed)
    found = verdicts(pd.concat([outcomes, plant.frame()]))["r5-harms-nobody"]
    assert found.verdict == "undetermined"
    assert found.reason.endswith("Too few test queries to say anything: a on c, b on c.")


def test_the_verdict_on_harm_and_the_frontier_say_the_same_of_seeds() -> None:
    plant = Planted(60, noise=0.01)
    for place in ("a", "b"):
        plant.cell(0.4, place)
    for seed, change in enumerate((-0.06, 0.0, 0.06)):
        for home, abroad in (("a", "b"), ("b", "a")):
            plant.cell(0.4 * (1 + change), abroad, recipe="r5", trained_on=home, seed=seed)
            plant.cell(0.42, home, recipe="r5", trained_on=home, seed=seed)
    point = beyond.frontier(plant.frame(), 0.02).iloc[0]
    found = {one.hypothesis: one for one in hypotheses.judge(plant.frame(), PROTOCOL, BASE, resamples=beyond.RESAMPLES)}
    one = found["r5-harms-nobody"]
    assert point["harmless"] == 0 and one.verdict == "undetermined"
    assert (one.value, one.low, one.high) == pytest.approx((point["worst"], point["worst_low"], point["worst_high"]))


def test_training_on_another_ground_confirms_nothing(outcomes: pd.DataFrame) -> None:
    frame = outcomes.assign(simulated=outcomes["landscape"] == "a")
    assert {one.verdict for one in verdicts(frame).values() if one.hypothesis == "r5-harms-nobody"} == {"not tested"}


def test_every_declared_hypothesis_counts_in_the_family(outcomes: pd.DataFrame) -> None:
    found = verdicts(outcomes[outcomes["recipe"].isin(["zero-shot"])])["centring-raises-out"]
    assert found.p_holm == pytest.approx(len(PROTOCOL.hypotheses) * found.p)


def test_holm_is_over_the_whole_table(outcomes: pd.DataFrame) -> None:
    few = outcomes[outcomes["recipe"].eq("zero-shot")]
    one, two = (beyond.out_of_domain(frame, **FAST) for frame in (few, pd.concat([few, few.assign(model="k")])))
    key = {"variant": CENTRED, "system": "dense", "model": "m"}
    first, second = (table[(table[list(key)] == list(key.values())).all(axis=1)].iloc[0] for table in (one, two))
    assert first["p"] == second["p"] and second["p_holm"] == pytest.approx(2 * first["p_holm"])


def test_no_effect_is_undetermined_and_says_what_could_have_been_detected() -> None:
    plant = Planted(40, noise=0.05)
    for place in ("a", "b"):
        plant.cell(0.4, place)
        plant.cell(0.4, place, variant=CENTRED)
    found = verdicts(plant.frame())["centring-raises-out"]
    assert found.verdict == "undetermined" and "could have been detected" in found.reason
    assert found.low < 0 < found.high


def test_an_option_of_bm25_is_judged_on_the_run_of_bm25() -> None:
    plant = Planted(60, noise=0.02)
    for place in ("a", "b"):
        plant.cell(0.4, place).cell(0.4, place, variant="bm25.query_side=True", loss=0.4)
    found = verdicts(plant.frame())
    one, row = found["query-side-raises-out"], plant.frame().query("scope == 'out-paired' and system == 'bm25'")
    means = row.groupby("variant")["value"].mean()
    assert one.verdict == "supported" and one.value == pytest.approx(means["bm25.query_side=True"] - means[""])
    table = beyond.out_of_domain(plant.frame(), **FAST).set_index(["recipe", "variant", "system"])
    assert table.loc[("zero-shot", "bm25.query_side=True", "bm25"), "value"] == pytest.approx(means.iloc[1])
    assert ("zero-shot", "bm25.query_side=True", "dense") not in table.index  # no dense run reads it


def test_cells_that_a_system_cannot_tell_apart_are_not_compared() -> None:
    plant = Planted(20, folds=1).cell(0.4).cell(0.4, variant="bm25.query_side=True").cell(0.6, variant=CENTRED)
    pairs = [
        (one.first_config[-2], one.second_config[-2], one.result.n)
        for one in comparisons.every_pair(plant.frame(), "cells", "cells", "retrieval", 200)
    ]
    assert pairs == [("", CENTRED, 20)]


def test_what_all_cells_share_is_no_variant() -> None:
    frame = pd.DataFrame({
        "trained_on": ["", "", "a", "a"],
        "variant": ["embed.length=99", f"embed.length=99 {CENTRED}", "embed.length=99 finetune.steps=9", f"{HALF} embed.length=99 finetune.steps=9"],
    })  # fmt: skip
    assert beyond.settled(frame, PROTOCOL)["variant"].tolist() == ["", CENTRED, "", HALF]
    alone = frame.assign(variant=["", "", CENTRED, CENTRED])
    assert beyond.settled(alone, PROTOCOL)["variant"].tolist() == ["", "", CENTRED, CENTRED]
    # What a hypothesis varies stays named, though all cells share it.
    centred = frame.assign(variant=CENTRED)
    assert beyond.settled(centred, PROTOCOL)["variant"].tolist() == [CENTRED] * 4


def grid_of(outcomes: pd.DataFrame) -> Grid:
    keys = outcomes[list(KEYS)].drop_duplicates("cell")
    costs = keys.assign(where="a", stage="embed", seconds=12.5, texts_per_second=80.0, peak_mib=700, device="cpu")
    return Grid(outcomes, pd.DataFrame(), costs, pd.DataFrame(), {})


def test_the_section_says_what_was_found_and_what_was_not(outcomes: pd.DataFrame) -> None:
    found = grid_section.study(grid_of(outcomes), PROTOCOL, BASE)
    (part,) = grid_section.shown(found)
    assert part["ground"] == "confirmation"
    assert {row[0] for row in part["frontier"].rows} == {"r1", f"r1 {HALF}", "r5", f"r5 {CENTRED}"}
    assert {tuple(row[-2:]) for row in part["frontier"].rows} == {(12.5, 700.0)}
    assert ["oracle BM25 or dense, zero-shot", "best of each query"] in [row[:2] for row in part["out"].rows]
    said = "\n".join(part["negatives"])
    assert "r1: +20" in said.replace("+19.", "+20.") and "abroad not inferior on 0 of 2 pairs" in said
    assert f"r5 {CENTRED}, dense: OUT" not in said and "zero-shot, bm25: OUT changes by -0.0" in said
    assert "Centring raises" not in said
    spec = grid_figures.frontier(found.points).spec
    assert spec is not None and len(spec["data"]["values"]) == 4
    assert grid_figures.frontier(found.points.assign(abroad=0)).spec is None


def test_an_open_question_is_among_the_negatives() -> None:
    plant = Planted(20, noise=0.05)
    for place in ("a", "b"):
        plant.cell(0.4, place).cell(0.4, place, variant=CENTRED)
    (part,) = grid_section.shown(grid_section.study(grid_of(plant.frame()), PROTOCOL, BASE))
    assert part["frontier"] is None
    assert any(line.startswith("Centring raises retrieval out of domain: undetermined.") for line in part["negatives"])
    assert any(line.startswith("Out of domain: 2 of the 4 changes") for line in part["negatives"])  # the centred ones


def test_what_a_cell_takes_is_that_of_training_embedding_and_search() -> None:
    keys = {"model": "m", "query_view": "ta", "document_view": "ta", "dimensions": 0, "recipe": "r1", "variant": ""}
    costs = pd.DataFrame([{**keys, "cell": cell, "stage": stage, "seconds": seconds, "peak_mib": mib} for cell, stage, seconds, mib in
                          [("x", "finetune", 10.0, 900), ("x", "embed", 5.0, 400), ("x", "bm25", 99.0, 9000), ("y", "embed", 5.0, 500)]])  # fmt: skip
    assert beyond.spent(costs).to_dict("records") == [{"seconds": 10.0, "peak_mib": 900}]


def test_the_declared_base_is_that_of_the_parameters(workspace: Any) -> None:
    from patent_embeddings.core import params
    from patent_embeddings.grid.cell import flat

    loaded: Params = params.load()
    assert BASE.items() <= flat(loaded.model_dump(mode="json")).items()
    assert comparisons.LEVEL == 0.05


def test_best_is_said_only_of_a_cell_that_was_compared_with_every_other() -> None:
    """Two pairs on different folds, each with a winner, which nothing compares."""
    plant = Planted(60, folds=2, noise=0.01)
    for model, level in (("m", 0.4), ("k", 0.3)):
        plant.cell(level, model=model).cell(level + 0.1, model=model, recipe="r1", trained_on="a")
    frame = plant.frame()
    apart = frame[frame["fold"] == frame["model"].map({"m": 0, "k": 1})]
    winners = [
        grid._winners(comparisons.every_pair(rows, "cells", "cells", "retrieval", 500)) for rows in (frame, apart)
    ]
    assert [sorted((place, config[0], config[1]) for place, _, config in found) for found in winners] == [[("a", "m", "r1")], []]  # fmt: skip


def test_bm25_with_other_constants_is_a_candidate_of_its_own() -> None:
    plant = Planted(20, folds=1).cell(0.4).cell(0.6, variant="bm25.k1=1.2").cell(0.5, variant="search.centre=landscape")
    rows = comparisons.candidates(plant.frame(), "retrieval")
    lexical = rows[rows["system"] == "bm25"].groupby("variant")["numerator"].agg(["mean", "size"])
    assert lexical["size"].to_dict() == {"": 20, "bm25.k1=1.2": 20}
    assert lexical["mean"]["bm25.k1=1.2"] > lexical["mean"][""] + 0.1
