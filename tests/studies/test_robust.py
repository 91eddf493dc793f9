"""The robust study: its measures on planted effects, and what its README says against its files."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from forks import Forks
from planted import Planted
from workspaces import ROOT

from patent_embeddings.core import registry
from patent_embeddings.evaluation.statistics import compare, mean_interval
from studies.robust import changes, confirmation, domain, outputs, protocol, record, verdicts

PROTOCOL = protocol.read()
CENTRED = {"search__centre": "landscape"}
HALF = {"embed__adapter_scale": 0.5}
judge = partial(verdicts.judge, resamples=1000)


def rows(*plants: Planted) -> pd.DataFrame:
    """Planted outcomes as the record has them."""
    frame = pd.concat([plant.frame() for plant in plants], ignore_index=True)
    for name, usual in record.OPTIONS.items():
        key = next((key for key, column in protocol.COLUMNS.items() if column == name), None)
        values = {config: dict(config.options).get(key, usual) for config in set(frame["config"])}
        frame[name] = frame["config"].map(values)
    homes = [config.trained_on for config in frame["config"]]
    return frame.assign(
        recipe=[config.recipe for config in frame["config"]],
        trained_on=["+".join(home) for home in homes],
        home=[landscape in home for landscape, home in zip(frame["landscape"], homes, strict=True)],
    ).drop(columns=["config", "cell", "task", "metric"])


def tuned(plant: Planted, recipe: str, home: float, abroad: float, **more: Any) -> None:
    """Cells of a recipe trained on a and on b, each scored on both, three seeds."""
    for trained_on in ("a", "b"):
        for place in ("a", "b"):
            level = 0.4 * (1 + (home if place == trained_on else abroad))
            for seed in range(3):
                plant.cell(level, place, recipe=recipe, trained_on=trained_on, seed=seed, **more)


def zero_shot(plant: Planted, *places: str, **more: Any) -> Planted:
    for place in places or ("a", "b"):
        plant.cell(0.4, place, **more)
    return plant


def by_cell(table: pd.DataFrame) -> pd.DataFrame:
    cells = [record.label(*key) for key in table[record.CELL].itertuples(index=False)]
    return table.assign(cell=cells).set_index("cell")


@pytest.fixture(scope="module")
def outcomes() -> pd.DataFrame:
    """Zero-shot, centred (OUT better), r1 (+20 % at home, -15 % abroad), half of it (+15 %, 0), r5 (+19 %, +3 %)."""
    plant = zero_shot(Planted(60, noise=0.02))
    zero_shot(plant, loss=0.4, **CENTRED)
    tuned(plant, "r1", 0.20, -0.15)
    tuned(plant, "r1", 0.15, 0.0, **HALF)
    tuned(plant, "r5", 0.19, 0.03)
    tuned(plant, "r5", 0.19, 0.03, loss=0.05, fused_loss=0.05, fused=0.02, **CENTRED)
    return rows(plant)


@pytest.fixture(scope="module")
def points(outcomes: pd.DataFrame) -> pd.DataFrame:
    return by_cell(changes.frontier(outcomes, 0.02, 500))


@pytest.fixture(scope="module")
def table(outcomes: pd.DataFrame) -> pd.DataFrame:
    return by_cell(domain.out_of_domain(outcomes, 1000)).set_index("system", append=True)


def test_frontier_finds_what_was_planted(outcomes: pd.DataFrame, points: pd.DataFrame) -> None:
    assert sorted(points.index) == ["r1", "r1, half", "r5", "r5, centred"]
    for cell, (home, abroad) in {"r1": (0.20, -0.15), "r1, half": (0.15, 0.0), "r5": (0.19, 0.03)}.items():
        row = points.loc[cell]
        assert row["home"] == pytest.approx(home, abs=0.02) and row["worst"] == pytest.approx(abroad, abs=0.02)
        assert row["worst"] <= row["mean"] == pytest.approx(abroad, abs=0.02)
        for name in ("home", "mean", "worst"):
            assert row[f"{name}_low"] < row[name] < row[f"{name}_high"]
        assert (row["abroad"], row["seeds"], row["folds"], row["cells"]) == (2, 3, 5, 30)
    assert points["harmless"][["r1", "r5"]].tolist() == [0, 2]
    kept = outcomes[(outcomes["system"] == "dense") & (outcomes["scope"] == "all") & (outcomes["centre"] == "none")]
    zero = kept[kept["recipe"] == "zero-shot"].groupby("landscape")["value"].mean()
    whole = kept[(kept["recipe"] == "r1") & (kept["scale"] == 1)].groupby(["trained_on", "landscape"])["value"].mean()
    change = {key: value / zero[key[1]] - 1 for key, value in whole.items()}
    assert points.loc["r1", "home"] == pytest.approx(np.mean([change["a", "a"], change["b", "b"]]))
    assert points.loc["r1", "mean"] == pytest.approx(np.mean([change["a", "b"], change["b", "a"]]))
    assert points.loc["r1", "worst"] == pytest.approx(min(change["a", "b"], change["b", "a"]))


def test_seeds_are_averaged_query_by_query_whatever_folds_they_have() -> None:
    plant = zero_shot(Planted(60, noise=0.02), "a")
    for seed, change in enumerate((0.1, 0.4)):
        plant.cell(0.4 * (1 + change), "a", recipe="r1", trained_on="a", seed=seed)
    found = rows(plant)
    row = changes.frontier(found[~((found["seed"] == 1) & (found["fold"] > 0))], 0.02, 500).iloc[0]
    # One fold at the mean of +10 and +40 %, four at +10 %, of zero-shot scores that are nearly the same in each.
    assert row["home"] == pytest.approx((0.25 + 4 * 0.1) / 5, abs=0.01) and row["cells"] == 6


def test_copies_of_a_seed_on_some_folds_change_nothing() -> None:
    found = rows(zero_shot(Planted(60, noise=0.1), "a").cell(0.44, "a", recipe="r1", trained_on="a"))
    some = found[(found["recipe"] == "r1") & (found["fold"] < 2)]
    copied = pd.concat([found, some.assign(seed=1), some.assign(seed=2)], ignore_index=True)
    columns = ["home", "home_low", "home_high"]
    once, thrice = (changes.frontier(one, 0.02, 500)[columns].to_numpy(dtype=float) for one in (found, copied))
    np.testing.assert_allclose(once, thrice)


def test_the_interval_of_a_mean_over_landscapes_covers_what_one_adapter_does_to_all_of_them() -> None:
    """Pure spread of seeds, the same on both landscapes abroad: their mean is no surer than either."""
    plant = zero_shot(Planted(60, noise=0.001), "a", "b", "c").cell(0.4, "a", recipe="r1", trained_on="a")
    for place in ("b", "c"):
        for seed, shift in enumerate((-0.2, 0.0, 0.2)):
            plant.cell(0.4 * (1 + shift), place, recipe="r1", trained_on="a", seed=seed)
    row = changes.frontier(rows(plant), 0.02, 2000).iloc[0]
    assert row["mean_high"] - row["mean_low"] == pytest.approx(row["worst_high"] - row["worst_low"], rel=0.1)


def test_interval_of_the_frontier_grows_with_the_spread_of_seeds() -> None:
    widths = []
    for spread in (0.0, 0.2):
        plant = zero_shot(Planted(60, noise=0.01), "a")
        for seed, shift in enumerate((-spread, 0.0, spread)):
            plant.cell(0.4 * (1.1 + shift), "a", recipe="r1", trained_on="a", seed=seed)
        row = changes.frontier(rows(plant), 0.02, 500).iloc[0]
        assert row["home"] == pytest.approx(0.1, abs=0.01)
        assert row[["mean", "worst", "provable"]].isna().all() and row["abroad"] == 0
        widths.append(row["home_high"] - row["home_low"])
    assert widths[0] < 0.02
    # Three seeds at -.2, 0 and .2 in each of five folds: a standard error of .2 / sqrt(3) a fold.
    assert widths[1] == pytest.approx(2 * 1.96 * 0.2 / np.sqrt(3 * 5), rel=0.1)


def test_several_landscapes_of_training_are_home_and_the_held_out_one_is_abroad() -> None:
    plant = zero_shot(Planted(60, noise=0.02), "a", "b", "c")
    for place, change in (("a", 0.1), ("b", 0.2), ("c", -0.1)):
        plant.cell(0.4 * (1 + change), place, recipe="r1-all", trained_on="a+b")
    row = changes.frontier(rows(plant), 0.02, 500).iloc[0]
    assert row["home"] == pytest.approx(0.15, abs=0.02)
    assert row["worst"] == pytest.approx(-0.1, abs=0.02) and row["where"] == "a+b on c"


def test_what_an_option_adds_of_its_own_is_in_the_change_against_the_plain_model() -> None:
    """Centring raises the zero-shot score from .40 to .42, tuning that to .44 at home and .40 abroad."""
    plant = Planted(60, noise=0.001)
    for place, level in (("a", 0.44), ("b", 0.40)):
        plant.cell(0.40, place).cell(0.42, place, **CENTRED)
        for options in ({}, CENTRED):
            plant.cell(level, place, recipe="r1", trained_on="a", **options)
    found = by_cell(changes.frontier(rows(plant), 0.02, 200))
    columns = ["home", "mean", "home_plain", "mean_plain"]
    wanted = [0.44 / 0.42 - 1, 0.40 / 0.42 - 1, 0.44 / 0.40 - 1, 0.0]
    assert found.loc["r1, centred", columns].tolist() == pytest.approx(wanted, abs=0.005)
    assert found.loc["r1", columns[2:]].isna().all()


def test_options_of_bm25_make_no_row_of_the_dense_frontier(outcomes: pd.DataFrame) -> None:
    again = outcomes[outcomes["recipe"] == "r1"].assign(query_side=True)
    both = pd.concat([outcomes, again], ignore_index=True)
    pd.testing.assert_frame_equal(changes.frontier(both, 0.02, 200), changes.frontier(outcomes, 0.02, 200))


def test_recipes_are_compared_with_plain_citation_pairs_where_both_have_cells(outcomes: pd.DataFrame) -> None:
    of_r5 = outcomes["recipe"] == "r5"
    found = by_cell(changes.against_baseline(outcomes[~(of_r5 & ((outcomes["seed"] == 2) | (outcomes["fold"] == 4)))]))
    # Nothing is compared with itself, and r5 centred has no r1 that was centred.
    assert sorted(found.index) == ["r1, half", "r5"]
    for cell, (home, abroad) in {"r1, half": (-0.05, 0.15), "r5": (-0.01, 0.18)}.items():
        row = found.loc[cell]
        assert row["home"] == pytest.approx(home, abs=0.01) and row["home_low"] < row["home"] < row["home_high"]
        assert row["abroad"] == pytest.approx(abroad, abs=0.01) and row["abroad_low"] > 0.1
    assert found.loc["r5", ["seeds", "folds", "n"]].tolist() == [2, 4, 480]
    kept = outcomes[(outcomes["system"] == "dense") & (outcomes["scope"] == "all") & (outcomes["scale"] == 1)]
    kept = kept[(kept["centre"] == "none") & (kept["fold"] < 4) & (kept["seed"] < 2)]
    mine = kept.groupby(["recipe", "trained_on", "landscape"])["value"].mean()
    by_hand = [
        (mine["r5", home, place] - mine["r1", home, place]) / mine["zero-shot", "", place]
        for home, place in ("ab", "ba")
    ]
    assert found.loc["r5", "abroad"] == pytest.approx(np.mean(by_hand))


def test_dev_queries_are_compared_apart(outcomes: pd.DataFrame) -> None:
    dev = outcomes[outcomes["fold"] == 0].assign(split="dev")
    dev["value"] += 0.04 * (dev["recipe"] == "r5")  # a tenth of the zero-shot score
    both = pd.concat([outcomes, dev], ignore_index=True)
    pd.testing.assert_frame_equal(changes.against_baseline(both), changes.against_baseline(outcomes))
    found = by_cell(changes.against_baseline(both, "dev"))
    first = by_cell(changes.against_baseline(outcomes[outcomes["fold"] == 0]))
    for cell, more in {"r1, half": 0.0, "r5": 0.1}.items():
        for side in ("home", "abroad"):
            assert found.loc[cell, side] == pytest.approx(first.loc[cell, side] + more, abs=0.005)


def test_two_adapters_abroad_count_as_their_mean_against_one_of_both() -> None:
    plant = zero_shot(Planted(60, noise=0.001), "a", "b", "c")
    plant.cell(0.44, "c", recipe="r1", trained_on="a").cell(0.36, "c", recipe="r1", trained_on="b")
    plant.cell(0.42, "c", recipe="r1-all", trained_on="a+b")
    row = changes.against_baseline(rows(plant), resamples=500).iloc[0]
    assert row["abroad"] == pytest.approx(0.05, abs=0.002) and np.isnan(row["home"])
    assert 0.04 < row["abroad_low"] < row["abroad_high"] < 0.06


def test_provable_margin_is_what_the_widest_spread_of_the_queries_allows() -> None:
    plant = Planted(60, noise=0.1)
    for place, level in (("a", 0.4), ("b", 0.4), ("c", 0.2)):
        plant.cell(level, place).cell(0.75 * level, place, recipe="r1", trained_on="a")
    frame = rows(plant)
    row = changes.frontier(frame, 0.02, 2000).iloc[0]
    kept = frame[(frame["scope"] == "all") & (frame["system"] == "dense") & (frame["landscape"] == "c")]
    zero, after = (
        kept[kept["recipe"] == recipe].set_index(["fold", "query_id"])["value"].sort_index()
        for recipe in ("zero-shot", "r1")
    )  # fmt: skip
    # Standard error of a ratio of means, linearised; 1.96 of them for the interval and .84 for the power.
    spread = (after - after.mean() / zero.mean() * zero).std() / np.sqrt(len(zero)) / zero.mean()
    assert row["provable"] == pytest.approx((1.96 + 0.8416) * spread, rel=0.1)


def test_out_table_against_hand_computed_values(outcomes: pd.DataFrame, table: pd.DataFrame) -> None:
    plain = outcomes[outcomes["recipe"] == "zero-shot"]
    wide = plain[plain["scope"] == "out-paired"].pivot_table(
        index=["landscape", "query_id"], columns=["centre", "system"], values="value"
    )
    base, centred = wide["none", "dense"], wide["landscape", "dense"]
    row = table.loc[("zero-shot, centred", "dense")]
    assert row["value"] == pytest.approx(centred.mean()) and row["change"] == pytest.approx((centred - base).mean())
    assert row["p_holm"] < 0.05 and row["change_low"] > 0
    assert row["times"] == pytest.approx(centred.mean() / max(base.mean(), wide["none", "bm25"].mean()))
    assert row["detectable"] == pytest.approx(2.8016 * (centred - base).std() / np.sqrt(len(base)), rel=1e-4)
    assert row["n"] == len(base) == 600
    kept = (plain["scope"] == "in-paired") & (plain["system"] == "dense") & (plain["centre"] != "none")
    assert row["gap"] == pytest.approx(1 - centred.mean() / plain.loc[kept, "value"].mean())
    assert table.loc[("zero-shot", "dense"), ["p", "p_holm"]].isna().all()
    assert (table["p_holm"].dropna() >= table.loc[table["p_holm"].notna(), "p"]).all()
    assert ("r1", "bm25") not in table.index and ("zero-shot", "bm25") in table.index


def test_oracle_is_the_best_of_each_query_and_no_system_passes_it(outcomes: pd.DataFrame, table: pd.DataFrame) -> None:
    plain = outcomes[(outcomes["recipe"] == "zero-shot") & (outcomes["centre"] == "none")]
    wide = plain[plain["scope"] == "out-paired"].pivot_table(
        index=["landscape", "query_id"], columns="system", values="value"
    )
    oracles = table.loc[["oracle of the legs", "oracle of all rows"], "value"].tolist()
    assert oracles[0] == pytest.approx(wide[["bm25", "dense"]].max(axis=1).mean())
    assert oracles[1] >= table["value"].max() - 1e-12


def test_scores_out_of_domain_have_the_interval_that_such_scores_have_everywhere() -> None:
    """Mostly zero outcomes, whose bootstrap is too narrow and starts at 0 where a hit is among them."""
    frame = rows(Planted(12, folds=1).cell(0.4).cell(0.4, **CENTRED))
    rare = frame["query_id"].str.endswith("-0")
    found = domain.out_of_domain(frame.assign(value=np.where(rare, 0.8, 0.0)), 200)
    low, high = mean_interval(np.array([0.8] + 11 * [0.0]))
    assert len(found) > 3 and np.allclose(found["low"], low) and np.allclose(found["high"], high)


def test_detectable_effects_are_found_four_times_in_five() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(200):
        differences = rng.normal(0, 1, 80) + domain.detectable(rng.normal(0, 1, 100_000)) * np.sqrt(100_000 / 80)
        found.append(compare(differences, np.zeros(80), 500, 0).p < 0.05)
    assert 0.7 < np.mean(found) < 0.9


def verdict(found: pd.DataFrame, name: str, ground: str = "confirmation") -> pd.Series[Any]:
    return found[(found["hypothesis"] == name) & (found["ground"] == ground)].iloc[0]


def test_planted_hypotheses_are_supported_and_harm_is_contradicted(outcomes: pd.DataFrame) -> None:
    found = judge(outcomes, PROTOCOL)
    assert found["hypothesis"].tolist() == list(PROTOCOL.hypotheses) and set(found["ground"]) == {"confirmation"}
    expected = {
        "r5-keeps-the-gain": "supported", "r5-harms-nobody": "supported", "all-harms-nobody-held-out": "not tested",
        "centring-raises-out": "supported", "passages-raise-out": "not tested", "r5-raises-out": "supported",
        "best-combination-reaches-out": "supported",
    }  # fmt: skip
    assert {name: verdict(found, name)["verdict"] for name in expected} == expected
    assert "the best recipe, r1, +0.0" in verdict(found, "r5-keeps-the-gain")["reason"]
    assert verdict(found, "r5-harms-nobody")["value"] == pytest.approx(0.03, abs=0.02)
    harmed = zero_shot(Planted(60, noise=0.02))
    tuned(harmed, "r5", 0.05, -0.2)
    tuned(harmed, "r1", 0.3, -0.2)
    worse = judge(rows(harmed), PROTOCOL)
    for name in ("r5-harms-nobody", "r5-keeps-the-gain"):
        assert verdict(worse, name)["verdict"] == "contradicted"


def test_every_declared_hypothesis_counts_in_the_family(outcomes: pd.DataFrame) -> None:
    found = judge(outcomes[outcomes["recipe"] == "zero-shot"], PROTOCOL)
    one = verdict(found, "centring-raises-out")
    assert one["p_holm"] == pytest.approx(len(PROTOCOL.hypotheses) * one["p"])


def test_no_effect_is_undetermined_and_says_what_could_have_been_detected() -> None:
    found = judge(rows(zero_shot(zero_shot(Planted(40, noise=0.05)), **CENTRED)), PROTOCOL)
    one = verdict(found, "centring-raises-out")
    assert one["verdict"] == "undetermined" and "could have been detected" in one["reason"]
    assert one["low"] < 0 < one["high"]


def test_an_option_of_bm25_is_judged_on_the_run_of_bm25() -> None:
    frame = rows(zero_shot(zero_shot(Planted(60, noise=0.02)), loss=0.4, bm25__query_side=True))
    one = verdict(judge(frame, PROTOCOL), "query-side-raises-out")
    kept = frame[(frame["scope"] == "out-paired") & (frame["system"] == "bm25")]
    means = kept.groupby("query_side")["value"].mean()
    assert one["verdict"] == "supported" and one["value"] == pytest.approx(means[True] - means[False])


def test_a_part_of_the_landscapes_judges_nothing(outcomes: pd.DataFrame) -> None:
    third = rows(zero_shot(Planted(60, noise=0.02), "c"))
    found = judge(pd.concat([outcomes, third], ignore_index=True), PROTOCOL)
    for name in ("r5-harms-nobody", "r5-keeps-the-gain"):
        assert verdict(found, name)["verdict"] == "not tested" and "lacks c" in verdict(found, name)["reason"]


def test_a_lead_cannot_confirm_itself_and_a_plant_cannot_support(outcomes: pd.DataFrame) -> None:
    ids = {"": "", "a": "kista-orbit-satellite", "b": "kista-offshore-plant"}
    seen = outcomes.assign(**{name: outcomes[name].map(ids) for name in ("landscape", "trained_on")})
    both = judge(pd.concat([outcomes, seen, outcomes.assign(simulated=True)], ignore_index=True), PROTOCOL)
    words = {ground: verdict(both, "centring-raises-out", ground)["verdict"] for ground in record.GROUNDS}
    assert words == {"confirmation": "supported", "exploratory": "suggested", "simulated": "plant recovered"}


def test_without_the_declared_seeds_and_folds_nothing_is_judged(outcomes: pd.DataFrame) -> None:
    one_seed = verdict(judge(outcomes[outcomes["seed"] == 0], PROTOCOL), "r5-harms-nobody")
    assert one_seed["reason"] == "r5 on a lacks 10 of 15 declared runs."
    # Every fold and every seed is there, but not each with each.
    cross = judge(outcomes[(outcomes["seed"] == 0) | (outcomes["fold"] == 0)], PROTOCOL)
    assert "lacks 8 of 15 declared runs" in verdict(cross, "r5-harms-nobody")["reason"]
    few = verdict(judge(outcomes[outcomes["fold"] < 3], PROTOCOL), "centring-raises-out")
    assert few["verdict"] == "not tested" and "lacks 2 of 5 declared runs" in few["reason"]
    # Runs that were not declared do not count.
    more = outcomes[(outcomes["recipe"] == "r5") & (outcomes["seed"] == 0)].assign(seed=7, value=0.0)
    both = [verdict(judge(one, PROTOCOL), "r5-raises-out") for one in (outcomes, pd.concat([outcomes, more]))]
    pd.testing.assert_series_equal(*both)


def test_a_landscape_of_few_queries_withholds_that_nobody_is_harmed(outcomes: pd.DataFrame) -> None:
    plant = zero_shot(Planted(1, noise=0.0), "c")
    for home in ("a", "b"):
        for seed in range(3):
            plant.cell(0.1, "c", recipe="r5", trained_on=home, seed=seed)
    found = verdict(judge(pd.concat([outcomes, rows(plant)], ignore_index=True), PROTOCOL), "r5-harms-nobody")
    assert found["verdict"] == "undetermined"
    assert found["reason"].endswith("Too few test queries to say anything: a on c, b on c.")


def test_the_record_confirms_nothing_and_has_the_means_of_an_independent_implementation() -> None:
    found = record.read()
    assert list(record.grounds(found, PROTOCOL)) == ["exploratory", "simulated"]
    assert not set(found["landscape"]) & {"kista-radar-rain-gauge", "kista-underwater-glider"}
    cells = found[[*record.CELL, "trained_on", "fold", "seed", "simulated"]].drop_duplicates()
    assert cells["recipe"].nunique() == 12 == len(yaml.safe_load((record.HERE / "recipes.yaml").read_text()))
    plain = found[(found["recipe"] == "zero-shot") & (found["split"] == "test") & ~found["simulated"]]
    dense = record.units(plain)[lambda rows: (rows["centre"] == "none") & (rows["passages"] == 0)]
    means = dense.groupby("landscape")["value"].mean().round(3).to_dict()
    assert means == {"nighttime-driver": 0.208, "offshore-plant": 0.110, "orbit-satellite": 0.264}
    assert len(dense[record.UNIT].drop_duplicates()) == 522
    text = (record.HERE / "README.md").read_text(encoding="utf-8")
    real, simulated = (cells["simulated"] == kind for kind in (False, True))
    assert "522 test queries" in text and f"\n{real.sum()} cells" in text and f"and {simulated.sum()} cells" in text


def test_the_recipes_that_were_kept_are_the_product_s() -> None:
    recipes = yaml.safe_load((record.HERE / "recipes.yaml").read_text(encoding="utf-8"))
    assert {name for name, one in recipes.items() if one["kept"]} <= set(registry.ids("recipes"))
    assert not {name for name, one in recipes.items() if not one["kept"]} & set(registry.ids("recipes"))


def test_the_readme_is_what_the_tables_say() -> None:
    text = (record.HERE / "README.md").read_text(encoding="utf-8")
    assert text == outputs.rendered()
    assert len(text.splitlines()) < 120


def test_the_confirmation_is_that_of_its_outcomes_and_of_its_first_reckoning() -> None:
    """Changes by hand; intervals by another bootstrap, within a percentage point and a half."""
    rows = confirmation.read()
    found = confirmation.table(rows)
    kept = pd.read_csv(record.HERE / "tables/confirmation.csv").fillna({"trained_on": ""})
    pd.testing.assert_frame_equal(found.reset_index(drop=True).round(5), kept, check_dtype=False)
    every = rows[rows["scope"] == "all"].groupby([*confirmation.CELL, "landscape"])["ndcg10"].mean().unstack()
    by_hand = (every / every.loc[confirmation.ZERO] - 1).mean(axis=1)
    against = found[(found["scope"] == "all") & (found["against"] == "zero-shot")].set_index(confirmation.CELL)
    for cell, row in against.iterrows():
        assert row["change"] == pytest.approx(by_hand[cell])
    first = (record.HERE / "confirmation.txt").read_text(encoding="utf-8").split("scope out")[0]
    lines = re.findall(r"^  (\S+) +(none|landscape) .*mean ([+-][\d.]+)% \((-?\d+) to (-?\d+)\)$", first, re.M)
    assert len(lines) == 12
    homes = {"orbit-satellite", "nighttime-driver", "offshore-plant"}
    for name, centre, change, low, high in lines:
        recipe = next(one for one in ("zero-shot", "r1-all", "r5", "r1") if name.startswith(one))
        if recipe == "zero-shot" and centre == "none":
            continue
        of = next(home for home in homes if name.removeprefix("r1-") == home) if recipe == "r1" else "all three"
        row = against.loc[(recipe, "" if recipe == "zero-shot" else of, centre)]
        assert 100 * row["change"] == pytest.approx(float(change), abs=0.06)
        assert (100 * row["low"], 100 * row["high"]) == pytest.approx((float(low), float(high)), abs=1.5)


@pytest.mark.slow
def test_the_tables_are_those_of_the_record() -> None:
    ground = record.grounds(record.read(), PROTOCOL)["exploratory"]
    kept = pd.read_csv(record.HERE / "tables/frontier.csv").query("ground == 'exploratory'").set_index("cell")
    found = by_cell(changes.frontier(ground, PROTOCOL.margin))[kept.columns.drop("ground")]
    pd.testing.assert_frame_equal(found.round(5), kept.drop(columns="ground"), check_dtype=False)


@pytest.mark.slow
def test_the_verdicts_are_those_of_the_record() -> None:
    kept = pd.read_csv(record.HERE / "tables/verdicts.csv", keep_default_na=False, na_values={"p_holm": ""})
    found = verdicts.judge(record.read(), PROTOCOL)
    words = ["ground", "hypothesis", "verdict", "reason"]
    pd.testing.assert_frame_equal(found[words].reset_index(drop=True), kept[words], check_dtype=False)
    np.testing.assert_allclose(found["p_holm"].astype(float), kept["p_holm"].astype(float), atol=1e-5)


def test_help_is_an_answer_and_not_a_run(forks: Forks) -> None:
    done = forks.module("studies.robust", "--help", cwd=ROOT)
    assert done.returncode == 0 and "takes minutes" in done.stdout
    refused = forks.module("studies.robust", "tables", cwd=ROOT)
    assert refused.returncode == 2 and "unexpected extra argument" in refused.stderr


def test_nothing_of_the_product_imports_a_study() -> None:
    for folder in ("patent_embeddings", "stages", "benchmarks"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not re.search(r"^\s*(from|import) studies", file.read_text(encoding="utf-8"), re.M), file
