"""Training pairs -> an adapter: of one training, or the mean of one a landscape."""

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
from patent_embeddings.training import adapters, checkpoints, lora, memory, mining
from patent_embeddings.training.loss import AllowedNegatives, barred, forbidden
from patent_embeddings.training.trainer import Arguments, InOrder, Lost, Progress, Trainer
from patent_embeddings.training.values import FinetuneValues


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the adapter."""

    curve: pd.DataFrame  # rows of `CURVE`, the loss on train and dev pairs by step; of several trainings the mean
    device: str  # `cpu` or `cuda`
    negatives: tuple[str, ...] = ()  # families that were hard negatives


def tune(values: FinetuneValues, pairs: pd.DataFrame, folder: Path, documents: pd.DataFrame | None = None) -> Trained:
    """Train the cell's adapter and leave it sealed; of several processes that torchrun started the first writes it.

    Arguments and errors as `train`.
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
    """Train on each landscape's part of every batch, and save the mean of the adapters, weighed.

    Arguments and errors as `train`.
    """
    apart = values.model_copy(update={"weight": 1.0})
    with workplace("merge") as place:
        trained, parts = [], []
        for landscape, own in by_landscape(pairs):
            say(f"adapter of {landscape}, to be merged")
            parts.append(place / landscape)
            parts[-1].mkdir()
            theirs = None if documents is None else documents[documents["landscape"] == landscape]
            trained.append(train(apart, own, parts[-1], theirs))
        if distributed.rank() == 0:  # the others have no adapters
            encoder = factory.encoder(values.model, length=values.length, frozen=_frozen(values))
            lora.save_mean(encoder.model, values.model, parts, values.weight, folder)
    curve = pd.concat([one.curve for one in trained]).groupby(["split", "step"])[["loss"]].mean().reset_index()
    return Trained(curve, trained[0].device, tuple(family for one in trained for family in one.negatives))


def by_landscape(pairs: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """The pairs of each landscape, as batches of their own.

    In a batch the pairs of a landscape stand together. Yields the landscape and its rows, with places and conflicts
    counted within its part of the batch.
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


def train(values: FinetuneValues, pairs: pd.DataFrame, folder: Path, documents: pd.DataFrame | None = None) -> Trained:
    """Train an adapter on the batches of `pairs` and save the one best on dev, weighed.

    The steps are fixed; every so often the loss on the dev pairs is taken, and the checkpoint with
    the lowest is kept. A killed run resumes from its last checkpoint in the scratch folder; where the best one is no
    longer as it was sealed, training starts again.

    Started by torchrun, every process takes its share of each batch and all texts of the batch are negatives, so
    that the loss is that of one process.

    `pairs` are train and dev; `folder` takes the adapter, in peft's format; `documents` are what the recipe's hard
    negatives are mined from, by the model as published. Raises UserError: a loss or a weight is no
    finite number, or the best checkpoint was lost twice.
    """
    distributed.settle()  # before a library looks at the environment
    if torch.cuda.is_available():  # started by torchrun, each process loads the model on a GPU of its own
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    if values.hard_negatives and documents is not None:
        encoder = factory.encoder(values.model, length=values.length, frozen=_frozen(values))
        pairs = mining.mined(pairs, documents, encoder, values.hard_negatives)
        del encoder
    trainer = _trainer(values, pairs)
    scratch = Path(trainer.args.output_dir)
    with writable(scratch), checkpoints.alone(scratch):
        try:
            trainer.run()
        except Lost:
            trainer = _trainer(values, pairs)  # its weights are those before the first step again
            trainer.run()
    if trainer.is_world_process_zero():
        lora.save(trainer.model, values.model, folder)
        if values.weight != 1:
            adapters.weigh(folder, values.weight)
    negatives = pairs["negative_ids"].explode().dropna() if values.hard_negatives else pd.Series(dtype=object)
    families = tuple(family for family in negatives.unique() if family)
    return Trained(_curve(trainer.state.log_history), str(trainer.model.device), families)


def _trainer(values: FinetuneValues, pairs: pd.DataFrame) -> Trainer:
    """The trainer of a new adapter, as seeded."""
    # Before the adapter exists: its initial weights come from this seed.
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
        data_seed=values.seed,
        eval_on_start=True,
        metric_for_best_model="loss",
        greater_is_better=False,
        batch_sampler=InOrder,
        dataloader_drop_last=False,
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


def _frozen(values: FinetuneValues) -> Any:
    """What the frozen weights are kept in: by the model's size on a GPU, as they are on a processor."""
    return values.model.memory.weights if torch.cuda.is_available() else None


def share(batch: int) -> int:
    """Pairs of a batch for each process that torchrun started. Raises UserError: the batch does not divide evenly."""
    count = distributed.count()
    if batch % count:
        what = f"finetune.batch is {batch} here, which {count} processes cannot share evenly"
        raise UserError(f"{what}; start a number of processes that divides it")
    return batch // count


def _dataset(pairs: pd.DataFrame) -> Dataset:
    """Pairs in batch order, then their hard negatives; the label of a row is its number in the table of pairs."""
    ordered = pairs.sort_values(["step", "position"])
    texts = {side: ordered[side].tolist() for side in ("anchor", "positive")}
    if "negatives" in ordered:
        # Where a pair has fewer the positive stands for one, and is barred from all.
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
    """Name of the scratch folder: everything that changes the adapter's weights.

    The encoder's fingerprint has the code of its package and its libraries, but for the one that steps.
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
