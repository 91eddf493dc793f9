"""The grid: run its cells as DVC experiments, report on them, recommend one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from stages import layout
from stages.errors import UserError, run

app = typer.Typer(add_completion=False, help=__doc__)


Preset = Annotated[str | None, typer.Option(help="A grid of stages/registry/presets.yaml.")]
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
    from stages import params
    from stages.grid import experiments
    from stages.progress import say

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


def _cells(preset: str | None, setting: list[str] | None) -> tuple[list[Any], dict[str, Any]]:
    """Cells of a preset or of axes, and params.yaml, which they are cells over.

    Raises:
        UserError: neither is named, or an axis is wrong.
    """
    from stages import params, registry
    from stages.files import read_yaml
    from stages.grid import cells

    params.load()
    base = read_yaml(layout.PARAMS)
    grids: list[dict[str, Any]] = registry.entry("presets", preset).grids if preset else [{}]
    grids = [axes | cells.parse(setting or []) for axes in grids]
    if not any(grids):
        raise UserError(f"no grid: name a preset ({', '.join(registry.every('presets'))}) or an axis with -S")
    return cells.union(base, grids), base


def _compute(missing: list[Any], commit: str, jobs: int) -> None:
    from filelock import FileLock

    from stages.grid import experiments, queue
    from stages.progress import say

    queue.check()
    names = {cell.name for cell in missing}
    # What an interrupted grid queued before a commit that changed no cell is still this grid's.
    pending = queue.baselines()
    commits = {commit} | {one for one in pending if experiments.alike(one, commit, missing)}
    if others := {name for one, queued in pending.items() if one not in commits for name in queued & names}:
        say(f"{', '.join(sorted(others))}: queued or running also for other parameters or code (`dvc queue status`); those are left as they are, and cells of these names are queued for {commit[:7]}")  # fmt: skip
    try:
        with FileLock(layout.QUEUING):  # a second `grid run` would queue the same cells
            found = queue.state(commits)
            lost = found.running if found.running and not queue.workers() else set()
            queue.clear((found.failed | lost) & names, commits)
            waiting = (found.queued | found.running) - lost
            for cell in missing:
                if cell.name not in waiting:
                    queue.add(cell)
                    say(f"queued: {cell.name}")
            queue.start(jobs)
        ended = queue.watch(sorted(names), commits, jobs)
    except KeyboardInterrupt:
        say(
            "no longer watching; DVC's workers go on. The same command watches again; `dvc queue stop --kill` stops them"
        )
        raise
    if failed := sorted(ended.failed & names):
        for name in failed:
            print(f"{name}: {queue.error_line(name, commits)}")
        raise UserError(f"{len(failed)} of {len(names)} cells failed; `dvc queue logs NAME` shows a log, running this again tries them again")  # fmt: skip


@app.command()
def report(
    record: Annotated[Path | None, typer.Option(help="Also the cells of this record; needs no experiment.")] = None,
) -> None:
    """Compare the experiments of this code version: reports/grid/."""
    from stages.grid.report import write

    write(record)


@app.command()
def record(file: Annotated[Path, typer.Argument(help="A parquet file; written anew where there is none.")]) -> None:
    """Add what retrieval came to, query by query, to a small file that outlives experiments and code versions."""
    from stages.grid import gather
    from stages.grid.record import add

    cells, ours = add(gather.load(gather.current()).outcomes, file)
    print(f"{file}: {cells} cells, {ours} of them from experiments of this code version")


@app.command()
def measure(
    file: Annotated[Path, typer.Argument(help="A record; written anew where there is none.")],
    preset: Preset = None,
    setting: Setting = None,
) -> None:
    """Compute the cells that a record lacks, retrieval alone, in this process: no experiment is kept.

    Interrupt it as you like, or start it several times: cells are in the record as they come, and none is computed twice.
    """
    from stages.grid import cells
    from stages.grid.measure import measure as computed

    wanted, base = _cells(preset, setting)
    left = computed(wanted, cells.flat(base), file)
    there = "every cell is there" if not left else f"{left} of {len(wanted)} cells are still with another process"
    print(f"{there}; look at them with `python -m stages.grid report --record {file}`")


@app.command()
def recommend(
    landscape: Annotated[str, typer.Option(help="Where it is to be used: an id of the landscapes' registry.")],
    task: Annotated[Literal["retrieval", "classification", "clustering"], typer.Option(help="What for.")] = "retrieval",
) -> None:
    """Name the model, recipe, view and system to use on a landscape, what it costs, and how sure that is."""
    from stages.grid import gather
    from stages.grid.recommend import advice

    print("\n".join(advice(gather.load(gather.current()), landscape, task)))


if __name__ == "__main__":
    run(app)
