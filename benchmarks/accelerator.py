"""Encoding and training with random weights in the shapes of the registry's models, on the GPU where there is one.

Encoding is compared with `SentenceTransformer.encode` at its best batch size; training takes some steps by the memory
plan of the model's size. Speed and memory do not depend on the values of weights, and little on the tokenizer, which is
a small one. Each shape is measured in a process of its own, so that a failure leaves the others alone.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any
from unittest.mock import patch

import numpy as np
import typer

from benchmarks import hardware, results, texts
from benchmarks.shapes import SHAPES, Shape, build
from benchmarks.timing import function
from benchmarks.training import values
from patent_embeddings.core.command import run
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import devices

app = typer.Typer(add_completion=False)

NAME = "accelerator"
BATCHES = (32, 128)  # of the peer
PAIRS = 32  # a step
STEPS = 5
LARGE, FEW = 1000, 256  # above so many million parameters fewer texts are encoded, but at least FEW
LEAST = 30.0  # seconds: with less left, no shape is started
PACKAGES = ("torch", "transformers", "sentence-transformers", "peft", "bitsandbytes")
USE = ("tokens_per_second", "busy", "busy_by", "peak_gpu_mib")  # what the meter says of encoding and of training
SHOWN = ("texts_per_second", "peer_texts_per_second", "ratio", "step_seconds")  # when a shape is done
COLUMNS = (
    "case", "parameters", "pooling", "padding", "sees", "device", "tested", "texts", "length",
    "dtype", "texts_per_second", "peer_texts_per_second", "peer_batch", "ratio", "agreement", "encoding_weights_mib",
    *(f"encoding_{key}" for key in USE),
    "frozen", "step_seconds", "training_texts_per_second", "training_weights_mib", *(f"training_{key}" for key in USE),
    "seconds", "fault",
)  # fmt: skip


@app.command()
def main(
    shape: Annotated[
        list[str] | None, typer.Option(help="Measure only this shape; repeatable: " + ", ".join(SHAPES))
    ] = None,
    count: Annotated[int, typer.Option(min=64, help="Number of texts; fewer above a billion parameters.")] = 2000,
    length: Annotated[int, typer.Option(min=8, help="Tokens that texts are cut to.")] = 512,
    tiny: Annotated[bool, typer.Option("--tiny", help="Keep only two small layers of each shape.")] = False,
    limit: Annotated[float, typer.Option(help="Seconds for all; shapes that no longer fit are left out.")] = 540,
    out: Annotated[Path, typer.Option(help="Folder of the CSV file.")] = results.FOLDER,
) -> None:
    """Measure the shapes, the smallest first; the file is written after each."""
    start = time.perf_counter()
    if unknown := sorted(set(shape or ()) - set(SHAPES)):
        raise UserError(f"--shape {unknown[0]}: none of {', '.join(SHAPES)}")
    if not tiny and devices.planned().kind == "cpu":
        raise UserError("no GPU is here, and the shapes are of up to 12 billion parameters; --tiny tries small ones")
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        file = str(Path(place) / "texts.json")
        function("benchmarks.texts:write", view="tac", texts=count, file=file)
        for name in shape or SHAPES:
            left = limit - (time.perf_counter() - start)
            if left < LEAST:
                print(f"{name}: not measured, {max(0, left):.0f} of {limit:.0f} seconds are left")
                continue
            folder = Path(place) / name
            folder.mkdir()
            given = {"name": name, "file": file, "folder": str(folder), "length": length, "tiny": tiny}
            row = measured(given, left)
            shutil.rmtree(folder)  # the weights of the largest fill a disk
            # A failure does not replace an earlier measurement.
            if row["device"] or not any(old["case"] == row["case"] for old in results.read(NAME, out)):
                results.store(NAME, [row | hardware.record(PACKAGES)], folder=out)
            said = [f"{row['seconds']} seconds", *(f"{key} {row[key]:.3g}" for key in SHOWN if row[key])]
            print(f"{name}: {', '.join([*said, *filter(None, [str(row['fault'])])])}", flush=True)


def measured(given: dict[str, Any], left: float) -> results.Row:
    """The row of a shape, measured in a process of its own; only its `fault` if that fails or takes too long."""
    start = time.perf_counter()
    try:
        row = function("benchmarks.accelerator:measure", limit=left, **given).values
    except UserError as error:
        row = {**dict.fromkeys(COLUMNS, ""), "case": case(given["name"], tiny=given["tiny"]), "fault": str(error)}
    return row | {"seconds": round(time.perf_counter() - start, 1)}


def case(name: str, *, tiny: bool) -> str:
    """Name of a row; a tiny one has another, so that it never replaces one of full size."""
    return f"tiny {name}" if tiny else name


def measure(name: str, file: str, folder: str, length: int, tiny: bool) -> results.Row:
    """Measure one shape: rates and memory of encoding and training, and the peer's rate at its best batch size.

    A part that fails leaves its columns empty and its reason in `fault`.
    """
    import torch

    place, sample = Path(folder), texts.read(file)
    shape = build(name, place / "model", length, sample, tiny=tiny)
    entry = shape.entry
    sample = sample[: max(FEW, int(len(sample) * min(1, LARGE * 1e6 / shape.parameters)))]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "cpu"
    row: results.Row = {**dict.fromkeys(COLUMNS, ""), "case": case(name, tiny=tiny), "device": device}
    row |= {"parameters": shape.parameters / 1e6, "pooling": entry.pooling, "padding": entry.padding}
    row |= {"texts": len(sample), "length": entry.length}
    faults = []
    parts: dict[str, Callable[..., results.Row]] = {"encoding": encoding, "peer": peer, "training": training}
    for what, part in parts.items():
        clear()
        try:
            row |= part(shape, sample, place)
        except Exception as error:  # out of memory, a missing library: the other parts are still valid
            said = str(error).strip() or "no detail"
            faults.append(f"{what}: {type(error).__name__}: {said.splitlines()[0]:.200}")
    if row["texts_per_second"] and row["peer_texts_per_second"]:
        row["ratio"] = float(row["texts_per_second"]) / float(row["peer_texts_per_second"])
    return row | {"fault": "; ".join(faults)}


def clear() -> None:
    """Free unused memory, so that the next peak is that of the next part."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def encoding(shape: Shape, sample: list[str], place: Path) -> results.Row:
    """Measure encoding as the stage does it, without loading and a first batch; writes `documents.npy`."""
    from patent_embeddings.core import meter
    from patent_embeddings.encoders import factory, shards
    from patent_embeddings.encoders.self_test import encoder_checks

    # Untested: random weights may fail the test before first use, which asks whether similar texts are near.
    encoder = factory.encoder(shape.entry, dtype=shape.entry.dtype, tested=False)
    faults = [f"{one.what}: {one.detail}" for one in encoder_checks.findings(encoder) if not one.fits]
    both = encoder_checks.reads_both_ways(encoder)
    encoder.encode(sample[: max(BATCHES)], "document")
    with meter.metered() as passed:
        meter.attach(encoder.model, encoder.device)
        start = time.perf_counter()
        shards.encode(encoder, {"documents": ("document", sample)}, place, label=f"encode {shape.entry.hub}")
        seconds = time.perf_counter() - start
        found = passed.read()
    row: results.Row = {"tested": "; ".join(faults) or "passed", "sees": "both ways" if both else "what comes before"}
    row |= {"dtype": encoder.dtype, "texts_per_second": len(sample) / seconds}
    return row | {"encoding_weights_mib": shape.mib(encoder.dtype)} | of_meter("encoding", found)


