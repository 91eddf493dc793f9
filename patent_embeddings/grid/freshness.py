"""Whether what lies in data/ is of params.yaml, the registry and the code as they are now."""

from __future__ import annotations

from collections.abc import Iterator

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_json
from patent_embeddings.core.params import Params
from patent_embeddings.grid import keys
from patent_embeddings.grid.cell import flat
from patent_embeddings.sharing import status


def require_current(cell: Params, *stages: str) -> None:
    """Hold what the cell's stages wrote against everything that it was computed from, as `dvc status` does.

    `stages` are names such as `report` or `search@sim-alpha`; whatever they need is looked at too. Of params.yaml and
    the registry only what these stages read counts. Raises UserError where nothing was computed here, or something has
    changed since.
    """
    if not layout.VALUES.is_dir():
        raise UserError("no cell is at hand: nothing is computed here; run `dvc repro`, or `make restore`")
    if (found := status.changes(stages)) is None:
        places = ", ".join(cell.evaluate_on)
        raise UserError(f"no stage {' or '.join(stages)}: {layout.PARAMS} evaluates on {places}")
    computing = found.keys() - {"check"}  # what `check` depends on counts as far as these read it
    changed = [fault for stage in sorted(computing) for fault in _values(cell, stage)]
    changed += [fault for stage in sorted(computing) for fault in found[stage]]
    if changed:
        more = f" (and {len(changed) - 1} more)" if changed[1:] else ""
        raise UserError(f"the cell at hand was computed before a change: {changed[0]}{more}; run `dvc repro`")


def _values(cell: Params, stage: str) -> Iterator[str]:
    """What a stage reads of params.yaml and the registry that is no longer what `check` wrote."""
    name, _, landscape = stage.partition("@")
    place = landscape or layout.CELL
    if (path := layout.values(name, place)).exists():
        held, now = flat(read_json(path)), flat(keys.resolved(cell, name, place))
        for key in sorted(held.keys() | now.keys()):
            if held.get(key) != now.get(key):
                yield f"stage {stage} ran with {key} {held.get(key)!r:.60}, it is {now.get(key)!r:.60} now"
