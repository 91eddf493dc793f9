"""What a person waits for most often is short: `--help`, and `dvc repro` with nothing to do.

Seconds are those of the processor, so that a busy machine changes nothing.
"""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import ROOT

from collaboration import clones
from collaboration.clones import Clone, ran

pytestmark = pytest.mark.pipeline
MODULES = sorted(path.stem for path in (ROOT / "stages").glob("*.py") if path.stem != "__init__")
# What takes a tenth of a second or more to import.
HEAVY = ("numpy", "pandas", "torch", "transformers", "sklearn", "scipy", "pyarrow", "pydantic", "dvc", "faiss", "jnius")
HELP = """
import sys
from importlib import import_module
from typer.testing import CliRunner
for name in sys.argv[1].split():
    done = CliRunner().invoke(import_module(f"stages.{name}").app, ["--help"])
    assert done.exit_code == 0 and "Usage" in done.output, name
    assert not (found := set(sys.argv[2].split()) & set(sys.modules)), (name, found)
"""


def spent() -> float:
    """Processor seconds of all processes that ended and were waited for."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_loads_nothing_heavy() -> None:
    subprocess.run([sys.executable, "-c", HELP, " ".join(MODULES), " ".join(HEAVY)], cwd=ROOT, check=True)


@pytest.mark.parametrize("name", ["metrics", "grid", "export"])
def test_help_takes_less_than_three_tenths_of_a_second(name: str) -> None:
    before = spent()
    subprocess.run([sys.executable, "-m", f"stages.{name}", "--help"], cwd=ROOT, check=True, capture_output=True)
    assert spent() - before < 0.3


def test_dvc_repro_with_nothing_to_do_takes_less_than_two_seconds(tiny_clone: Clone, tmp_path: Path) -> None:
    clone = clones.copy(tiny_clone, tmp_path / "clone")
    clone.dvc("repro")
    before = spent()
    assert not ran(clone.dvc("repro"))
    assert spent() - before < 2.0
