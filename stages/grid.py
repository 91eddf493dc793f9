"""The grid: run its cells as DVC experiments, report on them, recommend one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from patent_embeddings.core.errors import UserError, run

app = typer.Typer(add_completion=False, help=__doc__)


Preset = Annotated[str | None, typer.Option(help="A grid of registry/presets.yaml.")]
Setting = Annotated[list[str] | None, typer.Option("-S", help="An axis, key=value1,value2; also narrows a preset's.")]


@app.command("run")
def run_(
    preset: Preset = None,
    setting: Setting = None,
    jobs: Annotated[int, typer.Option(min=1, help="Cells computed at the same time.")] = 1,
) -> None:
    """Compute the cells that no experiment of this code version holds, through DVC's queue.

    Interrupt it as you like: the workers go on, and the same command takes up the watch again.
    """

    from patent_embeddings.core import params
    from patent_embeddings.core.progress import say
    from patent_embeddings.grid import experiments
    from patent_embeddings.grid.running_cells import _cells, _compute

    wanted, _ = _cells(preset, setting)
    experiments.clean()
    commit = experiments.head()

    def lacking() -> list[Any]:
        held = experiments.held()
        return [cell for cell in wanted if experiments.inputs(commit, params.Params.model_validate(cell.params)) not in held]  # fmt: skip

    missing = lacking()
    say(f"{len(wanted)} cells, {len(wanted) - len(missing)} of them held by experiments of this code version")
    if missing:
        _compute(missing, commit, jobs)
        if left := lacking():
            raise UserError(f"{left[0].name} and {len(left) - 1} more: ended, but no experiment holds them as they are now; run this again, and `dvc queue logs NAME` shows what became of them")  # fmt: skip
    print("every cell is there; look at them with `python -m stages.grid report`")


@app.command()
def report(
    record: Annotated[Path | None, typer.Option(help="Also the cells of this record; needs no experiment.")] = None,
) -> None:
    """Compare the experiments of this code version: reports/grid/."""
    from patent_embeddings.pages.grid_report import write

    write(record)


@app.command()
def record(file: Annotated[Path, typer.Argument(help="A parquet file; written anew where there is none.")]) -> None:
    """Add what retrieval came to, query by query, to a small file that outlives experiments and code versions."""
    from patent_embeddings.grid import gather
    from patent_embeddings.grid.record import add

    cells, ours = add(gather.load(gather.current()).outcomes, file)
    print(f"{file}: {cells} cells, {ours} of them from experiments of this code version")


@app.command()
def recommend(
    landscape: Annotated[str, typer.Option(help="Where it is to be used: an id of the landscapes' registry.")],
    task: Annotated[Literal["retrieval", "classification", "clustering"], typer.Option(help="What for.")] = "retrieval",
) -> None:
    """Name the model, recipe, view and system to use on a landscape, what it costs, and how sure that is."""
    from patent_embeddings.grid import gather
    from patent_embeddings.grid.recommendation import advice

    print("\n".join(advice(gather.load(gather.current()), landscape, task)))


if __name__ == "__main__":
    run(app)
