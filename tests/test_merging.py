"""Adapters of several landscapes, merged: against peft's own merging and against what was linked."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_pairs import RECIPES, material, three  # noqa: F401
from test_pairs import SETTINGS as DRAWN
from test_training import SETTINGS, WILD, files, flip, model, pairs  # noqa: F401

from patent_embeddings.pairs.drawing import laid_out
from patent_embeddings.pairs.entries import Recipe
from patent_embeddings.pairs.material import Material

pytestmark = pytest.mark.pipeline
MERGED = Recipe(description="", signals=["citation"], landscapes="all", merge=True)


def test_the_pairs_of_a_landscape_keep_their_conflicts_among_themselves(three: dict[str, Material]) -> None:  # noqa: F811
    from patent_embeddings.training.merging import apart

    whole = laid_out(three, RECIPES["r1"], DRAWN)
    cited = {frozenset(edge) for one in three.values() for edge in one.citations.itertuples(index=False)}
    found = dict(apart(whole))
    assert list(found) == ["x", "y", "z"] and sum(map(len, found.values())) == len(whole)
    met = 0
    for landscape, own in found.items():
        assert own["anchor"].tolist() == whole.loc[whole["landscape"] == landscape, "anchor"].tolist()
        for _, batch in own.groupby(["split", "step"]):
            assert batch["position"].tolist() == list(range(len(batch)))
            for one, two in itertools.permutations(batch.itertuples(), 2):
                ends = itertools.product((one.anchor_id, one.positive_id), (two.anchor_id, two.positive_id))
                clash = any(a == b or frozenset((a, b)) in cited for a, b in ends)
                assert (str(two.position) in one.conflicts) == clash
                met += clash
            assert {int(other) for others in batch["conflicts"] for other in others} <= set(batch["position"])
    assert met > 0


def test_a_merged_adapter_is_that_of_peft(model: Path, workspace: Path) -> None:  # noqa: F811
    """Adapters of random weights, on a model read anew each time."""
    import tiny
    import torch
    from peft import PeftModel

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import trainer
    from patent_embeddings.training.merging import merge

    entry = tiny.entry(model)
    folders = [workspace / f"adapter{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        network = factory.encoder(entry).model
        trainer._add_adapter(network, 4)
        torch.manual_seed(number)
        for name, weight in network.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(weight, std=0.2)
        trainer._save(network, entry, folder, 1.0)
    (workspace / "merged").mkdir()
    merge(folders, workspace / "merged")

    peft = PeftModel.from_pretrained(factory.encoder(entry).model[0].auto_model, str(folders[0]), adapter_name="0")
    for number in (1, 2):
        peft.load_adapter(str(folders[number]), adapter_name=str(number))
    peft.add_weighted_adapter(["0", "1", "2"], [1 / 3] * 3, "mean", combination_type="cat")
    peft.set_adapter("mean")
    theirs = factory.encoder(entry)
    theirs.model[0].model = peft.merge_and_unload(adapter_names=["mean"])
    texts = ["ab cdef", "xy z", "gh klm"]
    vectors = [factory.encoder(entry, adapter=folder).encode(texts, "document") for folder in [*folders, workspace / "merged"]]  # fmt: skip
    np.testing.assert_allclose(vectors[3], theirs.encode(texts, "document"), atol=1e-5)
    assert min(np.abs(vectors[3] - one).max() for one in vectors[:3]) > 0.01


def test_training_apart_and_merging_is_the_mean_of_the_adapters(model: Path, workspace: Path) -> None:  # noqa: F811
    import tiny
    from safetensors.numpy import load_file

    from patent_embeddings.training import merging, trainer

    table = pairs()
    table["landscape"] = np.where(table["position"] < 5, "first", "second")
    entry, merged = tiny.entry(model), workspace / "merged"
    merged.mkdir()
    trained = merging.train(entry, table, SETTINGS, merged, MERGED)
    alone, curves = [], []
    for landscape, own in merging.apart(table):
        assert own.groupby(["split", "step"]).size().unique().tolist() == [5 if landscape == "first" else 3]
        folder = workspace / landscape
        folder.mkdir()
        curves.append(trainer.train(entry, own, SETTINGS, folder, MERGED).curve.set_index(["split", "step"])["loss"])
        alone.append(load_file(folder / "adapter_model.safetensors"))
    found = load_file(merged / "adapter_model.safetensors")

    def change(adapter: dict[str, np.ndarray], name: str) -> np.ndarray:
        return adapter[name.replace("lora_A", "lora_B")] @ adapter[name]

    names = [name for name in found if "lora_A" in name]
    for name in names:
        np.testing.assert_allclose(
            change(found, name), (change(alone[0], name) + change(alone[1], name)) / 2, atol=1e-6
        )
    assert len(names) > 2 and any(np.abs(change(found, name)).max() > 1e-3 for name in names)
    pd.testing.assert_series_equal(trained.curve.set_index(["split", "step"])["loss"], (curves[0] + curves[1]) / 2, check_like=True)  # fmt: skip
    assert trained.scales is None


def test_a_part_of_a_merged_adapter_is_that_part_of_the_mean(model: Path, workspace: Path) -> None:  # noqa: F811
    import tiny
    from peft import PeftModel

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import merging

    table = pairs()
    table["landscape"] = np.where(table["position"] < 5, "first", "second")
    entry, changes = tiny.entry(model), []
    for scale in (None, 0.5):
        folder = workspace / f"scaled-{scale}"
        folder.mkdir()
        merging.train(entry, table, SETTINGS, folder, MERGED.model_copy(update={"scale": scale}))
        network = PeftModel.from_pretrained(factory.encoder(entry).model[0].auto_model, str(folder))
        changes.append([layer.get_delta_weight("default") for layer in network.modules() if hasattr(layer, "get_delta_weight")])  # fmt: skip
    assert len(changes[0]) > 2 and max(float(change.abs().max()) for change in changes[0]) > 1e-3
    for whole, half in zip(*changes, strict=True):
        np.testing.assert_allclose(half.detach(), whole.detach() / 2, atol=1e-7)


def test_a_merged_adapter_of_which_a_part_s_best_checkpoint_is_damaged_is_the_same(
    model: Path,  # noqa: F811
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import tiny

    from patent_embeddings.core import layout
    from patent_embeddings.training import merging

    table = pairs()
    table["landscape"] = np.where(table["position"] < 5, "first", "second")
    (workspace / "one").mkdir()
    merging.train(tiny.entry(model), table, WILD, workspace / "one", MERGED)
    scratches = [folder for folder in (layout.scratch() / "training").iterdir() if folder.is_dir()]
    early = [folder / "checkpoint-4" for folder in scratches if (folder / "checkpoint-4").exists()]
    assert len(scratches) == 2 and early  # where the last step's is another
    for best in early:
        flip(best / "adapter_model.safetensors")
    capsys.readouterr()
    (workspace / "two").mkdir()
    merging.train(tiny.entry(model), table, WILD, workspace / "two", MERGED)
    assert files(workspace / "one") == files(workspace / "two")
    assert capsys.readouterr().err.count("training starts again") == len(early)
