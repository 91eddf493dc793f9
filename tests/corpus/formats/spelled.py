"""Tables of text in other spellings, and a second reader of them by csv alone."""

from __future__ import annotations

import contextlib
import csv
import datetime
import gzip
import io
import random
import re


def cells(data: bytes, delimiter: str = ",", encoding: str = "utf-8-sig") -> list[list[str]]:
    """Rows of a table that have fields, as csv reads them, up to one that it cannot."""
    text, rows = io.StringIO(data.decode(encoding, "replace"), newline=""), []
    with contextlib.suppress(csv.Error):
        for row in csv.reader(text, delimiter=delimiter, strict=True):
            rows.append(row)
    return [row for row in rows if any(row)]


def table(rows: list[list[str]], known: list[str]) -> list[dict[str, str]]:
    """Rows below the header, which is the row with most known names; those that are cut off are left out."""
    hits = [len(set(known) & set(row)) for row in rows]
    at = hits.index(max(hits)) if hits else 0
    return [dict(zip(rows[at], row, strict=True)) for row in rows[at + 1 :] if len(row) == len(rows[at])]


def iso(text: str) -> str:
    """A date in ISO, where it is one, with a time or without, or the number of a day as spreadsheets count."""
    if re.fullmatch(r"[2-5]\d{4}(\.\d*)?", text.strip()):
        return (datetime.date(1899, 12, 30) + datetime.timedelta(int(text.strip()[:5]))).isoformat()
    plain = re.sub("[T ].*", "", text.strip())
    short = re.fullmatch(r"(\d{4})([-/.])(\d\d?)\2(\d\d?)\.?", plain)
    with contextlib.suppress(ValueError):
        found = datetime.date.fromisoformat(f"{short[1]}-{short[3]:0>2}-{short[4]:0>2}" if short else plain).isoformat()
        return found if found >= "1500" else ""
    return ""


def listed(cell: str) -> list[str]:
    """Entries of a cell."""
    return [part.strip() for part in re.split(r"[;|\r\n]+", cell) if part.strip()]


def coded(cell: str) -> list[str]:
    """Codes of a cell, ended by the beginning of the next one too."""
    begins = r"(?:(?<=[\s,])|(?<=[)\]]))(?=[A-HY]\d\d[A-Z])"
    return [code.strip(" ,\t") for part in listed(cell) for code in re.split(begins, part) if code.strip(" ,\t")]


def ascii_only(text: str) -> str:
    """A text without what encodings differ in."""
    return " ".join(text.encode("ascii", "ignore").decode().split())


def spell(rows: list[list[str]], chance: random.Random, above: str = "", delimiters: str = ",;\t") -> bytes:
    """The header and rows of a table with columns and rows in another order, one column more, and in another dress."""
    header, *below = [
        [*row, extra] for row, extra in zip(rows, ["Notes", *["", "new; text"] * len(rows)], strict=False)
    ]
    order = chance.sample(range(len(header)), len(header))
    end = chance.choice(["\n", "\r\n", "\r"])
    text = io.StringIO(newline="")
    quoting = csv.QUOTE_MINIMAL if end == "\n" and chance.random() < 0.5 else csv.QUOTE_ALL
    writer = csv.writer(text, delimiter=chance.choice(delimiters), lineterminator=end, quoting=quoting)
    writer.writerows([row[place] for place in order] for row in [header, *chance.sample(below, len(below))])
    data = (above and above + end).encode() + text.getvalue().encode()
    return b"\xef\xbb\xbf" + data if chance.random() < 0.5 else data


def packed(data: bytes, chance: random.Random) -> bytes:
    """The same, gzipped at times."""
    return gzip.compress(data, 1, mtime=0) if chance.random() < 0.3 else data
