"""Bootstrap intervals and randomisation tests against SciPy's."""

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
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

app = typer.Typer(add_completion=False)

NAME = "statistics"
PEER = "scipy"
SECONDS = 60.0  # limit of bootstrap and randomisation together
# Most that a bound, in standard errors of the mean, and a p-value may differ: both sides draw, and draw apart. With
# 10,000 resamples a bound's own standard error is 0.027 and a p-value's at most 0.005.
BOUND, P_VALUE = 0.15, 0.03
PACKAGES = ("scipy", "numpy")


@app.command()
def main(
    queries: Annotated[int, typer.Option(min=2, help="Queries of the whole.")] = 46_069,
    systems: Annotated[int, typer.Option(min=2, help="Systems of the whole.")] = 20,
    sample: Annotated[int, typer.Option(min=2, help="Queries that both resample, of four systems.")] = 2_000,
    resamples: Annotated[int, typer.Option(min=100, help="Of both.")] = 10_000,
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="5,000 queries, a sample of 500, 3 turns.")] = False,
) -> None:
    """Intervals of every system's mean, and p-values of every system against the first."""
    if quick:
        queries, sample, turns = 5_000, 500, 3
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        outs = {name: str(Path(place) / f"{name}.npy") for name in ("ours", "peer")}
        given = {"queries": sample, "systems": 4, "resamples": resamples}
        held = comparison.Contest(
            NAME, f"{sample} queries 4 systems {resamples} resamples", PEER,
            {"ours": partial(function, "benchmarks.statistics:ours", {**given, "out": outs["ours"]}, ROOT),
             PEER: partial(function, "benchmarks.statistics:plain", {**given, "out": outs["peer"]}, ROOT)},
            comparison.Agreement("largest difference of a bound or p-value, as a share of what drawing explains", 1.0, partial(_difference, outs)),
            PACKAGES, "resampling_seconds",
        )  # fmt: skip
        comparison.hold(held, turns)
        given |= {"queries": queries, "systems": systems}
        whole = function("benchmarks.statistics:ours", {**given, "out": outs["ours"]}, ROOT)
        found = [comparison.Measurement("seconds of bootstrap and randomisation", whole.values["resampling_seconds"], "s", SECONDS),
                 comparison.Measurement("peak memory of the process", whole.peak_mib / 1024, "GiB")]  # fmt: skip
        comparison.note(NAME, f"{queries} queries {systems} systems {resamples} resamples", found, PACKAGES)


def ours(queries: int, systems: int, resamples: int, out: str) -> dict[str, float]:
    """By the functions of the grid's comparisons."""
    import time

    import numpy as np

    from patent_embeddings.evaluation.statistics import interval, sign_flip

    values = planted(queries, systems)
    start = time.perf_counter()
    low, high = interval(values, resamples, seed=0)
    p = sign_flip(values[:, 1:] - values[:, :1], resamples, seed=0)
    seconds = time.perf_counter() - start
    np.save(out, _allowed(values, low, high, p))
    return {"resampling_seconds": seconds}


def plain(queries: int, systems: int, resamples: int, out: str) -> dict[str, float]:
    """By SciPy's bootstrap and permutation test, vectorised, in batches that fit in memory."""
    import time

    import numpy as np
    from scipy import stats

    values = planted(queries, systems)
    batch = max(1, (1 << 24) // queries)
    start = time.perf_counter()
    bounds = [
        stats.bootstrap((column,), np.mean, n_resamples=resamples, method="percentile", vectorized=True, batch=batch,
                        rng=np.random.default_rng(1)).confidence_interval
        for column in values.T
    ]  # fmt: skip
    p = [
        stats.permutation_test((column - values[:, 0],), np.mean, permutation_type="samples", n_resamples=resamples,
                               vectorized=True, batch=batch, rng=np.random.default_rng(1)).pvalue
        for column in values.T[1:]
    ]  # fmt: skip
    seconds = time.perf_counter() - start
    low, high = (np.array([getattr(bound, side) for bound in bounds]) for side in ("low", "high"))
    np.save(out, _allowed(values, low, high, np.array(p)))
    return {"resampling_seconds": seconds}


def planted(queries: int, systems: int) -> Floats:
    """Scores [queries, systems] in 0..1, half of them 0, each system a little better than the one before."""
    import numpy as np

    generator = np.random.default_rng(0)
    hard = generator.random((queries, 1)) < 0.5
    gain = np.linspace(0, 2 / np.sqrt(queries), systems)
    return np.where(hard, 0.0, np.clip(generator.beta(2, 3, (queries, systems)) + gain, 0, 1))


def _allowed(values: Floats, low: Floats, high: Floats, p: Floats) -> Floats:
    """Bounds as distances from the mean, and p-values, all in units of the difference that is allowed."""
    import numpy as np

    unit = BOUND * values.std(axis=0) / np.sqrt(len(values))
    return np.concatenate([(low - values.mean(axis=0)) / unit, (high - values.mean(axis=0)) / unit, p / P_VALUE])


def _difference(outs: dict[str, str], *_: Sample) -> float:
    import numpy as np

    first, second = (np.load(outs[name]) for name in ("ours", "peer"))
    return float(np.abs(first - second).max())


if __name__ == "__main__":
    run(app)
