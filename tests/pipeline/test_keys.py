"""What a change reruns: planted in a checkout whose results are all there, and read from `dvc status`.

The results are empty files that DVC is told to take for those of the code as it is; `check` alone is run.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from forks import Forks
from imports import BODIES
from workspaces import copy_tracked

from patent_embeddings.core import layout, params
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.params import Values, read
from patent_embeddings.grid import keys

pytestmark = pytest.mark.pipeline

PLACES = ("sim-alpha", "sim-beta")


def everywhere(*stages: str) -> set[str]:
    return {f"{stage}@{place}" for stage in stages for place in PLACES}


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository with the committed cell, `check` run, and a file in place of every other result."""
    folder = tmp_path_factory.mktemp("keys") / "checkout"
    copy_tracked(folder, ":!tests", ":!studies", ":!dvc.lock")
    run(folder, "git", "init", "--quiet")
    run(folder, sys.executable, "-m", "stages.check")
    for name, body in BODIES.items():
        for path in () if name == "check" else outputs(body):
            for place in PLACES if "${item}" in path else ("",):
                filled(folder / path.replace("${item}", place), name)
    run(folder, "dvc", "commit", "--force", "--quiet")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(folder.parent / "site"))
        yield folder
        assert not changed(folder)  # every test has put back what it changed


def outputs(body: dict[str, Any]) -> Iterator[str]:
    for out in [*body["outs"], *body.get("metrics", [])]:
        yield next(iter(out)) if isinstance(out, dict) else out


def filled(path: Path, name: str) -> None:
    """A result: a file, or a folder with those that later stages depend on."""
    names = {
        "views": [f"{view}.parquet" for view in ("ta", "tac", "full")],
        "tasks": [f"{table}.parquet" for table in ("queries", "qrels", "pool", "labels")],
    }.get(name, ["one"])
    for file in [path] if path.suffix else [path / one for one in names]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"{path.name} of {name}")


