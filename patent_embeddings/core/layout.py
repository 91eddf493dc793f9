"""Every path of the repository, built here and nowhere else.

Paths are relative to the repository's root, where DVC runs its stages: queued experiments
run in a copy of it, so an absolute path would leave the copy.
"""

from __future__ import annotations

import os
from pathlib import Path

from patent_embeddings.core.errors import UserError

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
REGISTRY = Path("registry")
DATA = Path("data")
REPORTS = Path("reports")
RAW = DATA / "raw"  # the user's own files
ADDING = RAW / ".adding.lock"  # held while a landscape is added
DVC = Path(".dvc")
QUEUING = DVC / "tmp/grid.lock"  # held while cells are queued

CHECKED = DATA / "check.txt"
ADAPTER = DATA / "adapters"
TRAINING = DATA / "training"
PAIRS = DATA / "pairs" / "pairs.parquet"
CURVE = TRAINING / "curve.parquet"
SEEN = TRAINING / "seen.parquet"
SCALES = TRAINING / "scales.parquet"

SCORES = REPORTS / "scores.csv"
HEADLINE = REPORTS / "metrics.json"
PAGE = REPORTS / "index.html"
PLOTS = REPORTS / "plots"
FIGURES = REPORTS / "figures"
TEMPLATES = DVC / "plots"
TEMPLATE_PAGE = TEMPLATES / "page.html"

GRID = REPORTS / "grid"
GRID_SCORES = GRID / "scores.csv"
GRID_COMPARISONS = GRID / "comparisons.csv"
GRID_FINDINGS = GRID / "findings.json"
GRID_PAGE = GRID / "index.html"

EXPECTED = REPORTS / "expected.csv"
RECORDS = REPORTS / "records.txt"  # of past runs that `make restore` may take in, where there is such a file

CELL = "cell"  # where the costs of stages lie that have no landscape
PER_LANDSCAPE = (
    "families", "citations", "relations", "views", "tasks", "lengths", "embeddings",
    "runs", "fusion", "outcomes", "scores", "costs",
)  # fmt: skip


def registry(name: str) -> Path:
    """Registry file, such as `models` -> `registry/models.yaml`."""
    return REGISTRY / f"{name}.yaml"


def published(name: str) -> Path:
    """Table of published figures, such as `study` -> `registry/published/study.csv`."""
    return REGISTRY / "published" / f"{name}.csv"


def raw(landscape: str, suffix: str) -> Path:
    """The user's own file of a landscape, as tracked by DVC; `suffix` like `.jsonl.gz`."""
    return RAW / f"{landscape}{suffix}"


def families(landscape: str) -> Path:
    """Families of a landscape."""
    return DATA / "families" / f"{landscape}.parquet"


def citations(landscape: str) -> Path:
    """Citations among the families of a landscape."""
    return DATA / "citations" / f"{landscape}.parquet"


def relations(landscape: str) -> Path:
    """Judgements that the source brings itself; empty where relevance follows from citations."""
    return DATA / "relations" / f"{landscape}.parquet"


def view(landscape: str, name: str) -> Path:
    """Texts of one view."""
    return DATA / "views" / landscape / f"{name}.parquet"


def task(landscape: str, table: str) -> Path:
    """Task table: `queries`, `qrels`, `labels` or `pool`."""
    return DATA / "tasks" / landscape / f"{table}.parquet"


def lengths(landscape: str) -> Path:
    """Token lengths, truncation and view overlap under the cell's tokenizer."""
    return DATA / "lengths" / f"{landscape}.parquet"


def embeddings(landscape: str) -> Path:
    """Folder of a landscape's vectors."""
    return DATA / "embeddings" / landscape


def vectors(landscape: str, side: str) -> Path:
    """Vectors of one side: `documents`, `queries`, `classification` or `clustering`."""
    return embeddings(landscape) / f"{side}.npy"


def vector_ids(landscape: str, side: str) -> Path:
    """Ids of the rows of `vectors`, in the same order."""
    return embeddings(landscape) / f"{side}.parquet"


def run(landscape: str, system: str) -> Path:
    """Ranked results of one system."""
    return DATA / "runs" / landscape / f"{system}.parquet"


def fusion(landscape: str) -> Path:
    """Scores of every fusion setting on dev and test, and which one was chosen."""
    return DATA / "fusion" / f"{landscape}.parquet"


def outcomes(landscape: str) -> Path:
    """Outcome of every query (or unit) under every system and metric, at full precision."""
    return DATA / "outcomes" / f"{landscape}.parquet"


def scores(landscape: str) -> Path:
    """Scores of the landscape's test split with intervals."""
    return DATA / "scores" / f"{landscape}.parquet"


def plot(name: str) -> Path:
    """Data of a picture, as `dvc plots` reads it."""
    return PLOTS / f"{name}.csv"


def figure(name: str) -> Path:
    """A picture as PNG."""
    return FIGURES / f"{name}.png"


def grid_figure(name: str) -> Path:
    """A picture of the grid as PNG."""
    return GRID / "figures" / f"{name}.png"


def template(name: str) -> Path:
    """Vega-Lite template of a picture, where `dvc plots` looks for it."""
    return TEMPLATES / f"{name}.json"


def cost(stage: str, landscape: str = CELL) -> Path:
    """Cost record of one stage on one landscape (`cell` for the stages that have none)."""
    return DATA / "costs" / landscape / f"{stage}.json"


def values(stage: str, landscape: str = CELL) -> Path:
    """What one stage reads of params.yaml and the registry, as `check` resolves it; see `params.Values`."""
    return DATA / "values" / landscape / f"{stage}.json"


def running(stage: str) -> Path:
    """What a stage holds while it is at work here; queued experiments run in copies, which have their own."""
    return DVC / "tmp" / "running" / f"{stage}.lock"


def scratch() -> Path:
    """Content-addressed scratch for work that resumes, in the user's cache directory.

    Outside the repository on purpose: queued experiments run in copies and share it.
    """
    return _own("XDG_CACHE_HOME", ".cache")


def account() -> Path:
    """Random name of this user on this machine, in the user's state directory."""
    return _own("XDG_STATE_HOME", ".local/state") / "account"


def _own(variable: str, default: str) -> Path:
    """This project's folder in one of the user's directories.

    Raises:
        UserError: neither the variable nor a home directory says where that is.
    """
    base = os.environ.get(variable)
    try:
        return (Path(base) if base else Path.home() / default) / "patent-embeddings"
    except RuntimeError:
        raise UserError(f"this user has no home directory; set {variable} to a folder that can be written") from None
