"""The real client of the hub against a local server: pinned, resumed, refused; and the landscapes on it."""

from __future__ import annotations

import hashlib
import io
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import hub as server
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import standins
import tiny
import torch
import yaml
from forks import Forks

from patent_embeddings.core import layout, tables
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES, POOL, RELATIONS
from patent_embeddings.encoders import factory
from patent_embeddings.evaluation.schemas import SCORES
from patent_embeddings.retrieval.schemas import RUN

pytestmark = pytest.mark.pipeline

REVISION = "c" * 40
Python = Callable[..., subprocess.CompletedProcess[str]]
ROOT = Path(__file__).resolve().parents[2]  # the workspace has a `stages` folder too


@pytest.fixture
def hub() -> Iterator[server.Hub]:
    with server.serve() as running:
        yield running


@pytest.fixture
def python(hub: server.Hub, workspace: Path, forks: Forks) -> Python:
    """Run a module of the package in the workspace, with the hub's client pointed at the server."""

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        kept = {**hub.environment(workspace / "home"), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        return forks.module(*arguments, cwd=workspace, env={**kept, **environment})

    return run


DOWNLOAD = """
import sys
import started
from patent_embeddings.core.command import run
from stages.download import app
started.resolve("download", "tiny")
sys.argv = ["download", "tiny"]
run(app)
"""


@pytest.fixture
def download(hub: server.Hub, workspace: Path, forks: Forks) -> Python:
    """Run the stage `download` for the landscape `tiny` in the workspace, as `check` lets it."""

    def run(**environment: str) -> subprocess.CompletedProcess[str]:
        kept = {**hub.environment(workspace / "home"), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
        return forks.code(DOWNLOAD, cwd=workspace, env={**kept, **environment})

    return run


LOCATED = """
import sys
import typer
from patent_embeddings.core.command import run
from patent_embeddings.encoders import entries, weights
app = typer.Typer()
app.command()(lambda: print(weights.locate(entries.model_entry("tiny"))))
sys.argv = ["locate"]
run(app)
"""


@pytest.fixture
def located(hub: server.Hub, workspace: Path, forks: Forks) -> Python:
    """What a command that loads the model `tiny` does first."""
    return lambda: forks.code(
        LOCATED, cwd=workspace, env={**hub.environment(workspace / "home"), "PYTHONPATH": str(ROOT)}
    )


def register(workspace: Path, kind: str, name: str, **block: Any) -> None:
    path = workspace / layout.registry(kind)
    path.write_text(yaml.safe_dump({**yaml.safe_load(path.read_text()), name: block}))


def refused(done: subprocess.CompletedProcess[str]) -> str:
    """The one line of a refusal."""
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model."""
    base = tiny.bert(tmp_path_factory.mktemp("bert"))
    return tiny.dense(tmp_path_factory.mktemp("model"), base, "mean")


@pytest.fixture
def model(hub: server.Hub, workspace: Path, folder: Path) -> server.Repository:
    """It on the hub, with the weights for another runtime beside it, and its registry entry."""
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    repository = server.Repository(
        REVISION, {**files, "onnx/model.onnx": b"x" * 5000, "pytorch_model.bin": b"y" * 5000}
    )
    hub.repositories["tiny/model"] = repository
    block = tiny.entry(folder).model_dump(exclude_defaults=True, exclude={"path"})
    register(workspace, "models", "tiny", **{**block, "source": "hub", "revision": REVISION})
    return repository


def test_fetch_pins_survives_a_break_and_then_needs_no_hub(
    hub: server.Hub, model: server.Repository, workspace: Path, python: Python, located: Python
) -> None:
    assert "python -m stages.model fetch" in refused(located())
    hub.breaks.add("model.safetensors")
    done = python("stages.model", "fetch", "tiny")
    assert done.returncode == 0, done.stderr
    assert "licence CC0-1.0" in done.stderr
    assert not hub.breaks
    paths = {path for _, path, _ in hub.asked if "/resolve/" in path}
    assert all(f"/resolve/{REVISION}/" in path for path in paths)
    assert not any(path.endswith((".onnx", ".bin")) for path in paths)
    hub.repositories.clear()
    hub.asked.clear()
    again = python("stages.model", "check", "tiny")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "WRONG" not in again.stdout
    assert python("stages.model", "fetch", "tiny").returncode == 0
    assert hub.asked == []
    listed = python("stages.model", "list").stdout
    assert [line.split()[-1] for line in listed.splitlines() if line.startswith("tiny ")] == ["yes"]


def test_what_another_program_left_of_a_model_is_completed(
    hub: server.Hub, model: server.Repository, workspace: Path, python: Python, located: Python, forks: Forks
) -> None:
    code = "from huggingface_hub import hf_hub_download\n"
    code += f"hf_hub_download('tiny/model', 'config.json', revision={REVISION!r})"
    other = forks.code(code, cwd=workspace, env=hub.environment(workspace / "home"))
    assert other.returncode == 0, other.stderr
    done = python("stages.model", "fetch", "tiny")
    assert done.returncode == 0, done.stderr
    folder = Path(located().stdout.strip())
    assert all((folder / name).is_file() for name in ("config.json", "model.safetensors", "modules.json"))


@pytest.mark.parametrize("name", ["tokenizer.json", "modules.json"])
def test_a_model_without_settings_that_its_commit_has_is_not_loaded(
    name: str, hub: server.Hub, model: server.Repository, workspace: Path, python: Python, located: Python
) -> None:
    """A download that was broken off may lack a file without which libraries guess, and vectors are others."""
    assert python("stages.model", "fetch", "tiny").returncode == 0
    folder = Path(located().stdout.strip())
    (folder / name).unlink()
    assert "is not on this machine, or not whole; run `python -m stages.model fetch`" in refused(located())
    assert python("stages.model", "fetch", "tiny").returncode == 0
    assert located().returncode == 0


def test_the_pickled_head_of_a_model_in_safetensors_is_pinned_and_fetched(
    hub: server.Hub, workspace: Path, python: Python, located: Python
) -> None:
    """A repository of sentence-transformers may have its network in safetensors and its head as a pickle only."""
    files, pickled = standins.files("patembed-base"), io.BytesIO()
    torch.save(safetensors.torch.load(files.pop("2_Dense/model.safetensors")), pickled)
    kept = files | {"2_Dense/pytorch_model.bin": pickled.getvalue(), "pytorch_model.bin": b"y" * 5000}
    hub.repositories["tiny/model"] = server.Repository(REVISION, kept)
    block = standins.block("patembed-base") | {"hub": "tiny/model", "revision": REVISION}
    register(workspace, "models", "tiny", **block)
    said = refused(python("stages.model", "fetch", "tiny"))
    assert "has no 2_Dense/model.safetensors; `python -m stages.model pin tiny` pins the sha256" in said
    for command in ("pin", "fetch"):
        assert python("stages.model", command, "tiny").returncode == 0
    folder = Path(located().stdout.strip())
    assert not (folder / "pytorch_model.bin").exists()
    pins = {"2_Dense/pytorch_model.bin": hashlib.sha256(pickled.getvalue()).hexdigest()}
    ours = standins.entry("patembed-base", folder, weights=pins)
    whole = standins.entry("patembed-base", standins.repository("patembed-base", workspace / "whole"))
    vectors = [factory.encoder(one).encode(["A pump."], "query") for one in (ours, whole)]
    assert (vectors[0] == vectors[1]).all()


def test_a_changed_file_is_refused_and_removed(
    hub: server.Hub, model: server.Repository, workspace: Path, python: Python, located: Python
) -> None:
    weights = model.files["model.safetensors"]
    model.sent["model.safetensors"] = bytes([*weights[:-1], weights[-1] ^ 1])
    line = refused(python("stages.model", "fetch", "tiny"))
    assert "model.safetensors is not the file that was pinned" in line
    assert "stages.model fetch" in refused(located())
    model.sent.clear()
    assert python("stages.model", "fetch", "tiny").returncode == 0


def test_the_registry_pins_what_the_commit_does_not(
    hub: server.Hub, model: server.Repository, workspace: Path, python: Python
) -> None:
    path = workspace / layout.registry("models")
    block = yaml.safe_load(path.read_text())["tiny"]
    register(workspace, "models", "tiny", **{**block, "weights": {"model.safetensors": "0" * 64}})
    assert "model.safetensors is not the file that was pinned" in refused(python("stages.model", "fetch", "tiny"))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gated", ["accept", "hf auth login", "stages.model fetch tiny"]),
        ("revision", [REVISION, "mend `revision`"]),
        ("absent", ["no such model", "stages.model fetch tiny"]),
        ("off", ["could not be read", "connect, then run `python -m stages.model fetch tiny`"]),
        ("offline", ["could not be read", "stages.model fetch tiny"]),
    ],
)
def test_every_failure_is_one_line_with_a_mend(
    hub: server.Hub, model: server.Repository, workspace: Path, fault: str, words: list[str], python: Python
) -> None:
    environment = {}
    if fault == "gated":
        model.gated = True
    elif fault == "revision":
        model.revision = "d" * 40
    elif fault == "absent":
        hub.repositories.clear()
    elif fault == "off":
        environment["HF_ENDPOINT"] = "http://127.0.0.1:9"
    else:
        environment["HF_HUB_OFFLINE"] = "1"
    line = refused(python("stages.model", "fetch", "tiny", **environment))
    assert all(word in line for word in words), line


ONE_BY_ONE = """
import sys
from patent_embeddings.core import hub, limits
from patent_embeddings.core.errors import UserError
limits.GRACE = 0.5
hub.UNSTATED = 1 << 20
for name in sys.argv[1:]:
    try:
        print(hub.download(f"lies/{name}", "c" * 40, "dataset", ["*"], retry="again"))
    except UserError as error:
        print(str(error))
"""


def test_a_hub_that_answers_nonsense_or_never_ends_is_one_line_each(hub: server.Hub, workspace: Path) -> None:
    def json_(page: bytes) -> list[bytes]:
        return [b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(page), page]

    class Endless:
        def __init__(self, seconds: float, fields: bytes = b"") -> None:
            self.seconds, self.start = seconds, b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"

        def __iter__(self) -> Iterator[bytes]:
            yield self.start
            while True:
                time.sleep(self.seconds)
                yield b" " * (1 if self.seconds else 1 << 16)

    files = {"big.bin": bytes(range(256)) * 8}
    lies: dict[str, tuple[str, Iterable[bytes], str]] = {
        "html": (
            "tree",
            [b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<html>Sign in</html>"],
            "could not be read",
        ),
        "list": ("tree", json_(b'[3, "x"]'), "could not be read"),
        "shape": ("tree", json_(b'[{"type": "file"}]'), "could not be read"),
        "deep": ("tree", json_(b"[" * 100_000), "could not be read"),
        "gzip": (
            "tree",
            [b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc"],
            "could not be read",
        ),
        "endless-list": ("tree", Endless(0), "an answer does not end after 1,048,576 bytes"),
        "endless-file": ("GET /datasets/lies/endless-file/resolve", Endless(0), "an answer does not end after"),
        "trickle": (
            "GET /datasets/lies/trickle/resolve",
            Endless(0.05, b"Content-Length: 2048\r\n"),
            "less than 1,024 bytes a second",
        ),
    }
    for name, (words, lie, _) in lies.items():
        hub.repositories[f"datasets/lies/{name}"] = server.Repository(REVISION, files)
        path = words if words.startswith("GET") else f"/lies/{name}/{words}"
        hub.lies[path] = lie
    done = subprocess.run(
        [sys.executable, "-c", ONE_BY_ONE, *lies], cwd=workspace, capture_output=True, text=True, timeout=120,
        env={**hub.environment(workspace / "home"), "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == len(lies), done.stdout
    for line, (name, (_, _, why)) in zip(lines, lies.items(), strict=True):
        assert line.startswith(f"lies/{name}: ") and why in line and line.endswith("run `again`"), line


def parquet(rows: list[dict[str, Any]]) -> bytes:
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def documents(n: int) -> list[dict[str, Any]]:
    """Families in two fields; a family and the one ten later share their subject."""
    words = ["pump", "valve", "spring", "lamp", "hinge", "wheel", "blade", "drill", "brush", "rope"]
    return [
        {
            "relevant_id": f"d{i:03d}",
            "title_en": f"{words[i % 10]} {i}",
            "abstract_en": f"A {words[i % 10]} that turns.",
            "claims_text": f"1. A {words[i % 10]} with a part {i}." if i % 7 else None,
            "description_en": "long " * 100,
            "classifications_ipcr_list_first_three_chars_list": ["F04"]
            if i % 2
            else ["B25", "F04"]
            if i % 3
            else ["B25"],
        }
        for i in range(n)
    ]


def dapfam(n: int = 40, queries: int = 20) -> dict[str, bytes]:
    """DAPFAM's three files: queries apart from the corpus, positives IN and OUT, and NC negatives."""
    corpus = documents(n)
    asked = [
        {
            ("query_id" if key == "relevant_id" else key): (f"q{i:03d}" if key == "relevant_id" else value)
            for key, value in row.items()
        }
        for i, row in enumerate(documents(queries))
    ]
    judged = []
    for i in range(queries):
        own = set(asked[i]["classifications_ipcr_list_first_three_chars_list"])
        for j in (i % 10, i % 10 + 10, (i + 1) % n):
            other = set(corpus[j]["classifications_ipcr_list_first_three_chars_list"])
            relevant = j % 10 == i % 10
            judged.append({
                "query_id": f"q{i:03d}", "relevant_id": f"d{j:03d}", "relevance_score": float(relevant),
                "domain_rel": ("IN" if own & other else "OUT") if relevant else "NC",
            })  # fmt: skip
    return {"corpus.parquet": parquet(corpus), "queries.parquet": parquet(asked), "qrels_all.parquet": parquet(judged)}


def nano() -> dict[str, bytes]:
    split = "NanoDAPFAMOutTitlAbsClmToTitlAbsClm"
    return {
        f"corpus/{split}-00000-of-00001.parquet": parquet([{"_id": f"d{i}", "text": f"pump {i}"} for i in range(5)]),
        f"queries/{split}-00000-of-00001.parquet": parquet([{"_id": f"q{i}", "text": f"valve {i}"} for i in range(2)]),
        f"qrels/{split}-00000-of-00001.parquet": parquet(
            [{"query-id": "q0", "corpus-id": "d1"}, {"query-id": "q1", "corpus-id": "d4"}]
        ),
        "corpus/NanoDAPFAMInTitlAbsClmToTitlAbsClm-00000-of-00001.parquet": b"never asked for",
    }


def patenteb() -> dict[str, bytes]:
    def row(query: int, positive: int, negative: int) -> dict[str, Any]:
        texts = {
            side: f"Title {number} [SEP] Abstract {number} [SEP] Claim {number}"
            for side, number in (("q_text", query), ("pos_text", positive), ("neg_text", negative))
        }
        return {"q": query, "pos": positive, "neg": negative, **texts, "extra": "unused"}

    # 12 is a negative of one row and a positive of another for the same query: it is relevant.
    return {"test/data.parquet": parquet([row(1, 11, 12), row(1, 12, 13), row(2, 13, 1)])}


def landscape(hub: server.Hub, workspace: Path, data: dict[str, bytes], **block: Any) -> server.Repository:
    hub.repositories["datasets/tiny/data"] = repository = server.Repository(REVISION, data)
    common = {
        "source": "hub",
        "description": "d",
        "licence": "CC BY-NC-SA 4.0",
        "relevance": "linked",
        "hub": "tiny/data",
        "revision": REVISION,
    }
    register(workspace, "landscapes", "tiny", **{**common, **block})
    return repository


def frames(workspace: Path) -> dict[str, pd.DataFrame]:
    return {
        "families": tables.read(workspace / layout.families("tiny"), FAMILIES).set_index("family_id"),
        "relations": tables.read(workspace / layout.relations("tiny"), RELATIONS),
        "citations": tables.read(workspace / layout.citations("tiny"), CITATIONS),
    }


def test_dapfam(hub: server.Hub, workspace: Path, python: Python, download: Python) -> None:
    landscape(hub, workspace, dapfam(), layout="dapfam")
    done = download()
    assert done.returncode == 0, done.stderr
    assert "licence CC BY-NC-SA 4.0" in done.stderr
    found = frames(workspace)
    assert len(found["families"]) == 60
    first = found["families"].loc["d001"]
    assert (first["title"], first["claims"], first["description"]) == ("valve 1", "1. A valve with a part 1.", "")
    assert list(first["ipc"]) == ["F04"]
    assert found["families"].loc["d007", "claims"] == ""
    relations = found["relations"].set_index(["query_id", "family_id"])
    assert relations.loc[("q000", "d000")].tolist() == [1, "in"]
    assert relations.loc[("q003", "d013")].tolist() == [1, "in"]
    assert relations.loc[("q000", "d001")].tolist() == [0, "out"]  # NC: B25 and F04
    assert int(found["relations"]["relevance"].sum()) == 40
    assert len(found["citations"]) == 40
    asked = found["relations"].query("relevance > 0")["query_id"].nunique()
    shown = python("stages.landscape", "show", "tiny")
    assert f"queries: {asked} queries with a relevant family (judged), 40 judged pairs" in shown.stdout, shown.stderr


def test_broken_download_is_taken_up_where_it_broke(hub: server.Hub, workspace: Path, download: Python) -> None:
    """The client keeps what came in chunks of 10 MiB, so the file is made larger than that."""
    noise = random.Random(0)
    rows = [{**row, "description_en": noise.randbytes(400_000).hex()} for row in documents(40)]
    data = {**dapfam(), "corpus.parquet": parquet(rows)}
    assert len(data["corpus.parquet"]) > 24 << 20
    landscape(hub, workspace, data, layout="dapfam", descriptions=True)
    hub.breaks.add("corpus.parquet")
    done = download()
    assert done.returncode == 0, done.stderr
    asked = [wanted for method, path, wanted in hub.asked if method == "GET" and path.endswith("corpus.parquet")]
    assert asked == [None, f"bytes={10 << 20}-"]
    assert frames(workspace)["families"].loc["d001", "description"] == rows[1]["description_en"]


def test_nano(hub: server.Hub, workspace: Path, download: Python) -> None:
    landscape(hub, workspace, nano(), layout="nano", split="NanoDAPFAMOutTitlAbsClmToTitlAbsClm", scope="out")
    done = download()
    assert done.returncode == 0, done.stderr
    found = frames(workspace)
    assert sorted(found["families"].index) == ["d0", "d1", "d2", "d3", "d4", "q0", "q1"]
    assert found["families"].loc["q1", "abstract"] == "valve 1"
    assert found["relations"].to_numpy().tolist() == [["q0", "d1", 1, "out"], ["q1", "d4", 1, "out"]]
    assert not any("NanoDAPFAMIn" in path for _, path, _ in hub.asked)


def test_patenteb(hub: server.Hub, workspace: Path, download: Python) -> None:
    landscape(hub, workspace, patenteb(), layout="patenteb", scope="in")
    done = download()
    assert done.returncode == 0, done.stderr
    found = frames(workspace)
    assert sorted(found["families"].index) == ["1", "11", "12", "13", "2"]
    assert found["families"].loc["11", ["title", "abstract", "claims"]].tolist() == [
        "Title 11",
        "Abstract 11",
        "Claim 11",
    ]
    assert found["relations"].to_numpy().tolist() == [
        ["1", "11", 1, "in"], ["1", "12", 1, "in"], ["1", "13", 0, "in"], ["2", "1", 0, "in"], ["2", "13", 1, "in"],
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("gated", ["https://", "accept their terms", "dvc repro download@tiny"]),
        ("pin", ["qrels_all.parquet is not the file that was pinned"]),
        ("unpinned", ["no revision of tiny/data is pinned"]),
        ("column", ["column 'domain_rel' is missing"]),
    ],
)
def test_landscape_failures(hub: server.Hub, workspace: Path, fault: str, words: list[str], download: Python) -> None:
    block: dict[str, Any] = {"layout": "dapfam"}
    if fault == "pin":
        block["files"] = {"qrels_all.parquet": "0" * 64}
    if fault == "unpinned":
        block.update(revision=None, unverified=["revision"])
    files = dapfam()
    if fault == "column":
        files["qrels_all.parquet"] = parquet([{"query_id": "q0", "relevant_id": "d0", "relevance_score": 1.0}])
    repository = landscape(hub, workspace, files, **block)
    repository.gated = fault == "gated"
    line = refused(download())
    assert all(word.replace("https://", "http://") in line for word in words), line
    assert not (workspace / layout.families("tiny")).exists()


@pytest.mark.slow
def test_a_cell_runs_on_data_and_model_of_the_hub(
    hub: server.Hub, model: server.Repository, workspace: Path, set_params: Callable[..., None], python: Python
) -> None:
    landscape(hub, workspace, dapfam(), layout="dapfam")
    set_params(model="tiny", recipe="zero-shot", landscape="tiny", evaluate_on=["tiny"])
    assert python("stages.model", "fetch", "tiny").returncode == 0
    for stage, *name in [
        ("check",),
        ("download", "tiny"),
        ("views", "tiny"),
        ("tasks", "tiny"),
        ("pairs",),
        ("finetune",),
        ("embed", "tiny"),
        ("bm25", "tiny"),
        ("search", "tiny"),
        ("fuse", "tiny"),
        ("rerank", "tiny"),
        ("metrics", "tiny"),
    ]:
        done = python(f"stages.{stage}", *name)
        assert done.returncode == 0, (stage, done.stderr)
    pool = tables.read(workspace / layout.task("tiny", "pool"), POOL)
    assert set(pool.loc[pool["ranked"], "family_id"]) == {f"d{i:03d}" for i in range(40)}
    run = tables.read(workspace / layout.run("tiny", "dense"), RUN)
    assert run.groupby("query_id", observed=True).size().tolist() == [40] * 20
    scores = tables.read(workspace / layout.scores("tiny"), SCORES)
    asked = scores[(scores["system"] == "bm25") & (scores["metric"] == "nDCG@10")].set_index("scope")
    # Four families share a query's only telling word; two of them are judged relevant.
    lexical = tables.read(workspace / layout.run("tiny", "bm25"), RUN)
    for query, rows in lexical.groupby("query_id", observed=True):
        assert {int(family[1:]) % 10 for family in rows["family_id"].astype(str)[:4]} == {int(query[1:]) % 10}
    assert asked.loc["all", "value"] > 0.5
    assert {"all", "in"} <= set(asked.index)