def peer(shape: Shape, sample: list[str], place: Path) -> results.Row:
    """Measure plain `SentenceTransformer.encode`, without loading and a first batch, and how far both agree."""
    import torch
    from sentence_transformers import SentenceTransformer

    from patent_embeddings.encoders import precision

    entry = shape.entry
    dtype = precision.resolve(entry.dtype, devices.loaded())
    model = SentenceTransformer(entry.path, local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)})
    model.max_seq_length = entry.length
    rates, vectors = {}, np.zeros(0)
    for batch in BATCHES:
        how: dict[str, Any] = {"batch_size": batch, "prompt": entry.prompts.document, "show_progress_bar": False}
        model.encode(sample[:batch], **how)
        start = time.perf_counter()
        vectors = model.encode(sample, **how)  # returns arrays, so the GPU has finished
        rates[batch] = len(sample) / (time.perf_counter() - start)
    best = max(rates, key=lambda batch: rates[batch])
    row: results.Row = {"peer_texts_per_second": rates[best], "peer_batch": best}
    with suppress(FileNotFoundError):  # where encoding failed
        row["agreement"] = agreement(np.load(place / "documents.npy"), vectors)
    return row


def agreement(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Least cosine between both vectors of a text, less the mean vector, which dominates with random weights."""
    left, right = (side - side.mean(axis=0) for side in (ours, theirs))
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    return float(((left * right).sum(axis=1) / norms).min())


def training(shape: Shape, sample: list[str], place: Path) -> results.Row:
    """Measure some LoRA steps as the stage takes them, by the memory plan of the model's size."""
    import torch

    from patent_embeddings.core import meter
    from patent_embeddings.encoders import factory
    from patent_embeddings.training import trainer, tuning

    ended: list[float] = []

    class Clocked(trainer.Progress):
        def on_step_end(self, *arguments: Any, **others: Any) -> None:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            ended.append(time.perf_counter())
            super().on_step_end(*arguments, **others)

    settings, rows = values(shape.entry, shape.entry.length), pairs(sample)
    # Patched, since the trainer chooses its callbacks itself; for the test before first use see `encoding`.
    clocked, untested = patch.object(tuning, "Progress", Clocked), patch.object(factory, "passed", lambda _: None)
    with clocked, untested, meter.metered() as passed:
        tuning.tune(settings, rows, place / "adapter")
        found = passed.read()
    seconds = float(np.median(np.diff(ended)))  # without the first step, which selects kernels
    frozen = settings.model.memory.weights
    row: results.Row = {"frozen": frozen, "step_seconds": seconds, "training_weights_mib": shape.mib(frozen)}
    row["training_texts_per_second"] = 2 * (int(rows["position"].max()) + 1) / seconds
    return row | of_meter("training", found)


def of_meter(what: str, found: dict[str, Any]) -> results.Row:
    """The meter's figures as columns of one part."""
    return {f"{what}_{key}": found[key] for key in USE if key in found}


def pairs(sample: list[str]) -> Any:
    """Training pairs for `STEPS` steps, and one batch of dev pairs."""
    import pandas as pd

    size: int = min(PAIRS, len(sample) // 2)
    rows: list[tuple[Any, ...]] = [
        (split, step, place, "section", sample[place], sample[-1 - place], [])
        for split, steps in (("train", STEPS), ("dev", 1))
        for step in range(steps)
        for place in range(size)
    ]
    return pd.DataFrame(rows, columns=["split", "step", "position", "signal", "anchor", "positive", "conflicts"])


if __name__ == "__main__":
    run(app)
