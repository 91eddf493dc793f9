"""Contrastive training of a LoRA adapter with the sentence-transformers trainer.

Imported by the finetune stage only when there is something to train: the imports take seconds.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from datasets import Dataset
from filelock import FileLock, Timeout
from peft import LoraConfig, TaskType, set_peft_model_state_dict
from peft.tuners.lora import LoraLayer
from peft.tuners.tuners_utils import cast_adapter_dtype
from peft.utils import CONFIG_NAME, SAFETENSORS_WEIGHTS_NAME
from safetensors import SafetensorError
from safetensors.torch import load_file
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.losses.merged_forward import embed_columns
from sentence_transformers.base.sampler import DefaultBatchSampler
from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
from sentence_transformers.util import cos_sim
from sentence_transformers.util.distributed import all_gather, get_rank, get_world_size
from torch.nn.functional import cosine_similarity
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback, set_seed
from transformers.trainer_callback import PrinterCallback

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json, sha256, writable, write_text
from patent_embeddings.core.params import Finetune
from patent_embeddings.core.progress import say, track
from patent_embeddings.encoders import factory, processes
from patent_embeddings.encoders.entries import Model
from patent_embeddings.pairs.entries import Recipe
from patent_embeddings.training import adapters

ADAPTER = "default"  # peft's name of the adapter
SEAL = "seal"
STATE = "trainer_state.json"  # the trainer's name for it
SCALES = (0.25, 0.5, 0.75, 1.0)  # weights of the adapter that `scale: dev` chooses among


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the adapter.

    Attributes:
        curve: rows of `CURVE`, the loss on train and dev pairs by step.
        scales: rows of `SCALES_TABLE`, the loss on dev pairs by weight of the adapter; None where it is not chosen.
        device: `cpu` or `cuda`.
    """

    curve: pd.DataFrame
    scales: pd.DataFrame | None
    device: str


def train(entry: Model, pairs: pd.DataFrame, settings: Finetune, folder: Path, recipe: Recipe) -> Trained:
    """Train an adapter on the batches of `pairs` and save the one best on dev.

    The steps are fixed; every so often the loss on the dev pairs is taken, and the checkpoint with
    the lowest is kept. A killed run resumes from its last checkpoint in the scratch folder; where the best one is no
    longer as it was sealed, training starts again. The kept adapter is saved weighed by the recipe's `scale`, with
    `dev` by what has the lowest loss on the dev pairs.

    Started by torchrun, every process takes its share of each batch and all texts of the batch are negatives, so
    that the loss is that of one process.

    Args:
        entry: the model.
        pairs: rows of `PAIRS`, train and dev.
        settings: the `finetune` block of params.yaml.
        folder: where the adapter goes, in peft's format.
        recipe: how to train: its `anchor`, `guide` and `scale`.

    Raises:
        UserError: a loss or a weight is no finite number, or the best checkpoint was lost twice.
    """
    trainer = _trainer(entry, pairs, settings, recipe)
    scratch = Path(trainer.args.output_dir)
    with writable(scratch), _alone(scratch):
        try:
            _run(trainer)
        except Lost:
            trainer = _trainer(entry, pairs, settings, recipe)  # its weights are those before the first step again
            _run(trainer)
    curve = _curve(trainer.state.log_history)
    scales = _scales(trainer) if recipe.scale == "dev" else None
    if trainer.is_world_process_zero():
        _save(trainer.model, entry, folder, _weight(recipe, scales))
    return Trained(curve, scales, str(trainer.model.device))


