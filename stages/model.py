"""Models of the registry: list, show, fetch, check."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False, help="Embedding models of registry/models.yaml.")


@app.command("list")
def list_models() -> None:
    """List the models: id, family, size, dimension, length, licence, and whether each is on this machine."""
    from patent_embeddings.core import registry
    from patent_embeddings.encoders import weights
    from patent_embeddings.encoders.entries import model_entry

    rows = [("id", "family", "millions", "dim", "length", "licence", "here")]
    for name in registry.ids("models"):
        entry = model_entry(name)
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

    from patent_embeddings.encoders.entries import model_entry

    entry = model_entry(name)
    block = {**entry.model_dump(), "memory": entry.plan.model_dump()}
    typer.echo(yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=120).rstrip())


@app.command()
def fetch(names: list[str]) -> None:
    """Download models and rerankers into the hub's cache at their pinned revisions."""

    from patent_embeddings.core import registry
    from patent_embeddings.encoders.catalogue import download
    from patent_embeddings.encoders.entries import model_entry, reranker_entry

    rerankers = registry.ids("rerankers")
    entries = [reranker_entry(name) if name in rerankers else model_entry(name) for name in names]
    for name, entry in zip(names, entries, strict=True):
        download(entry, name)


@app.command()
def check(name: str) -> None:
    """Load a model, embed with it, and compare what it does with its registry entry; exit 1 where they differ."""

    from patent_embeddings.encoders import factory
    from patent_embeddings.encoders.catalogue import findings
    from patent_embeddings.encoders.entries import model_entry

    encoder = factory.encoder(model_entry(name))
    faults = 0
    for what, detail, fine in findings(encoder):
        faults += not fine
        typer.echo(f"{'ok  ' if fine else 'WRONG'.ljust(4)} {what}: {detail}")
    if faults:
        raise typer.Exit(1)


if __name__ == "__main__":
    run(app)
