"""What bfloat16 costs in quality: nDCG@10 of the zero-shot dense run on real landscapes, against float32."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from benchmarks import comparison
from benchmarks.encode import MODEL
from benchmarks.timing import function
from benchmarks.workspace import change, run_stage, workspace
from patent_embeddings.core.errors import run

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(add_completion=False)

NAME = "precision"
LANDSCAPES = ("kista-nighttime-driver", "kista-offshore-plant", "kista-orbit-satellite")
LIMIT = 0.001  # of the difference of nDCG@10
PACKAGES = ("torch", "transformers", "sentence-transformers", "faiss-cpu")


@app.command()
def main(
    landscapes: Annotated[list[str] | None, typer.Option("--landscape", help="Ids of the registry; may be given several times. [default: three of kista-*]")] = None,
    view: Annotated[str, typer.Option(help="Of queries and documents.")] = "ta",
) -> None:  # fmt: skip
    """Evaluate minilm in both precisions; the landscapes are downloaded, or read from KISTA_URL."""
    names = landscapes or list(LANDSCAPES)
    with workspace(
        50, model=MODEL, query_view=view, document_view=view, landscape=names[0], evaluate_on=names
    ) as folder:
        for before in ("check", "pairs", "finetune"):
            run_stage(before, folder)
        for name in names:
            for before in ("download", "views", "tasks"):
                run_stage(before, folder, name)
            comparison.note(NAME, f"{name} {view}", _measured(name, folder), PACKAGES)


def _measured(name: str, folder: Path) -> Sequence[comparison.Measurement]:
    """nDCG@10 of one landscape in both precisions, and their difference."""
    scores = {}
    for dtype in ("float32", "bfloat16"):
        change(folder, embed__dtype=dtype)
        scores[dtype] = function("benchmarks.evaluation:together", {"landscape": name}, folder).values["nDCG@10"]
    return [*(comparison.Measurement(f"nDCG@10 in {dtype}", value, "1") for dtype, value in scores.items()),
            comparison.Measurement("difference", abs(scores["float32"] - scores["bfloat16"]), "1", LIMIT)]  # fmt: skip


if __name__ == "__main__":
    run(app)
