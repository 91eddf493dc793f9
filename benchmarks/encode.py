"""Encoding against `SentenceTransformer.encode` at its best batch size."""

from __future__ import annotations

import tempfile
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Annotated, Any

import typer

from benchmarks import comparison, texts
from benchmarks.timing import ROOT, Sample, function
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

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
    size: Annotated[int, typer.Option(min=50, help="Families of view tac.")] = 10_000,
    long: Annotated[
        int, typer.Option(min=50, help="Families of view full with descriptions of 20,000 characters.")
    ] = 2_000,
    dtype: Annotated[str, typer.Option(help="Ours: float32 or bfloat16. The peer's is float32.")] = "float32",
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="300 and 60 families, 3 turns.")] = False,
) -> None:
    """Encode two views of a simulated landscape, ours and plain, loading included."""
    if quick:
        size, long, turns = 300, 60, 3
    for view, count in (("tac", size), ("full", long)):
        with tempfile.TemporaryDirectory(prefix="bench-") as place:
            contest(view, count, dtype, turns, Path(place))


def contest(view: str, count: int, dtype: str, turns: int, folder: Path) -> None:
    """One view: time both, and set ours against the processor's own speed."""
    file = str(folder / "texts.json")
    function("benchmarks.texts:write", {"view": view, "texts": count, "file": file}, ROOT)
    batch = function("benchmarks.encode:best_batch", {"file": file}, ROOT).values["batch"]
    contestants: dict[str, Callable[[], Sample]] = {
        name: _contestant(target, {"file": file, "out": str(folder / f"{name}.npy"), **more})
        for name, target, more in (("ours", "ours", {"dtype": dtype}), (PEER, "plain", {"batch": batch}))
    }
    held = comparison.Contest(
        NAME, f"{view} {count} {dtype}", PEER, contestants,
        comparison.Agreement("largest difference of an entry of a vector", TOLERANCES[dtype], lambda *_: difference(folder, "ours", PEER)),
        PACKAGES, "encoding_seconds",
    )  # fmt: skip
    samples = comparison.hold(held, turns)
    work = function("benchmarks.encode:work", {"file": file, "dtypes": sorted({"float32", dtype})}, ROOT).values
    found = [comparison.Measurement("tokens kept", work["tokens"], "tokens"), comparison.Measurement("batch size of the peer", batch, "texts"),
             *(comparison.Measurement(f"fastest matrix product in {kind}", reached / 1e9, "GFLOP/s") for kind, reached in work["peaks"].items())]  # fmt: skip
    for name, runs in samples.items():
        seconds = median(held.measured(sample) for sample in runs)
        reached = work["peaks"][dtype if name == "ours" else "float32"]
        found.append(comparison.Measurement(f"{name}: texts a second", count / seconds, "texts/s"))
        found.append(comparison.Measurement(f"{name}: share of that product", work["operations"] / seconds / reached, "1"))  # fmt: skip
    comparison.note(NAME, held.case, found, PACKAGES)


def _contestant(name: str, arguments: dict[str, Any]) -> Callable[[], Sample]:
    return lambda: function(f"benchmarks.encode:{name}", arguments, ROOT)


def difference(folder: Path, *names: str) -> float:
    """Largest difference of an entry of two files of vectors, both at unit length."""
    import numpy as np

    first, second = (np.load(folder / f"{name}.npy") for name in names)
    return float(np.abs(first - second).max())


def ours(file: str, out: str, dtype: str) -> dict[str, float]:
    """Vectors by the stages' encoder, its scratch empty; seconds of loading and encoding, imports apart."""
    import time
    from pathlib import Path

    import sentence_transformers  # noqa: F401 (imported by both before the clock starts)

    from patent_embeddings.encoders import factory, shards
    from patent_embeddings.encoders.entries import model_entry

    found = texts.read(file)
    start = time.perf_counter()
    encoder = factory.encoder(model_entry(MODEL), dtype=dtype)
    path = Path(out)
    shards.encode(encoder, {path.stem: ("document", found)}, path.parent, label="ours")
    seconds = time.perf_counter() - start
    return {"encoding_seconds": seconds}


