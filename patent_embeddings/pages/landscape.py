"""The page of one landscape: its contents in lines, pictures and tables, and where it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import altair as alt
import numpy as np

from patent_embeddings.core import layout
from patent_embeddings.core.files import write_text
from patent_embeddings.corpus.judgements import domains
from patent_embeddings.corpus.summary import SECTIONS, Held, grouped, words
from patent_embeddings.handover.sheets import Sheet, Shown
from patent_embeddings.pages.cell.notes import RELEVANCE
from patent_embeddings.pages.charts import filled, spec
from patent_embeddings.pages.colours import BLUE, GREY, PURPLE, VERMILLION
from patent_embeddings.pages.shell import render

PARTS = (10, 25, 50, 75, 90)  # percentiles of the lengths
Rows = list[dict[str, Any]]
CLASSES = 20  # the most frequent ones are drawn
MANY = 15  # queries with so many relevant families or more share a bar
SIDES = ("in only", "both", "out only", "unknown")
_STEPS = 4  # bars within each doubling of the number of words


def write(name: str, found: Held, entry: Any) -> None:
    """Write the page; `entry` is the landscape's entry in the registry."""
    write_text(layout.landscape_page(name), page(name, found, entry))


def page(name: str, found: Held, entry: Any) -> str:
    """The whole page as HTML."""
    drawn = {key: (picture, rows) for key, picture in PICTURES.items() if (rows := picture.rows(found))}
    source = sourced(name, entry)
    tables = {key: length_table(found) if key == "lengths" else _sheet(rows) for key, (_, rows) in drawn.items()}
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
    found = {"Source": entry.source, "Licence": entry.licence}
    found["Relevance"] = f"{entry.relevance}: {RELEVANCE[entry.relevance]}"
    if read := getattr(entry, "read", None):
        found |= {"Format": read.format, "Read from": ", ".join(one.name for one in read.files)}
        chosen = ((key, value if isinstance(value, list) else [value]) for key, value in read.select.items())
        if asked := "; ".join(f"{key} {', '.join(map(str, values))}" for key, values in chosen):
            found["Selected"] = asked
    return list(found.items())


def length_table(found: Held) -> Sheet:
    """Number of words of each section at some percentiles."""
    rows: list[list[Shown]] = []
    for section in SECTIONS:
        count = words(found.raw.families, section)
        parts = [int(count.quantile(part / 100)) if len(count) else None for part in PARTS]
        rows.append([section, len(count), *parts])
    head = ["section", "families", *(f"{part} %" for part in PARTS)]
    return Sheet(head, rows, "Words of a section at percentiles of the families that have it")


def _sheet(rows: Rows) -> Sheet:
    """The rows of a picture as a table."""
    head = [name for name in rows[0] if name != "place"]
    return Sheet(head, [[str(row[head[0]]), *(row[name] for name in head[1:])] for row in rows], texts=len(head) - 1)


@dataclass(frozen=True)
class Picture:
    """A picture of any landscape; left out where it has no rows."""

    title: str
    caption: str  # with a place for `n`
    rows: Callable[[Held], Rows]
    draw: Callable[[Rows], Any]
    n: Callable[[Held], int]  # families or queries that are drawn

    def spec(self, rows: Rows) -> dict[str, Any]:
        """Vega-Lite with the rows."""
        chart = self.draw(rows)
        chart.data = alt.NamedData("rows")
        return filled(spec(chart, data={}), rows)


def dates(found: Held) -> Rows:
    """Families by the year of their earliest publication."""
    years = Counter(int(date[:4]) for date in found.raw.families["date"] if date)
    return [{"year": year, "families": count} for year, count in sorted(years.items())]


def classes(found: Held) -> Rows:
    """Families of the most frequent classes or domains; a family of several counts for each."""
    counts = Counter(one for own in domains(found.raw.families).values() for one in set(own))
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:CLASSES]
    return [{"class": name, "families": count} for name, count in most]


def lengths(found: Held) -> Rows:
    """Families by the number of words of each section, in bars of equal width on a log axis."""
    rows = []
    for section in SECTIONS:
        lengths = np.maximum(words(found.raw.families, section).to_numpy(), 1)
        steps = Counter(np.floor(np.log2(lengths) * _STEPS).astype(int).tolist())
        panel = f"{section}, n = {len(lengths):,}"
        rows += [
            {"panel": panel, "low": 2 ** (step / _STEPS), "high": 2 ** ((step + 1) / _STEPS), "families": count}
            for step, count in sorted(steps.items())
        ]
    return rows


