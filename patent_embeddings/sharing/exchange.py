"""Push and pull experiments, which are commits of git, and inspect those that were pulled."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

from dvc.repo import Repo
from dvc.repo.experiments.utils import exp_refs
from scmrepo.git.backend.base import SyncStatus

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.git import git
from patent_embeddings.core.progress import say
from patent_embeddings.sharing import records
from patent_embeddings.sharing.repository import transfer


def exchange(repo: Repo, command: str, name: str | None = None) -> None:
    """Push or pull the git references of one experiment by name, or of all; without a git remote, do nothing.

    An experiment of which the other side holds another version is named, and neither version is replaced. Raises
    UserError where the remote cannot be reached, or refuses.
    """
    remotes = list(repo.scm.pygit2.repo.remotes.names())
    if not remotes:
        say("no git remote: experiments stay in this clone, past runs are shared all the same")
        return
    remote = "origin" if "origin" in remotes else remotes[0]
    with transfer(f"git remote {remote!r}", command):
        refs = [ref for ref in exp_refs(repo.scm, remote if command == "pull" else None) if name in (None, ref.name)]
        action = repo.scm.push_refspecs if command == "push" else repo.scm.fetch_refspecs
        done = action(remote, [f"{ref}:{ref}" for ref in refs]) if refs else {}
        by = {status: [ref for ref in refs if done[str(ref)] is status] for status in SyncStatus}
    if command == "pull":
        _look_at(repo, by[SyncStatus.SUCCESS])
    say(f"{remote}: {len(refs) - len(by[SyncStatus.DIVERGED])} experiments")
    if diverged := sorted({ref.name for ref in by[SyncStatus.DIVERGED]}):
        what = f"{remote} holds another experiment of the same name and base, and each side keeps its own"
        say(f"experiments not exchanged: {', '.join(diverged)}: {what}; `dvc exp rename` gives yours another name")


def _look_at(repo: Repo, refs: Iterable[Any]) -> None:
    """Name the experiments that change more than parameters and results, since whoever applies one runs its code.

    `refs` are DVC's references to them. Experiments with unsafe YAML are removed, as DVC reads the YAML of each.
    """
    for ref in refs:
        base, commit = ref.baseline_sha, repo.scm.get_ref(str(ref))
        try:
            public = git("for-each-ref", "--count=1", "--contains", base, "refs/heads", "refs/remotes", "refs/tags")
            fields = git("diff", "--raw", "--no-renames", "-z", base, commit).split("\0")
        except UserError:  # the commit is not in this clone
            public, fields = "", []
        changes = [(change, path) for change, path in itertools.pairwise(fields) if change.startswith(":")]
        changed, path = {path for _, path in changes}, "names of its files"
        try:
            for path in git("ls-tree", "-r", "-z", "--name-only", commit).split("\0"):
                if path.endswith((".yaml", ".lock", ".dvc")) and (not public or path in changed):
                    records.plain(git("show", f"{commit}:{path}"))
        except (records.Unfit, UserError) as reason:
            say(f"experiment {ref.name}: {ascii(path)[1:-1]}: {reason}; left out")
            repo.scm.remove_ref(str(ref))
            continue
        more = [path for change, path in changes if not _result(change, path)]
        look = f"experiment {ref.name}: {{}}; look at it before `dvc exp apply`: `git {{}}`".format
        if not public:
            say(look("begins at a commit of no branch or tag", f"log -p {commit[:12]}"))
        elif more:
            others = f" and {len(more) - 1} files more" if len(more) > 1 else ""
            say(look(f"changes {ascii(more[0])[1:-1]}{others}", f"diff {base[:12]} {commit[:12]}"))


def _result(change: str, path: str) -> bool:
    """Whether a change, in git's raw format, is of parameters or results, and makes no symbolic link."""
    plain = change.split()[1] in ("100644", "000000")
    return plain and (path in (str(layout.PARAMS), str(layout.LOCK)) or path.startswith(f"{layout.REPORTS}/"))
