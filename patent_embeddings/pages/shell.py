"""Render a template into one HTML file that needs no network. Everything is escaped unless made here."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from typing import Any
from urllib.parse import quote

import jinja2
import markupsafe

from patent_embeddings.handover.sheets import Score, Shown
from patent_embeddings.handover.spreadsheet import comma_separated
from patent_embeddings.pages.charts import script


def render(template: str, charts: dict[str, dict[str, Any]], **context: Any) -> str:
    """One self-contained HTML page of a template that extends `shell.html.j2`; `charts` are specs, rows included."""
    bundle = script() if charts else ""  # most of a page's bytes, needed for charts alone
    return _environment().get_template(template).render(charts=charts, bundle=markupsafe.Markup(bundle), **context)


def packed(data: Any) -> str:
    """Compact JSON, gzipped and in base64, always the same bytes; fit for any place of a page. Refuses NaN.

    A browser reads it by `atob` and `DecompressionStream("gzip")`.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("patent_embeddings.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {}  # columns of rows stay in their order
    environment.filters["number"] = _number
    environment.filters["comma_separated"] = comma_separated
    environment.filters["csv_address"] = _csv_address
    environment.tests["score"] = lambda value: isinstance(value, Score)
    return environment


def _csv_address(text: str) -> str:
    """A CSV file as a data address, which a link saves without any script."""
    return f"data:text/csv;charset=utf-8,{quote(text, safe=' ,;:()/')}"


def _number(value: Shown) -> str:
    if value is None or value != value:
        return "–"
    if isinstance(value, float):
        if 0 < abs(value) < 5e-5:
            return f"{value:.1e}"
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4f}" if abs(value) < 1 else f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return str(value)
