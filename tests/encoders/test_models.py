"""The model registry: every entry is whole, the study's rows are all there, faults are named."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.encoders import weights
from patent_embeddings.encoders.entries import Model, model_entry
from patent_embeddings.encoders.readiness import readiness

# Rows of the study's table that name a model (its BM25 row runs in every cell), with what
# the table of facts says about their hub id, dimension, and prompts on each side.
STUDY = {
    "Llama-Embed-Nemotron-8B": ("nvidia/llama-embed-nemotron-8b", 4096, True, False),
    "Qwen3-Embedding-8B": ("Qwen/Qwen3-Embedding-8B", 4096, True, False),
    "Qwen3-Embedding-4B": ("Qwen/Qwen3-Embedding-4B", 2560, True, False),
    "Octen-Embedding-8B": ("Octen/Octen-Embedding-8B", 4096, True, True),
    "Llama-Nemotron-Embed-1B": ("nvidia/llama-nemotron-embed-1b-v2", 2048, True, True),
    "KaLM-Embedding-Gemma3-12B": ("tencent/KaLM-Embedding-Gemma3-12B-2511", 3840, True, True),
    "patembed-base": ("datalyes/patembed-base", 768, True, True),
    "Qwen3-Embedding-0.6B": ("Qwen/Qwen3-Embedding-0.6B", 1024, True, False),
    "GTE-multilingual-base": ("Alibaba-NLP/gte-multilingual-base", 768, False, False),
    "Nomic-v2-MoE": ("nomic-ai/nomic-embed-text-v2-moe", 768, True, True),
    "multilingual-E5-large": ("intfloat/multilingual-e5-large", 1024, True, True),
    "Jina-v3": ("jinaai/jina-embeddings-v3-hf", 1024, True, True),
    "MiniLM-L6": ("sentence-transformers/all-MiniLM-L6-v2", 384, False, False),
    "BGE-M3": ("BAAI/bge-m3", 1024, False, False),
    "PatentSBERTa": ("AI-Growth-Lab/PatentSBERTa", 768, False, False),
    "AnswerAI-ColBERT-small": ("answerdotai/answerai-colbert-small-v1", 96, True, True),
    "Stella-1.5B": ("NovaSearch/stella_en_1.5B_v5", 1024, True, False),
    "ColBERTv2": ("colbert-ir/colbertv2.0", 128, True, True),
    "Jina-ColBERT-v2": ("jinaai/jina-colbert-v2", 128, True, True),
    "Conan-v1": ("TencentBAC/Conan-embedding-v1", 1792, False, False),
    "EmbeddingGemma-300m": ("google/embeddinggemma-300m", 768, True, True),
}
BLOCK = {
    "source": "hub", "hub": "org/name", "revision": "0" * 40, "family": "f", "parameters": 1.0, "dimension": 8,
    "max_length": 16, "length": 8, "pooling": "mean", "licence": "mit",
}  # fmt: skip


@pytest.mark.parametrize("name", registry.ids("models"))
def test_every_entry_is_valid(name: str) -> None:
    entry = model_entry(name)
    assert entry.revision or "revision" in entry.unverified
    assert entry.length <= entry.max_length


def test_study_rows_are_all_there_once() -> None:
    entries = [model_entry(name) for name in registry.ids("models")]
    rows = {entry.study: entry for entry in entries if entry.study}
    assert len(rows) == sum(entry.study is not None for entry in entries)
    assert set(rows) == set(STUDY)
    for row, (hub, dimension, query, document) in STUDY.items():
        entry = rows[row]
        assert (entry.hub, entry.dimension) == (hub, dimension), row
        assert (bool(entry.prompts.query), bool(entry.prompts.document)) == (query, document), row
    assert sum(entry.encoder == "late" for entry in rows.values()) == 3


def test_traps_of_the_readouts() -> None:
    octen, kalm, qwen = (model_entry(name) for name in ("octen-8b", "kalm-gemma3-12b", "qwen3-8b"))
    assert octen.prompts.document == " "
    assert kalm.prompts.document == kalm.prompts.query
    assert kalm.prompts.query == "Instruct: Retrieve text based on user query. \n Query: "
    assert qwen.prompts.query.endswith("\nQuery:")
    assert (qwen.pooling, qwen.padding) == ("last", "left")
    assert model_entry("patentsberta").pooling == "cls"
    assert model_entry("patembed-base").head
    assert not model_entry("patembed-large").head


def test_hub_ids_are_distinct() -> None:
    hubs = [model_entry(name).hub for name in registry.ids("models")]
    assert len(set(hubs)) == len(hubs)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"dimension": "many"}, "dimension"),
        ({"dimension": 0}, "dimension"),
        ({"pooling": "max"}, "pooling"),
        ({"revision": "main"}, "revision"),
        ({"revision": None}, "revision"),
        ({"length": 32}, "length"),
        ({"prompt": "query: "}, "prompt"),
        ({"prompts": {"passage": "x"}}, "prompts.passage"),
        ({"encoder": "late"}, "encoder"),
        ({"source": "folder"}, "path"),
        ({"source": "package"}, "package"),
        ({"unverified": ["lenght"]}, "lenght"),
        ({"weights": {"pytorch_model.bin": "abc"}}, "weights.pytorch_model.bin"),
    ],
)
def test_faults_name_entry_and_field(change: dict[str, object], field: str) -> None:
    with pytest.raises(UserError) as caught:
        registry.validated("models", "tiny", {**BLOCK, **change}, Model)
    message = str(caught.value)
    assert "models.yaml" in message
    assert "tiny" in message
    assert field in message
    assert "\n" not in message


def test_a_typo_proposes_the_nearest_id() -> None:
    with pytest.raises(UserError, match=r"did you mean .*qwen3-0-6b"):
        model_entry("qwen3-06b")


def test_plan_follows_size() -> None:
    assert model_entry("minilm").memory.weights == "float32"
    assert model_entry("qwen3-0-6b").memory.checkpointing
    assert model_entry("kalm-gemma3-12b").memory.weights == "nf4"
    own = {"weights": "nf4", "checkpointing": True, "tokens": 9}
    assert registry.validated("models", "tiny", {**BLOCK, "memory": own}, Model).memory.tokens == 9


def test_unpinned_model_says_how_to_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(weights.MODELS, raising=False)
    entry = registry.validated("models", "tiny", {**BLOCK, "revision": None, "unverified": ["revision"]}, Model)
    with pytest.raises(
        UserError, match=r"org/name: no revision is pinned; run `python -m stages.model pin` with its id"
    ):
        weights.locate(entry)


def folder_model(folder: Path, **files: bytes) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    for name, data in files.items():
        (folder / name.replace("__", ".")).write_bytes(data)
    return folder


def test_models_folder_stands_in_for_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.validated("models", "tiny", BLOCK, Model)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(weights.MODELS, str(tmp_path))
    with pytest.raises(UserError, match=r"python -m stages\.model fetch"):
        weights.locate(entry)
    folder = folder_model(tmp_path / "org" / "name")
    with pytest.raises(UserError, match=r"lacks model\.safetensors"):
        weights.locate(entry)
    (folder / "model.safetensors").write_bytes(b"x")
    assert weights.locate(entry) == folder
    assert weights.available(entry)


def test_missing_shard_is_named(tmp_path: Path) -> None:
    folder = folder_model(tmp_path / "m", one__safetensors=b"x")
    index = '{"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}}'
    (folder / "model.safetensors.index.json").write_text(index)
    assert weights.missing(folder) == "two.safetensors"


def test_a_pickle_needs_its_hash_pinned(tmp_path: Path) -> None:
    import hashlib

    folder = folder_model(tmp_path / "m", pytorch_model__bin=b"weights")
    block = {**BLOCK, "source": "folder", "path": str(folder)}
    with pytest.raises(UserError, match=r"pickle.*pin its sha256"):
        weights.locate(registry.validated("models", "tiny", block, Model))
    pinned = {
        **block,
        "weights": {"pytorch_model.bin": hashlib.sha256(b"weights").hexdigest()},
        "digest": weights.digest(folder),
    }
    assert weights.locate(registry.validated("models", "tiny", pinned, Model)) == folder
    (folder / "pytorch_model.bin").write_bytes(b"other")
    with pytest.raises(UserError, match="differs from the sha256"):
        weights.locate(registry.validated("models", "tiny", pinned, Model))


@pytest.fixture
def on_disk(workspace: Path) -> tuple[Path, dict[str, object]]:
    """A folder of a model whose weights are large enough not to be read each time, and its block, not yet pinned."""
    folder = folder_model(workspace / "m", model__safetensors=bytes(1 << 20))
    return folder, {**BLOCK, "source": "folder", "path": str(folder)}


def test_a_folder_is_not_loaded_until_its_entry_says_what_is_in_it(on_disk: tuple[Path, dict[str, object]]) -> None:
    folder, block = on_disk
    with pytest.raises(UserError, match=r"a change there would go unseen; add `digest: [0-9a-f]{64}` to it") as caught:
        weights.locate(registry.validated("models", "tiny", block, Model))
    pin = str(caught.value).split("`digest: ")[1].split("`")[0]
    assert weights.locate(registry.validated("models", "tiny", {**block, "digest": pin}, Model)) == folder


def overwrite(folder: Path) -> None:
    """Other bytes, as many, in the same file, which says that it is as old as before."""
    import os

    file = folder / "model.safetensors"
    before = file.stat()
    with file.open("r+b") as handle:
        handle.write(b"\x01")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize(
    "edit",
    [
        overwrite,
        lambda folder: (folder / "config.json").write_text('{"a": 1}'),
        lambda folder: (folder / "tokenizer.json").write_text("{}"),
        lambda folder: (folder / "vocab.bpe").write_text("a b"),
        lambda folder: (
            (folder / "config.json").rename(folder / "1_config.json") and (folder / "config.json").write_text("{}")
        ),
    ],
    ids=["in place", "configuration", "a file more", "a vocabulary", "a name more"],
)
def test_whatever_changes_in_a_folder_is_found(on_disk: tuple[Path, dict[str, object]], edit: object) -> None:
    folder, block = on_disk
    entry = registry.validated("models", "tiny", {**block, "digest": weights.digest(folder)}, Model)
    assert weights.locate(entry) == folder
    assert weights.changed(entry) is None
    edit(folder)  # type: ignore[operator]
    with pytest.raises(UserError, match="not those that its entry pins"):
        weights.locate(entry)
    assert "not those that its entry pins" in str(weights.changed(entry))


def test_large_weights_are_read_once(on_disk: tuple[Path, dict[str, object]], monkeypatch: pytest.MonkeyPatch) -> None:
    folder, block = on_disk
    entry = registry.validated("models", "tiny", {**block, "digest": weights.digest(folder)}, Model)
    read: list[str] = []
    monkeypatch.setattr(weights, "sha256", lambda path: read.append(path.name) or "0" * 64)
    with pytest.raises(UserError):  # the small ones are read each time
        weights.locate(entry)
    assert read == ["config.json"]


def test_a_copy_of_the_hubs_weights_is_held_against_a_digest_if_there_is_one(
    on_disk: tuple[Path, dict[str, object]], workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (workspace / "org").mkdir()
    folder = on_disk[0].rename(workspace / "org" / "name")
    monkeypatch.setenv(weights.MODELS, str(workspace))
    assert weights.locate(registry.validated("models", "tiny", BLOCK, Model)) == folder
    pinned = registry.validated("models", "tiny", {**BLOCK, "digest": weights.digest(folder)}, Model)
    assert weights.locate(pinned) == folder
    overwrite(folder)
    with pytest.raises(UserError, match="not those that its entry pins"):
        weights.locate(pinned)


def test_the_table_that_is_shown_says_that_the_weights_are_others_now(
    on_disk: tuple[Path, dict[str, object]],
    workspace: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """`make repro` shows it also when DVC has nothing to do."""
    from workspaces import change

    from patent_embeddings.pages.cell import report
    from stages import report as report_stage

    folder, block = on_disk
    path = layout.registry("models")
    entries = {**yaml.safe_load(path.read_text()), "tiny": {**block, "digest": weights.digest(folder)}}
    path.write_text(yaml.safe_dump(entries))
    change(workspace, model="tiny", recipe="zero-shot")
    monkeypatch.setattr(report, "summary", lambda *_: "the table")
    report_stage.main(show=True)
    assert capsys.readouterr().err == ""
    overwrite(folder)
    report_stage.main(show=True)
    said = capsys.readouterr()
    assert "not those that its entry pins" in said.err
    assert said.out == "the table\n"
    folder.rename(workspace / "gone")  # a table that was restored here needs no weights
    report_stage.main(show=True)
    assert capsys.readouterr().err == ""


def test_remote_code_needs_consent(monkeypatch: pytest.MonkeyPatch) -> None:
    entry = registry.validated("models", "tiny", {**BLOCK, "remote_code": True}, Model)
    monkeypatch.delenv(weights.CONSENT, raising=False)
    with pytest.raises(UserError, match="TRUST_REMOTE_CODE=1"):
        weights.consented(entry)
    monkeypatch.setenv(weights.CONSENT, "1")
    assert weights.consented(entry)
    assert not weights.consented(registry.validated("models", "tiny", BLOCK, Model))


@pytest.mark.parametrize(
    ("libraries", "said"),
    [
        ({"transformers": "==4.42.4"}, "is known to work with transformers==4.42.4, and 5"),
        ({"transformers": ">=5,<5.1"}, "transformers>=5,<5.1, and 5"),
        ({"transformers": ">=5", "flash-attention-of-nobody": ">=2"}, "flash-attention-of-nobody>=2, and it is not"),
        ({"transformers": ">=5,<9"}, None),
    ],
)
def test_remote_code_runs_with_the_libraries_that_it_was_written_for(
    libraries: dict[str, str], said: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = registry.validated("models", "tiny", {**BLOCK, "remote_code": True, "libraries": libraries}, Model)
    monkeypatch.setenv(weights.CONSENT, "1")
    lacking = readiness({"tiny": entry}, {"tiny": "float32"})[0].lacks
    if said is None:
        assert weights.consented(entry)
        assert "other" not in lacking
        return
    with pytest.raises(UserError, match="mend `libraries` of its entry") as caught:
        weights.consented(entry)
    assert said in str(caught.value)
    assert said in lacking["other"]


def test_versions_of_libraries_are_written_as_pip_takes_them() -> None:
    with pytest.raises(UserError, match="libraries"):
        registry.validated("models", "tiny", {**BLOCK, "libraries": {"transformers": "4.42"}}, Model)


def test_list_is_quick_and_loads_no_torch() -> None:
    import resource
    import subprocess
    import sys

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    # Of the hub's client only what reads its cache is loaded, not what asks the hub.
    code = """
import sys
from stages.model import app
sys.argv = ["model", "list"]
try:
    app()
except SystemExit:
    pass
print("torch" in sys.modules, "huggingface_hub.hf_api" in sys.modules)
"""
    runs = []
    for _ in range(3):
        # Of the processor, not of the clock: other tests run beside this one.
        start = spent()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        runs.append(spent() - start)
        assert done.stdout.splitlines()[-1] == "False False"
        if runs[-1] < 1.0:
            break
    assert min(runs) < 1.0
    for name in registry.ids("models"):
        assert f"\n{name} " in done.stdout


def test_show_and_typo() -> None:
    from stages.model import app

    shown = CliRunner().invoke(app, ["show", "octen-8b"])
    assert "'prompts'" not in shown.output
    assert yaml.safe_load(shown.output)["prompts"]["document"] == " "
    wrong = CliRunner().invoke(app, ["show", "minlm"])
    assert isinstance(wrong.exception, UserError)
    assert "did you mean minilm" in str(wrong.exception)


def test_registry_file_is_where_layout_says() -> None:
    assert set(yaml.safe_load(layout.registry("models").read_text())) == set(registry.ids("models"))
