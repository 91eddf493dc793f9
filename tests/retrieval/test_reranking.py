"""Reranking: the order is that of transformers alone, and nothing happens where no model is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import queried
import tiny
import yaml
from started import resolve, start

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import QUERIES, VIEW
from patent_embeddings.encoders.entries import Reranker, reranker_entry
from patent_embeddings.retrieval import reranking
from patent_embeddings.retrieval.schemas import RUN

pytestmark = pytest.mark.pipeline

FAMILIES = {f"f{i}": text for i, text in enumerate([*tiny.TEXTS, "a pump", "rings and seals", "spring"])}
DEPTH = 4


def entry(folder: Path, **changes: Any) -> dict[str, Any]:
    return {
        "source": "folder",
        "path": str(folder),
        "hub": "tiny/cross",
        "parameters": 0.01,
        "max_length": 64,
        "length": 40,
        "licence": "CC0-1.0",
        "digest": tiny.pinned(folder),
        **changes,
    }


@pytest.fixture
def landscape(workspace: Path) -> str:
    """Views and a first run: every query finds every other family, in order of id."""
    name = "tiny"
    view = pd.DataFrame({"family_id": list(FAMILIES), "text": list(FAMILIES.values()), "complete": True})
    tables.write(view, layout.view(name, "tac"), VIEW)
    rows = [
        (query, family, rank, 1.0 / rank)
        for query in ("f0", "f1", "f2")
        for rank, family in enumerate([family for family in FAMILIES if family != query], 1)
    ]
    run = pd.DataFrame(rows, columns=["query_id", "family_id", "rank", "score"]).astype({"score": "float32"})
    for system in ("rrf", "bm25"):
        tables.write(run, layout.run(name, system), RUN)
    queries = queried.table(pd.DataFrame({"query_id": ["f0", "f1", "f2"], "split": "test"}))
    tables.write(queries, layout.task(name, "queries"), QUERIES)
    return name


def logit(folder: Path, query: str, document: str) -> float:
    """Score of one pair by transformers alone."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    inputs = tokenizer(query, document, truncation="longest_first", max_length=40, return_tensors="pt")
    with torch.no_grad():
        return float(AutoModelForSequenceClassification.from_pretrained(folder).eval()(**inputs).logits[0, 0])


def register(block: dict[str, Any]) -> None:
    path = layout.registry("rerankers")
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "tiny": block}))


def test_order_is_that_of_a_direct_computation(
    landscape: str, workspace: Path, set_params: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tiny.bert(tmp_path_factory.mktemp("cross"), "classifier")
    register(entry(folder))
    set_params(rerank={"model": "tiny", "system": "rrf", "depth": DEPTH})
    start("rerank", landscape)
    found = tables.read(layout.run(landscape, "reranked"), RUN)
    for query in ("f0", "f1", "f2"):
        kept = [family for family in FAMILIES if family != query][:DEPTH]
        scores = {family: logit(folder, FAMILIES[query], FAMILIES[family]) for family in kept}
        wanted = sorted(kept, key=lambda family, scores=scores: (-scores[family], family))
        rows = found[found["query_id"] == query]
        assert rows["family_id"].tolist() == wanted
        assert rows["rank"].tolist() == [1, 2, 3, 4]
        assert rows["score"].tolist() == pytest.approx([scores[family] for family in wanted], abs=1e-4)
    first = layout.run(landscape, "reranked").read_bytes()
    start("rerank", landscape)
    assert layout.run(landscape, "reranked").read_bytes() == first


def test_equal_texts_tie_and_are_ordered_by_id(landscape: str, workspace: Path) -> None:
    class Constant:
        length = 40

        def score(self, pairs: list[tuple[str, str]]) -> Any:
            import numpy as np

            return np.zeros(len(pairs), np.float32)

    run = tables.read(layout.run(landscape, "rrf"), RUN)
    reversed_ = run.assign(family_id=run.groupby("query_id")["family_id"].transform(lambda ids: ids.to_numpy()[::-1]))
    found = reranking.run(reversed_, FAMILIES, FAMILIES, Constant(), label="test")  # type: ignore[arg-type]
    assert all(ids.tolist() == sorted(ids) for _, ids in found.groupby("query_id")["family_id"])


def test_off_writes_no_row_and_loads_no_model(landscape: str, workspace: Path) -> None:
    resolve("rerank", landscape)
    code = f"import sys; from stages import rerank; rerank.main({landscape!r}); print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=workspace,
        env={"PYTHONPATH": str(Path(__file__).resolve().parents[2]), "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.stdout.strip() == "False"
    assert len(tables.read(workspace / layout.run(landscape, "reranked"), RUN)) == 0


def test_a_classifier_of_several_classes_is_refused(tmp_path_factory: pytest.TempPathFactory) -> None:
    from patent_embeddings.encoders import rerankers

    folder = tiny.bert(tmp_path_factory.mktemp("classes"), "classifier", labels=3)
    with pytest.raises(UserError, match="scores 3 classes"):
        rerankers.reranker(registry.validated("rerankers", "tiny", entry(folder), Reranker))


@pytest.mark.parametrize("name", registry.ids("rerankers"))
def test_every_entry_is_valid(name: str) -> None:
    assert reranker_entry(name).revision
    assert name not in registry.ids("models")


def test_texts_cut_before_tokenizing_give_the_tokens_of_whole_ones(tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    from patent_embeddings.encoders.prompts import head

    tokenizer = AutoTokenizer.from_pretrained(tiny.bert(tmp_path / "cross", "classifier"))
    rng = np.random.default_rng(0)
    texts = [" ".join("".join(rng.choice(list("abcdefgh"), 3)) for _ in range(words)) for words in (0, 4, 12, 60, 300)]
    for pair in [(one, two) for one in texts for two in texts]:
        whole, cut = (
            tokenizer([both], truncation="longest_first", max_length=48)["input_ids"]
            for both in (pair, tuple(head(text, 48) for text in pair))
        )
        assert cut == whole
