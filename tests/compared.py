"""Cells in miniature whose every rank is planted, and a scratch repository that DVC computes them in.

Each query of `L` has one relevant family, at a rank that its recipe says; `python compared.py` writes the tables.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

L = "sim-alpha"
QUERIES, FAMILIES = 12, 30
DEPTH = 20
SYSTEMS = ("bm25", "dense", "rrf", "interpolation")
# Rank of the relevant family of each query in the dense run; 0: not found. Of the other systems it is always 2.
DENSE = {"zero-shot": [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0], "r1": [1, 1, 1, 1, 1, 1, 1, 1, 12, 11, 11, 12]}
PIPELINE = f"""\
stages:
  metrics:
    cmd: python compared.py
    params: [model, recipe, landscape, tasks]
    deps: [compared.py]
    outs:
      - data/families/{L}.parquet
      - data/lengths/{L}.parquet
      - data/outcomes/{L}.parquet
      - data/runs/{L}/bm25.parquet
      - data/runs/{L}/dense.parquet
      - data/runs/{L}/rrf.parquet
      - data/runs/{L}/interpolation.parquet
      - data/tasks/{L}
      - data/views/{L}
  report:
    cmd: python compared.py report
    params: [params.yaml: ]
    deps: [data/outcomes/{L}.parquet]
    outs:
      - reports/scores.csv:
          cache: false
"""


def name(number: int) -> str:
    return f"F{number:02d}"


def relevant(query: int) -> int:
    return query + QUERIES


def ranking(query: int, rank: int) -> list[int]:
    """Families of a query, its relevant one at a rank, the others by number."""
    others = [one for one in range(FAMILIES) if one not in (query, relevant(query))]
    found = others[: DEPTH - (rank > 0)]
    return [*found[: rank - 1], relevant(query), *found[rank - 1 :]] if rank else found


def ranks(recipe: str, system: str) -> list[int]:
    return DENSE[recipe] if system == "dense" else [2] * QUERIES


def main(what: str = "") -> None:
    import math

    import pandas as pd

    from patent_embeddings.core import layout, params, tables
    from patent_embeddings.core.files import write_text
    from patent_embeddings.corpus.families import frame
    from patent_embeddings.corpus.schemas import FAMILIES as FAMILY
    from patent_embeddings.corpus.schemas import LENGTHS, POOL, QRELS, VIEW
    from patent_embeddings.corpus.schemas import QUERIES as ASKED
    from patent_embeddings.evaluation.schemas import OUTCOMES
    from patent_embeddings.retrieval.schemas import RUN

    if what == "report":
        write_text(layout.SCORES, "landscape,simulated,task,system,scope,metric,value,ci_low,ci_high,n\n")
        return
    cell = params.load()

    def write(rows: list[Any], path: Path, table: tables.Table) -> None:
        tables.write(tables.typed(pd.DataFrame(rows, columns=list(table.columns)), table), path, table)

    texts = [f"Valve {name(one)} with a spring" for one in range(FAMILIES)]
    held = [{"family_id": name(one), "title": text, "ipc": ["F16K1/00"], "cpc": [], "date": "2001-01-01"}
            for one, text in enumerate(texts)]  # fmt: skip
    tables.write(tables.typed(frame(held), FAMILY), layout.families(L), FAMILY)
    for view in sorted({cell.query_view, cell.document_view}):
        write([(name(one), text, True) for one, text in enumerate(texts)], layout.view(L, view), VIEW)
    # Another seed judges otherwise, another fold asks others.
    shift = cell.tasks.seed
    asked = range(QUERIES) if cell.tasks.fold == 0 else range(QUERIES, 2 * QUERIES)
    write([(name(one), "test", "", [], "") for one in asked], layout.task(L, "queries"), ASKED)
    judged = [(name(one), name((relevant(one) + shift) % FAMILIES), 1, "in") for one in asked]
    write(judged, layout.task(L, "qrels"), QRELS)
    pool = [(name(one), "2001-01-01", "2001-01-01", "test", True) for one in range(FAMILIES)]
    write(pool, layout.task(L, "pool"), POOL)
    counted = {"sampled": FAMILIES, "truncated": 0, "length": 256, "median-tokens": 8}
    views = {cell.query_view, cell.document_view}
    write([(view, *one) for view in views for one in counted.items()], layout.lengths(L), LENGTHS)
    outcomes = []
    for system in SYSTEMS:
        places = ranks(cell.recipe, system)
        run = [(name(one), name(family), place, 1 - place / 100)
               for one, rank in zip(range(QUERIES), places, strict=True)
               for place, family in enumerate(ranking(one, rank), 1)]  # fmt: skip
        write(run, layout.run(L, system), RUN)
        for one, rank in zip(asked, places, strict=True):
            value = 1 / math.log2(rank + 1) if 0 < rank <= 10 else 0.0
            outcomes += [(system, "retrieval", scope, "nDCG@10", name(one), "test", value) for scope in ("all", "in")]
    write(outcomes, layout.outcomes(L), OUTCOMES)


def repository(folder: Path) -> Path:
    """A committed scratch repository with this pipeline, made as `toy.repository` makes its own."""
    import toy

    toy.repository(folder)
    shutil.copy(__file__, folder / "compared.py")
    (folder / "toy.py").unlink()
    (folder / "dvc.yaml").write_text(PIPELINE, encoding="utf-8")
    (folder / ".gitignore").write_text("/data/\n/reports/comparisons/\n__pycache__/\n", encoding="utf-8")
    text = (folder / "params.yaml").read_text(encoding="utf-8")
    (folder / "params.yaml").write_text(text.replace("[sim-alpha, sim-beta]", f"[{L}]"), encoding="utf-8")
    toy.git(folder, "add", "-A")
    toy.git(folder, "commit", "-qm", "Planted ranks")
    return folder


if __name__ == "__main__":
    main(*sys.argv[1:])