def relevant(found: Held) -> Rows:
    """Queries by their number of relevant families, and by whether these are IN, OUT or both."""
    pairs = found.qrels[found.qrels["relevance"] > 0]
    each = pairs.groupby("query_id")["scope"].agg(["size", frozenset])
    counts = Counter((min(size, MANY), _side(scopes)) for size, scopes in each.itertuples(index=False))
    return [
        {"relevant": f"{number}{'+' * (number == MANY)}", "side": side, "place": SIDES.index(side), "queries": count}
        for (number, side), count in sorted(counts.items())
    ]


def _side(scopes: frozenset[str]) -> str:
    known = scopes - {"unknown"}
    return "unknown" if not known else "both" if len(known) > 1 else f"{next(iter(known))} only"


def _dates(_: Rows) -> Any:
    year = alt.X(
        "year:Q", title="year of the earliest publication", axis=alt.Axis(format="d"), scale=alt.Scale(zero=False)
    )
    return (
        alt.Chart()
        .transform_calculate(next="datum.year + 0.85")
        .mark_bar(color=BLUE)
        .encode(x=year, x2="next:Q", y="families:Q", y2=alt.datum(0), tooltip=["year:Q", "families:Q"])
        .properties(height=180)
    )


def _classes(found: Rows) -> Any:
    name = alt.Y("class:N", sort=None, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=200))
    rows = alt.Chart().encode(x=alt.X("families:Q", title="families"), y=name, tooltip=["class:N", "families:Q"])
    fitted = alt.AutoSizeParams(type="fit-x", contains="padding")  # names of domains may be long
    return rows.mark_bar(color=BLUE).properties(height=17 * len(found), autosize=fitted)


def _lengths(found: Rows) -> Any:
    words = alt.X("low:Q", title="words", scale=alt.Scale(type="log", base=2), axis=alt.Axis(format="~s"))
    bars = alt.Chart().mark_bar(color=BLUE)
    tips = [alt.Tooltip("low:Q", format=".0f", title="from"), alt.Tooltip("high:Q", format=".0f", title="to")]
    chart = bars.encode(x=words, x2="high:Q", y="families:Q", y2=alt.datum(0), tooltip=[*tips, "families:Q"])
    return chart.properties(height=150, width=330).facet(
        alt.Facet("panel:N", title=None, sort=list(dict.fromkeys(row["panel"] for row in found))),
        data=alt.NamedData("rows"),
        columns=2,
    )


def _relevant(found: Rows) -> Any:
    looks = dict(zip(SIDES, (BLUE, PURPLE, VERMILLION, GREY), strict=True))
    there = [side for side in SIDES if any(row["side"] == side for row in found)]
    colours = alt.Scale(domain=there, range=[looks[side] for side in there])
    number = alt.X(
        "relevant:O",
        sort=[str(one) for one in range(1, MANY)],
        title="relevant families of a query",
        axis=alt.Axis(labelAngle=0),
    )
    bars = alt.Chart().mark_bar().encode(
        x=number, y="queries:Q", color=alt.Color("side:N", title="in or out of the query's domain", scale=colours),
        order="place:Q", tooltip=["relevant:O", "side:N", "queries:Q"],
    )  # fmt: skip
    return bars.properties(height=180)


PICTURES = {
    "dates": Picture(
        "Dates", "The {n:,} families with a date, by the year of their earliest publication.", dates, _dates,
        lambda found: int((found.raw.families["date"] != "").sum()),
    ),
    "classes": Picture(
        "Classes", f"The {CLASSES} most frequent IPC classes, or domains where the landscape has its own, over the "
        "{n:,} families that have any; a family of several counts for each.", classes, _classes,
        lambda found: sum(map(bool, domains(found.raw.families).values())),
    ),
    "lengths": Picture(
        "Lengths", "Number of words of each section, over the n of {n:,} families that have it.", lengths, _lengths,
        lambda found: len(found.raw.families),
    ),
    "relevant": Picture(
        "Queries", "The {n:,} queries with a relevant family, by the number of these, and by whether they share a "
        "class or domain with the query (in), do not (out), or some do (both).", relevant, _relevant,
        lambda found: int(found.qrels.loc[found.qrels["relevance"] > 0, "query_id"].nunique()),
    ),
}  # fmt: skip
