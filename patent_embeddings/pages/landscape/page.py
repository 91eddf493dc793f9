"""The page of one landscape, and where it is written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from patent_embeddings.core import layout
from patent_embeddings.core.files import write_text
from patent_embeddings.corpus.summary import SECTIONS, Held, grouped, words
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.cell.notes import RELEVANCE
from patent_embeddings.pages.landscape.pictures import PICTURES, Rows
from patent_embeddings.pages.shell import render

PARTS = (10, 25, 50, 75, 90)  # percentiles of the lengths


def write(name: str, found: Held, entry: Any) -> None:
    """Write the page; `entry` is the landscape's entry in the registry."""
    write_text(layout.landscape_page(name), page(name, found, entry))


def page(name: str, found: Held, entry: Any) -> str:
    """The whole page as HTML."""
    drawn = {key: (picture, rows) for key, picture in PICTURES.items() if (rows := picture.rows(found))}
    source = sourced(name, entry)
    tables = {key: lengths(found) if key == "lengths" else _sheet(rows) for key, (_, rows) in drawn.items()}
    return render(
        "landscape.html.j2",
        charts={key: picture.spec(rows) for key, (picture, rows) in drawn.items()},
        pictures={
            key: (picture.title, picture.caption.format(n=picture.n(found))) for key, (picture, _) in drawn.items()
        },
        name=name,
        entry=entry,
        facts=facts(entry),
        groups=grouped(found),
        tables={key: replace(sheet, source=source) for key, sheet in tables.items()},
        source=source,
    )


def sourced(name: str, entry: Any) -> str:
    """The files that the numbers are from: the one that the entry names, or the landscape's tables."""
    if getattr(entry, "file", None):
        return f"{entry.file} (sha256 {entry.sha256[:12]})"
    return ", ".join(table(name).as_posix() for table in (layout.families, layout.citations, layout.relations))


def facts(entry: Any) -> list[tuple[str, str]]:
    """Source, licence, relevance and selection of a landscape, as terms with their values."""
    read = getattr(entry, "read", None)
    found = [
        ("Source", entry.source),
        ("Licence", entry.licence),
        ("Relevance", f"{entry.relevance}: {RELEVANCE[entry.relevance]}"),
    ]
    if read:
        found += [("Format", read.format), ("Read from", ", ".join(one.name for one in read.files))]
        asked = [
            f"{key} {', '.join(map(str, value)) if isinstance(value, list) else value}"
            for key, value in read.select.items()
        ]
        found += [("Selected", "; ".join(asked))] if asked else []
    return found


def lengths(found: Held) -> Sheet:
    """Number of words of each section at some percentiles."""
    rows: list[list[Shown]] = []
    for section in SECTIONS:
        count = words(found.raw.families, section)
        parts = [int(count.quantile(part / 100)) if len(count) else None for part in PARTS]
        rows.append([section, len(count), *parts])
    return Sheet(
        ["section", "families", *(f"{part} %" for part in PARTS)],
        rows,
        "Words of a section at percentiles of the families that have it",
    )


def _sheet(rows: Rows) -> Sheet:
    """The rows of a picture as a table."""
    head = [name for name in rows[0] if name != "place"]
    return Sheet(head, [[str(row[head[0]]), *(row[name] for name in head[1:])] for row in rows], texts=len(head) - 1)
