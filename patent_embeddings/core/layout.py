"""Every path of the repository, built here and nowhere else.

Paths are relative to its root, where DVC runs stages: absolute ones would leave the copy of a queued experiment.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from patent_embeddings.core.errors import UserError

PARAMS = Path("params.yaml")
PIPELINE = Path("dvc.yaml")
LOCK = Path("dvc.lock")
REGISTRY = Path("registry")
DATA = Path("data")
REPORTS = Path("reports")
RAW = DATA / "raw"  # the user's own files
ADDING = RAW / ".adding.lock"  # locked while a landscape is added
DVC = Path(".dvc")
QUEUING = DVC / "tmp/grid.lock"  # locked while cells are queued

VALUES = DATA / "values"
ADAPTER = DATA / "adapters"
TRAINING = DATA / "training"
PAIRS = DATA / "pairs" / "pairs.parquet"
DOCUMENTS = DATA / "pairs" / "documents.parquet"  # texts from which hard negatives are mined, if the recipe has any
CURVE = TRAINING / "curve.parquet"
SEEN = TRAINING / "seen.parquet"
SUMMARY = DATA / "summary.json"  # the last lines of a report

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
RECORDS = REPORTS / "records.txt"  # optional: past runs that `make restore` may take in

CELL = "cell"  # folder of values and costs of stages without a landscape
_FOLDERS = (
    "families citations relations queries views tasks lengths embeddings runs fusion oracles outcomes scores "
    "compression costs"
)
PER_LANDSCAPE = tuple(_FOLDERS.split())


def _named(folder: Path, suffix: str) -> Callable[[str], Path]:
    """A function from a name, such as a landscape's id, to its file in a folder."""
    return lambda name: folder / f"{name}{suffix}"


registry = _named(REGISTRY, ".yaml")
published = _named(REGISTRY / "published", ".csv")  # tables of published figures, such as `study`
families = _named(DATA / "families", ".parquet")
citations = _named(DATA / "citations", ".parquet")
relations = _named(DATA / "relations", ".parquet")  # judgements that the source brings itself; empty without any
queries = _named(DATA / "queries", ".parquet")  # that the source brings and are no families; empty without any
lengths = _named(DATA / "lengths", ".parquet")
embeddings = _named(DATA / "embeddings", "")
fusion = _named(DATA / "fusion", ".parquet")  # scores of every setting on dev and test, and which one was chosen
oracles = _named(DATA / "oracles", ".parquet")  # where the best setting on test would have ranked what is judged
outcomes = _named(DATA / "outcomes", ".parquet")  # of every query (or unit), system and metric, at full precision
scores = _named(DATA / "scores", ".parquet")  # of the test split, with intervals
compression = _named(DATA / "compression", ".parquet")  # what the vectors lose in fewer bytes
plot = _named(PLOTS, ".csv")  # data of a picture, as `dvc plots` reads it
figure = _named(FIGURES, ".svg")
landscape_page = _named(REPORTS / "landscapes", ".html")
comparison_page = _named(REPORTS / "comparisons", ".html")
grid_figure = _named(GRID / "figures", ".svg")
template = _named(TEMPLATES, ".json")  # Vega-Lite template of a picture, where `dvc plots` looks for it
running = _named(DVC / "tmp" / "running", ".lock")  # held by a stage at work here; queued experiments have their own


def raw(landscape: str, suffix: str) -> Path:
    """The user's own file of a landscape, as tracked by DVC; `suffix` like `.jsonl.gz`."""
    return RAW / f"{landscape}{suffix}"


def view(landscape: str, name: str) -> Path:
    """Texts of one view."""
    return DATA / "views" / landscape / f"{name}.parquet"


def task(landscape: str, table: str) -> Path:
    """Task table: `queries`, `qrels`, `labels` or `pool`."""
    return DATA / "tasks" / landscape / f"{table}.parquet"


def vectors(landscape: str, side: str) -> Path:
    """Vectors of one side: `documents`, `queries`, `classification` or `clustering`."""
    return embeddings(landscape) / f"{side}.npy"


def vector_ids(landscape: str, side: str) -> Path:
    """Ids of the rows of `vectors`, in the same order."""
    return embeddings(landscape) / f"{side}.parquet"


def run(landscape: str, system: str) -> Path:
    """Ranked results of one system."""
    return DATA / "runs" / landscape / f"{system}.parquet"


def cost(stage: str, landscape: str = CELL) -> Path:
    """Cost record of one stage on one landscape (`cell` for the stages that have none)."""
    return DATA / "costs" / landscape / f"{stage}.json"


def values(stage: str, landscape: str = CELL) -> Path:
    """What one stage reads of params.yaml and the registry, as `check` resolves it; see `params.Values`."""
    return VALUES / landscape / f"{stage}.json"


def scratch() -> Path:
    """Content-addressed scratch for work that resumes, in the user's cache: copies of the repository share it."""
    return _own("XDG_CACHE_HOME", ".cache")


def account() -> Path:
    """Random name of this user on this machine, in the user's state directory."""
    return _own("XDG_STATE_HOME", ".local/state") / "account"


def _own(variable: str, default: str) -> Path:
    """This project's folder in one of the user's directories. Raises UserError where nothing says where that is."""
    base = Path(os.environ.get(variable, ""))
    try:
        # By the XDG specification a relative path is not followed: each copy of the repository would have its own.
        return (base if base.is_absolute() else Path.home() / default) / "patent-embeddings"
    except RuntimeError:
        raise UserError(f"this user has no home directory; set {variable} to a folder that can be written") from None
