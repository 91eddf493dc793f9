"""dvc.yaml against the code: each stage depends on the modules that do its arithmetic, and on nothing that does not exist."""

from __future__ import annotations

import ast
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT

from patent_embeddings.core import environment

PIPELINE: dict[str, Any] = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]
BODIES = {name: body.get("do", body) for name, body in PIPELINE.items()}

# Modules that cannot change a number of a table, and why. All others that a stage imports are dependencies of it.
EXEMPT = {
    "stages/__init__.py": "is empty",
    "patent_embeddings/core/costs.py": "writes seconds and memory, outside every comparison",
    "patent_embeddings/core/environment.py": "refuses, or changes nothing; what it compares with is a dependency",
    "patent_embeddings/core/errors.py": "words of messages",
    "patent_embeddings/core/files.py": "writes the bytes that it is given",
    "patent_embeddings/core/layout.py": "paths: another one would be another output in dvc.yaml",
    "patent_embeddings/core/progress.py": "lines on a terminal",
    "patent_embeddings/core/running.py": "starts and ends a stage",
    "patent_embeddings/grid/entries.py": "presets, families and findings, which no stage of a cell reads",
    "patent_embeddings/sharing/scratch.py": "drops what is computed again",
}


def code(name: str) -> set[str]:
    return {dep for dep in BODIES[name]["deps"] if dep.startswith(("stages/", "patent_embeddings/"))}


