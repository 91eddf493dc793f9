"""The page of all results in `benchmarks/results`, self-contained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from benchmarks import results, scale
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    from collections.abc import Iterable

    from patent_embeddings.pages.shell import Table

app = typer.Typer(add_completion=False)

PAGE = "index.html"
MACHINE = ("processor", "features", "cores", "threads", "memory_gib", "python", "versions")
NOTABLE = 0.05  # share of a cell's seconds from which a stage is marked

Rows = list[dict[str, str]]


@app.command()
def main() -> None:
    """Write the page from the results that are there, and print its path."""
    from patent_embeddings.core.files import write_text

    write_text(results.FOLDER / PAGE, page(results.FOLDER))
    print(f"page: {results.FOLDER.relative_to(Path(__file__).parents[1]) / PAGE}")


def page(folder: Path) -> str:
    """The whole page as HTML.

    Args:
        folder: of the results; what it lacks is said on the page.
    """
    import jinja2
    import markupsafe

    from patent_embeddings.pages import shell
    from patent_embeddings.pages.charts import script

    compared, measured, grown, profiled = (
        results.read(name, folder) for name in (results.COMPARISONS, results.MEASUREMENTS, scale.NAME, "profile")
    )
    pictures = {
        name: draw(rows)
        for name, draw, rows in (("ratios", ratios_chart, compared), ("growth", growth_chart, grown), ("memory", memory_chart, grown), ("profile", profile_chart, profiled))
        if rows
    }  # fmt: skip
    places = [jinja2.FileSystemLoader(Path(__file__).parent), jinja2.PackageLoader("patent_embeddings.pages", ".")]
    template = shell._environment().overlay(loader=jinja2.ChoiceLoader(places)).get_template("page.html.j2")
    return template.render(
        charts=pictures,
        bundle=markupsafe.Markup(script()),
        ratios=ratios(compared),
        agreements=agreements(compared),
        stages=stages(grown),
        profile=profile(profiled),
        measurements=measurements(measured),
        machines=machines([*compared, *measured, *grown, *profiled]),
    )


def ratios(rows: Rows) -> Table | None:
    """Medians and their ratio, a row a contest."""
    from patent_embeddings.pages.shell import Table

    head = [
        "benchmark",
        "case",
        "ours",
        "peer",
        "turns",
        "ours, s",
        "peer, s",
        "ours, MiB",
        "peer, MiB",
        "ratio",
        "lowest",
        "highest",
    ]
    cells: list[list[Any]] = [
        [row["benchmark"], row["case"], row["system"], row["peer"], int(row["turns"]),
         *(float(row[name]) for name in ("ours", "theirs", "ours_mib", "theirs_mib", "ratio", "low", "high"))]
        for row in rows
    ]  # fmt: skip
    return Table(head, cells, "Medians over the turns, of seconds and of peak memory.", texts=4) if rows else None


def agreements(rows: Rows) -> Table | None:
    """What was compared before timing, and how near both were."""
    from patent_embeddings.pages.shell import Table

    head = ["benchmark", "case", "ours", "compared", "difference", "allowed"]
    cells: list[list[Any]] = [
        [*(row[name] for name in ("benchmark", "case", "system", "agreement", "difference", "tolerance"))] for row in rows
    ]  # fmt: skip
    return Table(head, cells, "How near the answers are.", texts=4) if rows else None


def stages(rows: Rows) -> Table | None:
    """Seconds and memory of each stage at each size, with exponents of growth."""
    from patent_embeddings.pages.shell import Table

    if not rows:
        return None
    sizes = sorted({int(row["families"]) for row in rows})
    found = {(row["stage"], int(row["families"])): row for row in rows}
    growth = scale.exponents(rows)
    head = ["stage", *(f"{size:,}: {unit}" for size in sizes for unit in ("s", "MiB")),
            "exponent, s", "last step, s", "exponent, MiB"]  # fmt: skip
    cells: list[list[Any]] = []
    for stage in (name for name in scale.STAGES if any(row["stage"] == name for row in rows)):
        line: list[Any] = [stage]
        for size in sizes:
            row = found.get((stage, size))
            line += [float(row[name]) if row else None for name in ("seconds", "peak_mib")]
        line += [growth.get(stage, {}).get(name) for name in ("seconds", "last", "peak_mib")]
        cells.append(line)
    return Table(head, cells, "Seconds and peak memory by number of families. Exponent: of the power of the size that fits, over all sizes and between the two largest.")  # fmt: skip


def profile(rows: Rows) -> Table | None:
    """Seconds of each stage of the default cell, the longest first."""
    from patent_embeddings.pages.shell import Table

    ordered = sorted(rows, key=lambda row: -float(row["wall"]))
    cells = [[row["stage"], "yes" if float(row["share"]) > NOTABLE else "", float(row["wall"]), float(row["own"]),
              float(row["wall"]) - float(row["own"]), f"{float(row['share']):.1%}"] for row in ordered]  # fmt: skip
    head = ["stage", "above 5 %", "wall, s", "own work, s", "start-up and DVC, s", "share"]
    return Table(head, cells, "The default cell from nothing.", texts=2) if rows else None


def measurements(rows: Rows) -> Table | None:
    """Numbers without a peer, with their limits."""
    from patent_embeddings.pages.shell import Table

    cells = [[row["benchmark"], row["case"], row["quantity"], "" if row["unit"] == "1" else row["unit"], float(row["value"]),
              float(row["limit"]) if row["limit"] else None, row["kept"]] for row in rows]  # fmt: skip
    return Table(["benchmark", "case", "quantity", "unit", "value", "limit", "kept"], cells, texts=4) if rows else None


def machines(rows: Rows) -> Table | None:
    """Each machine and set of versions that a result comes from."""
    from patent_embeddings.pages.shell import Table

    distinct = sorted({tuple(row[name] for name in MACHINE) for row in rows})
    return Table([name.replace("_", " ") for name in MACHINE], distinct, texts=len(MACHINE)) if rows else None


def ratios_chart(rows: Rows) -> dict[str, Any]:
    """Ratio of each contest with its range, logarithmic, against 1."""
    import altair as alt

    values = [{"contest": f"{row['benchmark']}, {row['case']}: {row['system']} against {row['peer']}", **{name: float(row[name]) for name in ("ratio", "low", "high")}} for row in rows]  # fmt: skip
    base = alt.Chart().encode(
        y=alt.Y("contest:N", sort=None, title=None, axis=alt.Axis(labelLimit=260, labelExpr="split(datum.label, ': ')"))
    )
    shown = alt.X("low:Q", title="times as long as ours", scale=alt.Scale(type="log"))
    return _spec(
        alt.layer(
            alt.Chart().mark_rule(strokeDash=[4, 3], opacity=0.6).encode(x=alt.datum(1)),
            base.mark_rule(strokeWidth=2.5, color="#2b6cb0").encode(x=shown, x2="high:Q"),
            base.mark_point(filled=True, size=75, opacity=1, color="#2b6cb0").encode(x="ratio:Q", tooltip=["contest:N", "ratio:Q", "low:Q", "high:Q"]),
            width=330, height=alt.Step(34),
        ),
        values,
    )  # fmt: skip


def growth_chart(rows: Rows) -> dict[str, Any]:
    """Seconds of each stage by families."""
    return _growth(rows, "seconds", "seconds")


def memory_chart(rows: Rows) -> dict[str, Any]:
    """Peak memory of each stage by families."""
    return _growth(rows, "peak_mib", "peak memory, MiB")


def _growth(rows: Rows, field: str, title: str) -> dict[str, Any]:
    import altair as alt

    values = [{"stage": row["stage"], "families": int(row["families"]), field: float(row[field])} for row in rows]
    line = alt.Chart().encode(
        x=alt.X("families:Q", scale=alt.Scale(type="log"), axis=alt.Axis(format=",.0f")),
        y=alt.Y(f"{field}:Q", title=title, scale=alt.Scale(type="log")),
        color=alt.Color("stage:N", sort=list(scale.STAGES), scale=alt.Scale(scheme="tableau20")),
        tooltip=["stage:N", "families:Q", f"{field}:Q"],
    )
    return _spec(
        alt.layer(line.mark_line(strokeWidth=2), line.mark_point(filled=True, size=50), width=560, height=320), values
    )


def profile_chart(rows: Rows) -> dict[str, Any]:
    """Seconds of each stage, own work and the rest stacked."""
    import altair as alt

    values: list[dict[str, Any]] = []
    for row in rows:
        own = float(row["own"])
        values += [{"stage": row["stage"], "part": part, "seconds": seconds} for part, seconds in (("own work", own), ("start-up and DVC", float(row["wall"]) - own))]  # fmt: skip
    bars = alt.Chart().mark_bar().encode(
        y=alt.Y("stage:N", sort=alt.EncodingSortField("seconds", op="sum", order="descending"), title=None),
        x=alt.X("seconds:Q", title="seconds"),
        color=alt.Color("part:N", title=None, scale=alt.Scale(domain=["own work", "start-up and DVC"], range=["#2b6cb0", "#9db7d5"])),
        tooltip=["stage:N", "part:N", "seconds:Q"],
    ).properties(width=480, height=alt.Step(20))  # fmt: skip
    return _spec(bars, values)


def _spec(chart: Any, values: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The chart in the look of the other pages, its rows inside; its width takes in the long names of contests."""
    import altair as alt

    from patent_embeddings.pages.charts import styled

    chart.data = alt.NamedData("rows")
    return {
        **styled(chart).to_dict(),
        "background": "transparent",
        "autosize": {"type": "fit-x", "contains": "padding"},
        "data": {"values": list(values)},
    }


if __name__ == "__main__":
    run(app)
