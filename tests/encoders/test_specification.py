"""The key of a vector: known without loading the model, and another with whatever changes a vector."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import queried
import tiny
import yaml
from started import start

from patent_embeddings.core import layout, registry, tables
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.schemas import QUERIES, VIEW
from patent_embeddings.encoders import devices, embedding, engines, factory, fingerprints, loading, prompts
from patent_embeddings.encoders.devices import Device
from patent_embeddings.encoders.specification import Specification
from patent_embeddings.training import adapters

pytestmark = pytest.mark.pipeline


@pytest.fixture
def folder(bert: Path, tmp_path: Path) -> Path:
    return tiny.dense(tmp_path / "m", bert, "mean")


TASKS = {"query": "a", "document": "b", "classification": "c", "clustering": "d"}
ENTRIES: list[dict[str, Any]] = [
    {},
    {"pooling": "cls"},
    {"padding": "left"},
    {"head": True},
    {"dimension": 8},
    {"native": "gte"},
    {"length": 9},
    {"prompts": {"query": "q: "}},
    {"tasks": TASKS},
    {"tasks": {**TASKS, "query": "e"}},
    tiny.LATE,
    {**tiny.LATE, "query_length": 12},
    {**tiny.LATE, "query_length": 999},  # as many as the model takes
]


def test_the_key_changes_with_every_field_of_an_entry_that_decides_a_vector(folder: Path) -> None:
    keys = {Specification(tiny.entry(folder, **fields)).key("query") for fields in ENTRIES}
    assert len(keys) == len(ENTRIES)
    told = {"licence": "MIT", "study": "A label", "contamination": "perhaps", "family": "else", "parameters": 400}
    assert Specification(tiny.entry(folder, **told)).key("query") in keys


def test_the_key_changes_with_every_option(folder: Path, tmp_path: Path) -> None:
    for name, text in (("one", "1"), ("two", "2")):
        (tmp_path / name).mkdir()
        (tmp_path / name / adapters.CONFIG).write_text(text)
    one, two = tmp_path / "one", tmp_path / "two"
    options: list[dict[str, Any]] = [
        {}, {"length": 9}, {"dtype": "bfloat16"}, {"adapter": one}, {"adapter": one, "scale": 0.5}, {"adapter": two},
    ]  # fmt: skip
    entry = tiny.entry(folder)
    keys = [Specification(entry, **option).key("query") for option in options]
    assert len(set(keys)) == len(keys)
    assert Specification(entry, adapter=one, scale=0.0).key("query") == keys[0]
    assert Specification(entry, length=48).key("query") == keys[0]  # the entry's own


def test_documents_are_embedded_again_for_a_task_that_has_a_prompt_or_an_adapter(folder: Path) -> None:
    alike = {**TASKS, "classification": "b"}
    found = {(name, side) for name, fields in {
        "plain": {}, "prompt": {"prompts": {"clustering": ""}}, "tasks": {"tasks": TASKS}, "alike": {"tasks": alike},
    }.items() for side in prompts.own(tiny.entry(folder, **fields))}  # fmt: skip
    assert found == {("prompt", "clustering"), ("tasks", "classification"), ("tasks", "clustering"),
                     ("alike", "clustering")}  # fmt: skip


@pytest.mark.parametrize(
    "name", ["config.json", "1_Pooling/config.json", "modules.json", "tokenizer.json", "sentence_bert_config.json"]
)
def test_the_key_changes_with_a_file_of_the_model(name: str, folder: Path) -> None:
    before = Specification(tiny.entry(folder)).key("query")
    with (folder / name).open("a") as file:
        file.write("\n")
    assert Specification(tiny.entry(folder)).key("query") != before


def test_the_key_changes_with_code_libraries_and_device(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = {"weights": "float32", "checkpointing": False, "tokens": 99}
    model, other = Specification(tiny.entry(folder)), Specification(tiny.entry(folder, memory=plan))
    keys = [model.key("query")]
    assert other.key("query") == keys[0]  # a processor's batches are not those of the plan
    for module, name, value in (
        (fingerprints, "version", lambda name: f"another {name}"),
        (fingerprints, "code", lambda *_: "another line"),
        (devices, "instructions", lambda: "AVX9"),
        (devices, "processor", lambda: Device("cpu", "Another", 1, False)),
        (devices, "loaded", lambda: Device("cuda", "NVIDIA H200", 1, True)),
        (devices, "products", lambda *_: "another"),
    ):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            keys.append(Specification(model.entry).key("query"))
            if name == "loaded":
                assert Specification(other.entry).key("query") != keys[-1]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("kind", ["dense", "late", "router", "asym"])
def test_sides_have_one_key_only_where_they_have_the_same_vectors(kind: str, bert: Path, folder: Path) -> None:
    entry = tiny.entry(folder)
    if kind == "late":
        entry = tiny.entry(tiny.late(folder.parent / "late", bert), **tiny.LATE)
    elif kind != "dense":
        listed = json.loads((folder / "modules.json").read_text())
        listed[0]["type"] = f"sentence_transformers.models.{kind.title()}"
        (folder / "modules.json").write_text(json.dumps(listed))
        entry = tiny.entry(folder)
    model = Specification(entry)
    assert (model.key("query") == model.key("document")) == (kind == "dense")


@pytest.mark.parametrize("query_length", [None, 12, 60, 999])
def test_what_is_kept_of_a_text_is_what_the_loaded_model_keeps(
    query_length: int | None, bert: Path, tmp_path: Path
) -> None:
    entries = [tiny.entry(tiny.dense(tmp_path / "m", bert, "mean"), query_length=query_length)]
    entries.append(tiny.entry(tiny.late(tmp_path / "l", bert), **tiny.LATE, query_length=query_length))
    for entry in entries:
        model = Specification(entry, length=20)
        encoder = factory.opened(model)
        assert factory.opened(encoder) is encoder
        assert model.limit == encoder.limit == encoder.model.max_seq_length
        assert model.key("query") == encoder.key("query")


def test_the_key_of_a_pinned_model_says_which_configurations_are_there(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another program has downloaded the network alone: it is pooled by the entry, and its vectors are not of length 1.

    Fetching the rest later gives other vectors of the same commit.
    """
    commit = "0123456789" * 4
    snapshot = tmp_path / "hub" / "models--tiny--model" / "snapshots" / commit
    shutil.copytree(folder, snapshot)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    entry = tiny.entry(folder, source="hub", path=None, revision=commit, digest=None)
    whole = Specification(entry).key("query")
    (snapshot / "modules.json").unlink()
    assert Specification(entry).key("query") != whole


