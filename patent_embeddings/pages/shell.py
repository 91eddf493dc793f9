"""Set a template into one HTML file that needs no network. Everything in it is escaped unless made here."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
import markupsafe

from patent_embeddings.pages.charts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    import jinja2


@dataclass(frozen=True)
class Score:
    """A score with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Marked(Score):
    """A score, and what is said beside it."""

    note: str = ""


Cell = str | int | float | Score | None


@dataclass(frozen=True)
class Table:
    """A table of a page.

    Attributes:
        head: names of the columns.
        rows: cells; None is shown as a dash, a number with four significant places, a Score with its interval.
        caption: what it shows, in which unit, over how many.
        texts: how many leading columns are text; the others are numbers, set to the right.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    caption: str = ""
    texts: int = 1


def render(template: str, charts: dict[str, dict[str, Any]], **context: Any) -> str:
    """One self-contained HTML page.

    Args:
        template: file of this package that extends `shell.html.j2`.
        charts: Vega-Lite spec, rows included, of each picture that the template places.
        context: what the template shows.
    """

    return _environment().get_template(template).render(charts=charts, bundle=markupsafe.Markup(script()), **context)


@cache
def _environment() -> jinja2.Environment:

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("patent_embeddings.pages", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    environment.tests["score"] = lambda value: isinstance(value, Score)
    return environment


def _number(value: Cell) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        if 0 < abs(value) < 5e-5:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
