"""The parameters and entries that each stage reads, from which `check` writes one file for each stage.

A stage depends on its file and on nothing else in params.yaml or the registry. So it runs again exactly when something
that it reads changes, whether in params.yaml, in an entry, or in a default in the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from patent_embeddings.core import layout, registry
from patent_embeddings.core.files import as_json, read_json, replacing
from patent_embeddings.core.params import Params, Values, resolve
from patent_embeddings.corpus.entries import Landscape, View, landscape_entry, view_entry
from patent_embeddings.corpus.values import DownloadValues, TasksValues, ViewsValues
from patent_embeddings.encoders.entries import Model, model_entry, reranker_entry
from patent_embeddings.encoders.values import EmbedValues, LengthsValues
from patent_embeddings.evaluation.values import MetricsValues
from patent_embeddings.pairs.entries import Recipe, recipe_entry
from patent_embeddings.pairs.values import PairsValues
from patent_embeddings.retrieval.values import Bm25Values, FuseValues, RerankValues, SearchValues
from patent_embeddings.training.values import FinetuneValues

ENGINES = ("embed.engine", "search.engine")  # options that change no outcome, only how it is computed


class ReportValues(Values):
    """Values of the stage `report`: all that its page may show."""

    cell: Params
    model: Model
    recipe: Recipe
    landscapes: dict[str, Landscape]
    views: dict[str, View]


CELL: dict[str, type[Values]] = {"pairs": PairsValues, "finetune": FinetuneValues, "report": ReportValues}
LANDSCAPE: dict[str, type[Values]] = {
    "download": DownloadValues,
    "views": ViewsValues,
    "tasks": TasksValues,
    "lengths": LengthsValues,
    "embed": EmbedValues,
    "bm25": Bm25Values,
    "search": SearchValues,
    "fuse": FuseValues,
    "rerank": RerankValues,
    "metrics": MetricsValues,
}


# Sources of values besides the keys of params.yaml, by what an alias begins with: entries in place of their ids, and
# values that follow from entries. The second argument is the landscape of the stage.
SOURCES: dict[str, Callable[[Params, str], Any]] = {
    "cell": lambda cell, place: settled(cell),
    "cross_fitted": lambda cell, place: cell.tasks.seed if _judged(place) and not _trains(cell) else None,
    "dated": lambda cell, place: _judged(place) and cell.tasks.pool == "earlier",
    "dtype": lambda cell, place: embeds_in(cell.model, cell.embed.dtype),
    "judged": lambda cell, place: [name for name in ordered(cell).evaluate_on if _judged(name)],
    "landscape": lambda cell, place: landscape_entry(place),
    "landscapes": lambda cell, place: {name: landscape_entry(name) for name in cell.evaluate_on},
    "model": lambda cell, place: _cut(cell, cell.embed.length),
    "recipe": lambda cell, place: recipe_entry(cell.recipe),
    "reranker": lambda cell, place: cell.rerank.model and reranker_entry(cell.rerank.model),
    "reranks_in": lambda cell, place: reranks_in(cell),
    "trained": lambda cell, place: _trains(cell),
    "trained_on": lambda cell, place: cell.trained_on(recipe_entry(cell.recipe)),
    "tuned": lambda cell, place: _cut(cell, cell.finetune.length),
    "view_ids": lambda cell, place: registry.ids("views"),
    "views": lambda cell, place: {name: view_entry(name) for name in registry.ids("views")},
}


def write(cell: Params) -> None:
    """Write the values of every stage of a cell for its landscapes, and remove those of other landscapes.

    Raises UserError where an id is in no registry, or its entry is wrong.
    """
    places = [(layout.CELL, CELL), *((name, LANDSCAPE) for name in cell.evaluate_on)]
    with replacing(layout.VALUES) as folder:
        for place, stages in places:
            for stage in stages:
                path = folder / layout.values(stage, place).relative_to(layout.VALUES)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(as_json(resolved(cell, stage, place)), encoding="utf-8")


def resolved(cell: Params, stage: str, landscape: str = layout.CELL) -> dict[str, Any]:
    """The values that one stage reads, as plain JSON. Raises UserError as `write`."""

    def source(name: str) -> Any:
        return SOURCES[name](cell, landscape) if name in SOURCES else getattr(ordered(cell), name)

    return resolve({**CELL, **LANDSCAPE}[stage], source)


def outdated(cell: Params, stage: str) -> Iterator[str]:
    """Values of a stage that differ between params.yaml and the registry now and the file that `check` wrote."""
    name, _, landscape = stage.partition("@")
    place = landscape or layout.CELL
    if (path := layout.values(name, place)).exists():
        held, now = flat(read_json(path)), flat(resolved(cell, name, place))
        same = {"engine", *(f"cell.{key}" for key in ENGINES)}  # which change no outcome
        for key in sorted((held.keys() | now.keys()) - same):
            if held.get(key) != now.get(key):
                yield f"stage {stage} ran with {key} {held.get(key)!r:.60}, it is {now.get(key)!r:.60} now"


def flat(params: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Nested parameters by dotted key."""
    out: dict[str, Any] = {}
    for key, value in params.items():
        out |= flat(value, f"{above}{key}.") if isinstance(value, dict) else {above + key: value}
    return out


def report(cell: Params) -> ReportValues:
    """Values of `report` for a cell, whether computed or not. Raises UserError as `write`."""
    return ReportValues.model_validate(resolved(cell, "report"))


def embeds_in(model: str, asked: str | None) -> str:
    """Type of number that a model embeds in: the one asked for, or else that of its entry."""
    return asked or str(model_entry(model).dtype)


def reranks_in(params: Params) -> str:
    """Type of number that the reranker scores in: that of params.yaml, or else of the reranker's entry."""
    model = params.rerank.model
    return params.embed.dtype or (reranker_entry(model).dtype if model else "float32")


def settled(params: Params) -> Params:
    """The parameters with `embed.dtype` filled in."""
    own = params.embed.model_copy(update={"dtype": embeds_in(params.model, params.embed.dtype)})
    return params.model_copy(update={"embed": own})


def ordered(params: Params) -> Params:
    """The parameters with their lists of landscapes sorted, whose order changes no outcome."""
    tuning = params.finetune.model_copy(update={"held_out": sorted(params.finetune.held_out)})
    return params.model_copy(update={"evaluate_on": sorted(params.evaluate_on), "finetune": tuning})


def usual(params: Params) -> Params:
    """The parameters with what changes no outcome as everywhere: landscapes in order, local engines."""
    blocks = {name: getattr(params, name).model_copy(update={"engine": "local"}) for name in ("embed", "search")}
    return ordered(params).model_copy(update=blocks)


def _judged(landscape: str) -> bool:
    """Whether a landscape is scored by the user's own judgements."""
    return bool(landscape_entry(landscape).relevance == "judged")


def _trains(cell: Params) -> bool:
    return bool(recipe_entry(cell.recipe).signals)


def _cut(cell: Params, asked: int | None) -> Model:
    """The cell's model with the length that texts are cut to, given the length that params.yaml asks for."""
    model = model_entry(cell.model)
    return model.model_copy(update={"length": model.kept(asked)})
