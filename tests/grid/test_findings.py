"""Every finding on three planted tables: where it is true, where it is false, where there is too little to say."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from planted import Planted
from pydantic import TypeAdapter, ValidationError

from patent_embeddings.core import registry
from patent_embeddings.grid import findings
from patent_embeddings.grid.entries import Finding
from patent_embeddings.grid.units import described, where, zero_shot

TASKS = ("retrieval", "classification", "clustering")
RECIPES = ("r1", "r2", "r3", "r4")
SIZES = {"small": ("f", 10.0), "base": ("f", 100.0), "large": ("f", 300.0), "other": ("g", 50.0), "m": ("m", 22.0)}
STRENGTHS = {"p": 0.3, "q": 0.35, "r": 0.4, "s": 0.45, "t": 0.5}
Build = Callable[[Planted], Planted]


def recipes(levels: dict[str, dict[str, float]]) -> Build:
    """Cells at home on two landscapes; `levels` is recipe -> task -> level."""

    def build(plant: Planted) -> Planted:
        for landscape in ("a", "b"):
            plant.cell(0.5, landscape, tasks=TASKS)
            for recipe in RECIPES:
                plant.cell(
                    0.5, landscape, recipe=recipe, trained_on=landscape, tasks=TASKS, levels=levels.get(recipe, {})
                )
        return plant

    return build


def best(recipe: str, task: str) -> Build:
    return recipes({recipe: {task: 0.58}})


def abroad(changes: dict[str, float], homes: dict[str, float] | None = None) -> Build:
    """Models tuned on a and scored on b; `changes` is model -> change on b, `homes` its zero-shot level."""

    def build(plant: Planted) -> Planted:
        for model, change in changes.items():
            level = (homes or {}).get(model, 0.5)
            for landscape in ("a", "b"):
                plant.cell(level, landscape, model=model)
            for recipe in ("r1", "r3"):
                plant.cell(level + 0.05, "a", model=model, recipe=recipe, trained_on="a")
                plant.cell(level + change, "b", model=model, recipe=recipe, trained_on="a")
        return plant

    return build


def views(levels: dict[str, float]) -> Build:
    def build(plant: Planted) -> Planted:
        for view in ("title", "abstract", "ta", "tac", "claim1", "full"):
            plant.cell(levels.get(view, 0.5), view=view)
        return plant

    return build


def models(levels: dict[str, float]) -> Build:
    def build(plant: Planted) -> Planted:
        for model, level in levels.items():
            plant.cell(level, model=model)
        return plant

    return build


def alone(**options: float) -> Build:
    return lambda plant: plant.cell(0.5, **options)  # type: ignore[arg-type]


# Finding -> a table where it is true and one where it is false. With four queries and much noise the first says
# nothing.
TRUE_FALSE: dict[str, tuple[Build, Build]] = {
    "recipe-optimum-depends-on-task": (
        recipes({"r1": {"retrieval": 0.58}, "r2": {"classification": 0.58}}),
        recipes({"r4": dict.fromkeys(TASKS, 0.6)}),
    ),
    "r3-best-for-retrieval": (best("r3", "retrieval"), best("r1", "retrieval")),
    "r4-best-for-classification": (best("r4", "classification"), best("r2", "classification")),
    "r4-best-for-clustering": (best("r4", "clustering"), best("r2", "clustering")),
    "tuning-harms-abroad": (abroad({"m": -0.06, "small": -0.05}), abroad({"m": 0.01, "small": 0.02})),
    "stronger-models-suffer-most": (
        abroad(dict(zip("pqrst", (0.02, -0.01, -0.03, -0.06, -0.1), strict=True)), STRENGTHS),
        abroad(dict(zip("pqrst", (-0.08, -0.05, -0.03, -0.01, 0.02), strict=True)), STRENGTHS),
    ),
    "out-below-in": (alone(loss=0.4), alone(loss=-0.2)),
    "gap-of-55-to-65-percent": (alone(loss=0.6), alone(loss=0.3)),
    "fusion-does-not-close-the-gap": (alone(loss=0.6, fused_loss=0.55), alone(loss=0.6, fused_loss=0.1)),
    "interpolation-gains-2-to-15-points": (alone(fused=0.008), alone(fused=0.05)),
    "tac-best-view": (views({"tac": 0.58}), views({"ta": 0.58})),
    "scaling-within-families": (
        models({"small": 0.3, "base": 0.4, "large": 0.5}),
        models({"small": 0.3, "base": 0.5, "large": 0.4}),
    ),
    "scaling-broken-across-families": (
        models({"other": 0.5, "base": 0.4, "large": 0.45}),
        models({"small": 0.3, "other": 0.35, "base": 0.4}),
    ),
}


def verdict(finding: str, plant: Planted) -> findings.Judgement:
    entries = {finding: registry.entry("findings", finding, Finding)}
    real, simulated = findings.judge(plant.frame(), entries, SIZES, resamples=1000)
    return simulated if plant.simulated else real


def test_every_finding_has_its_tables() -> None:
    assert set(TRUE_FALSE) == set(registry.ids("findings"))


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_true(finding: str) -> None:
    found = verdict(finding, TRUE_FALSE[finding][0](Planted(40)))
    assert found.verdict == "supported", found.reason
    assert found.effect is not None
    assert found.effect.low <= found.effect.value <= found.effect.high
    assert found.cells
    assert not found.needs


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_false(finding: str) -> None:
    found = verdict(finding, TRUE_FALSE[finding][1](Planted(40)))
    assert found.verdict == "contradicted", found.reason
    assert found.cells


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_too_small(finding: str) -> None:
    found = verdict(finding, TRUE_FALSE[finding][0](Planted(4, folds=1, noise=0.4)))
    assert found.verdict == "undetermined", found.reason
    assert found.needs


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_simulated_landscapes_recover_or_miss_and_never_support(finding: str) -> None:
    true, false = (
        verdict(finding, build(Planted(40, simulated=True))).verdict for build in TRUE_FALSE[finding]
    )  # fmt: skip
    planted = registry.entry("findings", finding, Finding).plant is not None
    assert (true, false) == (("plant recovered", "plant missed") if planted else ("not tested", "not tested"))


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_without_its_cells_a_finding_is_not_tested_and_says_what_would(finding: str) -> None:
    plant = Planted(10).cell(0.5, recipe="r2", trained_on="b", model="unknown", tasks=TASKS)
    found = verdict(finding, plant)
    assert found.verdict == "not tested"
    assert found.needs == registry.entry("findings", finding, Finding).cells
    assert found.effect is None


@pytest.mark.parametrize("finding", ["tuning-harms-abroad", "stronger-models-suffer-most"])
def test_relative_changes_are_of_means_which_micro_f1_is_not(finding: str) -> None:
    entry = registry.entry("findings", finding, Finding).model_dump()
    with pytest.raises(ValidationError, match="should be 'retrieval'"):
        TypeAdapter(Finding).validate_python({**entry, "task": "classification"})


def test_grounds_are_judged_apart() -> None:
    both = pd.concat([alone(loss=0.4)(Planted(40)).frame(), alone(loss=-0.2)(Planted(40, simulated=True)).frame()])
    entries = {"out-below-in": registry.entry("findings", "out-below-in", Finding)}
    found = findings.judge(both, entries, SIZES, resamples=500)
    assert [(one.ground, one.verdict) for one in found] == [("real", "supported"), ("simulated", "plant missed")]


def test_an_equal_change_is_no_harm_only_if_there_are_queries_enough() -> None:
    build = abroad({"m": 0.0})
    assert verdict("tuning-harms-abroad", build(Planted(80))).verdict == "contradicted"
    assert verdict("tuning-harms-abroad", build(Planted(8, folds=1, noise=0.2))).verdict == "undetermined"


def test_a_chance_slope_of_few_models_is_no_finding() -> None:
    """Changes that do not follow strength: definite over the queries, nothing over the models."""
    found = verdict(
        "stronger-models-suffer-most",
        abroad(dict(zip("pqrst", (0.0, -0.08, 0.02, -0.06, -0.05), strict=True)), STRENGTHS)(Planted(80)),
    )
    assert found.verdict == "undetermined" and "could be chance" in found.reason, found.reason


def test_models_are_compared_on_the_recipes_that_all_of_them_have() -> None:
    """Equal losses by recipe, r3 losing more; the strongest model without r1 must not make a slope."""
    plant = Planted(80)
    for model, level in STRENGTHS.items():
        for landscape in ("a", "b"):
            plant.cell(level, landscape, model=model)
        for recipe, share in (("r1", 0.0), ("r3", -0.2)):
            if (model, recipe) != ("t", "r1"):
                plant.cell(level * (1 + share), "b", model=model, recipe=recipe, trained_on="a")
    found = verdict("stronger-models-suffer-most", plant)
    assert found.effect is not None
    assert abs(found.effect.value) < 0.003 and found.verdict == "undetermined", found.reason


def test_landscapes_that_homes_share_are_drawn_once_for_all_of_them() -> None:
    """The slope's interval over five homes covers what all of their abroad units have in common."""
    plant = Planted(30, folds=1, noise=0.02)
    rng = np.random.default_rng(0)
    for model, level in STRENGTHS.items():
        for place in "abcde":
            plant.cell(level, place, model=model)
            for home in "abcde":
                if home != place:
                    plant.cell(level, place, model=model, recipe="r3", trained_on=home)
    frame = plant.frame()
    # A loss of each query, greater for stronger models, whatever the home.
    lost = dict(zip(sorted(set(frame["query_id"])), rng.normal(0, 1, frame["query_id"].nunique()), strict=True))
    slope = {model: level - 0.4 for model, level in STRENGTHS.items()}
    shown = described(frame)
    tuned = shown["recipe"] == "r3"
    frame.loc[tuned, "value"] *= 1 + frame["query_id"].map(lost)[tuned] * shown["model"].map(slope)[tuned]
    entries = {"stronger-models-suffer-most": registry.entry("findings", "stronger-models-suffer-most", Finding)}
    effect = findings.judge(frame, entries, SIZES, resamples=1000)[0].effect
    assert effect is not None
    # The mean over 150 queries of a slope of standard deviation 1, by .01 of strength.
    assert (effect.high - effect.low) / (2 * 1.96) == pytest.approx(0.01 / np.sqrt(150), rel=0.2)


