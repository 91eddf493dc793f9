"""Embeddings -> dense run, by exact search."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from stages import layout
from stages.errors import UserError, run
from stages.progress import say

if TYPE_CHECKING:
    from pathlib import Path

    from stages.ranking import Floats, Integers, Search

app = typer.Typer(add_completion=False)

_BLOCK = 4096  # queries searched at once
_ERROR = 1e-6  # of a float32 inner product of unit vectors
_HELD = 1 << 18  # numbers gathered at once when near ties are settled: 1 MiB, which stays in the cache


@app.command()
def main(landscape: str) -> None:
    """Rank the documents of one landscape for each of its queries by their vectors."""
    from stages import costs, params, ranking, registry, tables

    cell = params.load()
    entry = registry.model(cell.model)
    late = entry.similarity == "maxsim"
    with costs.measured(layout.cost("search", landscape)) as cost:
        asked = tables.read(layout.task(landscape, "queries"), tables.QUERIES)["query_id"].tolist()
        pool = tables.read(layout.task(landscape, "pool"), tables.POOL)
        kinds = {"documents": tables.TOKEN_ROWS if late else tables.ROWS,
                 "queries": tables.TOKEN_QUERY_ROWS if late else tables.QUERY_ROWS}  # fmt: skip
        rows = {side: tables.read(layout.vector_ids(landscape, side), kind) for side, kind in kinds.items()}
        if rows["queries"]["query_id"].tolist() != asked:
            raise UserError(f"{layout.vector_ids(landscape, 'queries')}: not the queries of {layout.task(landscape, 'queries')}; run `dvc repro`")  # fmt: skip
        vectors = {}
        for side in kinds:
            path = layout.vectors(landscape, side)
            stored = load(path, rows=None if late else len(rows[side]))
            vectors[side] = prepared(stored, cell.search.dimensions, entry.similarity, path)
        if late:
            search, margin = late_interaction(vectors, {side: rows[side]["offset"].to_numpy() for side in kinds}), 0.0
        else:
            search, margin = inner_product(vectors["queries"], vectors["documents"])
        documents = rows["documents"]["family_id"].tolist()
        open_ = ranking.candidates(documents, asked, pool, earlier=cell.tasks.pool == "earlier")
        scores, found = ranking.retrieve(
            search, open_, cell.search.depth, label=f"search {landscape}", block=_BLOCK, margin=margin
        )
        tables.write(ranking.frame(asked, documents, scores, found), layout.run(landscape, "dense"), tables.RUN)
        cost.update(texts=len(asked), documents=int(pool["ranked"].sum()))


def load(path: Path, rows: int | None) -> Floats:
    """Vectors of one side, float32 [rows, dimension], memory-mapped.

    Raises:
        UserError: the file is absent, damaged, of another shape or type, or holds a number that is not finite.
    """
    import numpy as np

    from stages.files import sha256

    again = "run `python -m stages.share check`, then `dvc repro`"
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: damaged vectors ({str(error).splitlines()[0]:.100}); {again}") from None
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise UserError(f"{path}: {vectors.dtype} of shape {vectors.shape}, expected rows of float32; {again}")
    if rows is not None and len(vectors) != rows:
        raise UserError(f"{path}: {len(vectors)} vectors for {rows} ids; {again}")
    digest = path.with_suffix(".sha256")
    if digest.exists() and digest.read_text(encoding="ascii").strip() != sha256(path):
        raise UserError(f"{path}: damaged vectors (not those of {digest.name}); {again}")
    for start in range(0, len(vectors), 1 << 16):
        if not np.isfinite(vectors[start : start + (1 << 16)]).all():
            raise UserError(f"{path}: a vector holds a number that is not finite; {again}")
    return vectors


def prepared(vectors: Floats, dimensions: int | None, similarity: str, path: Path) -> Floats:
    """Vectors as they are searched: the first `dimensions` kept, and of unit length where similarity is cosine.

    Token vectors come at unit length and are only brought back to it after a cut. A vector of
    zeros stays so: its cosine with anything counts 0.

    Raises:
        UserError: the vectors have fewer dimensions.
    """
    import numpy as np

    if dimensions is not None and dimensions > vectors.shape[1]:
        raise UserError(f"{layout.PARAMS}: search.dimensions is {dimensions}, the vectors of {path} have {vectors.shape[1]}; use fewer, or null for all")  # fmt: skip
    cut = vectors[:, :dimensions]
    if similarity == "cosine" or (similarity == "maxsim" and dimensions is not None):
        length = np.linalg.norm(cut, axis=1, keepdims=True)
        if empty := int((length == 0).sum()):
            say(f"{path}: {empty} vectors of zeros, which score 0 with everything")
        cut = np.divide(cut, length, out=np.zeros_like(cut), where=length > 0)
    return cut if similarity == "maxsim" else np.ascontiguousarray(cut)


def inner_product(queries: Floats, documents: Floats) -> tuple[Search, float]:
    """Exact search by inner product, float32 [queries, dimension] and [documents, dimension], and its margin.

    A matrix product rounds by the place of a number in its block, so equal vectors may differ in
    their last bit and tie no more. What lies within the margin is computed again, each pair by
    itself in float64: equal vectors score the same, wherever they stand.
    """
    import faiss
    import numpy as np

    longest = [np.sqrt(np.einsum("ij,ij->i", side, side).max(initial=0.0)) for side in (queries, documents)]
    margin = 2 * _ERROR * float(longest[0] * longest[1])

    def search(part: Integers, k: int) -> tuple[Floats, Integers]:
        scores: Floats
        scores, rows = faiss.knn(queries[part], documents, k, metric=faiss.METRIC_INNER_PRODUCT)
        near = np.zeros(scores.shape, dtype=bool)
        near[:, 1:] = scores[:, :-1] - scores[:, 1:] <= margin
        near[:, :-1] |= near[:, 1:]
        query, place = np.nonzero(near)
        step = max(1, _HELD // max(1, queries.shape[1]))
        for start in range(0, len(query), step):
            pair = query[start : start + step], place[start : start + step]
            left, right = queries[part[pair[0]]], documents[rows[pair]]
            scores[pair] = np.einsum("ij,ij->i", left, right, dtype=np.float64).astype(np.float32)
        return scores, rows

    return search, margin


def late_interaction(vectors: dict[str, Floats], offsets: dict[str, Integers]) -> Search:
    """Exact search by MaxSim over token vectors, each side float32 [tokens, dimension] with its first rows."""
    import numpy as np

    from stages.encoders import late

    starts = np.append(offsets["queries"], len(vectors["queries"]))
    counts = np.diff(starts)

    def search(part: Integers, k: int) -> tuple[Floats, Integers]:
        tokens = np.concatenate([vectors["queries"][starts[place] : starts[place + 1]] for place in part])
        first = np.cumsum(counts[part]) - counts[part]
        return late.search(tokens, first, vectors["documents"], offsets["documents"], k)

    return search


if __name__ == "__main__":
    run(app)
