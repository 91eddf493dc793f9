"""Compressed vectors: forms with fewer bytes or dimensions, and what each loses against the exact run.

Half precision and eight bits use faiss's scalar quantiser, binary its binary index: a flat index would store bytes as
floats and save nothing. Queries are not compressed. Eight bits are 256 levels between the least and the greatest value
of a dimension; binary is the sign. The documents nearest in Hamming distance are reranked by the query's inner product
with their signs, as
`semantic_search_faiss` of sentence-transformers does (Yamada, Asai and Hajishirzi, "Efficient Passage Retrieval with
Hashing for Open-domain Question Answering", ACL 2021).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from typing import Any

import faiss
import numpy as np
import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers, Places
from patent_embeddings.core.progress import say
from patent_embeddings.core.vectors import Vectors
from patent_embeddings.corpus.pool import Candidates, candidates
from patent_embeddings.evaluation.outcomes import Judged
from patent_embeddings.evaluation.retrieval import per_query
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.evaluation.statistics import FEWEST, compare
from patent_embeddings.evaluation.values import MetricsValues
from patent_embeddings.retrieval import nearest, passages, ranking
from patent_embeddings.retrieval.values import SearchValues
from patent_embeddings.retrieval.vector_space import Searched, read, require_queries, searched

RESCORE = 4  # times the depth: how many documents nearest in bits are ranked again
METRICS = ("R@100", "nDCG@10")
SCOPES = ("all", "in", "out")
_DEPTH = 100  # that the metrics look at
_RESAMPLES = 2000  # of the intervals
MOST = 2000  # test queries that are searched; of more, those whose ids have the least hashes
_BLOCK = 4096  # queries searched at once
LARGEST = 1 << 29  # numbers of a landscape's vectors: a form takes up to five times their 2 GiB while it is measured
FEWER = {"half": 2, "quarter": 4}  # forms that are cut, and what their dimensions are divided by


def _scalar(kind: int) -> Callable[[int], Any]:
    return lambda dimension: faiss.IndexScalarQuantizer(dimension, kind, faiss.METRIC_INNER_PRODUCT)


# An empty index of so many dimensions; of bits those that fill whole bytes.
FORMS: dict[str, Callable[[int], Any]] = {
    "float32": faiss.IndexFlatIP,
    "float16": _scalar(faiss.ScalarQuantizer.QT_fp16),
    "int8": _scalar(faiss.ScalarQuantizer.QT_8bit),
    "binary": lambda dimension: faiss.IndexBinaryFlat(-(-dimension // 8) * 8),
}


def built(form: str, documents: Floats) -> Any:
    """Build faiss's index of a form over documents, float32 [rows, dimension]; equal documents give equal bytes."""
    index = FORMS[form](documents.shape[1])
    rows = np.packbits(documents > 0, axis=1) if form == "binary" else np.ascontiguousarray(documents)
    index.train(rows)
    index.add(rows)
    return index


def as_bytes(index: Any) -> bytes:
    """The file of an index, as `faiss.read_index` or `faiss.read_index_binary` reads it."""
    serialise = faiss.serialize_index_binary if isinstance(index, faiss.IndexBinary) else faiss.serialize_index
    return bytes(serialise(index).tobytes())


def size(index: Any) -> int:
    """Size in bytes of an index's file, without assembling the file."""
    counts: list[int] = []
    writer = faiss.PyCallbackIOWriter(lambda part: counts.append(len(part)))  # type: ignore[attr-defined]
    (faiss.write_index_binary if isinstance(index, faiss.IndexBinary) else faiss.write_index)(index, writer)
    return sum(counts)


def held(index: Any, dimension: int) -> Floats:
    """The documents as an index stores them, float32 [rows, dimension]; binary ones as -1 and 1."""
    if isinstance(index, faiss.IndexBinary):
        flat: Any = index
        bits = faiss.vector_to_array(flat.xb).reshape(flat.ntotal, flat.code_size)
        return _signs(np.unpackbits(bits, axis=1, count=dimension))
    return np.asarray(index.reconstruct_n(0, index.ntotal))


