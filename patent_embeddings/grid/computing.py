"""Compute a grid through DVC's queue: the cells wanted, less those that experiments hold already."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from filelock import FileLock

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say
from patent_embeddings.encoders import catalogue, readiness
from patent_embeddings.grid import axes, check, experiments, forecast
from patent_embeddings.grid.cell import Cell
from patent_embeddings.grid.entries import Axes, Preset
from patent_embeddings.grid.keys import embeds_in, reranks_in
from patent_embeddings.sharing import queue


def wanted(base: Mapping[str, Any], preset: str | None, settings: Sequence[str]) -> list[Cell]:
    """Cells of a preset, of axes, or of a preset with some of its axes replaced, over params.yaml (`base`).

    Raises UserError where neither is named, or an axis is wrong.
    """
    replaced = axes.parse(settings)
    of_preset: Sequence[Axes] = registry.entry("presets", preset, Preset).grids if preset else [{}]
    grids = [each | replaced for each in of_preset]
    if not any(grids):
        presets = ", ".join(registry.every("presets", Preset))
        raise UserError(f"no grid: name a preset ({presets}) or an axis with -S")
    return axes.union(base, grids)


def share(cells: Sequence[Cell], part: str) -> list[Cell]:
    """The I-th of N shares of the cells, for a `part` written `I/N`: every N-th cell from the I-th on.

    Raises UserError where the part has another form.
    """
    numbers = [int(one) for one in part.split("/") if one.isdecimal()]
    if part.count("/") != 1 or len(numbers) != 2 or not 1 <= numbers[0] <= numbers[1]:
        raise UserError(f"--part {part!r:.40}: write I/N with I from 1 to N, such as 2/8")
    return list(cells[numbers[0] - 1 :: numbers[1]])


def compute(cells: Sequence[Cell], jobs: int, *, fetch: bool = False, only_available: bool = False) -> None:
    """Compute the cells that no experiment of this code version holds, `jobs` at the same time.

    `fetch`: download models that lack nothing else. `only_available`: leave out cells of models that cannot be used.
    Raises UserError before anything is queued where an input of the cells is not committed, a cell cannot run, or a
    model cannot be used; and at the end where a cell failed.
    """
    experiments.clean()
    for cell in cells:
        with _named(cell):
            check.validate(cell.params)
    commit = experiments.head()
    computed = experiments.by_inputs()
    missing = _missing(cells, commit, computed)
    say(f"{len(cells)} cells, {len(cells) - len(missing)} of them held by experiments of this code version")
    missing = _ready(missing, fetch=fetch, only_available=only_available)
    if missing:
        for line in forecast.forecast(missing, computed.values(), queue.room()):
            say(line)
        _through_the_queue(missing, commit, jobs)
    if left := missing and _missing(cells, commit, experiments.by_inputs()):
        mend = "run this again, and `dvc queue logs NAME` shows what became of them"
        why = f"ended, but no experiment holds them as they are now; {mend}"
        raise UserError(f"{left[0].name} and {len(left) - 1} more: {why}")


@contextmanager
def _named(cell: Cell) -> Iterator[None]:
    """Prefix a UserError with the name of the cell."""
    try:
        yield
    except UserError as error:
        raise UserError(f"cell {cell.name}: {error}") from None


def _ready(cells: Sequence[Cell], *, fetch: bool, only_available: bool) -> list[Cell]:
    """The cells whose models can be used here.

    Without `only_available`, raises UserError where one cannot be, after a table of the models.
    """
    used = {cell.name: [one for one in (cell.params.model, cell.params.rerank.model) if one] for cell in cells}
    dtypes = _dtypes(cells)
    entries = catalogue.entries_of(dtypes)
    found = readiness.readiness(entries, dtypes)
    if fetch and (names := [one.name for one in found if one.fetched]):
        catalogue.fetch(names)
        found = readiness.readiness(entries, dtypes)
    lacking = {one.name for one in found if one.lacks}
    if not lacking:
        return list(cells)
    print(readiness.table(found))
    kept = [cell for cell in cells if not lacking & set(used[cell.name])]
    if not (only_available and kept):
        more = "--fetch downloads what can be, " if any(one.fetched for one in found) else ""
        mend = f"{more}--only-available computes {len(kept)} of the {len(cells)} cells" if kept else f"{more}see above"
        raise UserError(f"{len(lacking)} of {len(found)} models cannot be used yet, so nothing is queued; {mend}")
    say(f"left out: {len(cells) - len(kept)} cells of models that lack something")
    return kept


def _dtypes(cells: Sequence[Cell]) -> dict[str, str]:
    """Models and rerankers in the order in which cells name them, each with its most memory-hungry type of number."""
    asked: dict[str, set[str]] = {}
    for cell in cells:
        asked.setdefault(cell.params.model, set()).add(embeds_in(cell.params.model, cell.params.embed.dtype))
        if cell.params.rerank.model:
            asked.setdefault(cell.params.rerank.model, set()).add(reranks_in(cell.params))
    return {name: min(dtypes, key=readiness.HEAVIEST.index) for name, dtypes in asked.items()}


def _missing(cells: Sequence[Cell], commit: str, computed: Container[str]) -> list[Cell]:
    """The cells whose hash of inputs is not among those of the experiments (`computed`)."""
    return [cell for cell in cells if experiments.inputs(commit, cell.params) not in computed]


def _through_the_queue(missing: Sequence[Cell], commit: str, jobs: int) -> None:
    queue.check()
    names = {cell.name for cell in missing}
    # Cells queued by an interrupted run still count where later commits changed none of them.
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
            queue.clear((found.failed | found.done | lost) & names, commits)
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
