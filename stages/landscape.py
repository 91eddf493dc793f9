"""Landscapes of the registry: add your own, list them, show one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False, help=__doc__)


@app.command()
def add(
    name: Annotated[str, typer.Argument(metavar="ID", help="New id: a-z, 0-9 and '-'.")],
    file: Annotated[
        Path,
        typer.Argument(
            help="JSON lines or an array (.jsonl, .jsonl.gz, .json), .parquet, .csv or .tsv, one family a line."
        ),
    ],
    description: Annotated[str, typer.Option(help="One sentence for lists and pages.")] = "",
    licence: Annotated[str, typer.Option(help="Licence of the data, shown on every page.")] = "not stated",
    relevance: Annotated[
        Literal["cited", "linked"], typer.Option(help="Relevant to a family: those it cites, or also those citing it.")
    ] = "cited",
) -> None:
    """Check a file of families, say what is in it, track it with DVC and add its registry entry."""

    from patent_embeddings.core.progress import say
    from patent_embeddings.corpus.landscape import _alone, _check_id, _counted, _next, _register, _sha256, summary
    from patent_embeddings.corpus.sources import checked, table

    _check_id(name)
    target = layout.raw(name, table.suffix(file))
    digest = _sha256(file)
    say(f"reading {file}")
    raw = checked(table.parse(file), str(file))
    block = {
        "source": "table",
        "description": description or f"Families of {file.name}",
        "licence": licence,
        "relevance": relevance,
        "file": target.as_posix(),
        "sha256": digest,
    }
    with _alone():
        _register(name, block, file, target)
    print("\n".join(summary(raw.families, raw.citations, relevance, raw.notes)))
    for line in _counted(raw.notes):
        print(line)
    print(f"added {name} to {layout.registry('landscapes')}; its file is {target}")
    print(f"keep it:    git add {layout.registry('landscapes')} {target}.dvc && git commit -m 'Landscape {name}'")
    print(f"compute it: {_next(name, raw.families)}")


@app.command("list")
def list_() -> None:
    """List every landscape with its source, licence and description."""
    from patent_embeddings.core import registry
    from patent_embeddings.corpus.entries import landscape_entry

    rows = [("id", "source", "licence", "relevance", "description")]
    for name in registry.ids("landscapes"):
        entry = landscape_entry(name)
        rows.append((name, entry.source, entry.licence, entry.relevance, entry.description))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]))


@app.command()
def show(name: Annotated[str, typer.Argument(metavar="ID")]) -> None:
    """Show a landscape's registry entry and, once it is downloaded, what is in it."""

    from patent_embeddings.core import tables
    from patent_embeddings.core.files import read_json
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.landscape import _counted, summary
    from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, RELATIONS

    entry = landscape_entry(name)
    for key, value in entry.model_dump(exclude_none=True).items():
        print(f"{key}: {value}")
    if layout.families(name).exists() and layout.citations(name).exists():
        families = tables.read(layout.families(name), FAMILIES)
        citations, relevance = tables.read(layout.citations(name), CITATIONS), str(entry.relevance)
        judged = tables.read(layout.relations(name), RELATIONS)
        if len(judged):  # the source says itself what is relevant
            pairs = judged.loc[judged["relevance"] > 0, ["query_id", "family_id"]]
            citations, relevance = pairs.set_axis(["citing_id", "cited_id"], axis=1), "judged"
        counted = (
            read_json(layout.cost("download", name)).get("notes", {}) if layout.cost("download", name).exists() else {}
        )
        print("\n".join([*summary(families, citations, relevance, counted), *_counted(counted)]))
    else:
        print(f"not downloaded yet: `dvc repro` does it once evaluate_on in {layout.PARAMS} names {name}")


if __name__ == "__main__":
    run(app)
