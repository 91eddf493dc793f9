"""Lists in the cells of a table of text."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable
from typing import Any

from patent_embeddings.corpus.codes import parse
from patent_embeddings.corpus.own.fields import LISTS, Reading
from patent_embeddings.corpus.publication_numbers import bare, is_number

_SAMPLE = 10_000  # cells that a separator is decided on


def split(file: Reading, records: list[dict[str, Any]]) -> None:
    """Split the cells of list columns, each column by one separator, which is found from its cells and noted."""
    noted = []
    forms: dict[str, str] = {}
    for name in LISTS:
        filled = [record for record in records if name in record and not file.nothing(name, record[name])]
        # Categories are parallel to cites, and some are empty.
        same = forms.get("cites") if name == "categories" else None
        known = _known(file, records) if name == "cites" and filled else set()
        forms[name] = form = same or _form(name, [record[name] for record in filled[:_SAMPLE]], known, file)
        for record in filled:
            record[name] = _parts(form, record[name])
        noted += [f"{name} by {form}"] if any(len(record[name]) > 1 for record in filled) else []
    if noted:
        file.notes["lists separated"] = noted


def _form(name: str, cells: list[str], known: set[str], file: Reading) -> str:
    """The separator of a column: the one that gives most codes or `known` ids; else the sign that most cells have."""
    proofs = {"ipc": _is_code, "cpc": _is_code, "cites": lambda part: not known.isdisjoint(_spellings(part))}
    if name in proofs:
        right: dict[str, tuple[int, int]] = {}
        for form in _FORMS:
            parts = [part for cell in cells for part in _parts(form, cell) if not file.nothing(name, part)]
            hits = sum(map(proofs[name], parts))
            right[form] = (hits, hits - len(parts))
        best = max(right, key=lambda form: right[form])
        if right[best][0]:
            return best
    # A comma or a blank may be part of a label.
    signs = {"';;'": ";;", "';'": ";", "'|'": "|", "line breaks": "\n"}
    looks = {form: sum(sign in cell for cell in cells) for form, sign in signs.items()}
    if sum(_BRACKETS.fullmatch(cell.strip()) is not None for cell in cells) * 2 > len(cells):
        return "commas in brackets"
    return max(looks, key=lambda form: looks[form]) if any(looks.values()) else "';'"


def _parts(form: str, cell: str) -> list[str]:
    """The entries of a cell, stripped of blanks and quotes."""
    return [_QUOTED.sub(r"\2", part.strip()).strip() for part in _FORMS[form](cell)]


def _known(file: Reading, records: list[dict[str, Any]]) -> set[str]:
    """The ids and publication numbers of the families, in all their `_spellings`."""
    listed = (record.get("publications") for record in records)  # split already
    numbers = [one for each in listed if isinstance(each, list) for one in each]
    named = [record.get("publication", "") for record in records]
    return {form for one in (*file.ids, *numbers, *named) for form in _spellings(one)}


def _spellings(name: str) -> set[str]:
    """An id as it is and without zeros before it, which spreadsheets take away; a publication number in one form."""
    return {name, name.lstrip("0"), bare(name) if is_number(name) else ""} - {""}


def _is_code(part: str) -> bool:
    return len(parse(part) or "") >= 3  # a letter alone proves nothing


_BRACKETS = re.compile(r"""\[.*\]|\(\s*['"].*\)|\{.*\}""", re.DOTALL)  # of Python, JSON or numpy; a tuple; a set or SQL
_QUOTED = re.compile(r"""\A(['"])([^'"]*)\1\Z""")
_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|[^,'"\s][^,'"]*)\s*,?""", re.DOTALL)


def _printed(cell: str) -> list[str]:
    """The items of a printed list, quoted or not; a cell without brackets is one item."""
    cell = cell.strip()
    if not _BRACKETS.fullmatch(cell):
        return [cell]
    inner, at, items = cell[1:-1].rstrip(), 0, []
    while at < len(inner):
        item = _ITEM.match(inner, at)
        if item is None:
            return [cell]
        at = item.end()
        items.append(_unquoted(item[1]))
    return items


def _unquoted(item: str) -> str:
    if item[0] not in "'\"":
        return item.strip()
    try:
        return str(json.loads(item)) if item[0] == '"' else str(ast.literal_eval(item))
    except (ValueError, SyntaxError):
        return item[1:-1]


_BETWEEN_COMMAS = re.compile(r"(?:[(\[][^()\[\]]*[)\]]|[^,])*+")  # (EP,US) belongs to one code
_FORMS: dict[str, Callable[[str], list[str]]] = {
    "';;'": lambda cell: cell.split(";;"),
    "';'": lambda cell: cell.split(";"),
    "'|'": lambda cell: cell.split("|"),
    "line breaks": str.splitlines,
    "commas in brackets": _printed,
    "commas": lambda cell: [part for part in _BETWEEN_COMMAS.findall(cell) if part],
    "blanks": str.split,
}
