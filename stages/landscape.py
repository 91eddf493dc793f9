"""Landscapes of the registry: add your own, list them, show one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from patent_embeddings.core.running import run

app = typer.Typer(add_completion=False, help=__doc__)

FILE = "JSON lines or an array (.jsonl, .jsonl.gz, .json), .parquet, .csv or .tsv, one family a line."
RELEVANCE = "Relevant to a family: those it cites, or also those citing it."


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="ID", help="New id: a-z, 0-9 and '-'.")],
    file: Annotated[Path, typer.Argument(help=FILE)],
    description: Annotated[str, typer.Option(help="One sentence for lists and pages.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, shown on every page.")] = "not stated",
    relevance: Annotated[Literal["cited", "linked"], typer.Option(help=RELEVANCE)] = "cited",
) -> None:
    """Check a file of families, say what is in it, track it with DVC and add its registry entry."""
    from patent_embeddings.corpus import adding

    print("\n".join(adding.add(name, file, description, licence, relevance)))


@app.command("list")
def list_() -> None:
    """List every landscape with its source, licence and description."""
    from patent_embeddings.core import registry
    from patent_embeddings.core.columns import aligned
    from patent_embeddings.corpus.entries import Landscape

    entries = registry.every("landscapes", Landscape)
    rows = [(name, one.source, one.licence, one.relevance, one.description) for name, one in sorted(entries.items())]
    print("\n".join(aligned([("id", "source", "licence", "relevance", "description"), *rows])))


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show a landscape's registry entry and, once it is downloaded, what is in it."""
    from patent_embeddings.core import layout
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.summary import downloaded

    entry = landscape_entry(name)
    print("\n".join(f"{key}: {value}" for key, value in entry.model_dump(exclude_none=True).items()))
    todo = f"not downloaded yet: `dvc repro` does it once evaluate_on in {layout.PARAMS} names {name}"
    print("\n".join(downloaded(name, entry.relevance) or [todo]))


if __name__ == "__main__":
    run(app)
