"""Encoding of texts against `SentenceTransformer.encode` at its best batch size."""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import comparison, texts
from benchmarks.timing import function
from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

NAME = "encode"
MODEL = "minilm"
PEER = "sentence-transformers"
BATCHES = (8, 16, 32, 64, 128)
SAMPLE = 256  # texts on which the peer's batch size is chosen
TOLERANCES = {"float32": 1e-5, "bfloat16": 1e-2}  # of an entry of a vector of unit length
PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers")


@app.command()
def main(
    size: Annotated[int, typer.Option(min=50, help="Number of texts of view tac.")] = 10_000,
    long: Annotated[int, typer.Option(min=50, help="Number of texts of view full, of 20,000 characters.")] = 2_000,
    dtype: Annotated[
        str, typer.Option(help="Precision of ours: float32 or bfloat16. The peer's is float32.")
    ] = "float32",
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="300 and 60 texts, 3 turns.")] = False,
) -> None:
    """Encode two views of a simulated landscape with both, loading included."""
    if quick:
        size, long, turns = 300, 60, 3
    for view, count in (("tac", size), ("full", long)):
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            contest(view, count, dtype, turns, Path(place))


def contest(view: str, count: int, dtype: str, turns: int, folder: Path) -> None:
    """Time both on the texts of one view."""
    file = str(folder / "texts.json")
    outs = [str(folder / f"{name}.npy") for name in ("ours", "peer")]
    function("benchmarks.texts:write", view=view, texts=count, file=file)
    batch = function("benchmarks.encode:best_batch", file=file).values["batch"]
    contestants = {
        "ours": partial(function, "benchmarks.encode:ours", file=file, out=outs[0], dtype=dtype),
        PEER: partial(function, "benchmarks.encode:plain", file=file, out=outs[1], batch=batch),
    }
    what, case = "largest difference of an entry of a vector", f"{view} {count} {dtype}"
    held = comparison.Contest(
        NAME, case, PEER, contestants, what, TOLERANCES[dtype], lambda *_: difference(*outs), PACKAGES,
        "encoding_seconds",
    )  # fmt: skip
    comparison.hold(held, turns)
    comparison.note(NAME, case, [comparison.Measurement("batch size of the peer", batch, "texts")], PACKAGES)


def difference(first: str, second: str) -> float:
    """Largest difference between entries of two files of unit vectors."""
    return float(np.abs(np.load(first) - np.load(second)).max())


def ours(file: str, out: str, dtype: str) -> dict[str, float]:
    """Encode as the stages do, with an empty scratch; seconds of loading and encoding, without imports."""
    import sentence_transformers  # noqa: F401 (before the clock starts)

    from patent_embeddings.encoders import factory, shards
    from patent_embeddings.encoders.entries import model_entry

    found = texts.read(file)
    start = time.perf_counter()
    encoder = factory.encoder(model_entry(MODEL), dtype=dtype)
    path = Path(out)
    shards.encode(encoder, {path.stem: ("document", found)}, path.parent, label="ours")
    return {"encoding_seconds": time.perf_counter() - start}


def plain(file: str, out: str, batch: int) -> dict[str, float]:
    """Encode with `SentenceTransformer.encode`; seconds of loading and encoding, without imports."""
    import sentence_transformers  # noqa: F401 (before the clock starts)

    found = texts.read(file)
    start = time.perf_counter()
    vectors = plain_model().encode(found, batch_size=batch, show_progress_bar=False)
    spent = {"encoding_seconds": time.perf_counter() - start}
    np.save(out, vectors)
    return spent


def best_batch(file: str) -> dict[str, int]:
    """The peer's fastest batch size on a sample; each is tried twice."""
    sample = texts.read(file)[:SAMPLE]
    model = plain_model()
    model.encode(sample[: max(BATCHES)], show_progress_bar=False)
    seconds: dict[int, float] = {}
    for batch in (*BATCHES, *BATCHES):
        start = time.perf_counter()
        model.encode(sample, batch_size=batch, show_progress_bar=False)
        seconds[batch] = min(time.perf_counter() - start, seconds.get(batch, float("inf")))
    return {"batch": min(seconds, key=lambda batch: seconds[batch])}


def plain_model(device: str | None = None) -> Any:
    """The model as its users load it, texts cut to the registry's length."""
    from sentence_transformers import SentenceTransformer

    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import model_entry

    entry = model_entry(MODEL)
    model = SentenceTransformer(str(weights.locate(entry)), local_files_only=True, device=device)
    model.max_seq_length = entry.kept(None)
    return model


if __name__ == "__main__":
    run(app)
