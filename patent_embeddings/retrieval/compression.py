"""Loss of a landscape's vectors in fewer dimensions and fewer bytes: the table that pages and exports show."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd

from patent_embeddings.core import layout, tables
from patent_embeddings.core.arrays import Booleans
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.corpus.pool import candidates
from patent_embeddings.evaluation.outcomes import Judged
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.evaluation.values import MetricsValues
from patent_embeddings.retrieval import quantised
from patent_embeddings.retrieval.values import SearchValues
from patent_embeddings.retrieval.vector_space import Searched, read, searched

LARGEST = 1 << 29  # numbers of a landscape's vectors: a form takes up to five times their 2 GiB while it is measured
FEWER = {"half": 2, "quarter": 4}  # forms that are cut, and what their dimensions are divided by


def measure(landscape: str, judged: Judged, pool: pd.DataFrame, values: MetricsValues) -> pd.DataFrame:
    """Rows of `COMPRESSION` for one landscape.

    There are none for late interaction, which no index ranks by, without test queries, or for vectors of more than
    `LARGEST` numbers, which a message says. `pool` are rows of `POOL`. Raises UserError: the vectors are absent,
    damaged, or of other queries.
    """
    search = SearchValues.model_validate(values, from_attributes=True)
    if values.similarity == "maxsim" or not (judged.queries["split"] == "test").any():
        return tables.empty(COMPRESSION)
    sides, ranked, families = read(landscape, pool, search)
    if sides["queries"].ids != judged.queries["query_id"].tolist():
        found = layout.vector_ids(landscape, "queries")
        raise UserError(f"{found}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")
    if (numbers := sides["documents"].rows.size) > LARGEST:
        say(f"{landscape}: its vectors are {numbers:,} numbers; what fewer bytes lose is measured up to {LARGEST:,}")
        return tables.empty(COMPRESSION)
    return quantised.losses(
        searched(sides, ranked, search),
        candidates(families, sides["queries"].ids, pool, earlier=values.pool == "earlier"),
        judged.queries,
        judged.qrels,
        judged.reachable,
        threshold=judged.threshold,
        depth=min(100, values.search.depth),
        label=f"compression {landscape}",
        fewer=_fewer(sides, ranked, search),
    )


def _fewer(sides: dict[str, Vectors], ranked: Booleans, values: SearchValues) -> Iterator[tuple[str, Searched]]:
    """The vectors cut as by `search.dimensions`, form by form: centred and normalised after the cut."""
    whole = values.search.dimensions or sides["documents"].rows.shape[1]
    for form, parts in FEWER.items():
        if kept := whole // parts:
            cut = values.search.model_copy(update={"dimensions": kept})
            yield form, searched(sides, ranked, values.model_copy(update={"search": cut}))
