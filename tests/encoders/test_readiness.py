"""What a model lacks on this machine is said before anything is computed with it."""

from __future__ import annotations

from typing import Any

import pytest

from patent_embeddings.core import registry
from patent_embeddings.encoders import readiness as module
from patent_embeddings.encoders.devices import Device
from patent_embeddings.encoders.entries import Model
from patent_embeddings.encoders.readiness import readiness, table

COMMIT = "a" * 40
BLOCK: dict[str, Any] = {
    "source": "hub", "hub": "org/name", "revision": COMMIT, "family": "x", "parameters": 1000, "dimension": 8,
    "max_length": 64, "length": 64, "pooling": "mean", "licence": "mit",
}  # fmt: skip


@pytest.fixture(autouse=True)
def machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 6 GB without a GPU, where nothing is."""
    monkeypatch.delenv("TRUST_REMOTE_CODE", raising=False)
    monkeypatch.delenv("MODELS_DIR", raising=False)
    monkeypatch.setattr(module, "_logged_in", lambda: False)
    monkeypatch.setattr(module.devices, "planned", lambda: Device("cpu", "", 6 * 10**9, False))
    monkeypatch.setattr(module.weights, "available", lambda entry: entry.hub == "org/here")


def lacks(dtype: str = "float32", **change: Any) -> dict[str, str]:
    entry = registry.validated("models", "x", {**BLOCK, **change}, Model)
    (found,) = readiness({"x": entry}, {"x": dtype})
    return found.lacks


def test_each_thing_that_is_lacking_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lacks(hub="org/here") == {}
    assert lacks() == {"files": "not here, about 4 GB"}
    assert lacks(precision="bfloat16") == {"files": "not here, about 2 GB"}
    assert lacks(revision=None, unverified=["revision"]) == {"commit": "no commit pinned, about 4 GB"}
    assert set(lacks(gated=True)) == {"files", "account"}
    monkeypatch.setattr(module, "_logged_in", lambda: True)
    assert set(lacks(gated=True)) == {"files"}  # which a download finds out
    assert lacks(hub="org/here", remote_code=True) == {"consent": "runs code of its own"}


def test_consent_is_what_the_user_has_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRUST_REMOTE_CODE", "1")
    assert lacks(hub="org/here", remote_code=True) == {}


@pytest.mark.parametrize(
    ("dtype", "millions", "gpu", "fits"),
    [
        ("float32", 1499, None, True),  # 1.499e9 x 4 bytes of 6 GB
        ("float32", 1501, None, False),
        ("bfloat16", 2999, None, True),
        ("auto", 1501, None, False),  # this processor computes in float32
        ("auto", 2001, True, False),  # the GPU's 4 GB
        ("auto", 1999, True, True),
        ("auto", 1001, False, False),  # a GPU without bfloat16 computes in float32 too
        ("auto", 999, False, True),
    ],
)
def test_memory_is_that_of_the_weights(
    dtype: str, millions: float, gpu: bool | None, fits: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`gpu`: whether it computes bfloat16, None without one."""
    if gpu is not None:
        monkeypatch.setattr(module.devices, "planned", lambda: Device("cuda", "", 4 * 10**9, gpu))
    assert ("memory" not in lacks(dtype, hub="org/here", parameters=millions)) == fits


def test_the_table_names_every_model_and_the_commands_once() -> None:
    change = {"here": {"hub": "org/here"}, "away": {}, "loose": {"revision": None, "unverified": ["revision"]}}
    entries = {name: registry.validated("models", name, {**BLOCK, **one}, Model) for name, one in change.items()}
    lines = table(readiness(entries, dict.fromkeys(entries, "float32"))).splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["model", "here", "away", "loose"]
    assert lines[1].endswith("ready")
    assert [line.split("python -m ")[-1] for line in lines if "stages." in line] == [
        "stages.model pin loose",
        "stages.model fetch away",
    ]
