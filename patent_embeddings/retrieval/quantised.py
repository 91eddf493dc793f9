"""Compressed vectors: faiss's forms with fewer bytes, and what each loses against the exact run.

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
from patent_embeddings.retrieval.vector_space import Searched

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
    """Build faiss's index of a form over documents, float32 [rows, dimension]; equal documents give equal bytes."""
    return FORMS[form](np.ascontiguousarray(documents))


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
        search, margin = found.search(found.queries, kept)
        return ranking.retrieve(search, open_, depth, label=label, block=_BLOCK, margin=margin)
    search, margin = found.search(_signs(found.queries > 0), kept)
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
    """Positions of the test queries with judgements; of more than `MOST`, those with the least hashes."""
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
