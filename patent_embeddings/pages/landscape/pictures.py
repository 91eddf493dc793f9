"""Pictures of a landscape: its dates, its classes, the lengths of its texts, and where what is relevant lies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import altair as alt
import numpy as np

from patent_embeddings.corpus.judgements import domains
from patent_embeddings.corpus.summary import SECTIONS, Held, words
from patent_embeddings.pages.charts import filled, spec
from patent_embeddings.pages.colours import BLUE, GREY, PURPLE, VERMILLION

Rows = list[dict[str, Any]]
CLASSES = 20  # that are drawn, the most frequent ones
MANY = 15  # relevant families of a query, from which on all are one bar
SIDES = ("in only", "both", "out only", "unknown")
_STEPS = 4  # bars within each doubling of the number of words


@dataclass(frozen=True)
class Picture:
    """A picture, whatever the landscape; without rows it is left out."""

    title: str
    caption: str
    rows: Callable[[Held], Rows]
    draw: Callable[[Rows], Any]

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
    """Families of the most frequent classes or domains; one of several classes counts for each."""
    counts = Counter(one for own in domains(found.raw.families).values() for one in set(own))
    most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:CLASSES]
    return [{"class": name, "families": count} for name, count in most]


def lengths(found: Held) -> Rows:
    """Families by the words of each section, in bars that grow with the number of words."""
    rows = []
    for section in SECTIONS:
        count = np.maximum(words(found.raw.families, section).to_numpy(), 1)
        steps = Counter(np.floor(np.log2(count) * _STEPS).astype(int).tolist())
        rows += [
            {"panel": section, "low": 2 ** (step / _STEPS), "high": 2 ** ((step + 1) / _STEPS), "families": count}
            for step, count in sorted(steps.items())
        ]
    return rows


def relevant(found: Held) -> Rows:
    """Queries by how many families are relevant to them, and on which side of their domain those lie."""
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
    rows = alt.Chart().encode(x=alt.X("families:Q"), y=name, tooltip=["class:N", "families:Q"])
    fitted = alt.AutoSizeParams(type="fit-x", contains="padding")  # names of domains may be long
    return rows.mark_bar(color=BLUE).properties(height=17 * len(found), autosize=fitted)


def _lengths(_: Rows) -> Any:
    words = alt.X("low:Q", title="words", scale=alt.Scale(type="log", base=2), axis=alt.Axis(format="~s"))
    bars = alt.Chart().mark_bar(color=BLUE)
    tips = [alt.Tooltip("low:Q", format=".0f", title="from"), alt.Tooltip("high:Q", format=".0f", title="to")]
    chart = bars.encode(x=words, x2="high:Q", y="families:Q", y2=alt.datum(0), tooltip=[*tips, "families:Q"])
    return chart.properties(height=150, width=330).facet(
        alt.Facet("panel:N", title=None, sort=list(SECTIONS)), data=alt.NamedData("rows"), columns=2
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
    "dates": Picture("Dates", "Families by the year of their earliest publication.", dates, _dates),
    "classes": Picture(
        "Classes", f"The {CLASSES} most frequent IPC classes, or domains where the landscape brings its own; "
        "a family of several counts for each.", classes, _classes,
    ),
    "lengths": Picture("Lengths", "Families by the words of each section.", lengths, _lengths),
    "relevant": Picture(
        "Queries", "Queries by how many families are relevant to them; colours say whether those share a class or "
        "domain with the query.", relevant, _relevant,
    ),
}  # fmt: skip
