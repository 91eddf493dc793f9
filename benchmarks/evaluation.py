"""A zero-shot retrieval evaluation, from process start to scores, against mteb.

Both read the same views, queries and judgements from the same files, with the weights on this machine. Ours is timed
twice: with each stage in a process of its own, as `dvc repro` does it, and in one process. Ours computes five metrics
in five scopes with intervals, mteb its own metrics at its own cut-offs. mteb encodes at its default batch size, and
encodes families that are also queries twice. Equal scores are ordered by ascending id in ours and by descending id in
mteb, so views with repeated texts, such as titles, do not give the same answer.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks import comparison
from benchmarks.encode import plain_model
from benchmarks.timing import Sample, function
from benchmarks.workspace import LANDSCAPE, run_stage, workspace
from patent_embeddings.core.command import run
from patent_embeddings.corpus.schemas import QRELS, QUERIES
from patent_embeddings.retrieval.schemas import RUN

app = typer.Typer(add_completion=False)

NAME = "evaluation"
TOLERANCES = {"float32": 1e-6, "bfloat16": 1e-3}  # of nDCG@10
PACKAGES = ("mteb", "torch", "transformers", "sentence-transformers", "faiss-cpu", "numpy", "pandas")
# Metadata that mteb requires of a published task.
UNKNOWN = (
    "reference", "date", "domains", "task_subtypes", "license", "annotations_creators", "dialect", "sample_creation",
    "bibtex_citation",
)  # fmt: skip


@app.command()
def main(
    sizes: Annotated[
        list[int] | None, typer.Option("--size", min=50, help="Number of families. [default: 500, 10000]")
    ] = None,
    view: Annotated[str, typer.Option(help="View of queries and documents.")] = "tac",
    dtype: Annotated[str, typer.Option(help="Precision of ours: float32 or bfloat16. mteb's is float32.")] = "float32",
    turns: Annotated[int, typer.Option(min=1, help="How often each runs.")] = 5,
    quick: Annotated[bool, typer.Option("--quick", help="300 families, 3 turns.")] = False,
) -> None:
    """Evaluate minilm on a simulated landscape, by the stages and by mteb."""
    if quick:
        sizes, turns = [300], 3
    for size in sizes or [500, 10_000]:
        with workspace(size, view, dtype=dtype) as folder:
            for name in ("check", "download", "views", "tasks", "pairs", "finetune"):
                run_stage(name, folder)
            contestants = {
                "one process": partial(function, "benchmarks.evaluation:together", folder, landscape=LANDSCAPE),
                "a process a stage": partial(apart, folder),
                "mteb": partial(function, "benchmarks.evaluation:by_mteb", folder, view=view),
            }
            case, what = f"{view} {size} {dtype}", "difference of nDCG@10"
            contest = comparison.Contest(NAME, case, "mteb", contestants, what, TOLERANCES[dtype], difference, PACKAGES)
            comparison.hold(contest, turns)


def difference(ours: Sample, theirs: Sample) -> float:
    """Difference in nDCG@10 over all queries."""
    return abs(float(ours.values["nDCG@10"]) - float(theirs.values["nDCG@10"]))


def apart(folder: Path) -> Sample:
    """Embed, search and score in three processes; the sum of their seconds, the largest of their memories."""
    parts = [run_stage(name, folder) for name in ("embed", "search")]
    parts.append(function("benchmarks.evaluation:score", folder, landscape=LANDSCAPE))
    return Sample(sum(part.seconds for part in parts), max(part.peak_mib for part in parts), parts[-1].values)


def together(landscape: str) -> dict[str, float]:
    """Embed, search and score in this process."""
    from stages import embed, search

    embed.main(landscape)
    search.main(landscape)
    return score(landscape)


def score(landscape: str) -> dict[str, float]:
    """Score the dense run of the current folder as the metrics stage does; returns nDCG@10 over all queries."""
    from patent_embeddings.core import layout, tables
    from patent_embeddings.evaluation import outcomes as outcomes_
    from patent_embeddings.evaluation.retrieval import per_query

    found = tables.read(layout.run(landscape, "dense"), RUN)
    qrels = tables.read(layout.task(landscape, "qrels"), QRELS)
    queries = tables.read(layout.task(landscape, "queries"), QUERIES)
    outcomes = per_query(found, qrels, queries).assign(system="dense", task="retrieval")
    outcomes_.mean_scores([outcomes])
    chosen = outcomes[(outcomes["scope"] == "all") & (outcomes["metric"] == "nDCG@10")]
    return {"nDCG@10": float(chosen["value"].mean())}


def by_mteb(view: str) -> dict[str, float]:
    """Evaluate with mteb on the tables of the current folder, without its cache; returns nDCG@10 unrounded."""
    import mteb

    task = _task(view)
    mteb.evaluate(plain_model(), task, cache=None, overwrite_strategy="always", show_progress_bar=False)
    return {"nDCG@10": task.exact}


def _task(view: str) -> Any:
    """A retrieval task of mteb over the view's texts, the queries and the judgements of the current folder."""
    import pandas as pd
    from datasets import Dataset
    from mteb.abstasks import AbsTaskRetrieval
    from mteb.abstasks.task_metadata import TaskMetadata

    from patent_embeddings.core import layout

    class Landscape(AbsTaskRetrieval):  # type: ignore[misc]
        """The landscape as a task; a query's own family is no result."""

        ignore_identical_ids = True
        metadata = TaskMetadata(
            name="SimulatedPatentRetrieval",
            description="Simulated landscape.",
            type="Retrieval",
            category="t2t",
            modalities=["text"],
            dataset={"path": "none", "revision": "none"},
            eval_splits=["test"],
            eval_langs=["eng-Latn"],
            main_score="ndcg_at_10",
            **dict.fromkeys(UNKNOWN),
        )

        def load_data(self, *_: Any, **__: Any) -> None:
            """Read the tables, as a user of mteb would: with pandas."""
            texts = pd.read_parquet(layout.view(LANDSCAPE, view), columns=["family_id", "text"])
            texts = texts.set_axis(["id", "text"], axis=1)
            queries = pd.read_parquet(layout.task(LANDSCAPE, "queries"))["query_id"]
            qrels = pd.read_parquet(layout.task(LANDSCAPE, "qrels")).astype({"relevance": int})
            relevant = {
                query: dict(zip(rows["family_id"], rows["relevance"].tolist(), strict=True))
                for query, rows in qrels.groupby("query_id")
            }
            asked = texts.set_index("id").loc[queries].reset_index(names="id")
            parts = {"corpus": Dataset.from_pandas(texts), "queries": Dataset.from_pandas(asked)}
            self.dataset = {"default": {"test": {**parts, "relevant_docs": relevant, "top_ranked": None}}}
            self.data_loaded = True

        def task_specific_scores(self, scores: dict[str, dict[str, float]], *_: Any, **__: Any) -> dict[str, float]:
            """Keep nDCG@10, which mteb's own result rounds to five digits."""
            self.exact = sum(of_query["ndcg_cut_10"] for of_query in scores.values()) / len(scores)
            return {}

    return Landscape()


if __name__ == "__main__":
    run(app)
