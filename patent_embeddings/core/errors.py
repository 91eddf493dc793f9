"""Errors with a message for users, and such messages for other errors."""

from __future__ import annotations

import errno
import re

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
_MACHINE = NO_ROOM | {errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENAMETOOLONG}
# Messages of torch, CUDA, C++, Java, the dynamic linker and the system, which raise errors of various types.
_MEMORY = re.compile(
    r"(cannot|can't|unable to|failed to|could not) (allocate|reserve)|failed to map|(not enough|insufficient) memory"
    r"|out of memory|bad_alloc|ALLOC_FAILED|OutOfMemoryError|can't start new thread",
    re.IGNORECASE,
)

NO_PLACE = "no folder for temporary files (TMPDIR, /tmp, here); free space, or set TMPDIR to one that can be written"
MORE_MEMORY = "free some, lift the limit that this process runs under, or compute less at once"


class UserError(Exception):
    """Bad input or something missing; the message is one line that names the thing, the file and the remedy."""


def user_message(error: BaseException) -> str | None:
    """The message of an error for users; None if it is a fault of the program, whose traceback should be shown.

    Lack of memory is looked for first, in the causes too, as the code that met it may have raised something else.
    """
    one: BaseException | None = error
    while one is not None:
        said = None if isinstance(one, UserError) else tells_of_memory(str(one))
        if said or isinstance(one, MemoryError) or getattr(one, "errno", None) == errno.ENOMEM:
            what = said or " ".join(str(one).split()) or type(one).__name__
            return f"not enough memory ({what:.150}); {MORE_MEMORY}"
        one = one.__cause__ or one.__context__
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, FileNotFoundError) and "No usable temporary directory" in str(error):
        return NO_PLACE
    if isinstance(error, OSError) and error.errno in _MACHINE:
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror}; free space or check permissions and limits"
    return None


def tells_of_memory(text: str) -> str | None:
    """The first line of a text that reports a lack of memory, or None."""
    return next((line.strip("# ") for line in text.splitlines() if _MEMORY.search(line)), None)


def nearest(word: str, known: list[str]) -> str:
    """A hint such as ` (did you mean minilm?)`, or "" if no known word is similar."""
    from difflib import get_close_matches

    close = get_close_matches(word, known, n=3, cutoff=0.5)
    return f" (did you mean {', '.join(close)}?)" if close else ""
