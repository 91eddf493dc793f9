from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from patent_embeddings.core import params
from patent_embeddings.core.errors import UserError
from patent_embeddings.grid import check


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"model": "minilmm"}, r"model 'minilmm' is not in .*models\.yaml \(did you mean minilm"),
        ({"recipe": "r9"}, r"recipe 'r9' is not in .*recipes\.yaml"),
        ({"evaluate_on": ["sim-alpha", "sim-gamma"]}, r"landscape 'sim-gamma' is not in .*landscapes\.yaml"),
        ({"landscape": "sim-gamma"}, "always one of evaluate_on"),
        ({"landscape": "dapfam"}, "train on one of them$"),
        ({"query_view": "tca"}, r"view 'tca' is not in .*views\.yaml \(did you mean"),
        ({"document_view": "abstracts"}, "did you mean abstract"),
        ({"evaluate_on": ["sim/alpha"]}, "ids are made of a-z, 0-9 and '-' only"),
        ({"evaluate_on": []}, "evaluate_on"),
        ({"evaluate_on": ["sim-alpha", "sim-alpha"]}, "names a landscape twice"),
        ({"evaluate_on": "sim-alpha"}, r"evaluate_on: must be a list: \[a, b\] \(got 'sim-alpha'\)"),
        ({"tasks__fold": 5}, r"tasks\.fold: .*less than or equal to 4"),
        ({"tasks__fold": True}, r"tasks\.fold: Input should be a valid integer \(got True\)"),
        ({"search__dimensions": True}, r"search\.dimensions: Input should be a valid integer \(got True\)"),
        ({"metrics__seed": -1}, r"metrics\.seed: .*greater than or equal to 0"),
        ({"finetune__seed": 1 << 32}, r"finetune\.seed: .*less than 4294967296"),
        ({"finetune__rate": True}, r"finetune\.rate: Input should be a valid number \(got True\)"),
        ({"embed__adapter_scale": False}, r"embed\.adapter_scale: Input should be a valid number \(got False\)"),
        ({"fuse__weights": [0.5, True]}, r"fuse\.weights\.1: Input should be a valid number"),
        ({"finetune__rate": float("inf")}, r"finetune\.rate: .*finite number"),
        ({"tasks__pool": "later"}, r"tasks\.pool"),
        ({"embed__dtype": "float8"}, r"embed\.dtype"),
        ({"embed__adapter_scale": 1.5}, r"embed\.adapter_scale"),
        ({"embed__length": 1024}, "minilm takes at most 512 tokens"),
        ({"search__dimensions": 1024}, "minilm has 384 dimensions"),
        ({"search__centre": "mean"}, r"search\.centre"),
        (
            {"search__centre": "landscape", "model": "colbert-v2", "recipe": "zero-shot"},
            "colbert-v2 compares token by token",
        ),
        ({"embed__passages": {"tokens": 64, "stride": 65}}, "passages.stride is 65, more than"),
        ({"embed__passages": {"tokens": 300, "stride": 64}}, "256 tokens are kept of a text"),
        ({"model": "colbert-v2"}, "recipe 'r3' trains, but colbert-v2 has a vector a token"),
        (
            {"embed__passages": {"tokens": 64, "stride": 32}, "model": "colbert-v2", "recipe": "zero-shot"},
            "a vector a token already",
        ),
        ({"finetune__held_out": ["sim-gamma"]}, "held_out names 'sim-gamma', which is not one of evaluate_on"),
        ({"finetune__held_out": ["sim-alpha"]}, "recipe 'r3' trains on it alone"),
        ({"finetune__held_out": ["sim-alpha", "sim-beta"], "recipe": "r1-all"}, "none is left to train on"),
        ({"search__depth": 99}, r"search\.depth is 99, but metrics look at the 100 best"),
        ({"bm25__depth": 10}, r"bm25\.depth is 10, but"),
        ({"fuse__depth": 50}, r"fuse\.depth is 50, but"),
        ({"finetune__batch": 385}, r"finetune\.batch is 385, more than finetune\.pairs \(384\)"),
        ({"finetune__evaluations": 25}, r"finetune\.evaluations is 25, more than finetune\.steps \(24\)"),
        ({"finetune__epochs": 3}, r"finetune\.epochs: no such key"),
    ],
)
def test_bad_parameters_are_refused_in_one_line(
    change: dict[str, object], said: str, set_params: Callable[..., None]
) -> None:
    set_params(**change)
    with pytest.raises(UserError, match=said) as caught:
        check.validate(params.load())
    assert "\n" not in str(caught.value)


def test_depths_and_amounts_at_their_limits_pass(set_params: Callable[..., None]) -> None:
    set_params(bm25__depth=100, search__depth=100, fuse__depth=100, finetune__batch=384, finetune__evaluations=24)
    check.validate(params.load())
    set_params(recipe="zero-shot", finetune__batch=385)  # nothing is trained
    check.validate(params.load())


def test_the_committed_parameters_pass(workspace: Path) -> None:
    check.validate(params.load())


def test_prune_removes_only_landscapes_no_longer_evaluated(workspace: Path) -> None:
    kept = [
        Path("data/runs/a/bm25.parquet"),
        Path("data/families/a.parquet"),
        Path("data/raw/b.jsonl.gz"),
        Path("data/costs/cell/pairs.json"),
    ]
    gone = [Path("data/runs/b/bm25.parquet"), Path("data/families/b.parquet"), Path("data/costs/b/embed.json")]
    gone.append(Path("data/runs/a/oracle-rrf.parquet"))  # of an earlier version
    for path in kept + gone:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    check.prune(["a"])
    assert [path for path in kept + gone if path.exists()] == kept
