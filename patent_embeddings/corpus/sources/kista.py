"""Technology landscapes of KISTA patent trend reports, published as CSV on GitHub.

Rows are US publications. A family takes the date of the earliest, the longest title and abstract (of equals the
earliest), and the codes, labels and citations of all. Citations are of publications, whose kind codes are ignored.
"""

from __future__ import annotations

import ast
import html
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.families import Raw, assemble
from patent_embeddings.corpus.sources.fetch import fetch
from patent_embeddings.corpus.values import Kista

ADDRESS = "https://raw.githubusercontent.com/TeamLab/deep-patent-landscaping/{commit}/data"
MIRROR = "KISTA_URL"  # environment variable: another folder of URLs with the same files
COLUMNS = ["publication_number", "publication_date", "country_code", "family_id", "title_text", "abstract_text",
           "cpc_code", "ipc_code", "refs", "valid"]  # fmt: skip


def load(name: str, entry: Kista) -> Raw:
    """Download the entry's file, or take it from the cache, and parse it. Raises UserError as `fetch` and `parse`."""
    folder = os.environ.get(MIRROR) or ADDRESS.format(commit=entry.commit)
    url = f"{folder.rstrip('/')}/{entry.file}"
    return parse(fetch(url, entry.sha256, name, f"check the network, or set {MIRROR} to a mirror of the folder"))


def parse(path: Path) -> Raw:
    """Families and citations of one file. Raises UserError if a column is missing, or a list is not a list of texts."""
    try:
        rows = pd.read_csv(path, usecols=COLUMNS, dtype=str, keep_default_na=False)
        for column in ("cpc_code", "ipc_code", "refs"):
            rows[column] = rows[column].map(_list)
    except (ValueError, SyntaxError) as error:
        raise UserError(f"{path}: not a file of this source ({error!s:.100}); correct its registry entry") from None
    rows["family_id"] = "DOCDB-" + rows["family_id"]
    rows = rows.sort_values(["publication_date", "publication_number"], kind="stable")
    publications = rows.drop_duplicates("publication_number")
    owner = dict(zip(publications["publication_number"].map(_bare), publications["family_id"], strict=True))
    families = [_family(members) for _, members in rows.groupby("family_id", sort=True)]
    cites = [
        (family, owner.get(_bare(ref), ref))
        for family, refs in zip(publications["family_id"], publications["refs"], strict=True)
        for ref in refs
    ]
    raw = assemble(families, cites)
    raw.notes["rows"] = len(rows)
    raw.notes["publications"] = len(publications)
    raw.notes["families of several publications"] = int((publications.groupby("family_id").size() > 1).sum())
    return raw


def _family(members: pd.DataFrame) -> dict[str, Any]:
    first = members.iloc[0]
    date = first["publication_date"]
    return {
        "family_id": first["family_id"],
        "title": _longest(members["title_text"]),
        "abstract": _longest(members["abstract_text"]),
        "ipc": sorted(set().union(*members["ipc_code"])),
        "cpc": sorted(set().union(*members["cpc_code"])),
        "jurisdiction": first["country_code"],
        "date": f"{date[:4]}-{date[4:6]}-{date[6:]}",
        "publications": list(dict.fromkeys(members["publication_number"])),
        "labels": sorted({"valid" if valid == "True" else "invalid" for valid in members["valid"]}),
    }


def _longest(texts: Iterable[str]) -> str:
    """The longest text, with entities resolved and runs of blanks, left by removed markup, collapsed."""
    return max((" ".join(html.unescape(text).split()) for text in texts), key=len)


def _bare(publication: str) -> str:
    """A publication number without its kind code: US-8611015-B2 -> US-8611015."""
    return "-".join(publication.split("-")[:2])


def _list(literal: str) -> list[str]:
    value = ast.literal_eval(literal) if literal else []
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise ValueError(f"{literal!r:.40} is no list of texts")
    return list(filter(None, value))  # a publication without references has an empty one
