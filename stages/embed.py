"""Views and adapter -> document and query vectors of one landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.errors import UserError, run

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import pandas as pd

    from stages.encoders import Side

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Embed the documents and queries of one landscape, with the cell's adapter where there is one."""
    from stages import adapters, costs, encoders, params, registry, scratch, tables, windows
    from stages.encoders import loading, shards
    from stages.files import replacing

    cell = params.load()
    entry = registry.model(cell.model)
    documents = tables.read(layout.view(landscape, cell.document_view), tables.VIEW)
    queries = tables.read(layout.task(landscape, "queries"), tables.QUERIES)
    asked = query_texts(tables.read(layout.view(landscape, cell.query_view), tables.VIEW), queries)
    require_text(documents["text"].tolist(), landscape, cell.document_view)
    adapter = adapters.sealed(layout.ADAPTER, entry, bool(registry.recipe(cell.recipe).signals))
    with loading.offline(), costs.measured(layout.cost("embed", landscape)) as cost:
        encoder = encoders.load(
            entry,
            length=cell.embed.length,
            dtype=cell.embed.dtype,
            adapter=adapter,
            scale=cell.embed.adapter_scale,
        )
        texts, first = documents["text"].tolist(), None
        tasks: tuple[Side, ...] = ("classification", "clustering")
        own = [name for name in tasks if getattr(entry.prompts, name) is not None]
        if (passages := cell.embed.passages).tokens is not None:
            windows.room(encoder, [encoder.prompt(side) for side in ("document", *own)], passages.tokens)
            texts, first = windows.cut(texts, encoder.tokenizer, passages.tokens, passages.stride)
        sides: dict[str, tuple[Side, list[str]]] = {"documents": ("document", texts), "queries": ("query", asked)}
        sides |= {name: (name, texts) for name in own}
        with replacing(layout.embeddings(landscape)) as folder:
            folder.mkdir()
            # Sides with the same prompt share their texts: a query that is also a document is embedded once.
            vectors = shards.encode(encoder, sides, folder, label=f"embed {landscape}", engine=cell.embed.engine)
            for name, tokens in vectors.first.items():
                ids = queries[["query_id"]] if name == "queries" else documents[["family_id"]]
                describe(folder, name, ids, tokens if name == "queries" or tokens is not None else first)
        scratch.clean(layout.scratch())
        cost.update(texts=vectors.texts, computed=vectors.computed, device=encoder.device, dtype=encoder.dtype)


def query_texts(view: pd.DataFrame, queries: pd.DataFrame) -> list[str]:
    """Text of every query, in the order of the queries."""
    texts = dict(zip(view["family_id"], view["text"], strict=True))
    return [texts[query] for query in queries["query_id"]]


def require_text(texts: Sequence[str], landscape: str, view: str) -> None:
    """Raise UserError where no family of the landscape has any text in the view."""
    if not any(texts):
        raise UserError(
            f"view {view!r} has no text in landscape {landscape!r} (its families lack the sections); "
            f"choose another view, `python -m stages.landscape show {landscape}` lists the sections present"
        )


def describe(folder: Path, name: str, ids: pd.DataFrame, first: np.ndarray | None) -> None:
    """Write the digest of a side's vectors and the table of their ids, with the first row of each where it has several."""
    from stages import tables
    from stages.files import sha256

    query = "query_id" in ids.columns
    if first is not None:
        ids = ids.assign(offset=first.astype("int64"))
        table = tables.TOKEN_QUERY_ROWS if query else tables.TOKEN_ROWS
    else:
        table = tables.QUERY_ROWS if query else tables.ROWS
    path = folder / f"{name}.npy"
    path.with_suffix(".sha256").write_text(f"{sha256(path)}\n", encoding="ascii")
    tables.write(ids, folder / f"{name}.parquet", table)


if __name__ == "__main__":
    run(app)
