"""Train an adapter on training pairs: one for all landscapes, or the mean of one for each."""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from transformers import set_seed
from transformers.trainer_callback import PrinterCallback

from patent_embeddings.core import distributed, layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, workplace, writable
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import factory, loading, weights
from patent_embeddings.encoders.base import Encoder
from patent_embeddings.encoders.values import Frozen
from patent_embeddings.training import adapters, checkpoints, lora, memory, mining
from patent_embeddings.training.loss import AllowedNegatives, barred, forbidden
from patent_embeddings.training.trainer import Arguments, InOrder, Lost, Progress, Trainer
from patent_embeddings.training.values import FinetuneValues


@dataclass(frozen=True)
class Trained:
    """What training returns; the adapter is in its folder."""

    curve: pd.DataFrame  # rows of `CURVE`: losses by step; of several trainings their mean
    device: str  # `cpu` or `cuda`
    computed: int  # training pairs of the steps that were computed now, not by a killed run before
    negatives: tuple[str, ...] = ()  # families of the hard negatives


def tune(values: FinetuneValues, pairs: pd.DataFrame, folder: Path, documents: pd.DataFrame | None = None) -> Trained:
    """Train the adapter of a cell, and seal it; arguments and errors as `train`.

    Of several processes started by torchrun only the first writes it.
    """
    how = merged if values.merge else train
    with loading.offline():
        if distributed.rank():
            with workplace("finetune") as place:
                return how(values, pairs, place, documents)
        with replacing(folder) as place:
            place.mkdir()
            trained = how(values, pairs, place, documents)
            adapters.seal(place)
    return trained


def merged(values: FinetuneValues, pairs: pd.DataFrame, folder: Path, documents: pd.DataFrame | None = None) -> Trained:
    """Train an adapter for each landscape, on its part of every batch, and save their weighted mean.

    Arguments and errors as `train`.
    """
    apart = values.model_copy(update={"weight": 1.0})
    with workplace("merge") as place:
        trained, parts = [], []
        for landscape, own in by_landscape(pairs):
            say(f"adapter of {landscape}, to be merged")
            parts.append(place / landscape)
            parts[-1].mkdir()
            local = None if documents is None else documents[documents["landscape"] == landscape]
            trained.append(train(apart, own, parts[-1], local))
        if distributed.rank() == 0:  # the other processes have no adapters
            encoder = factory.encoder(values.model, length=values.length, frozen=_frozen(values))
            lora.save_mean(encoder.model, values.model, parts, values.weight, folder)
    curve = pd.concat([one.curve for one in trained]).groupby(["split", "step"])[["loss"]].mean().reset_index()
    negatives = tuple(family for one in trained for family in one.negatives)
    return Trained(curve, trained[0].device, sum(one.computed for one in trained), negatives)


