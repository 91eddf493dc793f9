"""Views and adapter -> document and query vectors of one landscape."""

from __future__ import annotations

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.command import Landscape, run

app = typer.Typer(add_completion=False)


@app.command()
def main(landscape: Landscape) -> None:
    """Embed the documents and queries of one landscape, with the cell's adapter where there is one."""
    from patent_embeddings.core import costs, params, scratch
    from patent_embeddings.core.files import replacing
    from patent_embeddings.corpus import texts
    from patent_embeddings.encoders import embedding
    from patent_embeddings.encoders.specification import Specification
    from patent_embeddings.encoders.values import EmbedValues
    from patent_embeddings.training import adapters

    values = params.read("embed", EmbedValues, landscape)
    documents = texts.texts(landscape, values.document_view)
    queries = texts.queries(landscape, values.query_view)
    embedding.require_text(documents.values(), landscape, values.document_view)
    adapter = adapters.sealed(layout.ADAPTER, values.model, values.trained)
    with costs.measured(layout.cost("embed", landscape)) as cost:
        model = Specification(values.model, dtype=values.dtype, adapter=adapter, scale=values.adapter_scale)
        with replacing(layout.embeddings(landscape)) as folder:
            folder.mkdir()
            encoded = embedding.embed(model, documents, queries, values, folder, f"embed {landscape}")
        scratch.clean(layout.scratch())
        cost.update(texts=encoded.texts, computed=encoded.computed, device=model.device, dtype=model.dtype)


if __name__ == "__main__":
    run(app)
