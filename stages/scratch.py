"""Keep the scratch folder small: drop what is old, then the least recently used until it fits."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from stages import layout
from stages.errors import run

app = typer.Typer(add_completion=False)

DAYS = 30.0
GIB = 20.0


@app.command()
def main(
    days: Annotated[float, typer.Option(help="Drop files that were not used for so many days.")] = DAYS,
    gib: Annotated[float, typer.Option(help="Then drop the least recently used until so many GiB are left.")] = GIB,
) -> None:
    """Clean the scratch of half-finished embeddings and training runs."""
    from stages.progress import say

    freed, left = clean(layout.scratch(), days, gib)
    say(f"{layout.scratch()}: {freed / 2**20:,.0f} MiB freed, {left / 2**20:,.0f} MiB left")


def clean(folder: Path, days: float = DAYS, gib: float = GIB) -> tuple[int, int]:
    """Remove old files, then the least recently used.

    Args:
        folder: the scratch.
        days: age, since a file was last written or read, from which it goes.
        gib: what may stay.

    Returns:
        Bytes freed and bytes left.
    """
    files = []
    for path in folder.rglob("*") if folder.is_dir() else []:
        try:
            status = path.lstat()
        except FileNotFoundError:  # another run's temporary
            continue
        if path.is_file():
            files.append((max(status.st_mtime, status.st_atime), status.st_size, path))
    total = sum(size for _, size, _ in files)
    left, limit = total, gib * 2**30
    oldest = time.time() - days * 86400
    for used, size, path in sorted(files):
        if used < oldest or left > limit:
            path.unlink(missing_ok=True)
            left -= size
    for path in sorted(folder.rglob("*"), reverse=True) if folder.is_dir() else []:
        # A folder just made is about to be written to by another run.
        if path.is_dir() and not any(path.iterdir()) and path.stat().st_mtime < oldest:
            path.rmdir()
    return total - left, left


if __name__ == "__main__":
    run(app)
