"""Adapters of several landscapes, merged: against the mean worked out by hand, and against what was linked."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from test_training import WILD, files, flip, pairs, values

pytestmark = pytest.mark.pipeline


def test_the_pairs_of_a_landscape_keep_their_conflicts_among_themselves() -> None:
    from patent_embeddings.training.tuning import by_landscape

    rng, whole = np.random.default_rng(0), pairs()
    whole["landscape"] = np.select([whole["position"] < 3, whole["position"] < 6], ["x", "y"], "z")
    where = whole.groupby(["split", "step"]).ngroup().to_numpy()
    clash = np.triu(rng.random((where.max() + 1, 8, 8)) < 0.3, 1)
    clash |= clash.transpose(0, 2, 1)
    whole["conflicts"] = [
        [str(other) for other in np.flatnonzero(clash[batch, position])]
        for batch, position in zip(where, whole["position"], strict=True)
    ]
    found = dict(by_landscape(whole))
    assert list(found) == ["x", "y", "z"] and sum(map(len, found.values())) == len(whole)
    met = 0
    for (landscape, own), first in zip(found.items(), (0, 3, 6), strict=True):
        assert own["anchor"].tolist() == whole.loc[whole["landscape"] == landscape, "anchor"].tolist()
        for number, (_, batch) in enumerate(own.groupby(["split", "step"])):
            count = len(batch)
            assert batch["position"].tolist() == list(range(count))
            kept = clash[number, first : first + count, first : first + count]
            assert batch["conflicts"].tolist() == [[str(at) for at in np.flatnonzero(row)] for row in kept]
            met += int(kept.sum())
    assert met > 0


def change(folder: Path) -> dict[str, np.ndarray]:
    """What an adapter adds to each weight, worked out from its files: alpha / rank x B A."""
    from safetensors.numpy import load_file

    config = json.loads((folder / "adapter_config.json").read_text())
    found = load_file(folder / "adapter_model.safetensors")
    scale = config["lora_alpha"] / config["r"]
    return {name: scale * found[name.replace("lora_A", "lora_B")] @ found[name] for name in found if ".lora_A." in name}


@pytest.mark.parametrize("weight", [1.0, 0.5])
def test_a_merged_adapter_is_that_part_of_the_mean_of_what_they_change(
    weight: float,
    model: Path,
    workspace: Path,
) -> None:
    """Three adapters of random weights, on a model read anew each time."""
    import tiny
    import torch

    from patent_embeddings.encoders import factory
    from patent_embeddings.training import lora

    entry = tiny.entry(model)
    folders = [workspace / f"adapter{number}" for number in range(3)]
    for number, folder in enumerate(folders):
        network = factory.encoder(entry).model
        lora.add(network, 4)
        torch.manual_seed(number)
        for name, drawn in network.named_parameters():
            if "lora_" in name:
                torch.nn.init.normal_(drawn, std=0.2)
        lora.save(network, entry, folder)
    (workspace / "merged").mkdir()
    lora.save_mean(factory.encoder(entry).model, entry, folders, weight, workspace / "merged")

    found, parts = change(workspace / "merged"), [change(folder) for folder in folders]
    assert found.keys() == parts[0].keys() and len(found) > 4
    for name, changed in found.items():
        np.testing.assert_allclose(changed, weight * np.mean([part[name] for part in parts], axis=0), atol=1e-6)
    texts = ["ab cdef", "xy z", "gh klm"]
    merged = factory.encoder(entry, adapter=workspace / "merged").encode(texts, "document")
    by_hand = factory.encoder(entry)
    weights = dict(by_hand.model[0].auto_model.named_parameters())
    with torch.no_grad():
        for name, changed in found.items():
            weights[name.removeprefix("base_model.model.").replace("lora_A.", "")] += torch.tensor(changed)
    np.testing.assert_allclose(merged, by_hand.encode(texts, "document"), atol=1e-5)
    alone = [factory.encoder(entry, adapter=folder).encode(texts, "document") for folder in folders]
    assert min(np.abs(merged - one).max() for one in alone) > 0.01


def test_training_apart_and_merging_is_the_mean_of_the_adapters(model: Path, workspace: Path) -> None:
    import tiny

    from patent_embeddings.training import tuning

    table = pairs()
    table["landscape"] = np.where(table["position"] < 5, "first", "second")
    cell = values(tiny.entry(model), merge=True)
    trained = tuning.tune(cell.model_copy(update={"weight": 0.5}), table, workspace / "merged")
    alone, curves = [], []
    for landscape, own in tuning.by_landscape(table):
        assert own.groupby(["split", "step"]).size().unique().tolist() == [5 if landscape == "first" else 3]
        folder = workspace / landscape
        folder.mkdir()
        curves.append(tuning.train(cell, own, folder).curve.set_index(["split", "step"])["loss"])
        alone.append(change(folder))
    found = change(workspace / "merged")
    for name, changed in found.items():
        np.testing.assert_allclose(changed, (alone[0][name] + alone[1][name]) / 4, atol=1e-6)
    assert len(found) > 2 and any(np.abs(changed).max() > 1e-3 for changed in found.values())
    pd.testing.assert_series_equal(
        trained.curve.set_index(["split", "step"])["loss"], (curves[0] + curves[1]) / 2, check_like=True
    )


def test_a_merged_adapter_of_which_a_part_s_best_checkpoint_is_damaged_is_the_same(
    model: Path,
    workspace: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    import tiny

    from patent_embeddings.core import layout
    from patent_embeddings.training import tuning

    table = pairs()
    table["landscape"] = np.where(table["position"] < 5, "first", "second")
    cell = values(tiny.entry(model), merge=True, **WILD)
    tuning.tune(cell, table, workspace / "one")
    scratches = [folder for folder in (layout.scratch() / "training").iterdir() if folder.is_dir()]
    early = [folder / "checkpoint-4" for folder in scratches if (folder / "checkpoint-4").exists()]
    assert len(scratches) == 2 and early  # where the last step's is another
    for best in early:
        flip(best / "adapter_model.safetensors")
    capsys.readouterr()
    tuning.tune(cell, table, workspace / "two")
    assert files(workspace / "one") == files(workspace / "two")
    assert capsys.readouterr().err.count("training starts again") == len(early)
