"""README.md from `readme.md.j2` and the tables, so that results are not typed by hand."""

from __future__ import annotations

from typing import Any

import jinja2
import pandas as pd
import yaml

from studies.robust import protocol
from studies.robust.record import HERE


def rendered() -> str:
    """Render the README from the tables."""
    tables = {path.stem.replace("-", "_"): pd.read_csv(path) for path in sorted((HERE / "tables").glob("*.csv"))}
    tables["confirmation"] = tables["confirmation"].fillna({"trained_on": ""})
    loader = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    loader.filters |= {"signed": signed, "p": p_value}
    recipes = yaml.safe_load((HERE / "recipes.yaml").read_text(encoding="utf-8"))
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
