"""The grid: run its cells as DVC experiments, report on them, recommend one."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from patent_embeddings.core.command import run

app = typer.Typer(add_completion=False, help=__doc__)


@app.command("run")
def run_(
    preset: Annotated[str | None, typer.Option(help="A grid of registry/presets.yaml.")] = None,
    setting: Annotated[
        list[str] | None, typer.Option("-S", help="An axis, key=value1,value2; replaces the preset's axis of that key.")
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Number of cells computed at the same time.")] = 1,
    part: Annotated[str, typer.Option(metavar="I/N", help="Compute only the I-th of N shares of the cells.")] = "1/1",
    fetch: Annotated[bool, typer.Option("--fetch", help="Download the models that are not here yet.")] = False,
    only_available: Annotated[
        bool, typer.Option("--only-available", help="Leave out cells of models that cannot be used here.")
    ] = False,
) -> None:
    """Compute the cells that no experiment of this code version holds, through DVC's queue.

    An interrupt ends only the watching: the workers go on, and the same command watches again.
    """
    from patent_embeddings.core import layout, params
    from patent_embeddings.core.files import read_yaml
    from patent_embeddings.grid import computing

    params.load()
    cells = computing.share(computing.wanted(read_yaml(layout.PARAMS), preset, setting or []), part)
    computing.compute(cells, jobs, fetch=fetch, only_available=only_available)
    print("every cell is there; look at them with `python -m stages.grid report`")


@app.command()
def report() -> None:
    """Compare the experiments of this code version, and write a page to reports/grid/."""
    from patent_embeddings.core import layout, params, registry
    from patent_embeddings.grid import entries, experiments, findings, gather
    from patent_embeddings.pages.grid.report import write

    found = registry.every("findings", entries.Finding)
    grid = gather.load(experiments.current(), params.load())
    judged = write(grid, registry.every("hypotheses", entries.Hypotheses), found)
    print("\n".join([*findings.lines(judged, found), f"page: {layout.GRID_PAGE}"]))


@app.command()
def recommend(
    landscape: Annotated[str, typer.Option(help="Id of the landscape to recommend for.")],
    task: Annotated[
        Literal["retrieval", "classification", "clustering"], typer.Option(help="Task to recommend for.")
    ] = "retrieval",
) -> None:
    """Recommend a model, recipe, view and system for a landscape, with its lead over the next best and its cost."""
    from patent_embeddings.core import params
    from patent_embeddings.grid import experiments, gather
    from patent_embeddings.grid.recommendation import advise, lines

    found = gather.load(experiments.current(), params.load())
    print("\n".join(lines(advise(found, landscape, task), found)))


if __name__ == "__main__":
    run(app)