def test_training_on_another_ground_is_no_evidence() -> None:
    plant = abroad({"m": -0.06, "small": -0.05})(Planted(40))
    frame = plant.frame()
    frame.loc[frame["landscape"] == "a", "simulated"] = True
    entries = {"tuning-harms-abroad": registry.entry("findings", "tuning-harms-abroad", Finding)}
    assert [one.verdict for one in findings.judge(frame, entries, SIZES, resamples=200)] == ["not tested", "not tested"]


def test_the_pair_that_is_named_is_the_significant_one() -> None:
    """The widest step down is of a model with few queries and much noise; the narrower one is significant."""
    few = Planted(3, folds=1, noise=0.3).cell(0.2, model="large").frame()
    plant = Planted(40).cell(0.5, model="small").cell(0.42, model="base").frame()
    entries = {"scaling-within-families": registry.entry("findings", "scaling-within-families", Finding)}
    found = findings.judge(pd.concat([plant, few]), entries, SIZES, resamples=500)[0]
    assert found.verdict == "contradicted" and "base is significantly worse than the smaller small" in found.reason


def test_views_are_compared_under_the_variant_that_most_cells_have() -> None:
    plant = Planted(40)
    for view in ("title", "abstract", "ta", "tac", "claim1", "full"):
        plant.cell(0.58 if view == "tac" else 0.5, view=view, embed__length=99)
    plant.cell(0.5, view="ta")
    assert verdict("tac-best-view", plant).verdict == "supported"


