"""A pipeline in miniature: the parameters, registries and outcome tables of a cell, without a model.

`python toy.py L` writes the outcomes and costs of one landscape, `python toy.py report` the scores. A scratch
repository of this and nothing else (`repository`) is what the grid's commands are tested on.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from patent_embeddings.evaluation.schemas import OUTCOMES, SCORES

HERE = Path(__file__).resolve()
ROOT = HERE.parents[1]
PIPELINE = """\
stages:
  metrics:
    foreach: ${evaluate_on}
    do:
      cmd: python toy.py ${item}
      params: [model, recipe, landscape, query_view, document_view, tasks, finetune]
      deps: [toy.py]
      outs:
        - data/outcomes/${item}.parquet
        - data/scores/${item}.parquet
        - data/costs/${item}/embed.json
  report:
    cmd: python toy.py report
    params: [params.yaml: ]
    deps: [data/scores, toy.py]
    outs:
      - reports/scores.csv:
          cache: false
"""
LIFT = {"r1": 0.06, "r2": -0.02, "r3": 0.04, "r4": 0.05}


def main(what: str) -> None:
    import pandas as pd
    import yaml

    from patent_embeddings.core import layout, params, tables
    from patent_embeddings.core.files import write_json, write_text
    from patent_embeddings.corpus.entries import landscape_entry
    from patent_embeddings.evaluation import scores as scores_

    cell = params.load()
    if what == "report":
        scores = pd.concat([tables.read(layout.scores(name), SCORES) for name in cell.evaluate_on])
        write_text(layout.SCORES, scores_.scores_csv(scores))
        return
    if cell.finetune.steps == 13:
        print("error: thirteen steps are one too many", file=sys.stderr)
        raise SystemExit(2)
    pause = yaml.safe_load(Path("toy.yaml").read_text()) or 0 if Path("toy.yaml").exists() else 0
    if pause:
        import time

        time.sleep(pause)
    outcomes = _outcomes(cell, what)
    tables.write(outcomes, layout.outcomes(what), OUTCOMES)
    test = outcomes[(outcomes["split"] == "test") & ~outcomes["metric"].isin(["tp", "fp", "fn"])]
    means = test.groupby(["task", "system", "scope", "metric"])["value"].agg(["mean", "count"]).reset_index()
    means = means.rename(columns={"mean": "value", "count": "n"})
    scores = means.assign(landscape=what, simulated=landscape_entry(what).simulated)
    scores = scores.assign(ci_low=means["value"], ci_high=means["value"])
    tables.write(scores, layout.scores(what), SCORES)
    spent = {"device": "cpu", "seconds": 2.5, "texts": 600, "texts_per_second": 240.0, "peak_mib": 512}
    write_json(layout.cost("embed", what), spent)


def _outcomes(cell: Any, landscape: str) -> Any:
    """Outcomes with a planted lift of each recipe, at home; abroad a loss."""
    import numpy as np
    import pandas as pd

    shared = np.random.default_rng([cell.tasks.fold, *map(ord, landscape)])
    name = cell.model + cell.recipe + cell.landscape + landscape + cell.query_view
    own = np.random.default_rng([cell.tasks.fold, *map(ord, name)])
    lift = LIFT.get(cell.recipe, 0.0) if cell.landscape == landscape else -0.08 * (cell.recipe in LIFT)
    level = 0.4 + lift + 0.05 * (cell.query_view == "tac")
    queries = [f"{landscape}-{cell.tasks.fold}-{number:03d}" for number in range(60)]
    values = np.clip(level + shared.normal(0, 0.15, 60) + own.normal(0, 0.05, 60), 0, 1)
    rows = []
    for system, change in (("bm25", -0.05), ("dense", 0.0), ("rrf", 0.01), ("interpolation", 0.02)):
        for scope, factor in (("all", 1.0), ("in", 1.0), ("out", 0.4), ("in-paired", 1.0), ("out-paired", 0.4)):
            found = np.clip((values + change) * factor, 0, 1)
            rows += [
                (system, "retrieval", scope, metric, query, "test", float(value))
                for metric in ("nDCG@10", "R@100")
                for query, value in zip(queries, found, strict=True)
            ]
    for query, value in zip(queries, values, strict=True):
        right = float(np.round(10 * value))
        for metric, count in {"tp": right, "fp": 10 - right, "fn": 10 - right, "LRAP": value}.items():
            rows.append(("probe", "classification", "ipc-subclass", metric, query, "test", float(count)))
    clustered = [(f"seed-{run}", "test", float(level + own.normal(0, 0.01))) for run in range(5)]
    rows += [("kmeans", "clustering", "ipc-subclass", "V-measure", *run) for run in clustered]
    columns = ["system", "task", "scope", "metric", "query_id", "split", "value"]
    return pd.DataFrame(rows, columns=columns).astype(dict.fromkeys(columns[:-1], "str"))


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout


def repository(folder: Path) -> Path:
    """A committed scratch repository with this pipeline and this project's parameters and package."""
    import shutil

    folder.mkdir(parents=True, exist_ok=True)
    git(folder, "init", "-q", "-b", "main")
    for key, value in {"user.name": "Test", "user.email": "test@example.org", "commit.gpgsign": "false"}.items():
        git(folder, "config", key, value)
    subprocess.run([sys.executable, "-m", "dvc", "init", "-q"], cwd=folder, check=True)
    settings = "[core]\n    analytics = false\n    check_update = false\n    autostage = true\n"
    (folder / ".dvc/config").write_text(settings, encoding="utf-8")
    shutil.copy(HERE, folder / "toy.py")
    shutil.copy(ROOT / "params.yaml", folder)
    for name in ("stages", "patent_embeddings", "registry"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / ".gitignore").write_text("/data/\n__pycache__/\n", encoding="utf-8")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Toy")
    return folder


if __name__ == "__main__":
    main(sys.argv[1])
