"""Write environment.lock, the pins that can change numbers, on which the stages depend."""

from __future__ import annotations

import typer

from patent_embeddings.core.command import run
from patent_embeddings.core.errors import UserError

app = typer.Typer(add_completion=False)


@app.command()
def main() -> None:
    """Write environment.lock from constraints.txt."""

    from patent_embeddings.core.environment import CONSTRAINTS, LOCK, lock
    from patent_embeddings.core.files import write_text

    if not CONSTRAINTS.exists():
        raise UserError(f"{CONSTRAINTS}: no such file here; run from the repository's root")
    write_text(LOCK, lock(CONSTRAINTS.read_text(encoding="utf-8")))


if __name__ == "__main__":
    run(app)
