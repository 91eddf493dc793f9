"""Ray's engine of embedding against the local one, on this machine."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import comparison, texts
from benchmarks.encode import MODEL, PACKAGES, difference
from benchmarks.timing import ROOT, function
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    from patent_embeddings.encoders.engines import Engine
    from patent_embeddings.encoders.entries import Side

app = typer.Typer(add_completion=False)

NAME = "engines"
PEER = "local"
TOLERANCE = 1e-6  # of an entry of a vector of unit length


@app.command()
def main(
    size: Annotated[int, typer.Option(min=512, help="Families; shards have 256.")] = 4096,
    view: Annotated[str, typer.Option(help="Of their texts.")] = "tac",
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
) -> None:
    """Encode with minilm, from process start to the file of vectors: by this process, and by a worker a processor."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        file = str(folder / "texts.json")
        function("benchmarks.texts:write", {"view": view, "texts": size, "file": file}, ROOT)
        contestants = {
            engine: partial(function, "benchmarks.engines:vectors", {"file": file, "engine": engine}, ROOT)
            for engine in ("ray", PEER)
        }
        agreement = comparison.Agreement(
            "largest difference of an entry of a vector", TOLERANCE, lambda *_: difference(folder, "ray", PEER)
        )
        comparison.hold(
            comparison.Contest(NAME, f"{view} {size}", PEER, contestants, agreement, (*PACKAGES, "ray")), turns
        )


def vectors(file: str, engine: Engine) -> None:
    """Write the vectors of the texts of a file beside it, in `ENGINE.npy`, the scratch empty."""
    from patent_embeddings.encoders import factory, shards
    from patent_embeddings.encoders.entries import model_entry

    encoder = factory.encoder(model_entry(MODEL))
    sides: dict[str, tuple[Side, list[str]]] = {engine: ("document", texts.read(file))}
    shards.encode(encoder, sides, Path(file).parent, label=engine, engine=engine)


if __name__ == "__main__":
    run(app)
