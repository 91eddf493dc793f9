from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny encoder of random weights, without settings of sentence-transformers."""
    import tiny

    return tiny.bert(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="session")
def decoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a tiny decoder that is padded on the left, likewise."""
    import tiny

    return tiny.decoder(tmp_path_factory.mktemp("decoder"))
