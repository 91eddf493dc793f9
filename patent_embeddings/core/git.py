"""Run git in this repository."""

from __future__ import annotations

import subprocess

from patent_embeddings.core.errors import UserError


def git(*arguments: str) -> str:
    """The output of a git command, with `\\n` line ends. Raises UserError if it fails or its output is not UTF-8."""
    done = subprocess.run(["git", *arguments], capture_output=True, check=False)
    mend = "`git fsck` says whether .git is damaged, a fresh clone has it whole"
    if done.returncode:
        said = done.stderr.decode("utf-8", "backslashreplace").strip().splitlines() or ["failed"]
        raise UserError(f"git {arguments[0]}: {said[0]}; {mend}")
    try:
        return done.stdout.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise UserError(f"git {' '.join(arguments)}: not UTF-8; save it in that encoding, or {mend}") from None
