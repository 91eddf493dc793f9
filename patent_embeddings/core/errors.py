"""Errors meant for people, and the one place that turns them into an exit status."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from io import TextIOWrapper
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
_MACHINE = NO_ROOM | {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG}
# Of torch, CUDA, C++, Java, the loader of shared libraries and the system, which raise it in errors of other types.
_MEMORY = re.compile(
    r"(cannot|can't|unable to|failed to|could not) (allocate|reserve)|failed to map|(not enough|insufficient) memory"
    r"|out of memory|bad_alloc|OutOfMemoryError|can't start new thread",
    re.IGNORECASE,
)

NO_PLACE = (
    "no temporary folder can be written (TMPDIR, /tmp, here); free space, or set TMPDIR to one that can be written"
)
MORE_MEMORY = "free some, lift the limit that this process runs under, or compute less at once"


class UserError(Exception):
    """Bad input or a missing piece, said in one line that names the thing, the file and the mend."""


def run(app: typer.Typer) -> None:
    """Run a Typer application; a UserError, or a machine that is at its limits, becomes one line and exit status 2."""
    from patent_embeddings.core import running

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a letter shows its number.
            stream.reconfigure(errors="backslashreplace")
    try:
        with running.alone():
            app()
    except Exception as error:
        line = told(error)
        if line is None:
            raise
        print(f"error: {' '.join(line.split())}", file=sys.stderr)
        raise SystemExit(2) from None


def told(error: BaseException) -> str | None:
    """What an error says to people; None where it is a fault of the program, whose traceback is wanted.

    Lack of memory comes first: whoever met it may have taken it for something else.
    """
    for one in _chain(error):
        if lacks_memory(one):
            what = tells_of_memory(str(one)) or " ".join(str(one).split()) or type(one).__name__
            return f"not enough memory ({what:.150}); {MORE_MEMORY}"
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
        return NO_PLACE
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; free space or check permissions and limits"
    return None


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, of whatever type, says that there is no memory left."""
    if isinstance(error, UserError):
        return False
    known = isinstance(error, MemoryError) or getattr(error, "errno", None) == errno.ENOMEM
    return known or tells_of_memory(str(error)) is not None


def tells_of_memory(text: str) -> str | None:
    """The line of a text that says so, if one does."""
    return next((line.strip("# ") for line in text.splitlines() if _MEMORY.search(line)), None)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    """An error and those that it came of."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def nearest(word: str, known: list[str]) -> str:
    """A hint like ` (did you mean minilm?)`, or an empty string where nothing is near."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""
