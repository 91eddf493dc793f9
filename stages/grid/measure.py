"""Retrieval of many cells straight into a record: the stages' own code, in one process and without DVC.

On a landscape of a thousand families half of a cell's time goes into starting its stages. Here their tables, adapters and
vectors pass through a temporary folder. What makes a killed run resume is the record, and the scratch.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from contextlib import chdir
from pathlib import Path
from typing import TYPE_CHECKING, Any

import stages
from stages import layout
from stages.errors import UserError
from stages.files import workplace
from stages.grid import gather, queue, record
from stages.progress import say

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from stages.grid.cells import Cell
    from stages.params import Params


def measure(cells: Sequence[Cell], base: Mapping[str, Any], path: Path) -> int:
    """Compute the cells that a record lacks and add each to it as it comes.

    Several processes may do so at once, on one record: none takes a cell that another computes.

    Args:
        cells: of a grid.
        base: params.yaml, flat: variants are named by what differs from it.
        path: the record, written anew where there is none.

    Returns:
        How many cells other processes compute now.

    Raises:
        UserError: some cells could not be computed, said one by one; the others are in the record.
    """
    from filelock import FileLock, Timeout

    path = path.resolve()
    locks = layout.scratch().resolve() / "measuring"
    locks.mkdir(parents=True, exist_ok=True)
    writing = FileLock(locks / f"{_digest(str(path))}.lock")
    held = record.held(path)
    todo = [cell for cell in cells if not _is_in(held, cell, base)]
    say(f"{len(cells)} cells, {len(cells) - len(todo)} of them in {path.name}")
    failed: list[str] = []
    theirs: list[Cell] = []
    began = time.monotonic()
    with workplace("cells") as place:
        bench = _Bench(place, base)
        # Cells with the same tables one after the other, so that these are made once.
        for cell in sorted(todo, key=lambda cell: str(_shared(_typed(cell)))):
            try:
                with FileLock(locks / f"{_digest(str(path) + str(cell.params))}.lock", blocking=False):
                    with writing:
                        held = record.held(path)
                    if _is_in(held, cell, base):  # by another process, meanwhile
                        continue
                    done = sum(_is_in(held, one, base) for one in todo)
                    # The pace of all processes that compute this record.
                    pace = [(time.monotonic() - began) / done] if done else []
                    say(f"[{done} of {len(todo)}] {cell.name}{queue.end(pace, [], len(todo) - done, 1)}")
                    outcomes = bench.outcomes(cell)
                    with writing:
                        record.add(outcomes, path)
            except Timeout:
                theirs.append(cell)
                say(f"another process computes {cell.name}")
            except UserError as error:
                failed.append(cell.name)
                say(f"{cell.name}: {error}")
    if failed:
        raise UserError(f"{len(failed)} of {len(cells)} cells failed, the first {failed[0]}; the reasons are above, and the same command tries them again")  # fmt: skip
    with writing:
        held = record.held(path)
    return sum(not _is_in(held, cell, base) for cell in theirs)


class _Bench:
    """A folder in which the stages run; what the cell before has left there is used where it is the same.

    Args:
        folder: an empty folder.
        base: params.yaml, flat.
    """

    def __init__(self, folder: Path, base: Mapping[str, Any]) -> None:
        self.folder, self.base = folder, base
        self.done: list[Any] = []
        for name in (layout.REGISTRY, layout.RAW):
            (folder / name).parent.mkdir(parents=True)
            (folder / name).symlink_to(name.resolve())

    def outcomes(self, cell: Cell) -> pd.DataFrame:
        """Outcomes of a cell's test and dev queries, as a record keeps them. Raises UserError as its stages do."""
        params = _typed(cell)
        with chdir(self.folder):
            self._compute(cell, params)
            return _scored(params).assign(**gather.keys_of(cell.name, params, self.base))

    def _compute(self, cell: Cell, params: Params) -> None:
        import yaml

        from stages import adapters, embed, finetune, fuse, registry, rerank, search
        from stages.files import write_text
        from stages.pairs import __main__ as pairs

        write_text(layout.PARAMS, yaml.safe_dump(cell.params, sort_keys=False))
        steps = [
            _shared(params),
            (params.model, params.recipe, params.landscape, params.finetune),
            (params.embed, params.query_view),
        ]
        same = next((place for place, step in enumerate(steps) if self.done[place : place + 1] != [step]), len(steps))
        self.done = []
        if same < 1:
            for name in params.evaluate_on:
                _tables(name)
        if same < 2:
            pairs.main()
            finetune.main()
            if registry.recipe(params.recipe).signals and adapters.held(layout.ADAPTER) is None:
                raise UserError(f"finetune left no adapter of {params.recipe}, whose outcomes would be those of the model as published; run `dvc repro finetune` on this cell to see why")  # fmt: skip
        for name in params.evaluate_on:
            if same < 3:
                embed.main(name)
            search.main(name)
            fuse.main(name)
            rerank.main(name)
        self.done = steps


def _typed(cell: Cell) -> Params:
    from stages.params import Params

    return Params.model_validate(cell.params)


def _shared(params: Params) -> tuple[Any, ...]:
    """What decides tables and BM25 runs."""
    return params.evaluate_on, params.query_view, params.document_view, params.tasks, params.bm25


def _tables(landscape: str) -> None:
    """Families, views, tasks and the BM25 run of one landscape in the current folder.

    Raises:
        UserError: as the stages.
    """
    from stages import download, tasks, views

    download.main(landscape)
    views.main(landscape)
    tasks.main(landscape)
    # A process of its own: torch and Java in one have crashed.
    root = str(Path(stages.__file__).parents[1])
    done = subprocess.run([sys.executable, "-P", "-m", "stages.bm25", landscape], capture_output=True, encoding="utf-8", errors="replace", check=False, env={**os.environ, "PYTHONPATH": root})  # fmt: skip
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise UserError(lines[-1].removeprefix("error: ") if lines else f"stages.bm25 ended with {done.returncode}")


def _scored(params: Params) -> pd.DataFrame:
    """Outcomes of the test and dev queries of the runs in the current folder, on every landscape."""
    import pandas as pd

    from stages import metrics, registry, tables

    frames = []
    for name in params.evaluate_on:
        qrels = tables.read(layout.task(name, "qrels"), tables.QRELS)
        queries = tables.read(layout.task(name, "queries"), tables.QUERIES)
        found, _ = metrics.retrieval(name, qrels, queries, params.tasks.pool)
        frames += [frame.assign(landscape=name, simulated=registry.landscape(name).simulated) for frame in found]
    if not frames:
        raise UserError(f"{', '.join(params.evaluate_on)}: no queries, so that there is no retrieval to record")
    rows = pd.concat(frames, ignore_index=True)
    return rows[rows["split"].isin(["test", "dev"])]


def _is_in(held: record.Held, cell: Cell, base: Mapping[str, Any]) -> bool:
    """Whether a record has a cell on every landscape that the cell is scored on."""
    params = _typed(cell)
    return record.has(held, gather.keys_of(cell.name, params, base), params.evaluate_on)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]
