"""Views and adapter -> document and query vectors of one landscape."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    from patent_embeddings.encoders.entries import Side

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: str) -> None:
    """Embed the documents and queries of one landscape, with the cell's adapter where there is one."""

    from patent_embeddings.core import costs, params, tables
    from patent_embeddings.core.files import replacing
    from patent_embeddings.corpus.schemas import QUERIES, VIEW
    from patent_embeddings.encoders import factory, loading, shards, windows
    from patent_embeddings.encoders.embedding import describe, query_texts, require_text
    from patent_embeddings.encoders.entries import model_entry
    from patent_embeddings.pairs.entries import recipe_entry
    from patent_embeddings.sharing import scratch
    from patent_embeddings.training import adapters

    cell = params.load()
    entry = model_entry(cell.model)
    documents = tables.read(layout.view(landscape, cell.document_view), VIEW)
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    asked = query_texts(tables.read(layout.view(landscape, cell.query_view), VIEW), queries)
    require_text(documents["text"].tolist(), landscape, cell.document_view)
    adapter = adapters.sealed(layout.ADAPTER, entry, bool(recipe_entry(cell.recipe).signals))
    with loading.offline(), costs.measured(layout.cost("embed", landscape)) as cost:
        encoder = factory.encoder(
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


if __name__ == "__main__":
    run(app)