def by_landscape(pairs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Split the batches by landscape; in a batch the pairs of a landscape are contiguous.

    Yields each landscape with its rows, positions and conflicts counted within its part of the batch.
    """
    for landscape, own in pairs.groupby("landscape"):
        positions = own.groupby(["split", "step"])["position"]
        first, size = positions.transform("min"), positions.transform("size")
        kept = [
            [str(int(other) - start) for other in others if start <= int(other) < start + count]
            for others, start, count in zip(own["conflicts"], first, size, strict=True)
        ]
        conflicts = pd.Series(kept, index=own.index, dtype=object)
        yield str(landscape), own.assign(position=own["position"] - first, conflicts=conflicts).reset_index(drop=True)


def train(values: FinetuneValues, pairs: pd.DataFrame, folder: Path, documents: pd.DataFrame | None = None) -> Trained:
    """Train an adapter on the batches of `pairs`, and save the checkpoint with the lowest dev loss, weighted.

    The number of steps is fixed; the dev loss is measured at regular intervals. A killed run resumes from its last
    checkpoint in the scratch folder. If the best checkpoint no longer matches its seal, training starts again.

    Under torchrun each process takes its share of each batch, and all texts of the batch are negatives, so that the
    loss equals that of one process.

    `pairs` are rows of `PAIRS`, train and dev; `folder` is where the adapter is saved in peft's format; hard negatives
    are mined from `documents`, rows of `DOCUMENTS`, by the model before fine-tuning. Raises UserError: no training pair
    has a negative, a loss or a weight is not finite, or the best checkpoint was lost twice.
    """
    distributed.settle()  # before a library reads the environment
    if torch.cuda.is_available():  # under torchrun each process has its own GPU
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if values.hard_negatives and documents is not None:
        # As it is evaluated: with the adapters of its tasks, and not in 4 bits.
        dtype = "bfloat16" if _frozen(values) == "nf4" else _frozen(values)
        encoder = factory.encoder(values.model, length=values.length, dtype=dtype)
        pairs = mining.mined(pairs, documents, encoder, values.hard_negatives)
        del encoder
    _contrasted(pairs, values.hard_negatives.each if values.hard_negatives else 0)
    trainer = _trainer(values, pairs)
    scratch = Path(trainer.args.output_dir)
    with writable(scratch), checkpoints.alone(scratch):
        try:
            trainer.run()
        except Lost:
            trainer = _trainer(values, pairs)  # with the initial weights
            trainer.run()
    if trainer.is_world_process_zero():
        lora.save(trainer.model, values.model, folder)
        if values.weight != 1:
            adapters.weigh(folder, values.weight)
    negatives = pairs["negative_ids"].explode().dropna() if values.hard_negatives else pd.Series(dtype=object)
    families = tuple(family for family in negatives.unique() if family)
    computed = int(((pairs["split"] == "train") & (pairs["step"] >= trainer.begun)).sum())
    return Trained(_curve(trainer.state.log_history), str(trainer.model.device), computed, families)


def _contrasted(pairs: pd.DataFrame, each: int) -> None:
    """Report how many pairs have no negative at all: their loss is 0, whatever the weights.

    `each` is the number of hard negatives of a training pair. Raises UserError: no training pair has a negative.
    """
    others = pairs.groupby(["split", "step"])["position"].transform("size") - 1
    alone = pairs["conflicts"].str.len() == others
    train = pairs["split"] == "train"
    if each:
        alone &= ~train | (pairs["barred"].str.len() == each * (others + 1))
    none, count = int((alone & train).sum()), int(train.sum())
    why = "each other pair of the batch shares a family, citation, text or label with it"
    if not others[train].any():
        why = "a batch has one pair"
    if none == count:
        mend = f"set finetune.batch higher, or another label_set of the recipe in {layout.registry('recipes')}"
        raise UserError(f"none of the {count} training pairs has a negative, so that nothing is learned: {why}; {mend}")
    if distributed.rank():
        return
    if none:
        say(f"{none} of {count} training pairs have no negative and teach nothing: {why}")
    if alone[~train].all():
        say("no dev pair has a negative: the dev loss is always 0, so that the first checkpoint is kept")


def _trainer(values: FinetuneValues, pairs: pd.DataFrame) -> Trainer:
    """A trainer of a new adapter, whose initial weights depend on the seed only."""
    set_seed(values.seed)
    entry, on_gpu = values.model, torch.cuda.is_available()
    encoder = factory.encoder(entry, length=values.length, frozen=_frozen(values))
    model = encoder.model
    lora.add(model, values.rank)
    lora.without_dropout(model)
    train_rows = pairs["split"] == "train"
    batch, dev_batch = (int(pairs.loc[rows, "position"].max()) + 1 for rows in (train_rows, ~train_rows))
    steps = int(pairs.loc[train_rows, "step"].max()) + 1
    interval = max(1, steps // values.evaluations)
    trained = _dataset(pairs[train_rows])
    texts = [name for name in trained.column_names if name != "label"]
    each_interval = {"eval_strategy": "steps", "eval_steps": interval, "save_strategy": "steps", "save_steps": interval}
    quiet = {"logging_strategy": "steps", "logging_steps": 1, "report_to": "none", "disable_tqdm": True}
    arguments = Arguments(
        output_dir=str(layout.scratch() / "training" / _fingerprint(values, encoder, pairs)),
        max_steps=steps,
        per_device_train_batch_size=share(batch),
        per_device_eval_batch_size=math.ceil(dev_batch / distributed.count()),
        learning_rate=values.rate,
        warmup_steps=max(1, steps // 10),
        seed=values.seed,
        eval_on_start=True,
        metric_for_best_model="loss",
        batch_sampler=InOrder,
        prompts={name: encoder.prompt("query" if name == "anchor" else "document") for name in texts},
        bf16=on_gpu and torch.cuda.is_bf16_supported(),
        activation_checkpointing=entry.memory.checkpointing,
        use_cpu=not on_gpu,
        **each_interval,
        **quiet,
    )
    hard = {"barred": barred(pairs)} if values.hard_negatives else {}
    kept, progress = memory.kept(entry.memory, on_gpu=on_gpu), [Progress(steps)]
    loss = AllowedNegatives(model, forbidden(pairs), kept, **hard)
    sets = {"train_dataset": trained, "eval_dataset": _dataset(pairs[~train_rows])}
    trainer = Trainer(entry.hub, model=model, args=arguments, loss=loss, callbacks=progress, **sets)
    trainer.remove_callback(PrinterCallback)  # which prints the raw logs between the lines of progress
    return trainer


def _frozen(values: FinetuneValues) -> Frozen:
    """Precision of the frozen weights: by the model's size on a GPU, whole on a processor."""
    return values.model.memory.weights if torch.cuda.is_available() else "float32"


def share(batch: int) -> int:
    """Pairs of a batch for each process of torchrun. Raises UserError: the batch does not divide evenly."""
    count = distributed.count()
    if batch % count:
        what = f"finetune.batch is {batch} here, which {count} processes cannot share evenly"
        raise UserError(f"{what}; start a number of processes that divides it")
    return batch // count


def _dataset(pairs: pd.DataFrame) -> Dataset:
    """Texts of the pairs and hard negatives, in batch order; the label of a row is its number in the table of pairs."""
    ordered = pairs.sort_values(["step", "position"])
    texts = {side: ordered[side].tolist() for side in ("anchor", "positive")}
    if "negatives" in ordered:
        # A missing hard negative is filled with the positive, which is barred from all pairs.
        each = zip(ordered["positive"], ordered["negatives"], strict=True)
        full = [[text or positive for text in negatives] for positive, negatives in each]
        texts |= {f"negative{number}": list(column) for number, column in enumerate(zip(*full, strict=True), 1)}
    return Dataset.from_dict({**texts, "label": ordered.index.tolist()})


def _curve(log: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `CURVE` from the trainer's log."""
    rows = [("train", entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    rows += [("dev", entry["step"], entry["eval_loss"]) for entry in log if "eval_loss" in entry]
    curve = pd.DataFrame(rows, columns=["split", "step", "loss"])
    return curve.drop_duplicates(["split", "step"], keep="last").astype({"split": "str"})


def _fingerprint(values: FinetuneValues, encoder: Encoder, pairs: pd.DataFrame) -> str:
    """Name of the scratch folder: a hash of everything that changes the adapter's weights.

    The fingerprint of the encoder covers the code of its package and all libraries but accelerate.
    """
    parts = [
        weights.digest(Path(__file__).parent),
        encoder.fingerprint("document"),
        version("accelerate"),
        values.model_dump(include={"seed", "length", "rate", "rank", "evaluations"}),
        values.model.prompts.model_dump(),
    ]
    text = json.dumps(parts, sort_keys=True, default=str) + pairs.to_json()
    return hashlib.sha256(text.encode()).hexdigest()[:32]
