"""The grid: run its cells as DVC experiments, report on them, recommend one."""

from __future__ import annotations

from typing import Any

from filelock import FileLock

from patent_embeddings.core import layout, params, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_yaml
from patent_embeddings.core.progress import say
from patent_embeddings.grid import cell as cell_
from patent_embeddings.grid import experiments
from patent_embeddings.grid.entries import Preset
from patent_embeddings.sharing import queue


def _cells(preset: str | None, setting: list[str] | None) -> tuple[list[Any], dict[str, Any]]:
    """Cells of a preset or of axes, and params.yaml, which they are cells over.

    Raises:
        UserError: neither is named, or an axis is wrong.
    """

    params.load()
    base = read_yaml(layout.PARAMS)
    grids: list[dict[str, Any]] = registry.entry("presets", preset, Preset).grids if preset else [{}]
    grids = [axes | cell_.parse(setting or []) for axes in grids]
    if not any(grids):
        raise UserError(f"no grid: name a preset ({', '.join(registry.every('presets', Preset))}) or an axis with -S")
    return cell_.union(base, grids), base


def _compute(missing: list[Any], commit: str, jobs: int) -> None:

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
