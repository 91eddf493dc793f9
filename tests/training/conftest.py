from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny model of random weights."""
    import tiny

    folder = tmp_path_factory.mktemp("tiny")
    return tiny.dense(folder / "model", tiny.bert(folder / "base"), "mean")
