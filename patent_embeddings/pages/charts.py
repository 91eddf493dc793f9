"""Vega-Lite on our pages: the style that all pictures share, and the script that draws them in a browser."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import vl_convert

from patent_embeddings.pages.colours import INK


def spec(chart: Any, **more: Any) -> dict[str, Any]:
    """Vega-Lite of a chart with the style that all pictures share, on a transparent ground; `more` replaces keys."""
    ink = INK  # follows the page between light and dark
    words = {"labelColor": ink, "titleColor": ink, "titleFontWeight": "normal", "labelFontSize": 11}
    lines = {"gridColor": ink, "gridOpacity": 0.12, "domainColor": ink, "domainOpacity": 0.4, "tickColor": ink}
    styled = (
        chart.configure(font="system-ui, Liberation Sans, Arial, sans-serif")
        .configure_axis(**words, **lines, titleFontSize=11, tickCount=6, tickOpacity=0.4)
        .configure_legend(**words, titleFontSize=11, orient="bottom", labelLimit=260, columns=3)
        .configure_header(labelColor=ink, labelFontSize=12, labelFontWeight="bold", labelAnchor="start")
        .configure_title(color=ink, subtitleColor=ink, fontSize=14, subtitleFontSize=11, subtitlePadding=6)
        .configure_view(stroke=None)
    )
    return {**styled.to_dict(), "background": "transparent", **more}


def filled(spec: dict[str, Any], rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The spec with these rows as its data."""
    return {**spec, "data": {**spec["data"], "values": list(rows)}}


@cache
def script() -> str:
    """JavaScript that defines `vegaEmbed` and all that it needs; fit for a script element."""
    bundle: str = vl_convert.javascript_bundle(snippet="window.vegaEmbed = vegaEmbed;")
    return bundle.replace("</script", "<\\/script")  # nothing in it may end its element


def template_page() -> str:
    """The page of `dvc plots show` and `diff`; unlike DVC's own it needs no network."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n{refresh_tag}\n<title>Plots</title>\n'
        "<style>body { font: 15px sans-serif; margin: 2rem; }</style>\n"
        f"<script>{script()}</script>\n</head>\n<body>\n{{plot_divs}}\n</body>\n</html>\n"
    )
