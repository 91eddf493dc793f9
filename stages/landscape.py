"""Landscapes of the registry: add your own, replace and remove them, list them, show one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from patent_embeddings.core.command import run

if TYPE_CHECKING:
    from patent_embeddings.corpus.user.adding import Added

app = typer.Typer(add_completion=False, help=__doc__)

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of the landscape: a-z, 0-9 and '-'.")]
Files = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="Exports of a patent database (see `formats`), or one file in our own form."
    ),
]
Format = Annotated[str | None, typer.Option(help="Format of the files, see `formats`; detected by default.")]
Dry = Annotated[bool, typer.Option("--dry-run", help="Read the files and print the summary, but change nothing.")]
Class = Annotated[str, typer.Option("--class", help="Only publications in these IPC or CPC classes: A61,H04L29.")]
Since = Annotated[str, typer.Option(help="Only publications of this day or later: YYYY-MM-DD.")]
Until = Annotated[str, typer.Option(help="Only publications of this day or earlier: YYYY-MM-DD.")]
Jurisdiction = Annotated[str, typer.Option(help="Only publications of these countries: US,EP.")]
Ids = Annotated[Path | None, typer.Option(help="Only publications or families that this file lists, one a line.")]
Limit = Annotated[int, typer.Option(min=0, help="Only the first N publications; 0 takes all.")]
Queries = Annotated[
    Path | None,
    typer.Option(help="File of your own queries: ids with texts, or families by id or number; needs --qrels."),
]
Qrels = Annotated[
    Path | None, typer.Option(help="File of your own judgements: TREC's qrels, or query_id,family_id,relevance.")
]
Threshold = Annotated[
    int | None, typer.Option(min=1, help="Lowest grade that R@100, AP and RR count as relevant; 1 by default.")
]
Description = Annotated[str | None, typer.Option(help="One sentence about the landscape, for lists and pages.")]
Licence = Annotated[str | None, typer.Option(help="Licence of the data, shown on every page.")]
Relevance = Annotated[
    Literal["cited", "linked"] | None,
    typer.Option(help="Relevant families of a query: those that it cites, or also those that cite it."),
]


def _reading(command: Literal["add", "replace"], about: str) -> Callable[..., None]:
    """The command `add` or `replace`, which have the same options; `about` is its help."""

    def take(
        name: Id, files: Files, format: Format = None, dry_run: Dry = False, classes: Class = "", since: Since = "",
        until: Until = "", jurisdiction: Jurisdiction = "", ids: Ids = None, limit: Limit = 0,
        queries: Queries = None, qrels: Qrels = None, threshold: Threshold = None,
        description: Description = None, licence: Licence = None, relevance: Relevance = None,
    ) -> None:  # fmt: skip
        from patent_embeddings.corpus.formats.selection import select
        from patent_embeddings.corpus.user import adding
        from patent_embeddings.corpus.user.conversion import Request

        request = Request(files, format, select(classes, since, until, jurisdiction, ids, limit), queries, qrels)
        do = adding.add if command == "add" else adding.replaced
        fields = {"description": description, "licence": licence, "relevance": relevance, "threshold": threshold}
        given = {key: value for key, value in fields.items() if value is not None}
        _say(name, do(name, request, given, dry=dry_run))

    return app.command(command, help=about)(take)


add = _reading("add", "Add a landscape of your own: read files, summarise them, track them with DVC, register them.")
replace = _reading(
    "replace", "Replace the files of a landscape of your own; options that are not given stay as they are."
)


def _say(name: str, added: Added) -> None:
    """Print the summary of a landscape and what to do next; write its page, unless this is a dry run."""
    from patent_embeddings.core import layout, params
    from patent_embeddings.corpus.summary import held, summary
    from patent_embeddings.pages.landscape import write

    cell = params.load()
    found = held(added.raw, added.relevance, cell.tasks.seed, cell.tasks.fold, added.threshold)
    print("\n".join([*summary(found), *added.todo]))
    if added.entry:
        write(name, found, added.entry)
        print(f"page:       {layout.landscape_page(name)}")


@app.command()
def remove(name: Id) -> None:
    """Remove a landscape of your own: its entry, its files, and everything computed from it here."""
    from patent_embeddings.core import params
    from patent_embeddings.corpus.user import adding

    cell = params.load()
    print("\n".join(adding.remove(name, [cell.landscape, *cell.evaluate_on])))


@app.command()
def formats() -> None:
    """List the supported export formats."""
    from patent_embeddings.core.progress import aligned
    from patent_embeddings.corpus.formats import FORMATS
    from patent_embeddings.corpus.user.conversion import OWN

    rows = [(one.name, one.title, one.lacks) for one in FORMATS]
    rows = [("name", "export", "what it lacks"), *rows, (OWN, "our own form, see docs/landscapes.md", "")]
    print("\n".join(aligned(rows)))


@app.command("list")
def list_() -> None:
    """List every landscape with its source, licence and description."""
    from patent_embeddings.core import registry
    from patent_embeddings.core.progress import aligned
    from patent_embeddings.corpus.entries import Landscape

    entries = registry.every("landscapes", Landscape)
    rows = [(name, one.source, one.licence, one.relevance, one.description) for name, one in sorted(entries.items())]
    print("\n".join(aligned([("id", "source", "licence", "relevance", "description"), *rows])))


@app.command()
def show(
    name: Id,
    page: Annotated[bool, typer.Option("--page", help="Also write its page, reports/landscapes/ID.html.")] = False,
) -> None:
    """Show a landscape's registry entry and, once it is downloaded, its summary."""
    from patent_embeddings.core import layout, params
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.corpus.sources import at_hand
    from patent_embeddings.corpus.summary import held, summary
    from patent_embeddings.pages.landscape import write

    cell, entry = params.load(), landscape_entry(name)
    print("\n".join(f"{key}: {value}" for key, value in entry.model_dump(exclude_none=True).items()))
    if (raw := at_hand(name, entry)) is None:
        print(f"not downloaded yet: `dvc repro` does it once evaluate_on in {layout.PARAMS} names {name}")
        return
    found = held(raw, entry.relevance, cell.tasks.seed, cell.tasks.fold, entry.threshold)
    print("\n".join(summary(found)))
    if page:
        write(name, found, entry)
        print(f"page: {layout.landscape_page(name)}")


if __name__ == "__main__":
    run(app)
