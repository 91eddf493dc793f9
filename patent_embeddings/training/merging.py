"""An adapter for each landscape, merged into one: the mean of what they change.

Imported by the finetune stage only where the recipe says `merge`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors.numpy import load_file, save_file

from patent_embeddings.core.files import workplace, write_json
from patent_embeddings.core.params import Finetune
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import processes
from patent_embeddings.encoders.entries import Model
from patent_embeddings.pairs.entries import Recipe
from patent_embeddings.training import trainer
from patent_embeddings.training.trainer import Trained


def train(entry: Model, pairs: pd.DataFrame, settings: Finetune, folder: Path, recipe: Recipe) -> Trained:
    """Train on each landscape's part of every batch as `training.train` does, and save the adapters merged.

    Returns:
        The losses are means over the landscapes.
    """
    with workplace("merge") as place:
        trained, parts = [], []
        for landscape, own in apart(pairs):
            say(f"adapter of {landscape}, to be merged")
            parts.append(place / landscape)
            parts[-1].mkdir()
            trained.append(trainer.train(entry, own, settings, parts[-1], recipe))
        if processes.rank() == 0:  # of several processes the first alone has the adapters
            merge(parts, folder)
    curve = pd.concat([one.curve for one in trained]).groupby(["split", "step"])[["loss"]].mean().reset_index()
    return Trained(curve, None, trained[0].device)


def apart(pairs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The pairs of each landscape, as batches of their own.

    Args:
        pairs: rows of `PAIRS`; in a batch the pairs of a landscape stand together.

    Yields:
        The landscape and its rows, with places and conflicts counted within its part of the batch.
    """
    for landscape, own in pairs.groupby("landscape"):
        places = own.groupby(["split", "step"])["position"]
        first, size = places.transform("min"), places.transform("size")
        kept = [
            [str(int(other) - start) for other in others if start <= int(other) < start + count]
            for others, start, count in zip(own["conflicts"], first, size, strict=True)
        ]
        conflicts = pd.Series(kept, index=own.index, dtype=object)
        yield str(landscape), own.assign(position=own["position"] - first, conflicts=conflicts).reset_index(drop=True)


def merge(folders: Sequence[Path], out: Path) -> None:
    """Write the adapter whose change of every weight is the mean of those of adapters of one rank.

    A LoRA adapter changes a weight by scale x B A. Stacked, the mean of n of them is scale x [B1/n .. Bn/n] [A1; ..; An]:
    exact, at n times the rank (what peft's `add_weighted_adapter` calls `cat`; the model need not be loaded for it).

    Args:
        folders: adapters in peft's format, alike in everything but their weights.
        out: an empty folder for the merged one, in the same format.
    """
    count = len(folders)
    adapters = [load_file(folder / SAFETENSORS_WEIGHTS_NAME) for folder in folders]

    def stacked(name: str) -> np.ndarray:
        if ".lora_A." in name:
            return np.concatenate([one[name] for one in adapters])
        return np.concatenate([one[name] / np.float32(count) for one in adapters], axis=1)

    merged = {name: stacked(name) for name in sorted(adapters[0])}
    save_file(merged, out / SAFETENSORS_WEIGHTS_NAME, metadata={"format": "pt"})
    config = json.loads((folders[0] / CONFIG_NAME).read_text(encoding="utf-8"))
    write_json(out / CONFIG_NAME, {**config, "r": count * config["r"], "lora_alpha": count * config["lora_alpha"]})
