"""What the study writes next to its code: tables, picture, and the README from them, so that no result is typed."""

from __future__ import annotations

from typing import Any

import altair as alt
import jinja2
import pandas as pd

from patent_embeddings.core.files import read_yaml
from patent_embeddings.pages.charts import spec
from patent_embeddings.pages.colours import BLUE, INK
from patent_embeddings.pages.outlines import svg
from studies.robust import changes, confirmation, domain, protocol, record, verdicts
from studies.robust.record import HERE


def write() -> None:
    """Write `tables/`, `frontier.svg` and `README.md` from the record and the confirmation."""
    declared, rows = protocol.read(), record.read()
    grounds = record.grounds(rows, declared)
    tables = {
        "frontier": _joined({name: changes.frontier(part, declared.margin) for name, part in grounds.items()}),
        "against-r1": _joined({name: changes.against_baseline(part) for name, part in grounds.items()}),
        "against-r1-dev": _joined({name: _dev(part) for name, part in grounds.items()}),
        "out-of-domain": _joined({name: domain.out_of_domain(part) for name, part in grounds.items()}),
        "verdicts": verdicts.judge(rows, declared),
        "confirmation": confirmation.table(confirmation.read()),
    }
    (HERE / "tables").mkdir(exist_ok=True)
    for name, table in tables.items():
        table.to_csv(HERE / "tables" / f"{name}.csv", index=False, float_format="%.5f", lineterminator="\n")
    points = tables["frontier"].query("ground == 'exploratory'")
    (HERE / "frontier.svg").write_text(frontier(points), encoding="utf-8")
    (HERE / "README.md").write_text(rendered(), encoding="utf-8")


def _dev(rows: pd.DataFrame) -> pd.DataFrame:
    """Comparison on the dev queries that r5 was composed on, of fold 0; those of others are among its test queries."""
    return changes.against_baseline(rows[(rows["fold"] == 0) & (rows["seed"] < 2)], "dev")


def _joined(parts: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Tables of all grounds as one, with columns for the ground and the cell in words."""
    rows = pd.concat([part.assign(ground=name) for name, part in parts.items()], ignore_index=True)
    cells = [record.label(*key) for key in rows[record.CELL].itertuples(index=False)]
    others = [name for name in rows if name not in ("ground", *record.CELL)]
    return rows.assign(cell=cells)[["ground", "cell", *others]]


def frontier(points: pd.DataFrame) -> str:
    """SVG of the rows of `tables/frontier.csv`, with 95 % intervals."""
    sides = {"home": "at home", "mean": "abroad"}
    columns = ["cell", "change", "low", "high"]
    parts = [
        points[["cell", side, f"{side}_low", f"{side}_high"]].round(5).set_axis(columns, axis=1).assign(side=name)
        for side, name in sides.items()
    ]
    order = points.sort_values("mean", ascending=False)["cell"].tolist()
    rows = alt.Chart().encode(y=alt.Y("cell:N", sort=order, title=None, axis=alt.Axis(labelLimit=220)))
    x = alt.X("change:Q", title="change of nDCG@10", axis=alt.Axis(format="+%"))
    chart = alt.layer(
        alt.Chart().mark_rule(strokeDash=[3, 3], color=INK).encode(x=alt.datum(0)),
        rows.mark_rule(strokeWidth=2, color=BLUE).encode(x="low:Q", x2="high:Q"),
        rows.mark_point(filled=True, size=60, opacity=1, color=BLUE).encode(x=x),
        data=pd.concat(parts, ignore_index=True),
        width=300,
    )
    return svg(spec(chart.facet(alt.Column("side:N", title=None, sort=list(sides.values())))))


def rendered() -> str:
    """Render the README from the tables."""
    tables = {path.stem.replace("-", "_"): pd.read_csv(path) for path in sorted((HERE / "tables").glob("*.csv"))}
    tables["confirmation"] = tables["confirmation"].fillna({"trained_on": ""})
    loader = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    loader.filters |= {"signed": signed, "p": p_value}
    recipes = read_yaml(HERE / "recipes.yaml")
    template = loader.from_string((HERE / "readme.md.j2").read_text(encoding="utf-8"))
    helpers = {"rows": _rows, "one": _one, "ranged": ranged, "recipes": recipes, "protocol": protocol.read()}
    return template.render(**tables, **helpers) + "\n"


def _rows(table: pd.DataFrame, *shared: dict[str, Any], **values: Any) -> list[dict[str, Any]]:
    """Rows of a table with these values."""
    for column, value in {key: value for part in (*shared, values) for key, value in part.items()}.items():
        table = table[table[column] == value]
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]


def _one(table: pd.DataFrame, *shared: dict[str, Any], **values: Any) -> dict[str, Any]:
    """The only row of a table with these values."""
    (found,) = _rows(table, *shared, **values)
    return found


def ranged(row: dict[str, Any], name: str = "", low: str = "", high: str = "", digits: int = 0) -> str:
    """A share in percent with its interval: `+12 % (6 to 22)`; a dash for NaN."""
    value = row[name or "change"]
    if value != value:
        return "–"
    ends = (row[low or (f"{name}_low" if name else "low")], row[high or (f"{name}_high" if name else "high")])
    least, most = (_number(100 * end, digits) for end in ends)
    return f"{signed(value, digits)} ({least} to {most})"


def signed(value: float, digits: int = 0) -> str:
    """A share in percent with its sign."""
    text = _number(100 * value, digits)
    return f"{text if text.startswith('-') or not float(text) else f'+{text}'} %"


def p_value(value: float) -> str:
    """A p-value with three decimals, or four below 0.001."""
    return f"{value:.3f}" if value >= 0.001 else f"{value:.4f}"


def _number(value: float, digits: int) -> str:
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if not float(text) else text
