"""The test of a reranker before its first use: green for any weights that do what they should, red for each fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

from patent_embeddings.core import registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import rerankers
from patent_embeddings.encoders.entries import Reranker
from patent_embeddings.encoders.self_test import gate, reranker_checks

pytestmark = pytest.mark.pipeline

Pairs = list[tuple[str, str]]


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    yield tmp_path / "cache" / "patent-embeddings" / "trials"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT that was never trained, with positions for long pairs of letters."""
    return tiny.bert(tmp_path_factory.mktemp("cross"), "classifier", positions=512)


def entry(folder: Path, **changes: Any) -> Reranker:
    block = {
        "source": "folder", "path": str(folder), "hub": "tiny/cross", "parameters": 0.01, "max_length": 400,
        "length": 400, "licence": "CC0-1.0", "digest": tiny.pinned(folder),
    }  # fmt: skip
    return registry.validated("rerankers", "tiny", {**block, **changes}, Reranker)


def load(folder: Path, **options: Any) -> Any:
    return rerankers.reranker(entry(folder), tested=False, **options)


def red(cross: Any) -> set[str]:
    return {one.what for one in reranker_checks.findings(cross) if not one.fits}


# In bfloat16 scores of 16 random numbers a vector may differ by no more than they are rounded: not for any seed.
SEEDS = [*((seed, "float32") for seed in range(4)), *((seed, "bfloat16") for seed in (0, 2, 3))]


@pytest.mark.parametrize(("seed", "dtype"), SEEDS)
def test_random_weights_pass(seed: int, dtype: str, folder: Path) -> None:
    """They are not asked which document is the right one, and everything else."""
    cross = load(folder, dtype=dtype)
    torch.manual_seed(seed)
    for parameter in cross.model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    found = {one.what: one for one in reranker_checks.findings(cross)}
    assert set(found) == {"finite", "pairs", "document", "query", "order", "padding", "meaning"}
    assert all(one.fits for one in found.values())
    assert found["meaning"].detail.startswith("not asked")


def by_words(sign: int) -> Callable[[Any], None]:
    """Scores by the words that query and document share, of a model that says it was trained."""

    def plant(cross: Any) -> None:
        with torch.no_grad():
            next(each for name, each in cross.model.named_parameters() if name.endswith("LayerNorm.weight")).mul_(1.01)

        def logits(pairs: Pairs) -> np.ndarray:
            shared = [len({*query.split()} & {*document.split()}) for query, document in pairs]
            # Nearer its beginning a query counts more, so that the order of a pair matters.
            own = [sum(map(ord, query)) % 97 / 1e3 for query, _ in pairs]
            return sign * (np.array(shared, np.float32) + np.array(own, np.float32))

        cross.logits = logits

    return plant


def test_a_trained_model_has_to_find_the_right_document(folder: Path) -> None:
    cross = load(folder)
    by_words(1)(cross)
    found = {one.what: one for one in reranker_checks.findings(cross)}
    assert all(one.fits for one in found.values())
    assert found["meaning"].detail.startswith("3 of 3 queries")


def scored(change: Callable[[Pairs], Pairs]) -> Callable[[Any], None]:
    """The model's scores of other pairs than it is asked for."""

    def plant(cross: Any) -> None:
        plain = cross.logits
        cross.logits = lambda pairs: plain(change(pairs))

    return plant


def padded_on_the_left(cross: Any) -> None:
    cross.model.tokenizer.padding_side = "left"


def headless(value: float) -> Callable[[Any], None]:
    def plant(cross: Any) -> None:
        cross.model[0].model.classifier.weight.data.fill_(value)

    return plant


FAULTS: dict[str, tuple[Callable[[Any], None], str]] = {
    "a head that is no numbers": (headless(np.nan), "finite"),
    "a head that reads nothing": (headless(0.0), "pairs"),
    "the query is cut off": (scored(lambda pairs: [("", document) for _, document in pairs]), "query"),
    "the document is cut off": (scored(lambda pairs: [(query, "") for query, _ in pairs]), "document"),
    "the two texts are one": (scored(lambda pairs: [tuple(sorted(pair)) for pair in pairs]), "order"),  # type: ignore[misc]
    "padded on the other side": (padded_on_the_left, "padding"),
    "scores of the other sign": (by_words(-1), "meaning"),
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, dtype: str, folder: Path) -> None:
    plant, what = FAULTS[fault]
    cross = load(folder, dtype=dtype)
    plant(cross)
    assert what in red(cross)


def test_it_is_tested_once_before_first_use_and_again_when_something_changes(
    folder: Path, scratch: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tested: list[str] = []
    plain = reranker_checks.findings
    monkeypatch.setattr(reranker_checks, "findings", lambda cross: tested.append(cross.dtype) or plain(cross))
    for _ in range(2):
        rerankers.reranker(entry(folder))
    assert tested == ["float32"]
    rerankers.reranker(entry(folder), dtype="bfloat16")
    rerankers.reranker(entry(folder, length=200))
    rerankers.reranker(entry(folder, licence="MIT"))  # which changes nothing
    assert tested == ["float32", "bfloat16", "float32"]
    assert len(list(scratch.glob("*"))) == 3


def test_a_fault_is_one_line_that_names_the_model_and_what_to_do(folder: Path, scratch: Path) -> None:
    cross = load(folder)
    padded_on_the_left(cross)
    with pytest.raises(UserError) as caught:
        gate.passed(cross, reranker_checks)
    said = str(caught.value)
    assert "\n" not in said
    for part in ("tiny/cross: failed its test before first use", "padding: alone and in a batch", "stages.model check"):
        assert part in said
    assert not list(scratch.glob("*"))


def test_scores_of_another_device_are_tested_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key for each kind of GPU, as one may fail where another does not."""
    from patent_embeddings.encoders import devices
    from patent_embeddings.encoders.devices import Device

    cross = load(folder)
    keys = []
    for model in ("NVIDIA H200", "NVIDIA A100-SXM4-80GB", "NVIDIA H200"):
        monkeypatch.setattr(devices, "loaded", lambda model=model: Device("cuda", model, 1, True))
        keys.append(gate.note(cross, "reranker_checks"))
    assert keys[0] == keys[2] != keys[1]