def module_file(module: str) -> str | None:
    path = Path(*module.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if (ROOT / candidate).is_file():
            return str(candidate)
    return None


def imported(file: str) -> set[str]:
    """Files of this repository that a file imports, at any depth of it, type checking apart."""
    found = set()
    tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
    skipped = {id(node) for block in ast.walk(tree) if isinstance(block, ast.If) and "TYPE_CHECKING" in ast.unparse(block.test)
               for part in block.body for node in ast.walk(part)}  # fmt: skip
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(("stages", "patent_embeddings")):
            names = [node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names if alias.name.startswith(("stages", "patent_embeddings"))]
        found |= {path for name in names if (path := module_file(name))}
    return found


def closure(files: Iterable[str]) -> set[str]:
    """Modules that some files import, directly or through others, but for the exempt ones."""
    seen: set[str] = set()
    todo = list(files)
    while todo:
        one = todo.pop()
        if one not in seen and one not in EXEMPT:
            seen.add(one)
            todo += sorted(imported(one))
    return seen


def needed(name: str) -> set[str]:
    """Modules that a stage's numbers depend on: those of its command and of the folders it names, with what they import."""
    module = BODIES[name]["cmd"].split()[2]
    entry = module_file(f"{module}.__main__") or module_file(module)
    assert entry
    folders = [ROOT / dep for dep in code(name) if (ROOT / dep).is_dir()]  # their modules may be imported by name
    return closure([entry, *(str(file.relative_to(ROOT)) for folder in folders for file in folder.glob("*.py"))])


@pytest.mark.parametrize("name", BODIES)
def test_a_stage_depends_on_every_module_that_can_change_its_numbers(name: str) -> None:
    uncovered = {
        file for file in needed(name) if not any(file == dep or file.startswith(f"{dep}/") for dep in code(name))
    }
    assert not uncovered, f"stage {name} imports {sorted(uncovered)} without depending on it"


@pytest.mark.parametrize("name", BODIES)
def test_a_stage_that_computes_with_a_locked_library_depends_on_its_version(name: str) -> None:
    renamed = {"faiss-cpu": "faiss", "scikit-learn": "sklearn", "sentence-transformers": "sentence_transformers"}
    locked = {renamed.get(library, library) for library in environment.NUMERIC}
    found = set()
    for file in needed(name) - {"patent_embeddings/core/tables.py"}:  # which reads and writes with pyarrow
        for node in ast.walk(ast.parse((ROOT / file).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names} & locked
            elif isinstance(node, ast.ImportFrom):
                found |= {(node.module or "").split(".")[0]} & locked
    assert not found or "environment.lock" in BODIES[name]["deps"], f"stage {name} computes with {sorted(found)}"


@pytest.mark.parametrize(
    ("rule", "stages"),
    [
        # Defaults of a simulated landscape.
        ("registry/entries.py", {"download", "tasks"}),
        # Model.kept, Model.plan and the defaults of recipes, views and rerankers.
        (
            "registry/entries.py",
            {"views", "lengths", "pairs", "finetune", "embed", "search", "rerank", "metrics"},
        ),
        # Params.trained_on, and what an option is that params.yaml leaves out.
        ("stages/params.py", {"pairs", "finetune", "embed", "bm25", "search", "fuse", "rerank", "metrics", "report"}),
        ("registry/__init__.py", {"download", "pairs", "finetune", "embed", "search"}),
        ("stages/tables.py", set(BODIES) - {"check"}),
    ],
)
def test_a_rule_is_a_dependency_of_the_stages_that_follow_it(rule: str, stages: set[str]) -> None:
    assert {name for name in BODIES if rule in code(name)} >= stages


def test_a_module_that_is_imported_within_a_function_or_by_another_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = {
        "near": "def main():\n    from stages import between\n",
        "between": "from stages.far import rule\nif TYPE_CHECKING:\n    from stages import typed\n",
        "far": "from stages import files\n",
        "files": "from stages import typed\n",
        "typed": "",
    }
    (tmp_path / "stages").mkdir()
    for name, text in planted.items():
        (tmp_path / f"stages/{name}.py").write_text(text)
    monkeypatch.setattr(sys.modules[__name__], "ROOT", tmp_path)
    assert closure(["stages/near.py"]) == {"stages/near.py", "stages/between.py", "stages/far.py"}


def test_what_is_exempt_exists_and_imports_no_rule() -> None:
    for file in EXEMPT:
        assert (ROOT / file).is_file()
        assert imported(file) <= {*EXEMPT, "registry/entries.py"}, file


@pytest.mark.parametrize("name", [name for name in BODIES if name not in ("check", "report")])
def test_a_stage_tracks_the_registry_blocks_that_it_reads(name: str) -> None:
    module = BODIES[name]["cmd"].split()[2]
    file = module_file(f"{module}.__main__") or module_file(module)
    assert file
    text = (ROOT / file).read_text(encoding="utf-8")
    tracked = {key for entry in BODIES[name].get("params", []) if isinstance(entry, dict) for key in entry}
    for kind in ("model", "recipe", "reranker", "landscape"):
        if f"registry.{kind}(" in text:
            assert f"registry/{kind}s.yaml" in tracked, f"stage {name} reads a {kind} without tracking it"


def test_every_code_dependency_exists() -> None:
    missing = {dep for name in BODIES for dep in code(name) if not (ROOT / dep).exists()}
    assert not missing


def test_every_stage_has_a_description_and_a_module() -> None:
    for name, body in BODIES.items():
        assert body["desc"] and body["cmd"].startswith("python -m stages."), name


def test_only_report_writes_outputs_that_are_not_cached() -> None:
    for name, body in BODIES.items():
        text = yaml.safe_dump(body)
        assert "persist" not in text and "always_changed" not in text, name
        assert ("cache: false" in text) == (name == "report"), name


def test_environment_lock_is_what_the_constraints_pin() -> None:
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    lock = (ROOT / "environment.lock").read_text(encoding="utf-8")
    assert lock == environment.lock(constraints)
    assert [line.split("==")[0] for line in lock.splitlines()] == list(environment.NUMERIC)


def test_every_param_of_a_stage_exists_and_every_key_is_commented() -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    params = yaml.safe_load(text)
    for name, body in BODIES.items():
        for entry in body.get("params", []):
            if isinstance(entry, str):
                value: Any = params
                for key in entry.split("."):
                    assert key in value, f"{name}: {entry}"
                    value = value[key]
    lines = [
        line
        for line in text.splitlines()
        if ":" in line and not line.lstrip().startswith("#") and not line.endswith(":")
    ]
    assert all("#" in line for line in lines), [line for line in lines if "#" not in line]


def test_a_clone_has_the_same_bytes_whatever_git_makes_of_line_ends(tmp_path: Path) -> None:
    """Dependencies are hashed as they lie there: with CRLF every stage would be out of date."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [name for name in names.split("\0") if name and (ROOT / name).is_file()]
    source = tmp_path / "source"
    for name in tracked:
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, source / name)
    for command in (["init", "-q"], ["add", "--all"], ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "all"]):  # fmt: skip
        subprocess.run(["git", *command], cwd=source, check=True, capture_output=True)
    subprocess.run(["git", "clone", "-q", "-c", "core.autocrlf=true", str(source), "clone"], cwd=tmp_path, check=True)  # fmt: skip
    changed = [name for name in tracked if (tmp_path / "clone" / name).read_bytes() != (ROOT / name).read_bytes()]
    assert not changed
