"""Retrieval metrics by query and scope against ir-measures, which calls trec_eval's code."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import comparison
from benchmarks.timing import ROOT, Sample, function
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    import pandas as pd

app = typer.Typer(add_completion=False)

NAME = "metrics"
PEER = "ir-measures"
FAMILIES = 113_148
DEPTH = 1000
RELEVANT = 4  # relevant families of a query
SCOPES = ("all", "in", "out")
TOLERANCE = 1e-9  # of any query's value
SECONDS, GIB = 60.0, 4.0  # limits of the whole
PACKAGES = ("ir-measures", "pytrec-eval-terrier", "numpy", "pandas")


@app.command()
def main(
    queries: Annotated[int, typer.Option(min=1, help="Queries of a run with 1,000 results each.")] = 46_069,
    sample: Annotated[int, typer.Option(min=1, help="Queries that both score.")] = 1_000,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="5,000 queries, a sample of 300, 3 turns.")] = False,
) -> None:
    """Score a random run on five metrics in three scopes."""
    if quick:
        queries, sample, turns = 5_000, 300, 3
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        outs = {name: str(folder / f"{name}.parquet") for name in ("ours", "peer")}
        held = comparison.Contest(
            NAME, f"{sample} queries", PEER,
            {"ours": partial(function, "benchmarks.metrics:ours", {"queries": sample, "out": outs["ours"]}, ROOT),
             PEER: partial(function, "benchmarks.metrics:plain", {"queries": sample, "out": outs["peer"]}, ROOT)},
            comparison.Agreement("largest difference of a query's value", TOLERANCE, partial(_difference, outs)),
            PACKAGES, "scoring_seconds",
        )  # fmt: skip
        comparison.hold(held, turns)
        whole = function("benchmarks.metrics:ours", {"queries": queries, "out": outs["ours"]}, ROOT)
        found = [comparison.Measurement("seconds of scoring", whole.values["scoring_seconds"], "s", SECONDS),
                 comparison.Measurement("peak memory of the process, the run included", whole.peak_mib / 1024, "GiB", GIB)]  # fmt: skip
        comparison.note(NAME, f"{queries} queries", found, PACKAGES)


def ours(queries: int, out: str) -> dict[str, float]:
    """Values of every query by the metrics stage's own function."""
    import time

    from patent_embeddings.evaluation.retrieval import per_query

    found, qrels = planted(queries)
    asked = qrels[["query_id"]].drop_duplicates(ignore_index=True).assign(split="test")
    start = time.perf_counter()
    scored = per_query(found, qrels, asked)
    seconds = time.perf_counter() - start
    scored[scored["scope"].isin(SCOPES)][["scope", "metric", "query_id", "value"]].to_parquet(out)
    return {"scoring_seconds": seconds}


def plain(queries: int, out: str) -> dict[str, float]:
    """Values of every query by ir-measures, on frames in its own form."""
    import time

    import ir_measures
    import pandas as pd

    from patent_embeddings.evaluation.retrieval import METRICS

    found, qrels = planted(queries)
    measures = [ir_measures.parse_measure(name) for name in METRICS]
    # trec_eval ranks by score and breaks ties by id: scores that fall with the rank leave it no choice.
    ranked = found.rename(columns={"family_id": "doc_id"}).astype({"query_id": "str", "doc_id": "str"})
    ranked = ranked.assign(score=-ranked["rank"].astype(float))[["query_id", "doc_id", "score"]]
    judged = qrels.rename(columns={"family_id": "doc_id"})
    scopes = {scope: judged if scope == "all" else judged[judged["scope"] == scope] for scope in SCOPES}
    start = time.perf_counter()
    rows = [
        (scope, str(value.measure), value.query_id, value.value)
        for scope, relevant in scopes.items()
        for value in ir_measures.iter_calc(measures, relevant[["query_id", "doc_id", "relevance"]], ranked)
    ]
    seconds = time.perf_counter() - start
    pd.DataFrame(rows, columns=["scope", "metric", "query_id", "value"]).to_parquet(out)
    return {"scoring_seconds": seconds}


def planted(queries: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A random run and judgements: most of the relevant families are found, many near the top.

    Args:
        queries: each with 1,000 results among the study's number of families.

    Returns:
        Rows of `RUN`, ids categorical as they are read, and rows of `QRELS`.
    """
    import numpy as np
    import pandas as pd

    from patent_embeddings.retrieval.ranking import frame

    generator = np.random.default_rng(0)
    # A stretch of consecutive places is without repetition; the order of families means nothing.
    first = generator.integers(0, FAMILIES, queries)
    rows = (first[:, None] + np.arange(DEPTH)) % FAMILIES
    scores = np.broadcast_to(np.linspace(1, 0, DEPTH, dtype=np.float32), rows.shape)
    # Some places lie past the run's end; the fourth power puts many of the others near its top.
    place = (2 * DEPTH * generator.random((queries, RELEVANT)) ** 4).astype(np.int64)
    ids, families = [f"q{number:06d}" for number in range(queries)], [f"f{number:06d}" for number in range(FAMILIES)]
    relevant = (first[:, None] + place) % FAMILIES
    judged = pd.DataFrame(
        {"query_id": np.repeat(ids, RELEVANT), "family_id": np.array(families)[relevant.ravel()], "relevance": 1,
         "scope": np.array(["in", "out", "unknown"])[generator.integers(0, 3, relevant.size)]}
    )  # fmt: skip
    return frame(ids, families, scores, rows), judged.drop_duplicates(["query_id", "family_id"])


def _difference(outs: dict[str, str], *_: Sample) -> float:
    """Largest difference of a value; infinite where the queries of a scope are not the same."""
    import pandas as pd

    keys = ["scope", "metric", "query_id"]
    first, second = (pd.read_parquet(outs[name]).set_index(keys)["value"].sort_index() for name in ("ours", "peer"))
    return float((first - second).abs().max()) if first.index.equals(second.index) else float("inf")


if __name__ == "__main__":
    run(app)
