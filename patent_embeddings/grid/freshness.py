"""Check that data/ was computed from the current params.yaml, registry and code."""

from __future__ import annotations

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Params
from patent_embeddings.grid.keys import outdated
from patent_embeddings.sharing import repository


def require_current(cell: Params, *stages: str) -> None:
    """Raise UserError where stages of the cell are not computed, or something that they depend on has changed since.

    `stages` are names such as `report` or `search@sim-alpha`; the stages that they depend on are checked, too. Changes
    in params.yaml and the registry count only where these stages read them.
    """
    if not layout.VALUES.is_dir():
        raise UserError("there is no current cell: nothing is computed here; run `dvc repro`, or `make restore`")
    if (found := repository.changes(stages)) is None:
        places = ", ".join(cell.evaluate_on)
        raise UserError(f"no stage {' or '.join(stages)}: {layout.PARAMS} evaluates on {places}")
    computing = found.keys() - {"check"}  # which depends on all of params.yaml and the registry
    changed = [fault for stage in sorted(computing) for fault in outdated(cell, stage)]
    changed += [fault for stage in sorted(computing) for fault in found[stage]]
    if changed:
        more = f" (and {len(changed) - 1} more)" if changed[1:] else ""
        raise UserError(f"the current cell was computed before a change: {changed[0]}{more}; run `dvc repro`")
