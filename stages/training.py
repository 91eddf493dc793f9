"""Contrastive training of a LoRA adapter with the sentence-transformers trainer."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stages import layout

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from stages.params import Finetune
    from stages.registry.entries import Model


@dataclass(frozen=True)
class Trained:
    """What training leaves beside the adapter: the loss on train and dev pairs by step, and the device."""

    curve: pd.DataFrame
    device: str


def train(entry: Model, pairs: pd.DataFrame, settings: Finetune, folder: Path) -> Trained:
    """Train an adapter on the batches of `pairs` and save the one best on dev.

    The steps are fixed; every so often the loss on the dev pairs is taken, and the checkpoint with
    the lowest is kept. A killed run resumes from its last checkpoint in the scratch folder.

    Args:
        entry: the model.
        pairs: rows of `tables.PAIRS`, train and dev.
        settings: the `finetune` block of params.yaml.
        folder: where the adapter goes, in peft's format.
    """
    import torch
    from peft import LoraConfig, TaskType
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from transformers import set_seed
    from transformers.trainer_utils import get_last_checkpoint

    from stages import encoders

    # Before the adapter exists: its initial weights come from this seed.
    set_seed(settings.seed)
    encoder = encoders.load(entry, length=settings.length)
    model = encoder.model
    model.add_adapter(
        LoraConfig(
            task_type=TaskType.FEATURE_EXTRACTION,
            r=settings.rank,
            lora_alpha=2 * settings.rank,
            target_modules="all-linear",
        )
    )
    train_rows = pairs["split"] == "train"
    batch = int(pairs.loc[train_rows, "position"].max()) + 1
    steps = int(pairs.loc[train_rows, "step"].max()) + 1
    interval = max(1, steps // settings.evaluations)
    scratch = layout.scratch() / "training" / _fingerprint(entry, encoder.fingerprint("document"), pairs, settings)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(scratch), max_steps=steps, per_device_train_batch_size=batch, per_device_eval_batch_size=batch,
        learning_rate=settings.rate, warmup_steps=max(1, steps // 10), seed=settings.seed, data_seed=settings.seed,
        eval_strategy="steps", eval_steps=interval, save_strategy="steps", save_steps=interval, save_total_limit=2,
        load_best_model_at_end=True, metric_for_best_model="loss", greater_is_better=False, eval_on_start=True,
        logging_strategy="steps", logging_steps=1, report_to="none", batch_sampler=_in_order(), disable_tqdm=True,
        prompts={"anchor": encoder.prompt("query"), "positive": encoder.prompt("document")},
        bf16=torch.cuda.is_available() and torch.cuda.is_bf16_supported(), dataloader_drop_last=False,
        gradient_checkpointing=entry.parameters >= 500,
    )  # fmt: skip
    datasets = {name: _dataset(part) for name, part in pairs.groupby("split")}
    trainer = SentenceTransformerTrainer(
        model=model, args=arguments, train_dataset=datasets["train"], eval_dataset=datasets["dev"],
        loss=_loss(model, _forbidden(pairs)), callbacks=[_progress(steps)],
    )  # fmt: skip
    last = get_last_checkpoint(str(scratch)) if scratch.is_dir() else None
    trainer.train(resume_from_checkpoint=last)
    _save(model, entry, folder)
    return Trained(_curve(trainer.state.log_history), str(model.device))


def _dataset(pairs: pd.DataFrame) -> Any:
    """Pairs in batch order; the label of a row is its number in the table of pairs."""
    from datasets import Dataset

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


def _in_order() -> Any:
    """Batch sampler that keeps the order of the table: its batches were composed beforehand."""
    from sentence_transformers.base.sampler import DefaultBatchSampler
    from torch.utils.data import SequentialSampler

    class InOrder(DefaultBatchSampler):
        def __init__(self, dataset: Any, batch_size: int, drop_last: bool, **others: Any) -> None:
            super().__init__(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last, **others)

    return InOrder


def _loss(model: Any, forbidden: dict[int, list[int]]) -> Any:
    """Symmetric in-batch contrastive loss whose negatives leave out what is forbidden.

    The library's MultipleNegativesRankingLoss, both directions, each with its own softmax; the
    similarities of a forbidden pair are set to minus infinity before it.
    """
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from sentence_transformers.util import cos_sim

    class AllowedNegatives(MultipleNegativesRankingLoss):
        def forward(self, sentence_features: Any, labels: Tensor) -> Tensor:
            rows = labels.tolist()
            where = {row: position for position, row in enumerate(rows)}
            mask = torch.zeros(len(rows), len(rows), dtype=torch.bool, device=labels.device)
            for position, row in enumerate(rows):
                mask[position, [where[other] for other in forbidden[row] if other in where]] = True
            # The relation is symmetric, so one mask serves both directions.
            self.similarity_fct = lambda a, b: cos_sim(a, b).masked_fill(mask, -torch.inf)
            return super().forward(sentence_features, labels)

    return AllowedNegatives(model, directions=("query_to_doc", "doc_to_query"), partition_mode="per_direction")


def _progress(steps: int) -> Any:
    """Trainer callback that shows steps, rate and time left."""
    from transformers import TrainerCallback

    from stages.progress import track

    class Progress(TrainerCallback):
        def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            left = steps - state.global_step
            self.bar = iter(track(range(left + 1), left, "finetune", unit="steps"))
            next(self.bar)

        def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
            next(self.bar, None)

    return Progress()


def _save(model: Any, entry: Model, folder: Path) -> None:
    """Write the adapter in peft's format, without the path that the model was loaded from."""
    model[0].auto_model.save_pretrained(str(folder))
    path = folder / "adapter_config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["base_model_name_or_path"] = entry.hub
    config["revision"] = entry.revision
    # Written from a set: sorted here, so that the same adapter has the same bytes.
    config["target_modules"] = sorted(config["target_modules"])
    path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    (folder / "README.md").unlink(missing_ok=True)


def _curve(log: list[dict[str, Any]]) -> pd.DataFrame:
    """Rows of `tables.CURVE` from the trainer's log."""
    import pandas as pd

    rows = [("train", entry["step"], entry["loss"]) for entry in log if "loss" in entry]
    rows += [("dev", entry["step"], entry["eval_loss"]) for entry in log if "eval_loss" in entry]
    return (
        pd.DataFrame(rows, columns=["split", "step", "loss"])
        .drop_duplicates(["split", "step"], keep="last")
        .astype({"split": "str"})
    )


def _fingerprint(entry: Model, encoder: Any, pairs: pd.DataFrame, settings: Finetune) -> str:
    """Name of the scratch folder: everything that changes the adapter."""
    parts = json.dumps([encoder, settings.model_dump(), entry.prompts.model_dump()], sort_keys=True, default=str)
    return hashlib.sha256(parts.encode() + pairs.to_json().encode()).hexdigest()[:32]
