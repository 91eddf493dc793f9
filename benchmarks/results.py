"""CSV files in `benchmarks/results`: a case that is measured again replaces its own rows."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import write_text

FOLDER = Path(__file__).parent / "results"
COMPARISONS, MEASUREMENTS = "comparisons", "measurements"

Value = str | int | float
Row = dict[str, Value]


def store(name: str, rows: Sequence[Row], key: tuple[str, ...] = ("case",), folder: Path = FOLDER) -> None:
    """Write rows to `NAME.csv`, replacing those with the same key.

    All `rows` have the same columns; floats are written with six significant digits. `key` are the columns that
    identify the rows to replace. Raises UserError: the file has other columns.
    """
    fresh = [{column: _text(value) for column, value in row.items()} for row in rows]
    path = folder / f"{name}.csv"
    kept = read(name, folder)
    if kept and fresh and list(kept[0]) != list(fresh[0]):
        raise UserError(f"{path}: its columns are not those of this version; delete the file and measure again")
    replaced = {tuple(row[column] for column in key) for row in fresh}
    kept = [row for row in kept if tuple(row[column] for column in key) not in replaced]
    text = io.StringIO()
    writer = csv.DictWriter(text, list((fresh or kept)[0]), lineterminator="\n")
    writer.writeheader()
    # Stable: turns and stages keep their order within a case.
    writer.writerows(sorted([*kept, *fresh], key=lambda row: tuple(_natural(row[column]) for column in key)))
    write_text(path, text.getvalue())


def read(name: str, folder: Path = FOLDER) -> list[dict[str, str]]:
    """Rows of `NAME.csv` as text, none where there is no such file."""
    path = folder / f"{name}.csv"
    if not path.exists():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _text(value: Value) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _natural(text: str) -> list[tuple[int, int | str]]:
    """Key that sorts `tac 500` before `tac 10000`."""
    return [(0, int(word)) if word.isdigit() else (1, word) for word in text.split()]
