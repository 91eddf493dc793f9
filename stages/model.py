"""Models of the registry: list, show, pin, fetch, check."""

from __future__ import annotations

from typing import Annotated

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False, help="List, pin, fetch and check the models and rerankers of the registry.")

Names = Annotated[list[str], typer.Argument(help="Ids of models or rerankers.")]


@app.command("list")
def list_() -> None:
    """List the models: id, family, size, dimension, length, licence, and whether each is on this machine."""
    from patent_embeddings.core.progress import aligned
    from patent_embeddings.encoders.catalogue import models

    heads = ("id", "family", "millions", "dim", "length", "licence", "here")
    print("\n".join(aligned([heads, *models()], right=(2, 3, 4))))


@app.command()
def show(name: Annotated[str, typer.Argument(help="Id of the model.")]) -> None:
    """Show the registry entry of a model, defaults included."""
    import yaml

    from patent_embeddings.encoders.entries import model_entry

    block = model_entry(name).model_dump()
    print(yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=120).rstrip())


@app.command()
def pin(names: Names) -> None:
    """Write the newest commit of models and rerankers into their entries, and say what has changed since."""
    from patent_embeddings.encoders import pinning

    print("\n".join(pinning.pin(names)))


@app.command()
def fetch(names: Names) -> None:
    """Download models and rerankers into the hub's cache at their pinned revisions."""
    from patent_embeddings.encoders import catalogue

    catalogue.fetch(names)


@app.command()
def check(name: Annotated[str, typer.Argument(help="Id of the model or reranker.")]) -> None:
    """Load a model or reranker and compare what it does with its registry entry; exit 1 where they differ."""
    from patent_embeddings.encoders import catalogue, factory, rerankers
    from patent_embeddings.encoders.entries import Model
    from patent_embeddings.encoders.self_test import encoder_checks, reranker_checks

    entry = catalogue.entries_of([name])[name]
    if isinstance(entry, Model):
        found = list(encoder_checks.findings(factory.encoder(entry, dtype=entry.dtype, tested=False)))
    else:
        found = list(reranker_checks.findings(rerankers.reranker(entry, dtype=entry.dtype, tested=False)))
    print("\n".join(f"{'ok  ' if one.fits else 'WRONG'} {one.what}: {one.detail}" for one in found))
    if not all(one.fits for one in found):
        raise typer.Exit(1)


if __name__ == "__main__":
    run(app)