def _trainer(entry: Model, pairs: pd.DataFrame, settings: Finetune, recipe: Recipe) -> Trainer:
    """The trainer of a new adapter, as seeded."""
    processes.settle()  # before a library looks at the environment
    # Before the adapter exists: its initial weights come from this seed.
    set_seed(settings.seed)
    if torch.cuda.is_available():  # started by torchrun, each process loads the model on a GPU of its own
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    frozen = entry.plan.weights if torch.cuda.is_available() else None
    encoder = factory.encoder(entry, length=settings.length, frozen=frozen)
    model = encoder.model
    _add_adapter(model, settings.rank)
    _without_dropout(model)
    train_rows = pairs["split"] == "train"
    batch, dev_batch = (int(pairs.loc[rows, "position"].max()) + 1 for rows in (train_rows, ~train_rows))
    steps = int(pairs.loc[train_rows, "step"].max()) + 1
    interval = max(1, steps // settings.evaluations)
    share, dev_share = _share(batch), math.ceil(dev_batch / processes.count())
    scratch = (
        layout.scratch() / "training" / _fingerprint(entry, encoder.fingerprint("document"), pairs, settings, recipe)
    )
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(scratch), max_steps=steps, per_device_train_batch_size=share, per_device_eval_batch_size=dev_share,
        learning_rate=settings.rate, warmup_steps=max(1, steps // 10), seed=settings.seed, data_seed=settings.seed,
        eval_strategy="steps", eval_steps=interval, save_strategy="steps", save_steps=interval,
        metric_for_best_model="loss", greater_is_better=False, eval_on_start=True,
        logging_strategy="steps", logging_steps=1, report_to="none", batch_sampler=InOrder, disable_tqdm=True,
        prompts={"anchor": encoder.prompt("query"), "positive": encoder.prompt("document")},
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(), dataloader_drop_last=False,
        activation_checkpointing=entry.plan.checkpointing, use_cpu=not torch.cuda.is_available(),
    )  # fmt: skip
    arguments._n_gpu = min(1, arguments.n_gpu)  # several GPUs are torchrun's: DataParallel would merge composed batches
    datasets = {name: _dataset(part) for name, part in pairs.groupby("split")}
    trainer = Trainer(
        entry.hub, model=model, args=arguments, train_dataset=datasets["train"], eval_dataset=datasets["dev"],
        loss=AllowedNegatives(model, _forbidden(pairs), recipe.anchor, recipe.guide), callbacks=[Progress(steps)],
    )  # fmt: skip
    trainer.remove_callback(PrinterCallback)  # which prints the raw logs between the lines of progress
    return trainer


def _run(trainer: Trainer) -> None:
    """Train to the end, from the last checkpoint that can be used. Raises Lost where the best one has gone since."""
    with trainer.args.main_process_first(local=False):
        checkpoint = _resumable(Path(trainer.args.output_dir))
    trainer.train(resume_from_checkpoint=checkpoint)
    trainer.load_best()


@contextmanager
def _alone(scratch: Path) -> Iterator[None]:
    """Hold a scratch folder: a second training of the same adapter waits, then goes on from what it finds there.

    The lock goes with its process. Of several that torchrun started the first holds it, and the others wait for that.
    """
    if processes.rank():
        yield
        return
    scratch.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(scratch.with_name(f"{scratch.name}.lock"))
    try:
        lock.acquire(blocking=False)
    except Timeout:
        say(f"{scratch}: another process trains this adapter; waiting until it has ended")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _add_adapter(model: Any, rank: int) -> None:
    """Put a new LoRA adapter on every linear layer, in float32 whatever the frozen weights are kept in."""
    config = LoraConfig(
        task_type=TaskType.FEATURE_EXTRACTION, r=rank, lora_alpha=2 * rank, target_modules="all-linear"
    )  # fmt: skip
    model.add_adapter(config, adapter_name=ADAPTER)
    cast_adapter_dtype(model[0].auto_model, ADAPTER)


class Lost(UserError):
    """The best checkpoint is no longer what was sealed."""


class Trainer(SentenceTransformerTrainer):
    """The library's trainer, which loads a checkpoint into the adapter at hand and stops where a number is not finite.

    The library's own reads the whole model anew, in the precision of its configuration and not quantised, and goes
    on with the last step's weights where that fails; it trains on with losses that are no numbers.
    """

    def __init__(self, hub: str, **options: Any) -> None:
        self.hub = hub
        super().__init__(**options)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """None: nobody reads the card of a checkpoint, and its examples show a bar of their own."""

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """One step forward and back."""
        loss: torch.Tensor = super().training_step(*arguments, **options)
        self._require(bool(loss.isfinite()), f"the loss of step {self.state.global_step + 1} is {float(loss)}")
        return loss

    def evaluate(self, *arguments: Any, **options: Any) -> dict[str, float]:
        """Losses on the dev pairs, before each checkpoint."""
        weights = (weight for weight in self.model.parameters() if weight.requires_grad)
        fine = all(bool(weight.isfinite().all()) for weight in weights)
        self._require(fine, f"after step {self.state.global_step} the adapter has weights that are no finite numbers")
        metrics: dict[str, float] = super().evaluate(*arguments, **options)
        loss = metrics["eval_loss"]
        self._require(math.isfinite(loss), f"after step {self.state.global_step} the loss on the dev pairs is {loss}")
        return metrics

    def _require(self, fine: bool, fault: str) -> None:
        if not fine:
            mend = "lower finetune.rate" if self.state.global_step else "`python -m stages.model check` tells whether its weights are whole"  # fmt: skip
            raise UserError(f"{self.hub}: {fault}; training stopped, there is no adapter; {mend}")

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        load_adapter(self.model[0].auto_model, Path(checkpoint_path))

    def load_best(self) -> None:
        """Load the checkpoint that was best on dev. Raises Lost where it is no longer what was sealed."""
        best = _checkpoint(Path(self.args.output_dir), self.state.best_global_step)
        if not _is_whole(best):
            raise Lost(f"{best}: the best checkpoint was damaged or removed during training; leave the scratch alone and run `dvc repro finetune` again")  # fmt: skip
        self._load_from_checkpoint(str(best))


def load_adapter(network: torch.nn.Module, folder: Path) -> None:
    """Fill the adapter of a network with that of a checkpoint.

    Raises:
        UserError: the checkpoint is gone, damaged, or of another adapter.
    """
    try:
        saved = load_file(folder / SAFETENSORS_WEIGHTS_NAME)
        named = {name.removeprefix("base_model.model."): tensor for name, tensor in saved.items()}
        unknown = set_peft_model_state_dict(network, named, adapter_name=ADAPTER).unexpected_keys
    except (OSError, SafetensorError, RuntimeError) as error:
        raise UserError(f"{folder}: this checkpoint of training cannot be read ({str(error).splitlines()[0]:.120}); run `dvc repro finetune` again") from None  # fmt: skip
    layers = sum(ADAPTER in module.lora_A for module in network.modules() if isinstance(module, LoraLayer))
    if unknown or len(named) != 2 * layers:
        raise UserError(f"{folder}: this checkpoint is of another adapter; remove the folder and run `dvc repro finetune` again")  # fmt: skip


def _share(batch: int) -> int:
    """Pairs of a batch for each process that torchrun started.

    Raises:
        UserError: the batch does not divide evenly.
    """
    count = processes.count()
    if batch % count:
        raise UserError(f"finetune.batch is {batch} here, which {count} processes cannot share evenly; start a number of processes that divides it")  # fmt: skip
    return batch // count


def _scales(trainer: SentenceTransformerTrainer) -> pd.DataFrame:
    """Rows of `SCALES_TABLE`: the recipe's own loss on the dev pairs by weight; of equal ones the smallest is chosen."""
    layers = [module for module in trainer.model.modules() if isinstance(module, LoraLayer)]
    losses = []
    for scale in SCALES:
        for layer in layers:
            for name in layer.active_adapters:
                layer.set_scale(name, scale)
        losses.append(float(trainer.evaluate()["eval_loss"]))
    best = losses.index(min(losses))
    return pd.DataFrame({"scale": SCALES, "loss": losses, "chosen": [place == best for place in range(len(SCALES))]})


def _weight(recipe: Recipe, scales: pd.DataFrame | None) -> float:
    """What the adapter is weighed by: the recipe's own weight, or what was chosen on dev."""
    if scales is not None:
        return float(scales.loc[scales["chosen"], "scale"].iloc[0])
    return 1.0 if recipe.scale is None else float(recipe.scale)


def _without_dropout(model: torch.nn.Module) -> None:
    """Set every dropout of the frozen model to zero.

    Models of the BERT kind have it, those on large language models do not: without it a recipe is the same
    for all, and a step on a processor takes 40 % less time.
    """
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
        for name, value in vars(module).items():
            if "dropout" in name and isinstance(value, float):
                setattr(module, name, 0.0)


def _dataset(pairs: pd.DataFrame) -> Dataset:
    """Pairs in batch order; the label of a row is its number in the table of pairs."""
    ordered = pairs.sort_values(["step", "position"])
    return Dataset.from_dict(
        {
            "anchor": ordered["anchor"].tolist(),
            "positive": ordered["positive"].tolist(),
            "label": ordered.index.tolist(),
        }
    )


def _forbidden(pairs: pd.DataFrame) -> dict[int, list[int]]:
    """Row number of a pair -> row numbers of its batch that must not be its negatives."""
    at = {
        (split, step, position): row for row, split, step, position in pairs[["split", "step", "position"]].itertuples()
    }
    keys = zip(pairs.index, pairs["split"], pairs["step"], pairs["conflicts"], strict=True)
    return {row: [at[split, step, int(other)] for other in others] for row, split, step, others in keys}


class InOrder(DefaultBatchSampler):
    """Batches in the order of the table: they were composed beforehand."""

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> None:
        super().__init__(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last, **others)


class AllowedNegatives(MultipleNegativesRankingLoss):
    """Symmetric in-batch contrastive loss whose negatives leave out what is forbidden.

    The library's loss, both directions, each with its own softmax; the similarities of a forbidden
    pair are set to minus infinity before it.

    Args:
        model: the model with its adapter.
        forbidden: row of a pair -> rows that must not be its negatives.
        anchor: weight of the mean over all texts of 1 - cosine between their tuned and their zero-shot vector.
        guide: leave out, in both directions, a negative that the zero-shot model finds more similar to either of
            its two texts than the text's own pair: GISTEmbed (Solatorio, arXiv:2402.16829), the model as published
            for guide, and its similarities of the two sides only, as this loss has no others.
    """

    def __init__(self, model: Any, forbidden: dict[int, list[int]], anchor: float = 0.0, guide: bool = False) -> None:
        super().__init__(
            model,
            directions=("query_to_doc", "doc_to_query"),
            partition_mode="per_direction",
            gather_across_devices=get_world_size() > 1,
        )
        self.forbidden = forbidden
        self.anchor, self.guide = anchor, guide
        # Zero-shot vectors of dev batches, by their rows in the table of pairs.
        self.published: dict[tuple[int, ...], list[torch.Tensor]] = {}

    def forward(self, sentence_features: Any, labels: torch.Tensor) -> torch.Tensor:
        """Loss of one batch; `labels` are the rows of its pairs in the table of pairs."""
        here = slice(get_rank() * len(labels), (get_rank() + 1) * len(labels))
        every = _gathered(labels)  # of every process, as the texts of all are one batch
        # Where the last dev batch does not divide among the processes, pairs stand in it twice.
        mask = (every[:, None] == every[None, :]).fill_diagonal_(False)
        where: dict[int, list[int]] = {}
        for position, row in enumerate(every.tolist()):
            where.setdefault(row, []).append(position)
        for row, positions in where.items():
            for other in self.forbidden[row]:
                for position in positions:
                    mask[position, where.get(other, [])] = True
        features = list(sentence_features)
        before: list[torch.Tensor] = []
        if self.anchor or self.guide:
            before = self._zero_shot(features, labels)
        if self.guide:
            similar = cos_sim(*map(_gathered, before))
            own = similar.diagonal()
            mask |= (similar > own[:, None]) | (similar > own[None, :])
        whole = slice(None)

        def allowed(queries: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
            part = [here if len(side) < len(mask) else whole for side in (queries, documents)]
            return cos_sim(queries, documents).masked_fill(mask[part[0], part[1]], -torch.inf)

        self.similarity_fct = allowed
        tuned = embed_columns(self.model, features)
        loss = self.compute_loss_from_embeddings(tuned, labels)
        if self.anchor:
            kept = [cosine_similarity(now, then, dim=-1) for now, then in zip(tuned, before, strict=True)]
            loss = loss + self.anchor * (1 - torch.cat(kept)).mean()
        return loss

    def _zero_shot(self, features: list[Any], labels: torch.Tensor) -> list[torch.Tensor]:
        """Zero-shot vectors of both sides of a batch; a dev batch comes at every evaluation and is encoded once."""
        rows = tuple(labels.tolist())
        if rows not in self.published:
            with _published(self.model):
                # Copies: the model writes its outputs into what it is given.
                vectors: list[torch.Tensor] = embed_columns(self.model, [dict(column) for column in features])
            if self.model.training:
                return vectors
            self.published[rows] = vectors
        return self.published[rows]


def _gathered(part: torch.Tensor) -> torch.Tensor:
    """Rows of every process that torchrun started; of one process the library gives its own back, with a warning."""
    return all_gather(part) if get_world_size() > 1 else part


@contextmanager
def _published(model: Any) -> Iterator[None]:
    """The model without its adapter, and without gradients."""
    bare = getattr(model, "module", model)  # several processes wrap it
    bare.disable_adapters()
    try:
        with torch.no_grad():
            yield
    finally:
        bare.enable_adapters()


class Progress(TrainerCallback):
    """Steps, rate and time left."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.bar: Iterator[int] = iter(())

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Start the bar at the step that a resumed run is at."""
        left = self.steps - state.global_step
        self.bar = iter(track(range(left + 1), left, "finetune", unit="steps"))
        next(self.bar)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Move the bar."""
        next(self.bar, None)

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Seal the checkpoint, then drop those that are neither it nor the best: what is left can always be used."""
        _together()  # each process has written its part
        if state.is_world_process_zero:
            scratch = Path(args.output_dir)
            folder = _checkpoint(scratch, state.global_step)
            write_text(folder / SEAL, _digest(folder))
            for other in _checkpoints(scratch):
                if other not in (folder, _checkpoint(scratch, state.best_global_step)):
                    shutil.rmtree(other)
        _together()


def _together() -> None:
    """Wait for the other processes that torchrun started."""
    if get_world_size() > 1:
        torch.distributed.barrier()


def _checkpoint(scratch: Path, step: int) -> Path:
    """Folder of the checkpoint of a step; the one that the trainer's state names is wrong once the scratch was moved."""
    return scratch / f"checkpoint-{step}"


def _checkpoints(scratch: Path) -> list[Path]:
    """Folders of checkpoints by step."""
    found = {int(folder.name.rpartition("-")[2]): folder for folder in scratch.glob("checkpoint-*") if folder.name.rpartition("-")[2].isdecimal()}  # fmt: skip
    return [found[step] for step in sorted(found)]


def _resumable(scratch: Path) -> str | None:
    """The last checkpoint of a killed run that is whole, and its best one with it; the others are said and removed."""
    found = _checkpoints(scratch)
    whole = [folder for folder in found if _is_whole(folder)]
    usable = []
    for folder in found:
        if folder not in whole:
            say(f"{folder}: damaged or unfinished checkpoint, not used")
        elif (best := _checkpoint(scratch, read_json(folder / STATE)["best_global_step"])) not in whole:
            say(f"{folder}: not used, as {best.name}, the best one so far, is damaged or lost")
        else:
            usable.append(folder)
            continue
        shutil.rmtree(folder)
    if found and not usable:
        say(f"{scratch}: no checkpoint left that can be used, training starts again")
    return str(usable[-1]) if usable else None


def _is_whole(folder: Path) -> bool:
    """Whether a checkpoint is what was sealed."""
    try:
        return (folder / SEAL).read_bytes() == _digest(folder).encode()
    except OSError:
        return False


def _digest(folder: Path) -> str:
    """SHA-256 over the place of a checkpoint and its files, its seal left out."""
    names = sorted(path.name for path in folder.iterdir() if path.is_file() and path.name != SEAL)
    lines = [f"{folder.parent.name}/{folder.name}", *(f"{name} {sha256(folder / name)}" for name in names)]
    return hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).hexdigest()


def _save(model: Any, entry: Model, folder: Path, weight: float) -> None:
    """Write the adapter in peft's format, weighed, without the path that the model was loaded from."""
    model[0].auto_model.save_pretrained(str(folder))
    path = folder / CONFIG_NAME
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = entry.hub
    config["revision"] = entry.revision
    # Written from a set: sorted here, so that the same adapter has the same bytes.
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    if weight != 1:
        adapters.weigh(folder, weight)
    (folder / "README.md").unlink(missing_ok=True)


def _curve(log: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `CURVE` from the trainer's log."""
    rows = [("train", entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    rows += [("dev", entry["step"], entry["eval_loss"]) for entry in log if "eval_loss" in entry]
    return (
        pd.DataFrame(rows, columns=["split", "step", "loss"])
        .drop_duplicates(["split", "step"], keep="last")
        .astype({"split": "str"})
    )


def _fingerprint(entry: Model, encoder: Any, pairs: pd.DataFrame, settings: Finetune, recipe: Recipe) -> str:
    """Name of the scratch folder: everything that changes the adapter's weights."""
    code = sha256(Path(__file__))  # a checkpoint of other code is another adapter's
    loss = [recipe.anchor, recipe.guide]
    # Of the libraries the encoder does not know the one that steps.
    parts = [code, encoder, version("accelerate"), settings.model_dump(), entry.prompts.model_dump(), loss]
    return hashlib.sha256(
        json.dumps(parts, sort_keys=True, default=str).encode() + pairs.to_json().encode()
    ).hexdigest()[:32]
