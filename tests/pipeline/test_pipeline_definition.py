"""dvc.yaml against the code: a stage depends on the modules that do its arithmetic, and on no others."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest
import yaml
from imports import BODIES, CODE, closure, imported, modules, tree
from workspaces import ROOT, copy_tracked

from patent_embeddings.core import environment
from patent_embeddings.grid import keys

# Modules that cannot change a number of a table, and why. All others that a stage imports are dependencies of it.
EXEMPT = {
    "patent_embeddings/core/arrays.py": "names of types",
    "patent_embeddings/core/costs.py": "writes seconds and memory, outside every comparison",
    "patent_embeddings/core/environment.py": "refuses, or changes nothing; what it compares with is a dependency",
    "patent_embeddings/core/errors.py": "words of messages",
    "patent_embeddings/core/files.py": "writes the bytes that it is given",
    "patent_embeddings/core/gpus.py": "which of several GPUs, all of one make, computes",
    "patent_embeddings/core/layout.py": "paths: another one would be another output in dvc.yaml",
    "patent_embeddings/core/meter.py": "counts tokens and reads clocks beside a model",
    "patent_embeddings/core/distributed.py": "how many processes share work, which gives what one alone does",
    "patent_embeddings/core/progress.py": "lines on a terminal",
    "patent_embeddings/core/run_rules.py": "refuses a run, or changes nothing",
    "patent_embeddings/core/command.py": "starts and ends a stage",
    "patent_embeddings/core/scratch.py": "removes files that would be computed again",
}
# These say what a stage reads. Its file of values is a dependency, and `params.read` gives what that holds, all of it
# and nothing else (a test plants a default). `check` makes the files of them, and depends on all of them.
TYPES = {"patent_embeddings/core/params.py", "patent_embeddings/core/entries.py"} | {
    name for name in modules("patent_embeddings") if name.endswith("/values.py")
}
# Modules that are imported by a name that is put together: what a folder is for.
BY_NAME = {
    "download": ("patent_embeddings/corpus/sources",),
    "pairs": ("patent_embeddings/pairs/signals",),
}


def code(name: str) -> set[str]:
    return {dep for dep in BODIES[name]["deps"] if dep.startswith(tuple(f"{top}/" for top in CODE))}


def needed(name: str) -> set[str]:
    """Modules that a stage's numbers depend on: its own, with what it imports."""
    exempt = set(EXEMPT) if name == "check" else {*EXEMPT, *TYPES}
    return closure([f"stages/{name}.py", *modules(*BY_NAME.get(name, ()))], exempt)


@pytest.mark.parametrize("name", BODIES)
def test_a_stage_depends_on_every_module_that_can_change_its_numbers(name: str) -> None:
    deps = code(name)
    uncovered = {file for file in needed(name) if not any(file == dep or file.startswith(f"{dep}/") for dep in deps)}
    assert not uncovered, f"stage {name} imports {sorted(uncovered)} without depending on it"


@pytest.mark.parametrize("name", BODIES)
def test_a_stage_depends_on_no_module_that_it_does_not_import(name: str) -> None:
    files = {file for dep in code(name) for file in ([dep] if dep.endswith(".py") else modules(dep))}
    # A folder stands for what is in it: none of its modules may be of no use to the stage, but for empty ones.
    idle = {file for file in files - needed(name) if tree(ROOT / file).body[1:]}
    assert not idle, f"stage {name} runs again after {sorted(idle)}, which it does not import"


@pytest.mark.parametrize("name", BODIES)
def test_a_stage_that_computes_with_a_locked_library_depends_on_its_version(name: str) -> None:
    renamed = {"faiss-cpu": "faiss", "scikit-learn": "sklearn", "sentence-transformers": "sentence_transformers"}
    locked = {renamed.get(library, library) for library in environment.NUMERIC}
    found = set()
    for file in needed(name) - {"patent_embeddings/core/tables.py"}:  # which reads and writes with pyarrow
        for node in ast.walk(tree(ROOT / file)):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names} & locked
            elif isinstance(node, ast.ImportFrom):
                found |= {(node.module or "").split(".")[0]} & locked
    assert not found or "environment.lock" in BODIES[name]["deps"], f"stage {name} computes with {sorted(found)}"


@pytest.mark.parametrize("name", [name for name in BODIES if name != "check"])
def test_a_stage_reads_nothing_of_params_or_the_registry_but_its_values(name: str) -> None:
    """In dvc.yaml it tracks no key of them, and its command and what that imports read none past `check`."""
    place = "${item}" if name in keys.LANDSCAPE else "cell"
    assert {f"data/values/{place}/{name}.json", "data/values"} & set(BODIES[name]["deps"]), name
    assert "params" not in BODIES[name], name
    if name == "report":  # whose command may show what lies there already, of today's params.yaml
        return
    assert not {file for file in needed(name) if file.endswith("core/registry.py")}, "an entry may be read past `check`"
    text = (ROOT / f"stages/{name}.py").read_text(encoding="utf-8")
    assert "params.load" not in text, "params.yaml may be read past `check`"


