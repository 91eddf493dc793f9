"""The page of one cell: its facts, sentences, tables and pictures."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from patent_embeddings.core.params import Params
from patent_embeddings.handover.sheets import Sheet
from patent_embeddings.pages.cell import memory, notes, provenance, scores
from patent_embeddings.pages.cell.pictures import PLOTS
from patent_embeddings.pages.cell.queries import example, won
from patent_embeddings.pages.cell.results import CellResults
from patent_embeddings.pages.cell.takeaways import answer
from patent_embeddings.pages.shell import packed, render

# Tables of the page that can be exported, by name; None where nothing was measured for one.
SHEETS: dict[str, Callable[[CellResults], Sheet | None]] = {
    "retrieval": scores.retrieval,
    "inout": scores.inout,
    "fusion": scores.fusion,
    "won": won,
    "classification": partial(scores.against_floor, task="classification"),
    "clustering": partial(scores.against_floor, task="clustering"),
    "compression": memory.compression,
    "costs": provenance.costs,
    "licences": provenance.licences,
}


def page(cell: CellResults, failures: dict[str, Any] | None = None) -> str:
    """The whole page as HTML; `failures` are the data of the query browser, None for a page without one."""
    drawn = {name: (plot, plot.data(cell)) for name, plot in PLOTS.items()}
    drawn = {name: (plot, rows) for name, (plot, rows) in drawn.items() if rows}
    tables = {name: sheet(cell) for name, sheet in SHEETS.items()}
    return render(
        "cell.html.j2",
        answer=answer(cell),
        charts={name: plot.of(cell, rows) for name, (plot, rows) in drawn.items()},
        pictures=[
            (plot.section, name, plot.caption(cell), cell.source(plot.file)) for name, (plot, _) in drawn.items()
        ],
        cell=cell,
        facts=facts(cell),
        missing=[sentence for landscape in cell.landscapes for sentence in notes.missing(cell, landscape)],
        noted=[sentence for landscape in cell.landscapes for sentence in notes.noted(cell, landscape)],
        relevance=notes.relevance(cell),
        judged=[sentence for landscape in cell.landscapes for sentence in notes.judged(cell, landscape)],
        unknown=[notes.unknown(landscape) for landscape in cell.landscapes if len(landscape.qrels)],
        published=scores.published(cell),
        lengths=[(landscape.name, provenance.lengths(cell, landscape)) for landscape in cell.landscapes],
        stand_for=[(name, view.study) for name, view in sorted(cell.values.views.items()) if view.study],
        training=provenance.training(cell),
        memory=[*memory.takeaway(cell), *memory.remarks(cell)],
        failures=failures and packed(failures),
        examples=[shown for landscape in cell.landscapes if (shown := example(cell, landscape))],
        **tables,
    )


def facts(cell: CellResults) -> list[tuple[str, str]]:
    """Which cell this is: its model, recipe, views and options, as terms with their values."""
    params, model = cell.params, cell.model
    tuned = params.embed.adapter_scale
    weights = [f"{cell.recipe.weight:g} of the recipe"] if cell.recipe.weight != 1 else []
    weights += [f"{tuned:g} when embedding"] if cell.recipe.signals and tuned != 1 else []
    sided = ", query terms weighed too" if params.bm25.query_side else ""
    own = f", queries at {model.query_length}" if model.query_length not in (None, model.length) else ""
    each = " for each token" if model.similarity == "maxsim" else ""
    rerank = params.rerank
    return [
        ("Model", f"{params.model}: {model.hub}, {model.parameters:g} M parameters, {model.dimension} dimensions"),
        ("Revision", model.revision or "none pinned"),
        ("Recipe", f"{params.recipe}: {cell.recipe.description}"),
        ("Trained on", ", ".join(cell.trained_on) or "nothing (zero-shot)"),
        ("Evaluated on", ", ".join(landscape.name for landscape in cell.landscapes)),
        ("Views", f"{params.query_view} for queries, {params.document_view} for documents"),
        ("Texts cut at", f"{model.length} tokens{own}"),
        ("Vectors", f"{params.search.dimensions or model.dimension} dimensions{each}, {params.embed.dtype}"),
        *([("Documents", passages(params))] if params.embed.passages.tokens else []),
        *([("Centred", "the mean of the ranked documents is subtracted")] if params.search.centre != "none" else []),
        *([("Adapter weighed", " times ".join(weights))] if weights else []),
        ("Split", f"seed {params.tasks.seed}, fold {params.tasks.fold} (of 0 to 4)"),
        ("Ranked for a query", _POOLS[params.tasks.pool]),
        ("Seeds", f"training {params.finetune.seed}, metrics {params.metrics.seed}"),
        ("BM25", f"k1 {params.bm25.k1:g}, b {params.bm25.b:g}{sided}"),
        *([("Reranked", f"the top {rerank.depth} of {rerank.system}, by {rerank.model}")] if rerank.model else []),
    ]


_POOLS = {"all": "all other families of the landscape", "earlier": "families published before it"}


def passages(params: Params) -> str:
    """How documents are cut and scored, in words."""
    cut = params.embed.passages
    scored = {"best": "their best one", "top3": "the mean of their best three"}[params.search.passages]
    return f"in passages of {cut.tokens} tokens, one every {cut.stride}, scored by {scored}"
