"""One Vega-Lite spec a picture: the page, `dvc plots` and the PNG all draw it.

A spec carries DVC's anchor where its rows go. `python -m stages.charts` writes the specs as templates
of `dvc plots`. Rows have a `rev`: the cell's name on the page, the revision in `dvc plots diff`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Write the templates that `dvc plots` draws with, and the page that it puts them on."""

    from patent_embeddings.core.files import write_json, write_text
    from patent_embeddings.pages.charts import COLUMNS, spec, template_page

    for name in COLUMNS:
        write_json(layout.template(name), spec(name))
    write_text(layout.TEMPLATE_PAGE, template_page())


if __name__ == "__main__":
    run(app)
