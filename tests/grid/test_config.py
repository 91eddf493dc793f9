"""A cell's configuration as an object: told apart by what a system reads of it, and never read out of its words."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import pandas as pd
import pytest
import yaml
from planted import Planted
from toy import ROOT

from patent_embeddings.core.params import Params
from patent_embeddings.evaluation.systems import Task
from patent_embeddings.grid import axes, comparisons
from patent_embeddings.grid.cell import Config, digest, full_name, options, reads
from patent_embeddings.grid.keys import flat
from patent_embeddings.grid.units import changed, described, units

BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))
FLAT = flat(Params.model_validate(BASE).model_dump(mode="json"))


def configs(**axes_: list[object]) -> list[Config]:
    wanted = {key.replace("__", "."): values for key, values in axes_.items()}
    return [Config.of(cell.params, FLAT) for cell in axes.expand(BASE, wanted)]


def test_a_list_option_is_one_option() -> None:
    (one,) = configs(recipe=["zero-shot"], fuse__weights=[[0.0, 0.5, 1.0]])
    assert one.options == (("fuse.weights", (0.0, 0.5, 1.0)),)
    assert one.label == "minilm zero-shot tac fuse.weights=[0.0, 0.5, 1.0]"
    assert one == configs(recipe=["zero-shot"], fuse__weights=[[0.0, 0.5, 1.0]])[0]
    assert len({one, *configs(recipe=["zero-shot"], fuse__weights=[[0.0, 0.5, 1.0], [0.0, 1.0]])}) == 2


@pytest.mark.parametrize(
    "option", [{"fuse__weights": (0.0, 0.5, 1.0)}, {"fuse__rrf_k": (10, 60)}, {"bm25__k1": 1.2}, {"rerank__depth": 7}]
)
def test_an_option_that_the_dense_run_does_not_read_makes_no_comparison(option: dict[str, object]) -> None:
    """Were its words split at blanks, `0.5,` and `1.0]` would be options of the dense run, and two cells three."""
    plant = Planted(12, folds=1)
    for level, more in ((0.4, {}), (0.4, option)):
        plant.cell(level, **more).cell(level + 0.1, recipe="r1", trained_on="a", **more)
    outcomes = plant.frame()
    assert outcomes["config"].nunique() == 4
    (pair,) = comparisons.every_pair(outcomes, "cells", "cells", "retrieval", 99)
    assert [one.label for one, _ in (pair.first, pair.second)] == ["m r1 a tac", "m zero-shot tac"]
    assert len(comparisons.every_pair(outcomes, "tuned", "tuned", "retrieval", 99)) == 1


def test_an_option_that_it_reads_makes_one_and_its_zero_shot_cell_is_found() -> None:
    plant = Planted(12, folds=1)
    for centre in ({}, {"search__centre": "landscape"}):
        plant.cell(0.4, **centre).cell(0.5, recipe="r1", trained_on="a", finetune__rate=0.1, **centre)
    tested = comparisons.every_pair(plant.frame(), "tuned", "tuned", "retrieval", 99)
    assert [one.words for one in tested] == [
        ("m r1 a tac finetune.rate=0.1", "m zero-shot tac"),
        ("m r1 a tac finetune.rate=0.1 search.centre=landscape", "m zero-shot tac search.centre=landscape"),
    ]
    assert len(comparisons.every_pair(plant.frame(), "cells", "cells", "retrieval", 99)) == 6


def test_landscapes_that_are_held_out_say_where_a_cell_was_trained_and_are_no_option() -> None:
    held_out = configs(recipe=["r1-all"], finetune__held_out=[[], ["sim-alpha"], ["sim-beta"]])
    assert [one.trained_on for one in held_out] == [("sim-alpha", "sim-beta"), ("sim-beta",), ("sim-alpha",)]
    assert not any(one.options for one in held_out)
    plant = Planted(12, folds=1)
    for place in "ab":
        plant.cell(0.4, place)
        for homes in ("a", "b", "a+b"):
            plant.cell(0.5, place, recipe="r1-all", trained_on=homes)
    tested = comparisons.every_pair(plant.frame(), "tuned", "tuned", "retrieval", 99)
    assert sorted((one.landscape, one.first[0].trained_on) for one in tested) == sorted(
        (place, homes) for place in "ab" for homes in (("a",), ("b",), ("a", "b"))
    )


DENSE = {"tasks.pool", "embed.length", "search.centre"}
FUSED = {*DENSE, "bm25.k1", "fuse.weights"}
READ = {
    "bm25": {"tasks.pool", "bm25.k1"}, "dense": DENSE, "rrf": FUSED, "interpolation": FUSED,
    "reranked": {*FUSED, "rerank.depth"}, "probe": {"embed.length"}, "kmeans": {"embed.length", "metrics.seed"},
}  # fmt: skip


@pytest.mark.parametrize(("key", "system"), product(sorted({"metrics.seed", *READ["reranked"]}), READ))
def test_cells_that_differ_in_what_a_system_does_not_read_are_one_for_it(key: str, system: str) -> None:
    one, other = (Config("m", "r1", ("a",), "ta", "ta", 0, options({key: value})) for value in ((1, 2), (1, 3)))
    assert one != other
    assert reads(system, key) is (key in READ[system])
    assert (one.read_by(system) == other.read_by(system)) is (key not in READ[system])


@pytest.mark.parametrize("task", ["classification", "clustering"])
def test_what_only_ranking_reads_makes_no_comparison_of_labels(task: Task) -> None:
    """Documents are classified and clustered in all dimensions, whatever asks for them and however they are ranked."""
    plant = Planted(12, folds=1).cell(0.4, tasks=(task,)).cell(0.5, model="k", tasks=(task,))
    outcomes = plant.frame()
    plain = Config("m", "zero-shot", (), "tac", "tac")
    ours = outcomes[outcomes["config"] == plain]
    same = [
        replace(plain, query_view="ta"),
        replace(plain, dimensions=64),
        replace(plain, options=(("tasks.pool", "earlier"),)),
    ]
    outcomes = pd.concat([outcomes, *(changed(ours, lambda _, other=other: other) for other in same)])
    assert outcomes["config"].nunique() == 5
    (pair,) = comparisons.every_pair(outcomes, "cells", "cells", task, 99)
    assert {pair.first[0], pair.second[0]} == {plain, replace(plain, model="k")}


@pytest.mark.parametrize(
    ("recipe", "key", "values"),
    [
        ("r3", "rerank.depth", [50, 100]),
        ("r3", "search.passages", ["best", "top3"]),
        ("r3", "embed.passages.stride", [16, 32]),
        ("r3", "finetune.held_out", [[], ["sim-beta"]]),
        ("r1-all", "landscape", ["sim-alpha", "sim-beta"]),
        ("zero-shot", "landscape", ["sim-alpha", "sim-beta"]),
        ("r1-all", "evaluate_on", [["sim-alpha", "sim-beta"], ["sim-beta", "sim-alpha"]]),
        ("r3", "embed.engine", ["local", "ray"]),
        ("r3", "search.engine", ["local", "ray"]),
    ],
)
def test_a_value_that_nothing_of_the_cell_uses_makes_no_other_cell(recipe: str, key: str, values: list[Any]) -> None:
    """`dvc exp run -S` keeps it in params.yaml, and `verify` must find the expected scores all the same."""
    found = [Params.model_validate(set_in({**BASE, "recipe": recipe}, key, value)) for value in values]
    assert found[0] != found[1]
    assert digest(found[0]) == digest(found[1])
    assert Config.of(found[0], FLAT) == Config.of(found[1], FLAT)
    assert len(axes.expand(BASE, {"recipe": [recipe], key: values})) == 1


def set_in(params: dict[str, Any], key: str, value: Any) -> dict[str, Any]:
    block, _, rest = key.partition(".")
    return {**params, block: set_in(params[block], rest, value) if rest else value}


def test_how_others_are_trained_is_no_option_of_a_zero_shot_cell() -> None:
    """A zero-shot cell that was computed before the training rate was changed is beside the cells tuned after it."""
    before = {**BASE, "recipe": "zero-shot", "finetune": {**BASE["finetune"], "rate": 0.001}}
    found = [Config.of(Params.model_validate(params), FLAT) for params in (before, {**before, "recipe": "r1"})]
    assert [one.options for one in found] == [(), (("finetune.rate", 0.001),)]
    assert found[1].base == found[0].base == found[0]


def test_cells_are_hashed_sorted_and_told_apart() -> None:
    cells = axes.expand(
        BASE, {"recipe": ["zero-shot", "r1"], "fuse.weights": [[0.5], [0.1, 0.5]], "view": ["ta", "tac"]}
    )
    assert len(set(cells)) == len(cells) == 8
    assert cells[0] == axes.expand(BASE, {"recipe": ["zero-shot"], "fuse.weights": [[0.5]], "view": ["ta"]})[0]
    found = sorted(Config.of(cell.params, FLAT) for cell in cells)
    assert [one.words for one in found] == sorted(one.words for one in found)
    assert all((one < other) and one != other for one, other in combinations(found, 2))
    assert len({digest(cell.params) for cell in cells}) == 8
    assert full_name(cells[0].params) == "minilm-zero-shot-ta-fold0"


def test_words_stand_in_place_of_the_configuration() -> None:
    rows = units(Planted(6, folds=1).cell(0.5, recipe="r1", trained_on="a+b", embed__length=9).frame(), "retrieval")
    shown = described(rows)
    expected = ["m", "r1", "a+b", "tac", "tac", 0]
    assert shown.iloc[0, :7].tolist() == [*expected, "texts of 9 tokens"]
    assert described(rows, keyed=True).iloc[0, :7].tolist() == [*expected, "embed.length=9"]
    assert list(shown.columns[7:]) == list(rows.columns[1:])
