"""Experiments and the outputs of their commits, as DVC keeps them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import dvc.api
from dvc.exceptions import DvcException
from dvc.repo import Repo

from patent_embeddings.core.errors import UserError
from patent_embeddings.sharing import records

cache = Repo  # a context, in which outputs can be read


def experiments() -> list[tuple[str, str]]:
    """Name and commit of every experiment of any commit, sorted."""
    with Repo() as repo:
        listed = repo.experiments.ls(all_commits=True)
    return sorted((name, commit) for pairs in listed.values() for name, commit in pairs)


@dataclass(frozen=True)
class Outputs:
    """Outputs of one experiment in DVC's cache: hashes by path, as the dvc.lock of its `commit` has them."""

    repo: Repo
    name: str
    commit: str
    hashes: Mapping[str, str]

    def read(self, path: Path) -> bytes:
        """Content of an output, which has the hash that the commit says; DVC itself trusts its cache and remote.

        Raises UserError where there is no such output, or neither cache nor remote has it whole.
        """
        oid = self.hashes.get(path.as_posix())
        if oid is None:
            mend = "remove it with `dvc exp remove` and run it again"
            raise UserError(f"{path}: experiment {self.name} has no such output; {mend}")
        cached = Path(self.repo.cache.local.oid_to_path(oid))
        try:
            content, place = cached.read_bytes(), f"DVC's cache ({cached})"
            mend = "run `python -m stages.share check`, then `make restore`"
        except FileNotFoundError:
            content, place = self._fetched(path), "the remote"
            mend = "delete it there and `make share` from a clone that has it whole"
        try:
            records.whole(content, oid)
        except records.Unfit:
            raise UserError(f"{path} of experiment {self.name}: damaged in {place}; {mend}") from None
        return content

    def _fetched(self, path: Path) -> bytes:
        try:
            content: bytes = dvc.api.read(path.as_posix(), rev=self.commit, mode="rb")
        except (DvcException, OSError):
            mend = f"`dvc exp remove {self.name}` and run the grid again"
            where = "neither in the cache nor in a remote"
            raise UserError(f"{path} of experiment {self.name} is {where}; {mend}") from None
        return content
