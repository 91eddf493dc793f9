"""Models of the registry: list, show, fetch, check."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import typer

from stages.errors import UserError, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from stages.encoders.base import Encoder
    from stages.registry import Weights

app = typer.Typer(add_completion=False, help="Embedding models of stages/registry/models.yaml.")

FILES = ("*.json", "*.txt", "*.model", "*.jinja", "*.safetensors", "*.metadata")
OTHERS = ("onnx/*", "openvino/*", "*/onnx/*", "*/openvino/*")  # the same weights for other runtimes


@app.command("list")
def list_models() -> None:
    """List the models: id, family, size, dimension, length, licence, and whether each is on this machine."""
    from stages import registry
    from stages.encoders import weights

    rows = [("id", "family", "millions", "dim", "length", "licence", "here")]
    for name in registry.ids("models"):
        entry = registry.model(name)
        here = "yes" if weights.available(entry) else "unpinned" if not entry.revision else "no"
        rows.append((name, entry.family, f"{entry.parameters:g}", str(entry.dimension), str(entry.length),
                     entry.licence + (" (gated)" if entry.gated else ""), here))  # fmt: skip
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = [cell.rjust(width) if i in (2, 3, 4) else cell.ljust(width) for i, (cell, width) in enumerate(zip(row, widths, strict=True))]  # fmt: skip
        typer.echo("  ".join(cells).rstrip())


@app.command()
def show(name: str) -> None:
    """Show the registry entry of a model, defaults included."""
    import yaml

    from stages import registry

    entry = registry.model(name)
    block = {**entry.model_dump(), "memory": entry.plan.model_dump()}
    typer.echo(yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=120).rstrip())


@app.command()
def fetch(names: list[str]) -> None:
    """Download models and rerankers into the hub's cache at their pinned revisions."""
    from stages import registry

    rerankers = registry.ids("rerankers")
    entries = [registry.reranker(name) if name in rerankers else registry.model(name) for name in names]
    for name, entry in zip(names, entries, strict=True):
        download(entry, name)


@app.command()
def check(name: str) -> None:
    """Load a model, embed with it, and compare what it does with its registry entry; exit 1 where they differ."""
    from stages import encoders, registry

    encoder = encoders.load(registry.model(name))
    faults = 0
    for what, detail, fine in findings(encoder):
        faults += not fine
        typer.echo(f"{'ok  ' if fine else 'WRONG'.ljust(4)} {what}: {detail}")
    if faults:
        raise typer.Exit(1)


def download(entry: Weights, name: str) -> None:
    """Fetch one model and say where it lies and under which licence."""
    from stages import hub
    from stages.encoders import weights
    from stages.progress import say

    retry = f"python -m stages.model fetch {name}"
    if entry.source != "hub":
        say(f"{name}: lies at {weights.locate(entry)}, nothing to download")
        return
    if not entry.revision:
        weights.locate(entry)  # raises, and says how to pin
    say(f"{name}: {entry.hub} at {str(entry.revision)[:12]}, licence {entry.licence}")
    patterns = [*FILES, *entry.weights, *(["*.py"] if entry.remote_code else [])]
    folder = hub.download(
        entry.hub,
        str(entry.revision),
        "model",
        patterns,
        skip=OTHERS,
        pins=entry.weights,
        needs=list(entry.weights) or ["*.safetensors"],
        retry=retry,
    )
    if weights.missing(folder) == "model.safetensors":
        raise UserError(f"{name}: {entry.hub} has no safetensors; pin the sha256 of its pytorch_model.bin in `weights` of its entry, then run `{retry}`")  # fmt: skip
    say(f"{name}: {weights.locate(entry)}")


def findings(encoder: Encoder) -> Iterator[tuple[str, str, bool]]:
    """What a loaded model does, against its entry: (what, detail, whether it fits)."""
    import numpy as np

    entry = encoder.entry
    short, long = "A pump.", "A valve with a spring that closes a duct when the pressure falls. " * 40
    tolerance = 1e-4 if encoder.dtype == "float32" else 3e-2

    def vectors(texts: list[str], side: Any) -> list[Any]:
        """One array a text: [dimension], or [tokens, dimension]."""
        out = encoder.encode(texts, side)
        return np.split(out[0], out[1][1:]) if isinstance(out, tuple) else list(out)

    alone, batched = vectors([short], "document")[0], vectors([long, short], "document")[1]
    query = vectors([short], "query")[0]
    yield "dimension", f"{alone.shape[-1]}, entry {entry.dimension}", alone.shape[-1] == entry.dimension
    yield "finite", "every value is a number", bool(np.isfinite(alone).all() and np.isfinite(batched).all())
    norms = np.linalg.norm(np.atleast_2d(alone), axis=1)
    yield "norm", f"{norms.min():.4f} to {norms.max():.4f}", bool(norms.min() > 0)
    same = alone.shape == batched.shape
    apart = float(np.abs(alone - batched).max()) if same else float("inf")
    yield "padding", f"alone and in a batch differ by {apart:.1e}", apart <= tolerance
    like = query.shape == alone.shape and float(np.abs(query - alone).max()) <= tolerance
    prompted = encoder.prompt("query") != encoder.prompt("document") or entry.tasks is not None
    sided = prompted or entry.encoder == "late"
    yield "sides", f"query and document vectors of one text are {'equal' if like else 'different'}, prompts {'differ' if prompted else 'are the same'}", like != sided  # fmt: skip
    for side in ("query", "document"):
        own = (encoder.model.prompts or {}).get(side)
        if own and own != encoder.prompt(side):  # type: ignore[arg-type]
            yield "prompt", f"{side}: the entry's {encoder.prompt(side)!r} is used, the weights name {own!r}", True  # type: ignore[arg-type]


if __name__ == "__main__":
    run(app)
