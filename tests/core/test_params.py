"""What a wrong params.yaml says: one line with the key, the cause, and the key that a misspelt one may stand for."""

from __future__ import annotations

from pathlib import Path

import pytest

from patent_embeddings.core import params
from patent_embeddings.core.errors import UserError


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("model: minilm ", "modle: minilm ", r"modle: no such key \(did you mean model\?\), and 1 more$"),
        ("  fold: 0 ", "  flod: 0 ", r"tasks\.flod: no such key \(did you mean fold\?\), and 1 more$"),
        ("  query_side: ", "  query-side: ", r"bm25\.query-side: no such key \(did you mean query_side\?\)$"),
        ("    stride: ", "    strides: ", r"embed\.passages\.strides: no such key \(did you mean stride\?\)$"),
        ("rerank:", "reranks:", r"reranks: no such key \(did you mean rerank, tasks\?\)$"),
        ("  seed: 0                            # hash", "  # hash", r"tasks\.seed: is missing$"),
        ("tasks:\n", "tasks: 3\nx:\n", "x: no such key, and 1 more$"),
        ("search:\n", "search: 3\nmetrics:\n", "'metrics' stands there twice"),
        ("landscape: sim-alpha ", "landscape: 1e3 ", r"landscape: must be text; put it in quotes \(got 1000\.0\)"),
        ("landscape: sim-alpha ", "landscape: 2020-01-01 ", r"landscape: must be text.* \(got 2020-01-01\)"),
        ("rrf_k: [10, 30, 60, 100]", "rrf_k: 60", r"fuse\.rrf_k: must be a list: \[a, b\] \(got 60\)"),
        ("  steps: 24 ", "  steps: 3000000000 ", r"finetune\.steps: Input should be less than 2147483648"),
        ("  k1: 0.9 ", "  k1: .nan ", r"bm25\.k1: .* \(got nan\)"),
    ],
)
def test_a_fault_is_one_line_with_its_key(old: str, new: str, said: str, workspace: Path) -> None:
    path = workspace / "params.yaml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(UserError, match=rf"^params\.yaml: {said}") as caught:
        params.load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "- model\n", "model\n"])
def test_a_file_that_maps_no_keys_is_said(text: str, workspace: Path) -> None:
    (workspace / "params.yaml").write_text(text)
    with pytest.raises(UserError, match=r"^params\.yaml: top level: must be a block of keys"):
        params.load()
