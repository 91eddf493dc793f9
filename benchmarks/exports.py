"""Reading a week of USPTO full text against lxml's bare iterparse over the same documents.

A weekly file is many XML documents one after another, which iterparse refuses. So the peer reads them under one root,
without their declarations, and drops each document at its end. The speed of iterparse with events for the ends of
documents alone, the least that parsing costs, is measured too.
"""

from __future__ import annotations

import re
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from benchmarks import comparison, results
from benchmarks.timing import Sample, function
from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False)

NAME = "exports"
PEER = "lxml.iterparse"
SLOWER, MEMORY = 2.0, 2048.0  # limits: times as long as the peer, MiB
PACKAGES = ("lxml", "numpy", "pandas", "pyarrow")
ROOT_TAG = "us-patent-grant"
_BETWEEN = re.compile(rb"<\?xml [^>]*>|<!DOCTYPE [^>]*>")


@app.command()
def main(
    documents: Annotated[int, typer.Option(min=10, help="Documents of the simulated week.")] = 6_500,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 3,
    quick: Annotated[bool, typer.Option("--quick", help="650 documents.")] = False,
) -> None:
    """Write a week, then read and parse it in turn; building its landscape is measured once."""
    documents = 650 if quick else documents
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        week, rooted = str(Path(place) / "week.xml"), str(Path(place) / "rooted.xml")
        size = function("benchmarks.weeks:write", documents=documents, file=week).values["bytes"] / 1e6
        one_root(week, rooted)
        contestants = {
            "ours": partial(function, "benchmarks.exports:ours", file=week),
            PEER: partial(function, "benchmarks.exports:bare", file=rooted),
        }
        case, what = f"USPTO week {documents} documents {size:.0f} MB", "difference of documents"
        contest = comparison.Contest(NAME, case, PEER, contestants, what, 0, difference, PACKAGES, "reading_seconds")
        comparison.hold(contest, turns)
        (row,) = (one for one in results.read(results.COMPARISONS) if one["case"] == case)
        least = function("benchmarks.exports:bare", file=rooted, tag=ROOT_TAG)
        selected = function("benchmarks.exports:ours", file=week, wanted="US8000000")
        landscape = function("benchmarks.exports:landscape", file=week)

    def rate(sample: Sample) -> float:
        return size / float(sample.values["reading_seconds"])

    found = [
        comparison.Measurement("reading", size / float(row["ours"]), "MB/s"),
        comparison.Measurement("bare iterparse", size / float(row["theirs"]), "MB/s"),
        comparison.Measurement("iterparse of ends of documents alone", rate(least), "MB/s"),
        comparison.Measurement("times as long as bare iterparse", 1 / float(row["ratio"]), "x", SLOWER),
        comparison.Measurement("reading, one publication selected", rate(selected), "MB/s"),
        comparison.Measurement("peak memory of reading", float(row["ours_mib"]), "MiB", MEMORY),
        comparison.Measurement("peak memory of a landscape of all", landscape.peak_mib, "MiB", MEMORY),
    ]
    comparison.note(NAME, case, found, PACKAGES)


def one_root(week: str, file: str) -> None:
    """Write the documents of a week as one XML file."""
    with Path(week).open("rb") as source, Path(file).open("wb") as target:
        target.write(b"<weeks>\n")
        for line in source:
            target.write(_BETWEEN.sub(b"", line))
        target.write(b"</weeks>\n")


def ours(file: str, wanted: str = "") -> dict[str, float]:
    """Read every publication with its texts, or only the wanted one; returns seconds and number of publications."""
    from patent_embeddings.corpus.formats import uspto
    from patent_embeddings.corpus.formats.selection import Select
    from patent_embeddings.corpus.reading.source import Source

    select = Select(ids=frozenset({wanted} - {""}))
    start = time.perf_counter()
    documents = sum(1 for _ in uspto.read(Source(Path(file)), select))
    return {"reading_seconds": time.perf_counter() - start, "documents": documents}


def bare(file: str, tag: str | None = None) -> dict[str, float]:
    """Parse with events for one tag or all; returns seconds and number of documents."""
    from lxml import etree

    documents = 0
    start = time.perf_counter()
    for _, element in etree.iterparse(file, tag=tag, huge_tree=True):
        if element.tag == ROOT_TAG:
            documents += 1
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]
    return {"reading_seconds": time.perf_counter() - start, "documents": documents}


def landscape(file: str) -> dict[str, float]:
    """Build a landscape of all publications, to measure its memory."""
    from patent_embeddings.corpus import formats
    from patent_embeddings.corpus.formats.selection import Select

    return {"families": len(formats.read([Path(file)], "uspto", Select()).families)}


def difference(ours: Sample, theirs: Sample) -> float:
    """Difference in the number of documents."""
    return abs(ours.values["documents"] - theirs.values["documents"])


if __name__ == "__main__":
    run(app)
