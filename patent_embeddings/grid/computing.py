"""Cells through DVC's queue: which are wanted, which nobody has computed yet, and computing those."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from filelock import FileLock

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.grid import axes, experiments
from patent_embeddings.grid.cell import Cell
from patent_embeddings.grid.entries import Axes, Preset
from patent_embeddings.sharing import queue


def wanted(base: Mapping[str, Any], preset: str | None, settings: Sequence[str]) -> list[Cell]:
    """Cells of a preset, narrowed or widened by axes, or of axes alone, over params.yaml, `base`.

    Raises UserError where neither is named, or an axis is wrong.
    """
    asked = axes.parse(settings)
    of_preset: Sequence[Axes] = registry.entry("presets", preset, Preset).grids if preset else [{}]
    grids = [each | asked for each in of_preset]
    if not any(grids):
        presets = ", ".join(registry.every("presets", Preset))
        raise UserError(f"no grid: name a preset ({presets}) or an axis with -S")
    return axes.union(base, grids)


def compute(cells: Sequence[Cell], jobs: int) -> None:
    """Compute the cells that no experiment of this code version has, `jobs` at the same time.

    Raises UserError where what a cell depends on is not committed, or a cell fails.
    """
    experiments.clean()
    commit = experiments.head()
    missing = _missing(cells, commit)
    say(f"{len(cells)} cells, {len(cells) - len(missing)} of them held by experiments of this code version")
    if missing:
        _through_the_queue(missing, commit, jobs)
    if left := missing and _missing(cells, commit):
        mend = "run this again, and `dvc queue logs NAME` shows what became of them"
        why = f"ended, but no experiment holds them as they are now; {mend}"
        raise UserError(f"{left[0].name} and {len(left) - 1} more: {why}")


def _missing(cells: Sequence[Cell], commit: str) -> list[Cell]:
    computed = experiments.by_inputs()
    return [cell for cell in cells if experiments.inputs(commit, cell.params) not in computed]


def _through_the_queue(missing: Sequence[Cell], commit: str, jobs: int) -> None:
    queue.check()
    names = {cell.name for cell in missing}
    # What an interrupted grid queued before a commit that changed no cell is still this grid's.
    pending = queue.baselines()
    commits = {commit} | {one for one in pending if experiments.alike(one, commit, missing)}
    if others := {name for one, queued in pending.items() if one not in commits for name in queued & names}:
        say(
            f"{', '.join(sorted(others))}: queued or running also for other parameters or code (`dvc queue status`); "
            f"those are left as they are, and cells of these names are queued for {commit[:7]}"
        )
    try:
        with FileLock(layout.QUEUING):  # a second `grid run` would queue the same cells
            found = queue.state(commits)
            lost = found.running if found.running and not queue.workers() else set()
            queue.clear((found.failed | lost) & names, commits)
            waiting = (found.queued | found.running) - lost
            for cell in missing:
                if cell.name not in waiting:
                    queue.add(cell.name, cell.overrides)
                    say(f"queued: {cell.name}")
            queue.start(jobs)
        ended = queue.watch(sorted(names), commits, jobs)
    except KeyboardInterrupt:
        mend = "`dvc queue stop --kill` stops them"
        say(f"no longer watching; DVC's workers go on. The same command watches again; {mend}")
        raise
    if failed := sorted(ended.failed & names):
        for name in failed:
            print(f"{name}: {queue.error_line(name, commits)}")
        mend = "`dvc queue logs NAME` shows a log, running this again tries them again"
        raise UserError(f"{len(failed)} of {len(names)} cells failed; {mend}")
