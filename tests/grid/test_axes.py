"""Axes of a grid: which cells they make, under which names, and what is refused."""

from __future__ import annotations

import pytest
import yaml
from toy import LIFT, ROOT

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import axes as axes_
from patent_embeddings.grid import check
from patent_embeddings.grid.cell import Cell
from patent_embeddings.grid.entries import Preset

BASE = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))


def names(**axes: list[object]) -> list[str]:
    return [cell.name for cell in axes_.expand(BASE, {key.replace("__", "."): value for key, value in axes.items()})]


def test_the_sample_is_every_recipe_on_both_landscapes_and_zero_shot_once() -> None:
    found = axes_.expand(BASE, registry.entry("presets", "sample", Preset).axes)
    tuned = {(recipe, place) for recipe in LIFT for place in ("sim-alpha", "sim-beta")}
    assert {(cell.params.recipe, cell.params.landscape) for cell in found[1:]} == tuned
    assert [cell.name for cell in found[:1]] == ["minilm-zero-shot"]
    assert len({cell.name for cell in found}) == len(found) == 9


@pytest.mark.parametrize("preset", registry.ids("presets"))
def test_every_preset_expands(preset: str) -> None:
    found = axes_.union(BASE, registry.entry("presets", preset, Preset).grids)
    assert found
    assert all(set(cell.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.") for cell in found)


def test_names_say_what_differs_from_the_parameters() -> None:
    assert names(recipe=["r1"], tasks__fold=[0, 3]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-alpha-fold3"]
    assert names(recipe=["zero-shot"], view=["ta"]) == ["minilm-zero-shot-ta"]
    assert names(recipe=["r1"], query_view=["ta"]) == ["minilm-r1-sim-alpha-ta-to-tac"]
    assert names(recipe=["r1"], evaluate_on=[["sim-alpha"]]) == ["minilm-r1-sim-alpha-on-sim-alpha"]
    assert names(recipe=["zero-shot"], finetune__seed=[0, 1, 2]) == ["minilm-zero-shot"]
    assert names(recipe=["r1"], finetune__seed=[0, 1]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-alpha-finetune-seed1"]
    # Keys that end alike are told apart: seeds of splits and of training make four cells.
    assert len(names(recipe=["r1"], tasks__seed=[0, 1], finetune__seed=[0, 1])) == 4
    both = [{"recipe": ["r1"], "tasks.seed": [1]}, {"recipe": ["r1"], "finetune.seed": [1]}]
    assert len(axes_.union(BASE, both)) == 2
    (one,) = axes_.expand(BASE, {"recipe": ["r1"]})
    same, other = (Cell("x", {"fuse.depth": depth}, one.params) for depth in (10, 20))
    assert axes_.distinct([same, same]) == [same]
    with pytest.raises(UserError, match="two different cells would be called x"):
        axes_.distinct([same, other])


def test_each_is_every_landscape_that_is_scored() -> None:
    assert names(recipe=["r1"], landscape=["EACH"]) == ["minilm-r1-sim-alpha", "minilm-r1-sim-beta"]
    scored = [["orbit", "sim-beta"]]
    with pytest.raises(UserError, match="orbit"):
        names(recipe=["r1"], landscape=["EACH"], evaluate_on=scored)
    assert names(recipe=["r1-all"], finetune__held_out=[[], "EACH"], landscape=["EACH"]) == [
        "minilm-r1-all", "minilm-r1-all-held_outsim-alpha", "minilm-r1-all-held_outsim-beta",
    ]  # fmt: skip
    # What a cell has no use for makes no further cell of it.
    assert names(recipe=["r1"], finetune__held_out=[[], "EACH"]) == ["minilm-r1-sim-alpha"]
    assert names(recipe=["zero-shot"], embed__adapter_scale=[0.5, 1.0], landscape=["EACH"]) == ["minilm-zero-shot"]


def test_a_number_is_one_value_however_it_is_written() -> None:
    values = axes_.parse(["finetune.rate=5e-4,0.0005,0.00050"])
    (cell,) = axes_.expand(BASE, {"recipe": ["r1"], **values})
    assert cell.overrides == {"recipe": "r1"} and cell.params.finetune.rate == 0.0005
    (other,) = axes_.expand(BASE, {"recipe": ["r1"], **axes_.parse(["finetune.rate=1e-3,0.001"])})
    assert other.overrides == {"recipe": "r1", "finetune.rate": 0.001}
    for setting, value in (("embed.adapter_scale=0,0.0", 0.0), ("fuse.weights=[5e-1],[0.5],[.5]", [0.5])):
        (one,) = axes_.expand(BASE, {"recipe": ["r1"], **axes_.parse([setting])})
        assert one.overrides == {"recipe": "r1", setting.partition("=")[0]: value}


@pytest.mark.parametrize("places", [["sim-alpha", "sim-beta"], ["sim-beta", "sim-alpha"]], ids="-".join)
def test_the_order_of_landscapes_makes_no_other_cell(places: list[str]) -> None:
    (one,) = axes_.expand(BASE, {"recipe": ["r1"], "evaluate_on": [places]})
    assert one.overrides == {"recipe": "r1"}
    assert names(recipe=["r1-all"], evaluate_on=[[*places, "x"]], finetune__held_out=[places]) == [
        "minilm-r1-all-on-sim-alpha-sim-beta-x-held_outsim-alpha-sim-beta"
    ]
    (zero,) = axes_.expand(BASE, {"recipe": ["zero-shot"], "evaluate_on": [["y", "x"], ["x", "y"]]})
    assert zero.params.landscape == "x"


def test_an_engine_computes_the_same_cell() -> None:
    found = axes_.expand(BASE, {"recipe": ["r1"], **axes_.parse(["search.engine=ray,local", "embed.engine=ray"])})
    assert [cell.name for cell in found] == ["minilm-r1-sim-alpha"]
    assert found[0].overrides == {"recipe": "r1", "search.engine": "ray", "embed.engine": "ray"}  # as is asked


def test_only_what_differs_is_overridden() -> None:
    (cell,) = axes_.expand(BASE, {"recipe": ["r1"], "tasks.fold": [0], "embed.adapter_scale": [0.5]})
    assert cell.overrides == {"recipe": "r1", "embed.adapter_scale": 0.5}
    assert cell.params.embed.adapter_scale == 0.5
    assert BASE["embed"]["adapter_scale"] == 1.0


def test_a_key_that_is_set_twice_is_refused() -> None:
    with pytest.raises(UserError, match="-S recipe is set twice"):
        axes_.parse(["recipe=r1", "recipe=r2"])


def test_settings_are_read_as_yaml_lists_in_brackets() -> None:
    assert axes_.parse(["tasks.fold=0,1", "search.dimensions=null,64", "evaluate_on=[a,b],[c]"]) == {
        "tasks.fold": [0, 1], "search.dimensions": [None, 64], "evaluate_on": [["a", "b"], ["c"]],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"modle": ["minilm"]}, "did you mean model"),
        ({"model": ["minilmm"]}, "did you mean minilm"),
        ({"tasks.fold": [7]}, "tasks.fold"),
        ({"landscape": ["orbit"]}, "landscape 'orbit' is not in"),
        ({"landscape": ["orbit"], "recipe": ["zero-shot"]}, "landscape 'orbit' is not in"),
        ({"landscape": ["sim-beta"], "evaluate_on": [["sim-alpha"]]}, "is always one of evaluate_on"),
        ({"evaluate_on": [["nowhere"]], "landscape": ["nowhere"]}, "nowhere"),
        ({"view": ["tca"]}, "did you mean ta, tac"),
        ({"query_view": ["title"], "view": ["ta"]}, "axes view and query_view both set query_view"),
        ({"recipe": [[]]}, r"-S recipe=\[\]: recipe: must be text"),
        ({"recipe": ["zero-shot"], "evaluate_on": [[]]}, "evaluate_on: List should have at least 1 item"),
        ({"landscape": ["EACH"], "evaluate_on": [5]}, r"-S evaluate_on=5: evaluate_on: .*list"),
    ],
)
def test_bad_axes_are_refused(axes: dict[str, list[object]], says: str) -> None:
    with pytest.raises(UserError, match=says):
        for cell in axes_.expand(BASE, axes):
            check.validate(cell.params)


@pytest.mark.parametrize("setting", ["recipe", "=r1", "recipe=", "tasks.fold=[0,1", "recipe=r1]", "recipe=r1,,r2"])
def test_bad_settings_are_refused(setting: str) -> None:
    with pytest.raises(UserError, match="key=value"):
        axes_.parse([setting])


def test_values_are_read_as_dvc_reads_them_and_refused_as_in_params_yaml() -> None:
    assert axes_.parse(["tasks.seed=010,7"]) == {"tasks.seed": [10, 7]}  # eight to YAML 1.1
    with pytest.raises(UserError, match=r"tasks\.seed"):
        axes_.expand(BASE, axes_.parse(["tasks.seed=1:30"]))  # ninety to YAML 1.1