def test_one_missing_rival_leaves_a_lead_untested() -> None:
    frame = best("r3", "retrieval")(Planted(40)).frame()
    entries = {"r3-best-for-retrieval": registry.entry("findings", "r3-best-for-retrieval", Finding)}
    without = where(frame, lambda one: one.recipe != "r4")
    found = findings.judge(without, entries, SIZES, resamples=500)[0]
    assert found.verdict == "not tested"
    assert "r4" in found.reason


def test_seeds_are_averaged_not_counted_as_queries() -> None:
    plant = Planted(20, folds=1)
    for seed in range(3):
        plant.cell(0.5, seed=seed)
    found = verdict("interpolation-gains-2-to-15-points", plant)
    assert found.effect is not None
    assert found.effect.n == 20


@pytest.mark.parametrize("finding", TRUE_FALSE)
def test_fewer_than_six_units_decide_nothing_and_have_no_interval(finding: str) -> None:
    """However clear they are: the effects are planted almost without noise."""
    true, false = TRUE_FALSE[finding]
    for build, queries in ((true, 5), (false, 5), (true, 1)):
        found = verdict(finding, build(Planted(queries, folds=1, noise=0.0001)))
        if found.effect is None or found.effect.n < 6:
            assert found.verdict in ("undetermined", "not tested"), found.reason
        if found.effect is not None and found.effect.n < 6:
            assert np.isnan([found.effect.low, found.effect.high]).all()
        for one in found.hypotheses:
            assert one["n"] >= 6 or (np.isnan([one["low"], one["high"]]).all() and one["p"] > 0.05)