def retrieve(
    index: Any, found: Searched, open_: Candidates, depth: int, *, label: str, rescore: int = RESCORE
) -> tuple[Floats, Places]:
    """Rank the best candidates of every query by an index of a landscape's documents, as `ranking.retrieve` does.

    Of a binary index the `rescore * depth` families nearest in Hamming distance are reranked by the uncompressed query.
    They are found by the inner product of the signs, which is exact in float32 and rises as the distance falls.
    """
    kept = held(index, found.documents.shape[1])
    if not isinstance(index, faiss.IndexBinary):
        return ranking.retrieve(found.search(found.queries, kept), open_, depth, label=label, block=_BLOCK)
    search = found.search(_signs(found.queries > 0), kept)
    _, rows = ranking.retrieve(search, open_, rescore * depth, label=label, block=_BLOCK)
    if found.several:
        scores = passages.scored(found.queries, kept, found.starts, found.best, rows, lambda part: part)
    else:
        scores, there = np.full(rows.shape, -np.inf, np.float32), np.nonzero(rows >= 0)
        scores[there] = nearest.score(np.ascontiguousarray(found.queries), kept, there[0], rows[there])
    return ranking.best(scores, rows, depth)


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
    require_queries(sides["queries"], judged.queries["query_id"].tolist(), landscape)
    if (numbers := sides["documents"].rows.size) > LARGEST:
        say(f"{landscape}: its vectors are {numbers:,} numbers; what fewer bytes lose is measured up to {LARGEST:,}")
        return tables.empty(COMPRESSION)
    return losses(
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


def losses(
    found: Searched,
    open_: Candidates,
    queries: pd.DataFrame,
    qrels: pd.DataFrame,
    reachable: Booleans | None = None,
    *,
    threshold: int = 1,
    depth: int = _DEPTH,
    label: str = "search",
    fewer: Iterable[tuple[str, Searched]] = (),
) -> pd.DataFrame:
    """Score every form of the documents on the test queries, and compare it with the exact run.

    Args:
        found: the prepared vectors.
        open_: candidates of the queries; families and queries in the order of `found`.
        queries: rows of `QUERIES`, in that order; at most `MOST` of the split `test` are used.
        qrels: rows of `QRELS`.
        reachable, threshold: as in `evaluation.retrieval.per_query`.
        depth: families kept for a query.
        label: of the progress bar.
        fewer: the same vectors in fewer dimensions, by the name of the form, as float32.

    Returns rows of `COMPRESSION`, one a form, metric and scope: score, its difference from float32 with a 95 %
    bootstrap interval over queries (NaN of fewer than `FEWEST`), number of queries, dimensions, bytes of the index's
    file, and those a family. No row of a scope without a query.
    """
    tests = _tests(queries, qrels if reachable is None else qrels[reachable])
    if not len(tests):
        return tables.empty(COMPRESSION)
    names = [open_.queries[place] for place in tests]
    open_ = replace(open_, queries=names, own=open_.own[tests], before=open_.before[tests])
    rows: list[tuple[Any, ...]] = []
    exact: dict[Any, Doubles] = {}
    whole = ((form, form, found) for form in FORMS)
    for form, kind, vectors in chain(whole, ((form, "float32", less) for form, less in fewer)):
        part = replace(vectors, queries=vectors.queries[tests])
        index = built(kind, part.documents)
        total, dimensions = size(index), part.documents.shape[1]
        run = ranking.frame(names, open_.families, *retrieve(index, part, open_, depth, label=f"{label} {form}"))
        outcomes = per_query(run, qrels, queries.iloc[tests], METRICS, reachable, threshold)
        groups = outcomes.groupby(["metric", "scope"], observed=True)["value"]
        values = {key: value.to_numpy() for key, value in groups if key[1] in SCOPES}
        exact = exact or values
        for key, value in values.items():  # of the same queries, in order
            change = compare(value, exact[key], _RESAMPLES, seed=0)
            # Rounding must not put a bound past the difference.
            bounds = min(change.low, change.difference), max(change.high, change.difference)
            low, high = bounds if change.n >= FEWEST else (np.nan, np.nan)
            figures = float(value.mean()), change.difference, low, high, change.n
            rows.append((form, *key, *figures, dimensions, total, total / len(open_.families)))
    return tables.typed(pd.DataFrame(rows, columns=list(COMPRESSION.columns)), COMPRESSION)


def _tests(queries: pd.DataFrame, qrels: pd.DataFrame) -> Integers:
    """Positions of the test queries with judgements; of more than `MOST`, those with the least hashes."""
    scored = (queries["split"] == "test") & queries["query_id"].isin(qrels["query_id"])
    places = np.flatnonzero(scored.to_numpy())
    if len(places) <= MOST:
        return places
    hashes = [hashlib.sha256(name.encode()).digest() for name in queries["query_id"].iloc[places]]
    return np.sort(places[sorted(range(len(places)), key=hashes.__getitem__)[:MOST]])


def _signs(positive: Any) -> Floats:
    return np.where(positive, np.float32(1), np.float32(-1))
