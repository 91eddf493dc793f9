"""Vectors in fewer bytes: the forms that faiss keeps them in, and what each loses against the exact run.

Half precision and eight bits are faiss's scalar quantiser, bits its binary index: bytes put into a flat index would be
floats again and save nothing. A query stays as it is. Eight bits are 256 levels between least and greatest value of a
dimension, bits the signs. The documents nearest in bits are ranked again by the query's product with their signs, as
`semantic_search_faiss` of sentence-transformers does (Yamada, Asai and Hajishirzi, "Efficient Passage Retrieval with
Hashing for Open-domain Question Answering", ACL 2021).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any

import faiss
import numpy as np
import pandas as pd

from patent_embeddings.core import tables
from patent_embeddings.core.arrays import Booleans, Doubles, Floats, Integers, Places
from patent_embeddings.corpus.pool import Candidates
from patent_embeddings.evaluation.retrieval import per_query
from patent_embeddings.evaluation.schemas import COMPRESSION
from patent_embeddings.evaluation.statistics import FEWEST, compare
from patent_embeddings.retrieval import nearest, passages, ranking
from patent_embeddings.retrieval.vector_space import Searched, by_inner_product

RESCORE = 4  # times the depth: how many documents nearest in bits are ranked again
METRICS = ("R@100", "nDCG@10")
SCOPES = ("all", "in", "out")
Figures = tuple[float, float, float, float, int]  # score, difference, its bounds, queries
_DEPTH = 100  # that the metrics look at
_RESAMPLES = 2000  # of the intervals
MOST = 2000  # test queries that are searched; of more, those whose ids have the least hashes
_BLOCK = 4096  # queries searched at once


def _flat(documents: Floats) -> Any:
    index = faiss.IndexFlatIP(documents.shape[1])
    index.add(documents)
    return index


def _scalar(kind: int) -> Callable[[Floats], Any]:
    def build(documents: Floats) -> Any:
        index = faiss.IndexScalarQuantizer(documents.shape[1], kind, faiss.METRIC_INNER_PRODUCT)
        index.train(documents)
        index.add(documents)
        return index

    return build


def _bits(documents: Floats) -> Any:
    packed = np.packbits(documents > 0, axis=1)
    index = faiss.IndexBinaryFlat(8 * packed.shape[1])
    index.add(packed)
    return index


FORMS: dict[str, Callable[[Floats], Any]] = {
    "float32": _flat,
    "float16": _scalar(faiss.ScalarQuantizer.QT_fp16),
    "int8": _scalar(faiss.ScalarQuantizer.QT_8bit),
    "binary": _bits,
}


def built(form: str, documents: Floats) -> Any:
    """Faiss index of a form, of documents float32 [rows, dimension]; the same bytes for the same documents."""
    return FORMS[form](np.ascontiguousarray(documents))


def as_bytes(index: Any) -> bytes:
    """The file of an index, as `faiss.read_index` or `faiss.read_index_binary` reads it."""
    serialise = faiss.serialize_index_binary if isinstance(index, faiss.IndexBinary) else faiss.serialize_index
    return bytes(serialise(index).tobytes())


def size(index: Any) -> int:
    """Bytes of the file of an index, which is not put together for it."""
    counts: list[int] = []
    writer = faiss.PyCallbackIOWriter(lambda part: counts.append(len(part)))  # type: ignore[attr-defined]
    (faiss.write_index_binary if isinstance(index, faiss.IndexBinary) else faiss.write_index)(index, writer)
    return sum(counts)


def held(index: Any, dimension: int) -> Floats:
    """The documents as an index has them, float32 [rows, dimension]; of bits -1 and 1."""
    if isinstance(index, faiss.IndexBinary):
        flat: Any = index
        bits = faiss.vector_to_array(flat.xb).reshape(flat.ntotal, flat.code_size)
        return _signs(np.unpackbits(bits, axis=1, count=dimension))
    return np.asarray(index.reconstruct_n(0, index.ntotal))


def retrieve(
    index: Any, found: Searched, open_: Candidates, depth: int, *, label: str, rescore: int = RESCORE
) -> tuple[Floats, Places]:
    """The best candidates of every query from an index of a landscape's documents, as `ranking.retrieve` gives them.

    Of bits the `rescore` times `depth` families nearest in Hamming distance are ranked again by the query as it is. The
    distance of two vectors of signs falls as their inner product rises, which is what is searched: exact in float32.
    """
    kept = held(index, found.documents.shape[1])
    if not isinstance(index, faiss.IndexBinary):
        search, margin = by_inner_product(found.queries, kept, found.starts, found.best)
        return ranking.retrieve(search, open_, depth, label=label, block=_BLOCK, margin=margin)
    search, margin = by_inner_product(_signs(found.queries > 0), kept, found.starts, found.best)
    if not found.several:  # whole numbers, equal ones by family: what ties with the last is settled
        margin = -0.5
    _, rows = ranking.retrieve(search, open_, rescore * depth, label=label, block=_BLOCK, margin=margin)
    if found.several:
        scores = passages.scored(found.queries, kept, found.starts[:-1], found.best, rows)
    else:
        scores, there = np.full(rows.shape, -np.inf, np.float32), np.nonzero(rows >= 0)
        scores[there] = nearest.score(np.ascontiguousarray(found.queries), kept, there[0], rows[there])
    return ranking.best(scores, rows, depth)


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
    """What every form of the documents scores, and loses against the exact run, on the test queries.

    Args:
        found: vectors as they are searched.
        open_: candidates of the queries; its families and queries are those of `found`, in order.
        queries: rows of `QUERIES`, in that order; those of the split `test` count, at most `MOST` of them.
        qrels: rows of `QRELS`.
        reachable, threshold: as in `evaluation.retrieval.per_query`.
        depth: families kept for a query.
        label: of the progress that is shown.
        fewer: the same vectors of both sides in fewer dimensions, by the name of that form, kept as float32.

    Returns rows of `COMPRESSION`, one a form, metric and scope: score, its difference from float32 with a 95 %
    bootstrap interval over queries (NaN of fewer than `FEWEST`), number of queries, dimensions, bytes of the index's
    file, and those a family. No row of a scope without a query.
    """
    tests = _tests(queries, qrels if reachable is None else qrels[reachable])
    if not len(tests):
        return tables.empty(COMPRESSION)
    asked = queries.iloc[tests]
    rows: list[tuple[Any, ...]] = []
    exact = None
    for form, kind, vectors in chain(
        ((form, form, found) for form in FORMS), ((form, "float32", less) for form, less in fewer)
    ):
        part, candidates = _of(vectors, open_, tests)
        index = built(kind, part.documents)
        total, dimensions = size(index), part.documents.shape[1]
        ranks = retrieve(index, part, candidates, depth, label=f"{label} {form}")
        run = ranking.frame(candidates.queries, candidates.families, *ranks)
        outcomes = per_query(run, qrels, asked, METRICS, reachable, threshold)
        exact = outcomes if exact is None else exact
        sizes = dimensions, total, total / len(open_.families)
        rows += [(form, metric, scope, *figures, *sizes) for metric, scope, figures in _compared(outcomes, exact)]
    return tables.typed(pd.DataFrame(rows, columns=list(COMPRESSION.columns)), COMPRESSION)


def _tests(queries: pd.DataFrame, qrels: pd.DataFrame) -> Integers:
    """Places of the test queries that can be scored; of more than `MOST` the same ones wherever they stand."""
    scored = (queries["split"] == "test") & queries["query_id"].isin(qrels["query_id"])
    places = np.flatnonzero(scored.to_numpy())
    if len(places) <= MOST:
        return places
    hashes = [hashlib.sha256(name.encode()).digest() for name in queries["query_id"].iloc[places]]
    return np.sort(places[sorted(range(len(places)), key=hashes.__getitem__)[:MOST]])


def _signs(positive: Any) -> Floats:
    return np.where(positive, np.float32(1), np.float32(-1))


def _of(found: Searched, open_: Candidates, queries: Integers) -> tuple[Searched, Candidates]:
    """Vectors and candidates of some of the queries."""
    names = [open_.queries[place] for place in queries]
    some = Candidates(open_.families, names, open_.own[queries], open_.born, open_.before[queries])
    return Searched(found.queries[queries], found.documents, found.starts, found.best, found.mean), some


def _compared(
    ours: pd.DataFrame, exact: pd.DataFrame
) -> Iterator[tuple[str, str, tuple[float, float, float, float, int]]]:
    """Figures of each metric and scope; both have the same queries in order."""
    for metric in METRICS:
        for scope in SCOPES:
            first, second = (_values(frame, metric, scope) for frame in (ours, exact))
            if not len(first):
                continue
            change = compare(first, second, _RESAMPLES, seed=0)
            # Rounding must not put a bound past the difference.
            bounds = min(change.low, change.difference), max(change.high, change.difference)
            low, high = bounds if change.n >= FEWEST else (np.nan, np.nan)
            yield metric, scope, (float(first.mean()), change.difference, low, high, change.n)


def _values(frame: pd.DataFrame, metric: str, scope: str) -> Doubles:
    return frame.loc[(frame["metric"] == metric) & (frame["scope"] == scope), "value"].to_numpy()
