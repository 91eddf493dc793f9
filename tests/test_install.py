"""`make install` on machines with different Pythons, each a stub that logs its calls."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from workspaces import ROOT

GOOD = """#!/bin/sh
echo "$(basename "$0") $*" >> "{log}"
[ "$2" = venv ] || exit 0
mkdir -p .venv/bin && cp "{venv}" .venv/bin/python
"""
SHIM = "#!/bin/sh\necho 'pyenv: command not found' >&2\nexit 127\n"
PACKED_APART = '#!/bin/sh\n[ "$1" = -c ] && { echo "No module named \'ensurepip\'" >&2; exit 1; }\nexit 0\n'  # Debian's
TORCH = re.search(r"^torch==.*", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.M)


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A checkout on a machine with the few tools that make needs, and no Python yet."""
    for tool in ("sh", "rm", "grep", "mkdir", "cp", "touch", "basename"):
        (tmp_path / "bin" / tool).parent.mkdir(exist_ok=True)
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    for name in ("Makefile", "pyproject.toml", "constraints.txt"):
        (tmp_path / "checkout").mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / "checkout")
    return tmp_path


def have(machine: Path, name: str, script: str) -> None:
    venv = machine / "venv-python"
    venv.write_text(f'#!/bin/sh\necho "venv $*" >> "{machine / "log"}"\n', encoding="utf-8")
    path = machine / "bin" / name
    path.write_text(script.format(log=machine / "log", venv=venv) if script is GOOD else script, encoding="utf-8")
    for file in (venv, path):
        file.chmod(0o755)


def install(machine: Path, *arguments: str) -> tuple[int, list[str], str]:
    (machine / "log").write_text("", encoding="utf-8")
    done = subprocess.run(
        [str(shutil.which("make")), "install", *arguments], cwd=machine / "checkout", capture_output=True, text=True,
        check=False, env={"PATH": str(machine / "bin")},
    )  # fmt: skip
    return done.returncode, (machine / "log").read_text(encoding="utf-8").splitlines(), done.stderr


def made_by(log: list[str]) -> list[str]:
    return [line.split()[0] for line in log if "-m venv" in line]


@pytest.mark.parametrize(
    ("there", "chosen"),
    [
        ({"python3.13": GOOD}, "python3.13"),
        ({"python3.12": GOOD}, "python3.12"),
        ({"python3.11": GOOD}, "python3.11"),
        ({"python3.11": GOOD, "python3.12": GOOD, "python3.13": GOOD}, "python3.13"),
        ({"python3.13": SHIM, "python3.12": SHIM, "python3.11": GOOD}, "python3.11"),
        ({"python3.13": PACKED_APART, "python3.12": GOOD, "python3.14": GOOD}, "python3.12"),
    ],
)
def test_the_newest_python_that_runs_makes_the_environment(there: dict[str, str], chosen: str, machine: Path) -> None:
    for name, script in there.items():
        have(machine, name, script)
    status, log, said = install(machine)
    assert (status, made_by(log)) == (0, [chosen]), said
    installs = [line for line in log if line.startswith("venv -m pip install")]
    assert TORCH and TORCH.group() in installs[0] and "index" not in installs[0]
    assert len(installs) == 3


@pytest.mark.parametrize(
    "there", [{}, {"python3.13": SHIM}, {"python3.10": GOOD, "python3.14": GOOD, "python3.12": PACKED_APART}]
)
def test_where_there_is_none_one_line_says_what_to_do(there: dict[str, str], machine: Path) -> None:
    for name, script in there.items():
        have(machine, name, script)
    status, log, said = install(machine)
    assert status and not made_by(log) and not (machine / "checkout/.venv").exists()
    (line,) = [line for line in said.splitlines() if not line.startswith("make")]
    assert line.startswith("error: no Python 3.13, 3.12 or 3.11") and "PYTHON=/path/to/python" in line


def test_a_python_that_is_named_is_taken_and_makes_the_environment_anew(machine: Path) -> None:
    for name in ("python3.12", "python3.14"):
        have(machine, name, GOOD)
    assert made_by(install(machine, "PYTHON=python3.14")[1]) == ["python3.14"]
    again = install(machine)[1]  # resets the versions in the existing environment
    assert made_by(again) == [] and sum("pip install" in line for line in again) == 3
    assert made_by(install(machine, "PYTHON=python3.12")[1]) == ["python3.12"]


def test_another_index_is_asked_for_torch_alone(machine: Path) -> None:
    have(machine, "python3.12", GOOD)
    line = re.search(r"^make .*TORCH_INDEX=(\S+)", (ROOT / "README.md").read_text(encoding="utf-8"), re.M)
    assert line, "the README has a line to copy"
    status, log, said = install(machine, f"TORCH_INDEX={line[1]}")
    assert status == 0, said
    asked = [one for one in log if line[1] in one]
    assert len(asked) == 1 and TORCH and TORCH.group() in asked[0] and "--extra-index-url" in asked[0]


def test_every_python_that_make_takes_is_one_that_the_package_allows() -> None:
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    low, high = re.search(r'requires-python = ">=3\.(\d+),<3\.(\d+)"', text).groups()  # type: ignore[union-attr]
    taken = re.findall(r"python3\.(\d+)", (ROOT / "Makefile").read_text(encoding="utf-8").split("VENV :=")[0])
    assert taken == ["13", "12", "11"]
    assert {11, 12, 13, 14} == set(range(int(low), int(high)))
