"""Encoding and training of random weights of real architectures and sizes, on the GPU where there is one.

Encoding is held against `SentenceTransformer.encode` at its best batch size; training takes some steps by the plan of
the model's size. Weights are random and the tokenizer is minilm's: speed and memory hang on neither.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import results, texts
from patent_embeddings.core.running import run

app = typer.Typer(add_completion=False)

NAME = "accelerator"
BATCHES = (32, 128)  # of the peer
PAIRS = 32  # a step
STEPS = 4
# Class of the configuration, and what it differs in from its defaults.
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert-large": ("BertConfig", {"hidden_size": 1024, "num_hidden_layers": 24, "num_attention_heads": 16,
                   "intermediate_size": 4096}),
    "xlm-r-large": ("XLMRobertaConfig", {"vocab_size": 250002, "hidden_size": 1024, "num_hidden_layers": 24,
                    "num_attention_heads": 16, "intermediate_size": 4096, "max_position_embeddings": 514}),
    "qwen3-0-6b": ("Qwen3Config", {"vocab_size": 151669, "hidden_size": 1024, "num_hidden_layers": 28,
                   "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072}),
    "llama-1b": ("LlamaConfig", {"vocab_size": 128256, "hidden_size": 2048, "num_hidden_layers": 16,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 64, "intermediate_size": 8192}),
    "qwen3-4b": ("Qwen3Config", {"vocab_size": 151665, "hidden_size": 2560, "num_hidden_layers": 36,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 9728}),
    "qwen3-8b": ("Qwen3Config", {"vocab_size": 151665, "hidden_size": 4096, "num_hidden_layers": 36,
                 "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 12288}),
    "gemma3-12b": ("Gemma3TextConfig", {"vocab_size": 262208, "hidden_size": 3840, "num_hidden_layers": 48,
                   "num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 256, "intermediate_size": 15360}),
}  # fmt: skip
TINY = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


@app.command()
def main(
    shape: Annotated[list[str] | None, typer.Option(help="Only these, of " + ", ".join(SHAPES))] = None,
    count: Annotated[int, typer.Option(min=50, help="Texts of view tac.")] = 2000,
    length: Annotated[int, typer.Option(min=8, help="Tokens that texts are cut to.")] = 512,
    tiny: Annotated[bool, typer.Option("--tiny", help="Two small layers of each architecture.")] = False,
    out: Annotated[Path, typer.Option(help="Folder of the CSV file.")] = results.FOLDER,
) -> None:
    """Measure the models one after the other, each in a folder that goes when it is done."""
    for name in shape or SHAPES:
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            found = measure(name, count, length, Path(place), tiny=tiny)
        results.store(NAME, [found], folder=out)
        print("  ".join(f"{key} {value}" for key, value in found.items()))


def measure(name: str, count: int, length: int, folder: Path, *, tiny: bool) -> results.Row:
    """One row: rates and memory of encoding and training, and the peer's rate at its best batch size."""
    import os

    from patent_embeddings.core import meter
    from patent_embeddings.encoders import factory, shards
    from patent_embeddings.training import tuning

    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")  # an empty scratch
    texts.write("tac", count, str(folder / "texts.json"))
    sample = texts.read(str(folder / "texts.json"))
    entry = build(name, folder / "model", length, tiny=tiny)
    clear()
    with meter.metered() as passed:
        encoder = factory.encoder(entry, dtype="auto")
        start = time.perf_counter()
        shards.encode(encoder, {"documents": ("document", sample)}, folder, label=f"encode {name}")
        seconds, encoding = time.perf_counter() - start, passed.read()
    dtype, device = encoder.dtype, encoder.device
    del encoder
    clear()
    peer = max((rate(entry, sample, batch, dtype), batch) for batch in BATCHES)
    clear()
    with meter.metered() as passed:
        (folder / "adapter").mkdir()
        tuning.train(values(entry, length), pairs(sample), folder / "adapter")
        training = passed.read()
    row: results.Row = {"case": name, "parameters": entry.parameters, "device": encoding.get("gpu", device)}
    row |= {"dtype": dtype, "texts_per_second": count / seconds, "peer_texts_per_second": peer[0]}
    row |= {"peer_batch": peer[1], "ratio": count / seconds / peer[0]}
    for what, found in (("encoding", encoding), ("training", training)):
        keys = ("tokens_per_second", "busy", "busy_by", "peak_gpu_mib")
        row |= {f"{what}_{key}": found.get(key, "") for key in keys}
    return row


def clear() -> None:
    """Give back what is no longer used, so that a peak is that of what comes next."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def build(name: str, folder: Path, length: int, *, tiny: bool) -> Any:
    """The registry entry of random bfloat16 weights, made on the device and saved to a folder."""
    import torch
    import transformers

    from patent_embeddings.core import registry
    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import Model, model_entry

    kind, shape = SHAPES[name]
    small = {key: value for key, value in {**TINY, "head_dim": 16, "num_key_value_heads": 2}.items() if key in shape}
    config = getattr(transformers, kind)(**{**shape, **(small if tiny else {})})
    torch.manual_seed(0)
    with torch.device("cuda" if torch.cuda.is_available() else "cpu"):
        model = transformers.AutoModel.from_config(config, dtype=torch.bfloat16)
    model.save_pretrained(folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(weights.locate(model_entry("minilm")))
    tokenizer.save_pretrained(folder)
    block = {
        "source": "folder", "path": str(folder), "hub": f"random/{name}", "family": "random", "licence": "none",
        "parameters": sum(one.numel() for one in model.parameters()) / 1e6, "dimension": config.hidden_size,
        "max_length": min(512, length), "length": min(512, length), "pooling": "mean",
        "digest": weights.digest(folder),
    }  # fmt: skip
    return registry.validated("models", name, block, Model)


def rate(entry: Any, sample: list[str], batch: int, dtype: str) -> float:
    """Texts a second of plain `SentenceTransformer.encode`, loading left out, after a first batch."""
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(entry.path, local_files_only=True, model_kwargs={"dtype": getattr(torch, dtype)})
    model.max_seq_length = entry.length
    model.encode(sample[:batch], batch_size=batch, show_progress_bar=False)
    start = time.perf_counter()
    model.encode(sample, batch_size=batch, show_progress_bar=False)  # gives arrays: the GPU has ended
    return len(sample) / (time.perf_counter() - start)


def values(entry: Any, length: int) -> Any:
    """How the adapter is trained: by the defaults of params.yaml, at the length of a text here."""
    from patent_embeddings.training.values import FinetuneValues

    return FinetuneValues.model_construct(
        model=entry, seed=0, length=length, rate=5e-4, rank=16, evaluations=1, merge=False, weight=1.0,
        hard_negatives=None,
    )  # fmt: skip


def pairs(sample: list[str]) -> Any:
    """Some steps of training pairs, and one batch of dev pairs."""
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