def test_a_loss_of_everything_is_shown_with_what_unseen_queries_leave_open() -> None:
    found = verdict("out-below-in", Planted(8, folds=1, noise=0.0).cell(0.5, loss=1.0))
    assert found.effect is not None
    assert found.verdict == "supported" and found.effect.value == found.effect.high == 1
    assert found.effect.low < 0.5  # 1 - .05 ** (1 / 8) is .31 of all queries
    # Half of them would be within the band, and the rest far above.
    assert verdict("gap-of-55-to-65-percent", Planted(8, folds=1, noise=0.0).cell(0.5, loss=1.0)).verdict != "supported"


def test_a_tuning_that_changes_no_query_is_no_proof_that_none_is_harmed() -> None:
    frame = abroad({"m": -0.06})(Planted(8, folds=1)).frame()
    zero = zero_shot(frame).set_index(["landscape", "task", "system", "scope", "query_id"])["value"]
    keys = pd.MultiIndex.from_frame(frame[list(zero.index.names)])
    entries = {"tuning-harms-abroad": registry.entry("findings", "tuning-harms-abroad", Finding)}
    found = findings.judge(frame.assign(value=zero.reindex(keys).to_numpy()), entries, SIZES, resamples=200)[0]
    assert found.verdict == "undetermined" and found.effect is not None
    assert found.effect.low < -0.3 < 0.3 < found.effect.high and found.effect.value == 0


@pytest.mark.parametrize("loss", [0.02, -0.3])
def test_without_a_gap_that_is_shown_nothing_closes_it_or_leaves_it(loss: float) -> None:
    for fused_loss in (0.4, -0.4):
        plant = Planted(40, folds=1, noise=0.15).cell(0.5, loss=loss, fused_loss=fused_loss)
        found = verdict("fusion-does-not-close-the-gap", plant)
        assert found.verdict == "undetermined"
        assert "No gap is shown that could be closed: the interval of the dense one is -" in found.reason


def lucky(lucks: list[float], folds: int = 1) -> Planted:
    """Recipes alike, but for the luck of r3's adapters, one a seed."""
    plant = Planted(40, folds=folds, noise=0.01)
    for landscape in ("a", "b"):
        plant.cell(0.4, landscape)
        for seed, luck in enumerate(lucks):
            for recipe in RECIPES:
                plant.cell(0.5 + luck * (recipe == "r3"), landscape, recipe=recipe, trained_on=landscape, seed=seed)
    return plant


