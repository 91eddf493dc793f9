"""Training of a LoRA adapter against the trainer of sentence-transformers alone."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import comparison, texts
from benchmarks.encode import MODEL, PEER, plain_model
from benchmarks.timing import function
from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

NAME = "training"
RATE, RANK, SEED = 5e-4, 16, 0
TOLERANCE = 1e-5  # of an entry of the adapter
PACKAGES = ("torch", "transformers", "sentence-transformers", "peft")


@app.command()
def main(
    steps: Annotated[int, typer.Option(min=1, help="Optimiser steps.")] = 8,
    batch: Annotated[int, typer.Option(min=2, help="Pairs a step.")] = 32,
    length: Annotated[int, typer.Option(min=8, help="Tokens a text is cut to.")] = 128,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
) -> None:
    """Train minilm on section pairs of a simulated landscape, loading included, imports left out."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        files = {view: str(folder / f"{view}.json") for view in ("abstract", "tac")}
        for view, file in files.items():
            function("benchmarks.texts:write", view=view, texts=steps * batch, file=file)
        outs = [str(folder / name) for name in ("ours", "peer")]
        trained = partial(function, anchors=files["abstract"], positives=files["tac"], batch=batch, length=length)
        contestants = {
            "ours": partial(trained, "benchmarks.training:ours", out=outs[0]),
            PEER: partial(trained, "benchmarks.training:plain", out=outs[1]),
        }
        case = f"{steps} steps of {batch} pairs, {length} tokens"
        contest = comparison.Contest(
            NAME, case, PEER, contestants, "largest difference of an entry of the adapter", TOLERANCE,
            lambda *_: difference(*outs), PACKAGES, "training_seconds",
        )  # fmt: skip
        comparison.hold(contest, turns)


def difference(first: str, second: str) -> float:
    """Largest difference between entries of two adapters in peft's format; infinite where their tensors differ."""
    from safetensors.torch import load_file

    ours, theirs = (load_file(Path(folder) / "adapter_model.safetensors") for folder in (first, second))
    if ours.keys() != theirs.keys():
        return float("inf")
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours)


def values(entry: Any, length: int) -> Any:
    """Settings of fine-tuning: the defaults of params.yaml, texts cut to so many tokens."""
    from patent_embeddings.training.values import FinetuneValues

    return FinetuneValues.model_construct(
        model=entry, seed=SEED, length=length, rate=RATE, rank=RANK, evaluations=1, merge=False, weight=1.0,
        hard_negatives=None,
    )  # fmt: skip


def ours(anchors: str, positives: str, batch: int, length: int, out: str) -> dict[str, float]:
    """Train an adapter as the stage does, with an empty scratch; the loss on one dev pair is computed twice."""
    import pandas as pd

    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.training import tuning

    pairs = pd.DataFrame({"anchor": texts.read(anchors), "positive": texts.read(positives)})
    places = pairs.index.to_series()
    pairs = pairs.assign(split="train", step=places // batch, position=places % batch)
    dev = pairs.head(1).assign(split="dev")
    pairs = pd.concat([pairs, dev], ignore_index=True)
    pairs["conflicts"] = [[] for _ in range(len(pairs))]
    settings = values(model_entry(MODEL), length)
    start = time.perf_counter()
    tuning.tune(settings, pairs, Path(out))
    return {"training_seconds": time.perf_counter() - start}


def plain(anchors: str, positives: str, batch: int, length: int, out: str) -> dict[str, float]:
    """Train an adapter with the library alone: same texts, order, loss, rates and seed; no dropout, no evaluation."""
    from datasets import Dataset
    from peft import LoraConfig, TaskType
    from sentence_transformers import SentenceTransformerTrainer, SentenceTransformerTrainingArguments
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers import set_seed

    from patent_embeddings.training import lora
    from patent_embeddings.training.trainer import InOrder

    pairs = Dataset.from_dict({"anchor": texts.read(anchors), "positive": texts.read(positives)})
    steps = len(pairs) // batch
    start = time.perf_counter()
    set_seed(SEED)
    model = plain_model("cpu")
    model.max_seq_length = length
    kind = TaskType.FEATURE_EXTRACTION
    config = LoraConfig(task_type=kind, r=RANK, lora_alpha=2 * RANK, target_modules="all-linear")
    model.add_adapter(config)
    lora.without_dropout(model)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=f"{out}-work", max_steps=steps, per_device_train_batch_size=batch, learning_rate=RATE,
        warmup_steps=max(1, steps // 10), seed=SEED, data_seed=SEED, batch_sampler=InOrder, use_cpu=True,
        save_strategy="no", logging_strategy="no", report_to="none", disable_tqdm=True,
    )  # fmt: skip
    directions = ("query_to_doc", "doc_to_query")
    loss = MultipleNegativesRankingLoss(model, directions=directions, partition_mode="per_direction")
    SentenceTransformerTrainer(model=model, args=arguments, train_dataset=pairs, loss=loss).train()
    model[0].auto_model.save_pretrained(out)
    return {"training_seconds": time.perf_counter() - start}


if __name__ == "__main__":
    run(app)
