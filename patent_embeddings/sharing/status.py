"""Changes since stages were computed, according to DVC."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from dvc.exceptions import NoOutputOrStageError
from dvc.stage.exceptions import StageNotFound

from patent_embeddings.sharing import repository

_GONE = ("deleted", "not in cache")  # no change: reading such a file fails with its own message
_PATIENCE = 60.0  # seconds to wait for other commands in this clone, such as a search of another landscape


def changes(stages: tuple[str, ...]) -> dict[str, list[str]] | None:
    """Changes, in words, of some stages and of those that they depend on; None where there is no such stage.

    Raises UserError where DVC fails, or another command holds the lock.
    """
    with repository.opened(_PATIENCE) as repo:
        try:
            needed = {one.addressing for stage in stages for one in repo.stage.collect(stage, with_deps=True)}
            status = repo.status(targets=list(stages), with_deps=True)
        except (NoOutputOrStageError, StageNotFound):
            return None
    return {stage: list(_changed(stage, status.get(stage, []))) for stage in sorted(needed)}


def _changed(stage: str, said: list[Any]) -> Iterator[str]:
    """Changes of a stage's command, dependencies and outputs in words; `said` is DVC's status of the stage."""
    for one in said:
        if not isinstance(one, Mapping):
            yield f"{one} of stage {stage}"
            continue
        for paths in one.values():
            yield from (f"{path} is {what}" for path, what in sorted(paths.items()) if what not in _GONE)
