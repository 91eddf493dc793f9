"""A row as a format sees it: every column that is known, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest

from patent_embeddings.corpus.formats.format import Cells, table
from patent_embeddings.corpus.formats.publication import Publication
from patent_embeddings.corpus.formats.selection import Select
from patent_embeddings.corpus.reading.source import Report, Source


def test_a_known_column_that_a_file_lacks_is_empty_and_a_misspelt_one_is_an_error(tmp_path: Path) -> None:
    seen: list[Cells] = []

    def publication(place: str, cells: Cells, report: Report) -> Publication | None:
        seen.append(cells)
        return None

    (tmp_path / "x.csv").write_text("ID,Other,Title\n1,a, n/a \n")
    one = table("x", "X", ("Id", "Title", "Date"), lambda names: "Id" in names, (), publication, "")
    assert list(one.read(Source(tmp_path / "x.csv"), Select())) == []
    assert seen == [{"Id": "1", "Title": "", "Date": ""}]
    with pytest.raises(KeyError):
        seen[0]["Tilte"]
