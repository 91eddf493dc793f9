"""Pinning: the hub's newest commit goes into an entry, and nothing else of the registry changes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import hub as server
import pytest
import yaml
from workspaces import ROOT, prepare, register

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import catalogue, pinning

pytestmark = pytest.mark.pipeline  # the hub's client takes a second

OLD, NEW = "a" * 40, "b" * 40
ENTRY = {
    "source": "hub", "hub": "tiny/model", "revision": None, "family": "tiny", "parameters": 1, "dimension": 8,
    "max_length": 64, "length": 64, "pooling": "mean", "licence": "mit", "unverified": ["revision", "pooling"],
}  # fmt: skip
WEIGHTS, PICKLE = b"w" * 3000, b"p" * 2000


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[server.Hub]:
    from huggingface_hub import close_session, constants

    monkeypatch.chdir(tmp_path)
    prepare(tmp_path)
    with server.serve() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.endpoint)
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        close_session()
        yield running


def text() -> str:
    return layout.registry("models").read_text(encoding="utf-8")


def test_the_newest_commit_is_written_and_nothing_else_changes(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", ENTRY)
    hub.repositories["tiny/model"] = server.Repository(NEW, {"config.json": b"{}", "model.safetensors": WEIGHTS})
    before = text()
    (said,) = pinning.pin(["tiny"])
    assert NEW in said and "3e-06 GB" in said
    wanted = {**ENTRY, "revision": NEW, "unverified": ["pooling"]}
    assert yaml.safe_load(text()) == {**yaml.safe_load(before), "tiny": wanted}
    ours, theirs = before.splitlines(), text().splitlines()
    changed = [line for line in theirs if line not in ours]
    assert changed == [f"  revision: {NEW}"]
    registry._read.cache_clear()
    assert pinning.pin(["tiny"]) == [f"tiny: tiny/model is pinned to its newest commit, {NEW}"]


def test_pickled_weights_are_pinned_by_their_hash_and_changes_are_named(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", {**ENTRY, "revision": OLD, "unverified": []})
    files = {"config.json": b"{1}", "pytorch_model.bin": PICKLE, "onnx/model.onnx": b"x" * 5000, "new.txt": b"n"}
    older = {OLD: {"config.json": b"{}", "pytorch_model.bin": PICKLE, "onnx/model.onnx": b"x" * 5000, "old.txt": b"o"}}
    hub.repositories["tiny/model"] = server.Repository(NEW, files, older=older)
    said = pinning.pin(["tiny"])
    digest = hashlib.sha256(PICKLE).hexdigest()
    entry = yaml.safe_load(text())["tiny"]
    assert entry["revision"] == NEW and entry["weights"] == {"pytorch_model.bin": digest} and "unverified" not in entry
    assert said[1:] == [
        f"  sha256 of pytorch_model.bin: {digest}",
        f"  since {OLD}:",
        "  config.json: changed",
        "  new.txt: new",
        "  old.txt: gone",
    ]


def test_a_wrong_commit_is_replaced_and_what_has_changed_since_is_not_known(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", {**ENTRY, "revision": OLD, "unverified": []})
    hub.repositories["tiny/model"] = server.Repository(NEW, {"config.json": b"{}", "model.safetensors": WEIGHTS})
    said = pinning.pin(["tiny"])
    assert NEW in said[0] and said[1:] == [f"  since {OLD}: not known, as the hub does not show that commit"]
    assert yaml.safe_load(text())["tiny"]["revision"] == NEW


def test_a_model_in_pickles_of_several_parts_is_not_pinned(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", ENTRY)
    files = {"config.json": b"{}", "pytorch_model-00001-of-00002.bin": PICKLE, "pytorch_model.bin.index.json": b"{}"}
    hub.repositories["tiny/model"] = server.Repository(NEW, files)
    with pytest.raises(UserError, match=r"tiny/model has neither safetensors nor a pytorch_model\.bin; use another"):
        pinning.pin(["tiny"])


def test_hashes_that_an_entry_pins_follow_the_commit(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", {**ENTRY, "revision": OLD, "weights": {"model.safetensors": "0" * 64}})
    files = {"config.json": b"{}", "model.safetensors": WEIGHTS}
    hub.repositories["tiny/model"] = server.Repository(NEW, files, older={OLD: {**files, "model.safetensors": PICKLE}})
    pinning.pin(["tiny"])
    assert yaml.safe_load(text())["tiny"]["weights"] == {"model.safetensors": hashlib.sha256(WEIGHTS).hexdigest()}


def test_every_entry_of_the_hub_can_be_edited() -> None:
    for kind in ("models", "rerankers"):
        content = (ROOT / layout.registry(kind)).read_text(encoding="utf-8")
        for name, block in yaml.safe_load(content).items():
            if block["source"] == "hub":
                made = yaml.safe_load(pinning.edited(content, name, NEW, {"pytorch_model.bin": "a" * 64}))
                assert made[name]["revision"] == NEW and "revision" not in made[name].get("unverified", [])


def test_an_id_that_older_yaml_reads_as_a_truth_value_is_text() -> None:
    made = pinning.edited("no:\n  hub: tiny/model\n  family: off\n", "no", NEW, {})
    assert made == f"no:\n  hub: tiny/model\n  revision: {NEW}\n  family: off\n"


@pytest.mark.parametrize(
    ("name", "words"),
    [("minilm", "comes from a package"), ("minilmm", "did you mean minilm"), ("tiny", "shows no such model to you")],
)
def test_what_cannot_be_pinned_is_one_line(hub: server.Hub, tmp_path: Path, name: str, words: str) -> None:
    register(tmp_path, "models", "tiny", ENTRY)
    before = text()
    with pytest.raises(UserError, match=words):
        pinning.pin([name])
    assert text() == before


def test_fetch_of_an_unpinned_model_names_the_command(hub: server.Hub, tmp_path: Path) -> None:
    register(tmp_path, "models", "tiny", ENTRY)
    with pytest.raises(UserError, match=r"run `python -m stages\.model pin tiny`"):
        catalogue.fetch(["tiny"])
