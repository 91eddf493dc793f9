"""Check that data/ was computed from the current params.yaml, registry and code."""

from __future__ import annotations

from collections.abc import Iterator

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json
from patent_embeddings.core.params import Params
from patent_embeddings.grid import keys
from patent_embeddings.grid.cell import flat
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
    changed = [fault for stage in sorted(computing) for fault in _values(cell, stage)]
    changed += [fault for stage in sorted(computing) for fault in found[stage]]
    if changed:
        more = f" (and {len(changed) - 1} more)" if changed[1:] else ""
        raise UserError(f"the current cell was computed before a change: {changed[0]}{more}; run `dvc repro`")


def _values(cell: Params, stage: str) -> Iterator[str]:
    """Values of a stage that differ between params.yaml and the registry now and the file that `check` wrote."""
    name, _, landscape = stage.partition("@")
    place = landscape or layout.CELL
    if (path := layout.values(name, place)).exists():
        held, now = flat(read_json(path)), flat(keys.resolved(cell, name, place))
        for key in sorted((held.keys() | now.keys()) - {"engine"}):  # which changes no outcome
            if held.get(key) != now.get(key):
                yield f"stage {stage} ran with {key} {held.get(key)!r:.60}, it is {now.get(key)!r:.60} now"
