"""Errors meant for people, and the one place that turns them into an exit status."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer


class UserError(Exception):
    """Bad input or a missing piece, said in one line that names the thing, the file and the mend."""


def run(app: typer.Typer) -> None:
    """Run a Typer application; a UserError becomes one line on stderr and exit status 2."""
    try:
        app()
    except UserError as error:
        line = " ".join(str(error).split())
        print(f"error: {line}", file=sys.stderr)
        raise SystemExit(2) from None


def nearest(word: str, known: list[str]) -> str:
    """A hint like ` (did you mean minilm?)`, or an empty string where nothing is near."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""
