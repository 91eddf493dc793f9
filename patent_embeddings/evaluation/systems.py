"""Tasks, systems, metrics and label sets: their names and their order, said here and nowhere else.

A row is all that tables, pictures, colours, exports and `verify` need of a new one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Task = Literal["retrieval", "classification", "clustering"]


@dataclass(frozen=True)
class System:
    """What is scored."""

    name: str  # as tables have it; of retrieval also the name of its run
    task: Task  # what it does
    # `lead` stands for its task, `floor` looks at no text, `oracle` is tuned on the test queries: a bound.
    role: Literal["", "lead", "floor", "oracle"] = ""
    optional: bool = False  # a cell may be without it; its run is then absent or has no rows


@dataclass(frozen=True)
class Metric:
    """How well it does."""

    name: str  # of retrieval as ir-measures writes it
    task: Task  # what it measures; the first metric of a task leads it
    mteb: str  # its name in MTEB's results; `{depth}`: of the run
    fewest: int = 0  # units behind an interval; with fewer it has none
    # What `verify` allows between two machines: up to the first difference a score is OK, up to the second it is close.
    # None: `verify` does not look at it.
    tolerance: tuple[float, float] | None = None
    judged: bool = False  # of landscapes with somebody's judgements only: elsewhere all that is relevant is known


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
# AP and RR are seldom 0, mostly near it and rarely near 1: fewer queries hold no trace of the rare ones (80 to 90 %
# covered instead of 95). Of six clustered families, AMI's interval covers 82 %. Vectors differ in their last bits
# between processors, which swaps near ties; k-means and thresholds turn such swaps into more: hence the tolerances.
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
# The first that there is stands for its landscape. A level of own labels, such as `own-topic`, has the place of `own`.
HEADLINE_LABELS = ("ipc-subclass", "own", "cpc-subclass", "domain", "ipc-class", "ipc-section")


def label_place(name: str, order: tuple[str, ...] = LABEL_SETS) -> tuple[int, str]:
    """What label sets are sorted by: its place in an order, which is behind all others where it is not in it."""
    known = "own" if name.startswith("own-") else name
    return (order.index(known) if known in order else len(order), name)


def systems(task: Task, *, oracles: bool = False) -> tuple[str, ...]:
    """Names of a task's systems, in order; the oracles alone where those are asked for."""
    return tuple(one.name for one in SYSTEMS if one.task == task and (one.role == "oracle") == oracles)


def metrics(task: Task, *, judged: bool = False) -> tuple[str, ...]:
    """Names of a task's metrics, in order; with those of judged landscapes only, where they are asked for."""
    return tuple(one.name for one in METRICS if one.task == task and one.judged <= judged)


RETRIEVAL, ORACLES = systems("retrieval"), systems("retrieval", oracles=True)
CLASSIFICATION, CLUSTERING = systems("classification"), systems("clustering")
FEWEST_OF = {one.name: one.fewest for one in METRICS}
OPTIONAL = tuple(one.name for one in SYSTEMS if one.optional)
REQUIRED = tuple(name for name in RETRIEVAL if name not in OPTIONAL)
# What comparisons rest on, and MTEB's main score, by task: system and metric.
LEADING = {one.task: (one.name, metrics(one.task)[0]) for one in SYSTEMS if one.role == "lead"}
# What is shown where one number stands for a task: AMI is corrected for chance, V-measure of random vectors can be .7.
SHOWN = {task: (system, "AMI" if task == "clustering" else metric) for task, (system, metric) in LEADING.items()}
