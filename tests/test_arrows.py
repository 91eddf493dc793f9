"""The layout of the code: imports go downwards and not in circles, commands are thin, modules are small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Set
from pathlib import Path

import pytest
from imports import ROOT, imported, modules, tree

# A package may import itself and the packages of earlier tiers.
TIERS = (
    ("core",),
    ("corpus", "encoders", "evaluation"),
    ("pairs", "training"),
    ("retrieval",),  # a search loads the adapter of its cell's training
    ("handover", "sharing"),
    ("grid",),
    ("pages",),
)
LIBRARY = "patent_embeddings"
WIDTH = 120  # characters of a line
MODULE = 300  # lines of a module of the library
STAGE, FURTHER = 60, 30  # lines of a stage or a file with one command, and for each further command


def faults(root: Path) -> Iterator[str]:
    """Every violation of the layout, one line each."""
    library, commands = modules(LIBRARY, root=root), modules("stages", root=root)
    edges = {file: imported(file, root, types=True) for file in (*library, *commands)}
    yield from arrows(library, commands, edges)
    yield from circles({file: imported(file, root) for file in library})
    for file in (*library, *commands):
        text = (root / file).read_text(encoding="utf-8")
        lines = text.splitlines()
        if file in library and re.search(r"\bparams\.load\(|core\.params import [^\n]*\bload\b", text):
            yield f"{file} reads params.yaml, which a stage or command hands it"
        if len(lines) > (MODULE if file in library else STAGE + FURTHER * max(0, text.count(".command(") - 1)):
            yield f"{file} has {len(lines)} lines"
        if wide := [number for number, line in enumerate(lines, 1) if len(line) > WIDTH]:
            yield f"{file}:{wide[0]} is longer than {WIDTH} letters"
    for file in commands:
        yield from thick(file, root)


def arrows(library: list[str], commands: list[str], edges: Mapping[str, Set[str]]) -> Iterator[str]:
    tier = {package: number for number, packages in enumerate(TIERS) for package in packages}
    for file in library:
        package = Path(file).parts[1]
        if package.endswith(".py"):
            continue
        if package not in tier:
            yield f"{file}: no tier is said for this package"
            continue
        for other in sorted(edges[file]):
            above = Path(other).parts[1]
            if other.startswith("stages/"):
                yield f"{file} imports {other}, a command"
            elif above != package and tier.get(above, len(TIERS)) >= tier[package]:
                yield f"{file} imports {other}, which is not below it"
    for file in commands:
        for other in sorted(edges[file]):
            if other.startswith("stages/"):
                yield f"{file} imports {other}, a command of its own"


def circles(edges: Mapping[str, Set[str]]) -> Iterator[str]:
    """Circular imports: strongly connected modules, by Tarjan's algorithm."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []

    def visit(file: str) -> Iterator[str]:
        number[file] = lowest[file] = len(number)
        stack.append(file)
        for other in sorted(edges[file] & set(edges)):
            if other not in number:
                yield from visit(other)
                lowest[file] = min(lowest[file], lowest[other])
            elif other in stack:
                lowest[file] = min(lowest[file], number[other])
        if lowest[file] == number[file]:
            members = stack[stack.index(file) :]
            del stack[stack.index(file) :]
            if len(members) > 1:
                yield f"a circle: {', '.join(sorted(members))}"

    for file in sorted(edges):
        if file not in number:
            yield from visit(file)


def thick(file: str, root: Path) -> Iterator[str]:
    """Work that a command does itself: arrays, tables, and loops other than for printing or writing."""
    for node in ast.walk(tree(root / file)):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            if name.split(".")[0] in ("numpy", "pandas", "pyarrow", "torch", "sklearn", "scipy"):
                yield f"{file} imports {name}"
        if isinstance(node, ast.While):
            yield f"{file}:{node.lineno} loops"
    for node in tree(root / file).body:
        commands = ast.unparse(tree(root / file)).count(".command(")  # several may share how they read the cell
        if (
            isinstance(node, ast.FunctionDef)
            and commands < 2
            and not any("command" in ast.unparse(one) for one in node.decorator_list)
        ):
            yield f"{file}: {node.name} is no command"
        if isinstance(node, ast.ClassDef):
            yield f"{file}: class {node.name}"


def test_the_code_is_laid_out_as_agreed() -> None:
    found = list(faults(ROOT))
    assert not found, "\n".join(found)


LOW, BESIDE = "patent_embeddings/core/a.py", "patent_embeddings/encoders/a.py"
B, E = "patent_embeddings/corpus/b.py", "patent_embeddings/corpus/e.py"


@pytest.mark.parametrize(
    ("planted", "said"),
    [
        ({LOW: "from patent_embeddings.corpus import b"}, "imports patent_embeddings/corpus/b.py, which is not below"),
        ({BESIDE: "if TYPE_CHECKING:\n    from patent_embeddings.corpus.b import B"}, "which is not below it"),
        ({"patent_embeddings/grid/a.py": "def f():\n    from stages import c"}, "imports stages/c.py, a command"),
        ({"stages/d.py": "def f():\n    from stages.c import main"}, "imports stages/c.py, a command of its own"),
        ({B: "from patent_embeddings.corpus import e", E: "from patent_embeddings.corpus import b"},
         "a circle: patent_embeddings/corpus/b.py, patent_embeddings/corpus/e.py"),
        ({B: "from patent_embeddings.core import params\nparams.load()"}, "reads params.yaml"),
        ({B: "number = 1\n" * 301}, "has 301 lines"),
        ({"stages/c.py": "number = 1\n" * 61}, "has 61 lines"),
        ({B: f"number = {'1' * 120}"}, "b.py:1 is longer"),
        ({"stages/c.py": "import numpy as np"}, "imports numpy"),
        ({"stages/c.py": "def helper():\n    pass"}, "helper is no command"),
        ({"patent_embeddings/other/a.py": "number = 1"}, "no tier is said"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(planted: dict[str, str], said: str, tmp_path: Path) -> None:
    sound = {
        "patent_embeddings/core/params.py": "def load():\n    return 1\n",
        "patent_embeddings/corpus/b.py": "class B:\n    pass\n",
        "stages/c.py": "import typer\n\n\n@app.command()\ndef main():\n    from patent_embeddings.corpus import b\n",
    }
    for files in (sound, planted):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        if files is sound:
            assert not list(faults(tmp_path))
            tree.cache_clear()
            imported.cache_clear()
    assert any(said in fault for fault in faults(tmp_path)), list(faults(tmp_path))
