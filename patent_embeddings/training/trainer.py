"""The sentence-transformers trainer with fixed batches, sealed checkpoints, and a check for finite numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from sentence_transformers.base.sampler import DefaultBatchSampler
from torch.utils.data import SequentialSampler
from transformers import TrainerCallback

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import track
from patent_embeddings.training import checkpoints, lora


class Lost(UserError):
    """The best checkpoint no longer matches its seal."""


class Arguments(SentenceTransformerTrainingArguments):
    """The library's arguments, with one GPU per process: with several it would merge batches (DataParallel)."""

    @property
    def n_gpu(self) -> int:
        """GPUs of this process, 0 or 1."""
        return min(1, int(super().n_gpu))


class InOrder(DefaultBatchSampler):
    """Batches in the order of the table, in which they are laid out."""

    def __init__(self, dataset: Dataset, batch_size: int, drop_last: bool, **others: Any) -> None:
        super().__init__(SequentialSampler(dataset), batch_size=batch_size, drop_last=drop_last, **others)


class Trainer(SentenceTransformerTrainer):
    """The library's trainer; it loads checkpoints into the existing adapter, and stops at numbers that are not finite.

    The library would load the whole model again, in the precision of its configuration and not quantised, keep the
    weights of the last step where that fails, and go on training after a loss of NaN.
    """

    def __init__(self, hub: str, **options: Any) -> None:
        self.hub = hub
        self.begun = 0  # steps that a killed run had done
        super().__init__(**options)

    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Do nothing: checkpoints need no model card, and writing one shows a progress bar."""

    def run(self) -> None:
        """Train to the end, from the last usable checkpoint, and load the one with the lowest dev loss.

        Raises Lost: the best checkpoint no longer matches its seal. Raises UserError: a loss or a weight is not finite.
        """
        scratch = Path(self.args.output_dir)
        with self.args.main_process_first(local=False):
            self.begun = checkpoints.resumable(scratch)
        self.train(resume_from_checkpoint=str(checkpoints.of_step(scratch, self.begun)) if self.begun else None)
        best = checkpoints.of_step(scratch, self.state.best_global_step)
        if not checkpoints.is_whole(best):
            mend = "leave the scratch alone and run `dvc repro finetune` again"
            raise Lost(f"{best}: the best checkpoint was damaged or removed during training; {mend}")
        self._load_from_checkpoint(str(best))

    def training_step(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """One forward and backward pass; returns the loss."""
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
            check = "`python -m stages.model check` tells whether its weights are whole"
            mend = "lower finetune.rate" if self.state.global_step else check
            raise UserError(f"{self.hub}: {fault}; training stopped, there is no adapter; {mend}")

    def _load_from_checkpoint(self, checkpoint_path: str) -> None:
        lora.fill(self.model[0].auto_model, Path(checkpoint_path))


class Progress(TrainerCallback):
    """Shows progress, and seals each checkpoint."""

    def __init__(self, steps: int) -> None:
        self.steps = steps
        self.bar: Iterator[int] = iter(())

    def on_train_begin(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Start the progress bar at the step that a resumed run continues from."""
        left = self.steps - state.global_step
        self.bar = iter(track(range(left + 1), left, "finetune", unit="steps"))
        next(self.bar)

    def on_step_end(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Advance the progress bar."""
        next(self.bar, None)

    def on_save(self, args: Any, state: Any, control: Any, **others: Any) -> None:
        """Seal the checkpoint that was just saved."""
        args.distributed_state.wait_for_everyone()  # each process has written its part
        if state.is_world_process_zero:
            checkpoints.seal(Path(args.output_dir), state.global_step, state.best_global_step)
        args.distributed_state.wait_for_everyone()
