"""Compare the scores at hand with the expected ones that are committed; recomputes nothing."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, run

if TYPE_CHECKING:
    pass

app = typer.Typer(add_completion=False)


@app.command()
def main(
    grid: Annotated[bool, typer.Option("--grid", help="Verify every experiment of this code version.")] = False,
    accept: Annotated[bool, typer.Option("--accept", help="Make the scores at hand the expected ones.")] = False,
) -> None:
    """Print OK, close or FAIL for each expected score of the cell at hand, and where each stage's output comes from."""

    from patent_embeddings.evaluation.scores import records
    from patent_embeddings.sharing.verify import (
        KEYS,
        TOLERANCE,
        _accept,
        _expected,
        _grid,
        _workspace,
        compare,
        origins,
    )

    found = _grid() if grid else _workspace()
    if accept:
        _accept(found)
        return
    expected = _expected()
    if not set(found["parameters"]) & set(expected["parameters"]):
        raise UserError(f"{layout.EXPECTED}: no expected scores for {', '.join(sorted(set(found['cell'])))}; `python -m stages.verify --accept` writes them")  # fmt: skip
    lines = compare(found, expected)
    for line in records(lines):
        at_hand = "missing" if math.isnan(line["value_at_hand"]) else f"{line['value_at_hand']:.4f}"
        ok, close = TOLERANCE[line["metric"]]
        where = "  ".join(line[key] for key in KEYS[1:])
        print(f"{line['verdict']:<5} {where}  {at_hand}, expected {line['value']:.4f} (OK within {ok:g}, close within {close:g})")  # fmt: skip
    for name in sorted(set(found["cell"]) - set(lines["cell"])):
        print(f"-     {name}: no expected scores")
    if not grid:
        print("\n".join(origins()))
    counts = lines["verdict"].value_counts()
    print(", ".join(f"{counts.get(verdict, 0)} {verdict}" for verdict in ("OK", "close", "FAIL")))
    if counts.get("FAIL", 0):
        raise typer.Exit(1)


if __name__ == "__main__":
    run(app)
