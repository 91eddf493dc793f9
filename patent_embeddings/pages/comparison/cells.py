"""Find the two cells of a comparison: experiments by name or commit, or the workspace."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.git import git
from patent_embeddings.core.params import Params
from patent_embeddings.grid.experiments import finished, of_this_code, parsed
from patent_embeddings.grid.freshness import require_current
from patent_embeddings.pages.failures.source import WORKSPACE, Source
from patent_embeddings.sharing import outputs

AT_HAND = "workspace"
_SHORT = 7  # digits of a commit that are shown


@dataclass(frozen=True)
class Compared:
    """A cell and the name that the user gave; `commit` is "" for the workspace."""

    name: str
    commit: str
    params: Params
    source: Source


@contextmanager
def opened(first: str, second: str, at_hand: Params) -> Iterator[tuple[Compared, Compared]]:
    """Open two cells, whose tables can be read inside the block; `at_hand` are the parameters of the workspace.

    Raises UserError where there is no such cell, both are the same, or the workspace is out of date.
    """
    known = outputs.experiments()
    named = [_named(word, known) for word in (first, second)]
    if named[0][1] == named[1][1]:
        both = f"{first!r} and {second!r} are the same cell" if first != second else f"{first!r} is named twice"
        raise UserError(f"{both}; name two cells, such as an experiment and {AT_HAND!r}")
    with outputs.cache() as cache:

        def cell(name: str, commit: str) -> Compared:
            if not commit:
                stages = [f"{stage}@{one}" for stage in ("lengths", "metrics") for one in at_hand.evaluate_on]
                require_current(at_hand, *stages)
                return Compared(name, commit, at_hand, WORKSPACE)
            params = finished(commit)
            if params is None:
                mend = "it was not computed to its end, or by another version of the code; compute it again"
                raise UserError(f"{name}: commit {commit[:_SHORT]} holds no cell that can be read here; {mend}")
            held = outputs.Outputs.of(cache, name.partition("@")[0], commit, parsed(commit, layout.LOCK.as_posix()))
            return Compared(name, commit, params, Source(name, held.read))

        one, other = (cell(*pair) for pair in named)
        yield one, other


def _named(word: str, known: Sequence[tuple[str, str]]) -> tuple[str, str]:
    """Name and commit of the cell that the user named; the commit is "" for the workspace."""
    if word == AT_HAND:
        return word, ""
    commits = sorted({commit for name, commit in known if word in (name, f"{name}@{commit[:_SHORT]}")})
    if len(commits) > 1:  # runs of several versions of the code: prefer the one of this version
        ours = [commit for commit in commits if of_this_code(commit)]
        commits = ours if len(ours) == 1 else commits
    if len(commits) > 1:
        digits = ", ".join(commit[:_SHORT] for commit in commits)
        raise UserError(f"{len(commits)} experiments are called {word!r}; name one by its commit: {digits}")
    if commits:
        return word, commits[0]
    try:
        commit = git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{word}^{{commit}}").strip()
    except UserError:
        names = sorted({AT_HAND, *(name for name, _ in known)})
        mend = "`dvc exp list --all-commits` names them, `make restore` fetches those that others share"
        raise UserError(f"no experiment or commit {word!r}{nearest(word, names)}; {mend}") from None
    short = commit[:_SHORT]
    return next((f"{name}@{short}" for name, one in known if one == commit), short), commit
