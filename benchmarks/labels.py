"""Seconds of classification and clustering on simulated landscapes of growing size, and the probe against its peer.

Vectors of dimension 1,024 replace the encoder's: random ones, and planted ones, the sum of a direction for each label
of the family and of noise that is stronger along some axes than along others. The peer fits the same regressions label
by label, as this repository once did. It runs at the smallest size only, since it takes hours at the largest.
"""

from __future__ import annotations

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from benchmarks import comparison
from benchmarks.scale import DIMENSION, STUDY
from benchmarks.timing import Sample, function
from benchmarks.workspace import LANDSCAPE, run_stage, workspace
from patent_embeddings.core import layout, params, tables
from patent_embeddings.core.arrays import Booleans, Doubles, Floats
from patent_embeddings.core.command import run
from patent_embeddings.corpus.schemas import LABELS

app = typer.Typer(add_completion=False)

NAME = "labels"
PEER = "scikit-learn"
SIZES = (1_000, 10_000, STUDY[0])
COMPARED = 1_000  # families on which the peer is timed
LABEL_SET = "ipc-subclass"  # which it fits
TOLERANCE = 1e-3  # of a logit
MINUTES, GIB = 5.0, 4.0  # limits at the study's size
PACKAGES = ("numpy", "scipy", "scikit-learn", "faiss-cpu")


@app.command()
def main(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=50, help="Number of families. [default: 1000, 10000, 113148]")
    ] = None,
    turns: Annotated[int, typer.Option(min=1, help="How often the probe and its peer run.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="1,000 families.")] = False,
) -> None:
    """Classify and cluster under every label set; compare the probe with scikit-learn."""
    for size in sizes or (SIZES[:1] if quick else SIZES):
        with workspace(size, "tac") as folder:
            for stage in ("check", "download", "views", "tasks"):
                run_stage(stage, folder)
            for kind in ("random", "planted"):
                case = f"{kind} {size} families {DIMENSION} dimensions"
                report(case, size, function("benchmarks.labels:scored", folder, kind=kind))
                if size == COMPARED:
                    against(case, kind, turns, folder)


def report(case: str, size: int, sample: Sample) -> None:
    """Write the measurements of one process, with limits at the study's size."""
    minutes, gib = (MINUTES, GIB) if size == STUDY[0] else (None, None)
    together = sum(sample.values.values())
    found = [comparison.Measurement(task, seconds, "s") for task, seconds in sample.values.items()]
    found += [
        comparison.Measurement("classification and clustering", together / 60, "min", minutes),
        comparison.Measurement("memory", sample.peak_mib / 1024, "GiB", gib),
    ]
    comparison.note(NAME, case, found, PACKAGES)


def against(case: str, kind: str, turns: int, folder: Path) -> None:
    """Time the probe's regressions of one label set against the peer's."""
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        contestants = {
            name: partial(function, "benchmarks.labels:fitted", folder, kind=kind, by=by, out=f"{place}/{by}.npy")
            for name, by in (("ours", "ours"), (PEER, "theirs"))
        }
        contest = comparison.Contest(
            NAME, f"probe {case} {LABEL_SET}", PEER, contestants, "largest difference of a logit", TOLERANCE,
            partial(difference, Path(place)), PACKAGES, "fit",
        )  # fmt: skip
        comparison.hold(contest, turns)


def scored(kind: str) -> dict[str, float]:
    """Classify and cluster the landscape of this folder; returns the seconds of each."""
    from patent_embeddings.evaluation import outcomes
    from patent_embeddings.evaluation.values import MetricsValues

    labels = tables.read(layout.task(LANDSCAPE, "labels"), LABELS)
    families, rows = vectors(labels, kind)
    values = params.read("metrics", MetricsValues, LANDSCAPE)
    start = time.perf_counter()
    outcomes.classification(families, rows, labels)
    between = time.perf_counter()
    outcomes.clustering(families, rows, labels, values)
    return {"classification": between - start, "clustering": time.perf_counter() - between}


def fitted(kind: str, by: str, out: str) -> dict[str, float]:
    """Fit the probe's regressions of one label set; returns seconds, and writes the logits of its train families."""
    from sklearn.preprocessing import StandardScaler

    from patent_embeddings.evaluation import logistic
    from patent_embeddings.evaluation.classification import INVERSE_PENALTIES, indicator

    labels = tables.read(layout.task(LANDSCAPE, "labels"), LABELS)
    rows = vectors(labels, kind)[1]
    of = labels[labels["label_set"] == LABEL_SET]
    train = (of["split"] == "train").to_numpy()
    gold = indicator(of["labels"])[train]
    features, gold = StandardScaler().fit_transform(rows[train]), gold[:, gold.any(axis=0)]
    start = time.perf_counter()
    found = (logistic.fit if by == "ours" else by_label)(features, gold, INVERSE_PENALTIES)
    seconds = time.perf_counter() - start
    np.save(out, np.stack([features @ weights[:-1] + weights[-1] for weights in found]))
    return {"fit": seconds}


def by_label(features: Floats, gold: Booleans, inverse_penalties: tuple[float, ...]) -> list[Doubles]:
    """The peer: one label after another, each penalty from the solution of the one before.

    `tol`, the loosest that keeps logits within `TOLERANCE`: 1e-6 leaves them .002 to .004 off.
    """
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((len(inverse_penalties), features.shape[1] + 1, gold.shape[1]))
    wide = features.astype(np.float64)
    for label, target in enumerate(gold.T):
        model = LogisticRegression(tol=1e-7, max_iter=10_000, warm_start=True)
        for place, inverse in enumerate(inverse_penalties):
            model.set_params(C=inverse).fit(wide, target)
            weights[place, :, label] = *model.coef_[0], *model.intercept_
    return list(weights)


def vectors(labels: Any, kind: str) -> tuple[list[str], Floats]:
    """Families with labels, and a unit vector for each."""
    from patent_embeddings.evaluation.classification import indicator

    generator = np.random.default_rng(0)
    of = labels[labels["label_set"] == LABEL_SET]
    made = generator.standard_normal((len(of), DIMENSION), dtype=np.float32)
    if kind == "planted":
        made *= np.arange(1, DIMENSION + 1, dtype=np.float32) ** -0.5
        gold = indicator(of["labels"]).astype(np.float32)
        made += gold @ generator.standard_normal((gold.shape[1], DIMENSION), dtype=np.float32) * 0.05
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return of["family_id"].tolist(), made


def difference(folder: Path, *_: Sample) -> float:
    """Largest difference of a logit."""
    return float(np.abs(np.load(folder / "ours.npy") - np.load(folder / "theirs.npy")).max())


if __name__ == "__main__":
    run(app)