def plain(file: str, out: str, batch: int) -> dict[str, float]:
    """Vectors by `SentenceTransformer.encode`; seconds of loading and encoding, imports apart."""
    import time

    import numpy as np
    import sentence_transformers  # noqa: F401 (imported by both before the clock starts)

    found = texts.read(file)
    start = time.perf_counter()
    vectors = _plain_model().encode(found, batch_size=batch, show_progress_bar=False)
    seconds = time.perf_counter() - start
    np.save(out, vectors)
    return {"encoding_seconds": seconds}


def best_batch(file: str) -> dict[str, int]:
    """The peer's fastest batch size on a sample, each tried twice."""
    import time

    sample = texts.read(file)[:SAMPLE]
    model = _plain_model()
    model.encode(sample[: max(BATCHES)], show_progress_bar=False)
    seconds: dict[int, float] = {}
    for batch in (*BATCHES, *BATCHES):
        start = time.perf_counter()
        model.encode(sample, batch_size=batch, show_progress_bar=False)
        seconds[batch] = min(time.perf_counter() - start, seconds.get(batch, float("inf")))
    return {"batch": min(seconds, key=lambda batch: seconds[batch])}


def work(file: str, dtypes: list[str]) -> dict[str, Any]:
    """Operations that the texts need in the model's matrix products, and how many a second a product reaches.

    Counted are the products of a BERT encoder over the tokens that are kept, without padding.
    """
    from patent_embeddings.encoders import factory
    from patent_embeddings.encoders.entries import model_entry

    entry = model_entry(MODEL)
    model = _plain_model()
    tokenizer = factory.tokenizer(entry)
    ids = tokenizer(texts.read(file), truncation=True, max_length=entry.kept(None))["input_ids"]
    lengths = [len(tokens) for tokens in ids]
    return {
        "operations": operations(lengths, model[0].auto_model.config),
        "tokens": sum(lengths),
        "peaks": {dtype: peak(dtype) for dtype in dtypes},
    }


def operations(lengths: Sequence[int], config: Any) -> float:
    """Multiplications and additions of a BERT encoder's matrix products for texts of so many tokens."""
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    tokens, squares = sum(lengths), sum(length * length for length in lengths)
    # Four projections and two products of the feed-forward part a token; scores and their weighted sum a pair.
    return float(layers * (2 * tokens * (4 * hidden * hidden + 2 * hidden * inner) + 4 * squares * hidden))


def peak(dtype: str) -> float:
    """Operations a second of the fastest matrix product of torch, oneDNN or NumPy, the best of several."""
    import time

    import numpy as np
    import torch
    from torch.utils import mkldnn

    rows, inner, columns = 4096, 1024, 4096
    left, right = (torch.randn(shape).to(getattr(torch, dtype)) for shape in ((rows, inner), (inner, columns)))
    products: list[Callable[[], Any]] = [lambda: left @ right]
    if dtype == "float32":
        # Its own product is not always torch's choice for float32, nor torch's the fastest.
        layer = mkldnn.to_mkldnn(torch.nn.Linear(inner, columns, bias=False))  # type: ignore[no-untyped-call]
        blocked, plain = left.to_mkldnn(), (left.numpy(), right.numpy())
        products += [lambda: layer(blocked), lambda: np.matmul(*plain)]
    best = float("inf")
    with torch.inference_mode():
        for product in products:
            for _ in range(8):
                start = time.perf_counter()
                product()
                best = min(best, time.perf_counter() - start)
    return 2 * rows * inner * columns / best


def _plain_model() -> Any:
    """The model as its users load it, cut at the length that the registry gives."""
    from sentence_transformers import SentenceTransformer

    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import model_entry

    entry = model_entry(MODEL)
    model = SentenceTransformer(str(weights.locate(entry)), local_files_only=True)
    model.max_seq_length = entry.kept(None)
    return model


if __name__ == "__main__":
    run(app)
