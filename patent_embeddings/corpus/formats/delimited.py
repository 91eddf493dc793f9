"""CSV and its kin: fields by commas, semicolons, tabs or bars, the header at the top or some lines below it."""

from __future__ import annotations

import contextlib
import csv
import itertools
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.formats.fields import COLUMNS, SEARCHED, Reading, hints

_DELIMITERS = {",": "a comma", ";": "a semicolon", "\t": "a tab", "|": "a bar"}
_TOP = 30  # lines in which the header is looked for


def read(file: Reading) -> Iterator[tuple[str, dict[str, Any]]]:
    """Rows below the header, the known columns of each; lists are cells of text still, which the reading notes."""
    csv.field_size_limit(sys.maxsize)  # a description may be long
    path, number = file.path, 0
    try:
        above, delimiter = _top(path)
        with path.open(encoding="utf-8-sig", newline="") as handle:
            rows = csv.reader(itertools.islice(handle, above, None), delimiter=delimiter, strict=True)
            names = [name.strip() for name in next(rows, [])]
            if not any(names):
                return
            header = file.takes(names)
            columns = [(place, name) for place, name in enumerate(header) if name in COLUMNS]
            for number, row in enumerate(rows, start=1):
                if not any(row):  # spreadsheets write rows of empty fields below the last one
                    continue
                if (has := len(row)) != (width := len(header)):
                    quote = f"quote fields that hold {_DELIMITERS[delimiter]}"
                    mend = quote if has > width else "give every row all fields"
                    raise UserError(f"{path}: row {number}: {has} fields, but the header has {width}; {mend}")
                yield f"row {number}", {name: row[place] for place, name in columns}
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: after row {number}: {error.reason}, not UTF-8; save the file as UTF-8") from None
    except csv.Error as error:
        mend = "quote fields and double the quotes in them"
        raise UserError(f"{path}: after row {number}: not CSV ({error}); {mend}") from None
    file.flat = True
    if above:
        file.notes["lines above the header, left out"] = above
    if delimiter != ",":
        file.notes["fields separated by"] = [_DELIMITERS[delimiter]]


def _top(path: Path) -> tuple[int, str]:
    """Lines above the header, and the delimiter: where most known columns are found; else the first line."""
    with path.open(encoding="utf-8-sig", newline="") as handle:
        top = list(itertools.islice(handle, _TOP))
    best, found = (0, 0), (0, ",")
    for delimiter in _DELIMITERS:
        reader, above = csv.reader(top, delimiter=delimiter), 0
        with contextlib.suppress(csv.Error):
            for row in reader:
                names = {name.strip() for name in row}
                score = (len(names & set(COLUMNS)), sum(bool(hints(name)) for name in row[:SEARCHED]))
                if score > best:
                    best, found = score, (above, delimiter)
                above = reader.line_num
    if best == (0, 0) and top:
        found = (0, max(_DELIMITERS, key=top[0].count))
    return found