def test_code_of_a_repository_is_loaded_without_the_network(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str | None] = []

    def encoder(*_: Any, **__: Any) -> None:
        asked.append(os.environ.get(loading.OFFLINE))
        raise UserError("seen")

    monkeypatch.delenv(loading.OFFLINE, raising=False)
    monkeypatch.setattr(factory, "encoder", encoder)
    model = Specification(tiny.entry(folder, remote_code=True))
    with pytest.raises(UserError, match="seen"):
        embedding.embed(model, {}, {}, SimpleNamespace(engine="ray"), tmp_path, "")  # type: ignore[arg-type]
    assert engines.Worker(model.entry, model.options)(
        SimpleNamespace(to_pylist=lambda: [{"job": 0, "key": "", "side": "query", "texts": []}])
    )["fault"] == ["seen"]
    assert asked == ["1", "1"]


QUIET = """
import sys
from stages import embed
embed.main("tiny")
print(sorted({"torch", "transformers", "sentence_transformers", "peft"} & set(sys.modules)))
"""


def prepare(entry: Any, set_params: Callable[..., None], **params: Any) -> None:
    """The stage `embed` of a tiny landscape by an entry."""
    path = layout.registry("models")
    block = entry.model_dump(exclude_defaults=True)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), "tiny": block}))
    registry._read.cache_clear()
    set_params(model="tiny", recipe="zero-shot", **params)
    view = pd.DataFrame({"family_id": [*"abcd"], "text": tiny.TEXTS, "complete": True})
    tables.write(view, layout.view("tiny", "tac"), VIEW)
    queries = queried.table(pd.DataFrame({"query_id": ["b", "c"], "split": "test"}))
    tables.write(queries, layout.task("tiny", "queries"), QUERIES)


@pytest.mark.parametrize("engine", ["local", "ray"])
def test_an_entry_that_no_longer_fits_is_refused_though_the_scratch_has_its_vectors(
    bert: Path, workspace: Path, set_params: Callable[..., None], engine: str
) -> None:
    """Of an unverified pooling the weights' own is used; verified, it has to be that. Ray's workers have no text."""
    folder = tiny.dense(workspace / "m", bert, "mean")
    prepare(tiny.entry(folder, pooling="cls", unverified=["pooling"]), set_params)
    start("embed", "tiny")
    prepare(tiny.entry(folder, pooling="cls"), set_params, embed__engine=engine)
    with pytest.raises(UserError, match="the registry says `pooling: cls`, the weights' own configuration 'mean'"):
        start("embed", "tiny")


@pytest.mark.parametrize("kind", ["dense", "late"])
def test_vectors_that_are_all_in_the_scratch_are_written_without_the_model(
    kind: str, bert: Path, workspace: Path, set_params: Callable[..., None]
) -> None:
    if kind == "dense":
        entry = tiny.entry(tiny.dense(workspace / "m", bert, "mean"))
    else:
        entry = tiny.entry(tiny.late(workspace / "m", bert), **tiny.LATE)
    prepare(entry, set_params)
    start("embed", "tiny")
    written = layout.embeddings("tiny")
    computed = {path.name: path.read_bytes() for path in written.iterdir()}

    def again() -> list[str]:
        (written / "documents.npy").unlink()
        done = subprocess.run([sys.executable, "-c", QUIET], capture_output=True, text=True, check=True)
        assert {path.name: path.read_bytes() for path in written.iterdir()} == computed
        return done.stdout.splitlines()[-1:]

    assert again() == ["[]"] or devices.loaded().kind == "cuda"
    # With one of them gone the model is loaded after all.
    next((workspace / "cache").rglob("*.shard")).unlink()
    assert "torch" in again()[0]
