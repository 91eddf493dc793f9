"""Files of a dataset of the hub, once they are here."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from patent_embeddings.core import hub as client
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.sources import hub
from patent_embeddings.corpus.values import Hub


def test_a_page_that_is_damaged_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "test" / "data.parquet"
    path.parent.mkdir()
    sides = ("q", "pos", "neg")
    rows = {name: [f"{name} {row} " + "words " * row for row in range(200)] for name in sides}
    pq.write_table(pa.table(rows | {f"{name}_text": rows[name] for name in sides}), path, use_dictionary=False)
    monkeypatch.setattr(client, "download", lambda *_, **__: tmp_path)
    entry = Hub(source="hub", layout="patenteb", hub="owner/name", revision="a" * 40, licence="CC0-1.0")
    assert len(hub.load("l", entry).families) == 600
    whole = path.read_bytes()
    path.write_bytes(whole[:4] + b"\xff" * 60 + whole[64:])
    with pytest.raises(UserError, match=r"data\.parquet: damaged or no Parquet .*; delete it and run again") as error:
        hub.load("l", entry)
    assert "\n" not in str(error.value)