def run(folder: Path, *command: str) -> str:
    environment = {
        **os.environ, "HOME": str(folder.parent), "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
        "PYTHONPATH": str(folder), "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    }  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def changed(folder: Path, *targets: str) -> set[str]:
    """Stages, all or some, whose key is no longer that of their results."""
    from dvc.repo import Repo

    asked = [f"{folder}/dvc.yaml:{name}" for name in targets] or None
    with Repo(str(folder)) as repository:
        return {name.split(":")[-1] for name in repository.status(asked)}


@pytest.fixture
def plant(checkout: Path, forks: Forks) -> Iterator[Any]:
    """Replace text in files, run `check` if it is to run, and say which other stages are to run; undone afterwards."""
    kept: dict[Path, str] = {}
    values = checkout.parent / "values"
    shutil.copytree(checkout / layout.VALUES, values)

    def planted(*changes: tuple[str, str, str]) -> set[str]:
        for file, old, new in changes:
            path = checkout / file
            text = path.read_text(encoding="utf-8")
            kept.setdefault(path, text)
            assert old in text, f"{file} holds no {old!r}"
            path.write_text(text.replace(old, new, 1), encoding="utf-8")
        if changed(checkout, "check"):
            done = forks.module("stages.check", cwd=checkout)
            assert done.returncode == 0, done.stderr
        return changed(checkout) - {"check"}

    yield planted
    for path, text in kept.items():
        path.write_text(text, encoding="utf-8")
    shutil.rmtree(checkout / layout.VALUES)
    shutil.move(values, checkout / layout.VALUES)


COMMENT = ("from __future__", "# A comment.\nfrom __future__")
WHOLE = {"report"}  # whose page shows every parameter and entry of the cell


@pytest.mark.parametrize(
    ("file", "old", "new", "reruns"),
    [
        # A truncation default: of the model's entry, where params.yaml asks for none.
        ("registry/models.yaml", "length: 256", "length: 200", everywhere("lengths", "embed") | WHOLE),
        # A recipe default, which r3 does not set.
        ("patent_embeddings/pairs/values.py", '"ipc-subclass"', '"ipc-class"', {"pairs"} | WHOLE),
        # A pooling rule.
        ("patent_embeddings/encoders/base.py", '"cls": "cls"', '"cls": "max"', {"finetune"} | everywhere("embed")),
        # A word list.
        ("patent_embeddings/corpus/sources/simulated/words.yaml", "\n", "\n# A comment.\n", everywhere("download")),
        # A default of params.yaml's schema that the file leaves out; and how a knob of a simulated landscape is set.
        ("patent_embeddings/corpus/values.py", "combined: Annotated[float, Field(ge=0, le=1)] = 0.25",
         "combined: Annotated[float, Field(ge=0, le=1)] = 0.5", everywhere("download") | WHOLE),
        # A size rule: what fits one accelerator.
        ("patent_embeddings/encoders/entries.py", "131072", "65536", everywhere("embed") | {"finetune"} | WHOLE),
        # One landscape's entry, and how its queries are judged.
        ("registry/landscapes.yaml", "families: 600", "families: 601", {"download@sim-alpha"} | WHOLE),
        # Keys of params.yaml.
        ("params.yaml", "  fold: 0", "  fold: 1", everywhere("tasks") | WHOLE),
        ("params.yaml", "  dimensions: null", "  dimensions: 128", everywhere("search", "metrics") | WHOLE),
        ("params.yaml", "  pool: all", "  pool: earlier", everywhere("bm25", "search", "fuse", "metrics") | WHOLE),
        # A comment in the search or in the reranker, which must discard no vector.
        ("patent_embeddings/retrieval/exact.py", *COMMENT, everywhere("search")),
        ("patent_embeddings/encoders/cross.py", *COMMENT, everywhere("rerank")),
    ],
)  # fmt: skip
def test_a_change_reruns_what_it_changes_and_nothing_else(
    file: str, old: str, new: str, reruns: set[str], plant: Any
) -> None:
    assert plant((file, old, new)) == reruns


def test_comments_rerun_nothing_and_words_only_the_report_that_shows_them(plant: Any) -> None:
    comments = [("params.yaml", "model: minilm  ", "model: minilm #")]
    comments += [
        (f"patent_embeddings/{name}/{file}.py", *COMMENT)
        for name, file in (("retrieval", "values"), ("core", "params"))
    ]
    assert plant(*comments) == set()
    assert plant(
        ("patent_embeddings/encoders/entries.py", "    family: str", "    hue: str = 'red'\n    family: str"),
        ("registry/landscapes.yaml", "description: ", "description: Once more, "),
        ("registry/recipes.yaml", "Section pairs, the abstract", "Pairs of sections, the abstract"),
        ("registry/views.yaml", "description: ", "description: The "),
    ) == WHOLE  # fmt: skip


def test_values_of_a_landscape_are_in_its_own_files_alone(checkout: Path) -> None:
    for name, other in (PLACES, reversed(PLACES)):
        for stage in keys.LANDSCAPE:
            text = (checkout / layout.values(stage, name)).read_text(encoding="utf-8")
            assert other not in text, f"{stage}@{name}"


def test_dvc_still_shows_the_parameters(checkout: Path) -> None:
    from dvc.repo import Repo

    with Repo(str(checkout)) as repository:  # what `dvc exp show` and `dvc params diff` show
        shown = repository.params.show()[""]["data"]["params.yaml"]["data"]
    assert shown == yaml.safe_load((checkout / "params.yaml").read_text(encoding="utf-8"))


class Depth(Values):
    depth: int
    pool: str = "all"


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ({"depth": 7}, "not what this version of the stage search reads"),  # a default would stand in
        ({"pool": "all"}, "depth: is missing"),
        ({"depth": 7, "pool": "all", "older": 1}, "older: no such key"),
        ({"depth": "7", "pool": "all"}, "not what this version"),
        (None, "no such file; `dvc repro` writes one for each landscape"),
    ],
)
def test_values_that_do_not_say_all_that_a_stage_reads_are_refused(held: Any, said: str, workspace: Path) -> None:
    path = layout.values("search", "toy")
    if held is not None:
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(held))
    with pytest.raises(UserError, match=rf"data/values/toy/search\.json: .*{said}"):
        read("search", Depth, "toy")


def test_whole_values_are_read(workspace: Path) -> None:
    keys.write(params.load())
    for stage, type_ in keys.LANDSCAPE.items():
        assert read(stage, type_, "sim-alpha").model_dump(mode="json") == keys.resolved(
            params.load(), stage, "sim-alpha"
        )
    text = layout.values("search", "sim-alpha").read_text(encoding="utf-8")
    held = json.loads(text)
    asked = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))["search"]
    assert {**held["search"], "engine": held["engine"]} == asked
