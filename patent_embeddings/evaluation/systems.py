"""Names and order of tasks, systems, metrics and label sets.

To add one, add a row here: tables, charts, exports and `verify` read it from here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["retrieval", "classification", "clustering"]


@dataclass(frozen=True)
class System:
    """A system that is scored."""

    name: str  # in tables; in retrieval also the name of its run
    task: Task
    # `lead` represents its task, `floor` ignores the texts, `oracle` is tuned on the test queries: an upper bound.
    role: Literal["", "lead", "floor", "oracle"] = ""
    optional: bool = False  # a cell may lack it; its run is then absent or has no rows


@dataclass(frozen=True)
class Metric:
    """A metric of a task."""

    name: str  # in retrieval that of ir-measures
    task: Task  # its first metric is the leading one
    mteb: str  # its name in MTEB's results; `{depth}`: that of the run
    fewest: int = 0  # units that an interval needs
    # Differences between two machines up to which `verify` calls a score OK, and close. None: `verify` ignores it.
    tolerance: tuple[float, float] | None = None
    judged: bool = False  # only of landscapes with judgements of the user's own: citations are complete


SYSTEMS = (
    System("bm25", "retrieval"),
    System("dense", "retrieval", "lead"),
    System("rrf", "retrieval"),
    System("interpolation", "retrieval"),
    System("reranked", "retrieval", optional=True),
    System("oracle-rrf", "retrieval", "oracle"),
    System("oracle-interpolation", "retrieval", "oracle"),
    System("probe", "classification", "lead"),
    System("knn", "classification"),
    System("prior", "classification", "floor"),
    System("kmeans", "clustering", "lead"),
    System("random", "clustering", "floor"),
)
# `fewest`: AP and RR are mostly near 0 and rarely near 1, so that a small sample lacks the high values, and an interval
# would cover 80 to 90 % instead of 95. AMI's interval of six clustered families covers 82 %. `tolerance`: vectors
# differ in their last bits between processors, which swaps near ties; k-means and thresholds amplify such swaps.
METRICS = (
    Metric("nDCG@10", "retrieval", "ndcg_at_10", tolerance=(0.0005, 0.005)),
    Metric("nDCG@100", "retrieval", "ndcg_at_100"),
    Metric("R@100", "retrieval", "recall_at_100", tolerance=(0.0005, 0.005)),
    Metric("AP", "retrieval", "map_at_{depth}", fewest=40),
    Metric("RR", "retrieval", "mrr_at_{depth}", fewest=40),
    Metric("Judged@10", "retrieval", "judged_at_10", judged=True),
    Metric("micro-F1", "classification", "f1_micro", tolerance=(0.001, 0.01)),
    Metric("macro-F1", "classification", "f1"),
    Metric("LRAP", "classification", "lrap"),
    Metric("V-measure", "clustering", "v_measure", fewest=10, tolerance=(0.002, 0.03)),
    Metric("AMI", "clustering", "ami", fewest=10),
    Metric("ARI", "clustering", "ari", fewest=10),
)
LABEL_SETS = ("ipc-section", "ipc-class", "ipc-subclass", "cpc-subclass", "domain", "own")
# The first that a landscape has represents it. A level of own labels, such as `own-topic`, has the place of `own`.
HEADLINE_LABELS = ("ipc-subclass", "own", "cpc-subclass", "domain", "ipc-class", "ipc-section")


def label_place(name: str, order: tuple[str, ...] = LABEL_SETS) -> tuple[int, str]:
    """Sort key of a label set: its place in an order; unknown names come last."""
    known = "own" if name.startswith("own-") else name
    return (order.index(known) if known in order else len(order), name)


def systems(task: Task, *, oracles: bool = False) -> tuple[str, ...]:
    """Names of a task's systems, in order: the oracles, or all others."""
    return tuple(one.name for one in SYSTEMS if one.task == task and (one.role == "oracle") == oracles)


def metrics(task: Task, *, judged: bool = False) -> tuple[str, ...]:
    """Names of a task's metrics, in order; `judged`: with those of landscapes with judgements of the user's own."""
    return tuple(one.name for one in METRICS if one.task == task and one.judged <= judged)


RETRIEVAL, ORACLES = systems("retrieval"), systems("retrieval", oracles=True)
CLASSIFICATION, CLUSTERING = systems("classification"), systems("clustering")
FEWEST_OF = {one.name: one.fewest for one in METRICS}
OPTIONAL = tuple(one.name for one in SYSTEMS if one.optional)
REQUIRED = tuple(name for name in RETRIEVAL if name not in OPTIONAL)
# System and metric of each task that comparisons test, and that is MTEB's main score.
LEADING = {one.task: (one.name, metrics(one.task)[0]) for one in SYSTEMS if one.role == "lead"}
# System and metric that are shown for a task. AMI is adjusted for chance; the V-measure of random vectors can be .7.
SHOWN = {task: (system, "AMI" if task == "clustering" else metric) for task, (system, metric) in LEADING.items()}