def test_one_adapter_says_nothing_of_its_recipe() -> None:
    for luck, said in ((-0.05, "worse than r1, r2 and r4"), (0.05, "better than zero-shot, r1, r2 and r4")):
        found = verdict("r3-best-for-retrieval", lucky([luck]))
        assert found.verdict == "undetermined" and found.needs["finetune.seed"] == [0, 1, 2]
        assert (
            found.reason == f"Of these adapters: r3 is significantly {said}. Of one training seed on few folds, "
            "they do not say so of their recipes."
        )
        # Six folds or more tell how adapters differ; here all of them have the same luck.
        assert verdict("r3-best-for-retrieval", lucky([luck], folds=3)).verdict in ("supported", "contradicted")


def test_the_luck_of_seeds_is_in_the_interval() -> None:
    apart = verdict("r3-best-for-retrieval", lucky([-0.12, -0.05, 0.02]))
    assert apart.verdict == "undetermined" and apart.effect is not None
    assert apart.effect.low < -0.1 and apart.effect.high > 0 > apart.effect.value
    alike = verdict("r3-best-for-retrieval", lucky([-0.05, -0.052, -0.048]))
    assert alike.verdict == "contradicted"


def test_a_count_of_harm_says_that_it_is_of_single_adapters() -> None:
    several = verdict("tuning-harms-abroad", abroad({"m": -0.06, "small": -0.05})(Planted(40, folds=1)))
    assert several.verdict == "supported"
    assert several.reason.endswith("4 of them are of these adapters, with one training seed.")
    plant = Planted(40, folds=1).cell(0.5, "a").cell(0.5, "b")
    found = verdict("tuning-harms-abroad", plant.cell(0.3, "b", recipe="r1", trained_on="a"))
    assert found.verdict == "undetermined" and found.reason.startswith("Of these adapters: Of 1 comparison")
    for seed in (1, 2):
        plant.cell(0.3, "b", recipe="r1", trained_on="a", seed=seed)
    assert verdict("tuning-harms-abroad", plant).verdict == "supported"


def test_models_without_queries_enough_have_no_slope() -> None:
    plant = Planted(40)
    few = Planted(5, folds=1)
    for model, level in STRENGTHS.items():
        plant.cell(level, "b", model=model)
        few.cell(level, "a", model=model)
        plant.cell(level - 0.2 * (level - 0.25), "b", model=model, recipe="r3", trained_on="a")
    entries = {"stronger-models-suffer-most": registry.entry("findings", "stronger-models-suffer-most", Finding)}
    found = findings.judge(pd.concat([plant.frame(), few.frame()]), entries, SIZES, resamples=300)[0]
    assert found.verdict == "undetermined" and "fewer than 6 test queries of a" in found.reason


@pytest.mark.parametrize("zeros", [7, 8])
def test_models_that_find_nothing_abroad_have_no_slope(zeros: int) -> None:
    """Of nothing nothing is lost: the slope of such changes is no number, which no p-value judges."""
    plant = Planted(8, folds=1)
    for model, level in STRENGTHS.items():
        for landscape in ("a", "b"):
            plant.cell(level, landscape, model=model)
        plant.cell(level, "b", model=model, recipe="r3", trained_on="a")
    frame = plant.frame()
    nothing = frame["query_id"].isin([f"b0-{query}" for query in range(zeros)])
    entries = {"stronger-models-suffer-most": registry.entry("findings", "stronger-models-suffer-most", Finding)}
    found = findings.judge(frame.assign(value=frame["value"].mask(nothing, 0.0)), entries, SIZES, resamples=300)[0]
    assert found.verdict == "undetermined" and "nothing to lose" in found.reason


@pytest.mark.parametrize(
    "finding", ["out-below-in", "fusion-does-not-close-the-gap", "interpolation-gains-2-to-15-points"]
)
def test_few_units_are_the_reason_not_an_interval_that_they_do_not_have(finding: str) -> None:
    found = verdict(finding, Planted(4, folds=1).cell(0.5))
    assert found.verdict == "undetermined" and found.effect is not None and found.effect.n == 4
    assert "Fewer than 6 units decide nothing." in found.reason
    assert "crosses" not in found.reason and "nan" not in found.reason