def test_every_stage_has_its_class_of_values() -> None:
    assert {*keys.CELL, *keys.LANDSCAPE} == set(BODIES) - {"check"}
    assert not set(keys.CELL) & set(keys.LANDSCAPE)
    assert {f"data/values/${{item}}/{name}.json" in BODIES[name]["deps"] for name in keys.LANDSCAPE} == {True}


@pytest.mark.parametrize("file", sorted(name for name in TYPES if name.endswith("/values.py")))
def test_a_module_of_values_declares_types_and_computes_nothing(file: str) -> None:
    for node in tree(ROOT / file).body:
        if isinstance(node, ast.ClassDef):
            for part in node.body:
                fits = isinstance(part, ast.AnnAssign | ast.Expr) or (
                    isinstance(part, ast.FunctionDef) and "validator" in ast.unparse(part.decorator_list[0])
                )
                assert fits, f"{file}: {node.name}: {ast.unparse(part)[:60]}"
        else:
            named = isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript | ast.BinOp)  # of types
            assert named or isinstance(node, ast.Import | ast.ImportFrom | ast.Expr), (
                f"{file}: {ast.unparse(node)[:60]}"
            )


def test_a_module_that_is_imported_within_a_function_or_by_another_is_found(tmp_path: Path) -> None:
    planted = {
        "near": "def main():\n    from stages import between\n",
        "between": "from stages.far import rule\nif TYPE_CHECKING:\n    from stages import typed\n",
        "far": "from stages import files\n",
        "files": "from stages import typed\n",
        "typed": "number = 1\n",
    }
    (tmp_path / "stages").mkdir()
    for name, text in planted.items():
        (tmp_path / f"stages/{name}.py").write_text(text)
    found = closure(["stages/near.py"], ["stages/files.py"], tmp_path)
    assert found == {"stages/near.py", "stages/between.py", "stages/far.py"}


def test_what_is_exempt_exists_and_imports_no_rule() -> None:
    for file in EXEMPT:
        assert (ROOT / file).is_file()
        assert imported(file) <= set(EXEMPT), file
    for file in TYPES:
        assert imported(file) <= {*EXEMPT, *TYPES}, file


def test_every_dependency_that_git_tracks_exists() -> None:
    deps = {dep for body in BODIES.values() for dep in body["deps"]}
    assert not {dep for dep in deps if not dep.startswith("data/") and not (ROOT / dep).exists()}


def test_data_files_that_decide_numbers_are_dependencies_like_code() -> None:
    """Of the library's packages: words, templates, styles. The registry's are read by `check`, or by `report`, and
    no stage writes an export."""
    deps = {name: [ROOT / dep for dep in body["deps"]] for name, body in BODIES.items()}
    for path in sorted((ROOT / "patent_embeddings").rglob("*")):
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            readers = [name for name, mine in deps.items() if any(path.is_relative_to(dep) for dep in mine)]
            assert readers or {"pages", "handover"} & {*path.parts}, f"{path} is a dependency of no stage"


def test_every_stage_has_a_description_and_a_module() -> None:
    for name, body in BODIES.items():
        item = " ${item}" if name in keys.LANDSCAPE else ""
        assert body["desc"] and body["cmd"] == f"python -m stages.{name}{item}"


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


def test_check_tracks_the_whole_of_params_and_registry_and_every_key_is_commented() -> None:
    assert BODIES["check"]["params"] == [{"params.yaml": None}]  # so that `dvc exp show` and `dvc params diff` have it
    kinds = ("landscapes", "models", "recipes", "rerankers", "views")
    assert {f"registry/{kind}.yaml" for kind in kinds} <= set(BODIES["check"]["deps"])
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    lines = [
        line
        for line in text.splitlines()
        if ":" in line and not line.lstrip().startswith("#") and not line.endswith(":")
    ]
    assert all("#" in line for line in lines), [line for line in lines if "#" not in line]


def test_a_clone_has_the_same_bytes_whatever_git_makes_of_line_ends(tmp_path: Path) -> None:
    """Dependencies are hashed as they lie there: with CRLF every stage would be out of date."""
    source = tmp_path / "source"
    tracked = copy_tracked(source)
    who = ["-c", "user.name=t", "-c", "user.email=t@t"]
    for command in (["init", "-q"], ["add", "--all"], [*who, "commit", "-qm", "all"]):
        subprocess.run(["git", *command], cwd=source, check=True, capture_output=True)
    clone = ["git", "clone", "-q", "-c", "core.autocrlf=true", str(source), "clone"]
    subprocess.run(clone, cwd=tmp_path, check=True)
    changed = [name for name in tracked if (tmp_path / "clone" / name).read_bytes() != (ROOT / name).read_bytes()]
    assert not changed
