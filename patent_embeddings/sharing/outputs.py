"""Experiments, and reading the outputs of their commits from DVC's cache or remote."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.tables import MEND
from patent_embeddings.sharing import objects, records
from patent_embeddings.sharing.repository import transfer, unlocked

cache = unlocked  # a context manager within which outputs can be read


def experiments() -> list[tuple[str, str]]:
    """Name and commit of every experiment, whatever its baseline, sorted."""
    with unlocked() as repo:
        listed = repo.experiments.ls(all_commits=True)
    return sorted((name, commit) for pairs in listed.values() for name, commit in pairs)


@dataclass(frozen=True)
class Outputs:
    """Outputs of one experiment: hashes by path, from the dvc.lock of its `commit`."""

    repo: Repo
    name: str
    commit: str
    hashes: Mapping[str, str]

    @classmethod
    def of(cls, repo: Repo, name: str, commit: str, lock: Mapping[str, Any]) -> Outputs:
        """The outputs that a commit's dvc.lock names; `lock` is its content."""
        return cls(repo, name, commit, records.locked(lock))

    def read(self, path: Path) -> bytes:
        """Content of an output, or of a file in an output folder, checked against the hash in the commit.

        DVC itself trusts its cache and remote. Raises UserError where there is no such output, neither cache nor remote
        has it undamaged, or the remote cannot be reached.
        """
        oid = self.hashes.get(path.as_posix()) or self._within(path)
        if oid is None:
            mend = "remove it with `dvc exp remove` and run it again"
            raise UserError(f"{path}: experiment {self.name} has no such output; {mend}")
        cached = Path(self.repo.cache.local.oid_to_path(oid))
        try:
            content, place = cached.read_bytes(), f"DVC's cache ({cached})"
            mend = "run `python -m stages.share check`, then `make restore`"
        except FileNotFoundError:
            content, place = self._fetched(path, oid), "the remote"
            mend = "delete it there and `make share` from a clone that has it whole"
        try:
            records.whole(content, oid)
        except records.Unfit:
            raise UserError(f"{path} of experiment {self.name}: damaged in {place}; {mend}") from None
        return content

    def _within(self, path: Path) -> str | None:
        """Hash of a file in an output folder; None where there is no such folder or file."""
        folder = next((one for one in path.parents if one.as_posix() in self.hashes), None)
        if folder is None:
            return None
        oid = self.hashes[folder.as_posix()]
        with transfer("the default remote", "pull"):
            found = objects.folders(self.repo, self._remote(), [HashInfo("md5", oid, folder.as_posix())])
        if oid in found.unfit:
            raise UserError(f"{folder} of experiment {self.name}: {found.unfit[oid]}; {MEND}")
        if oid not in found.lists:
            raise self._absent(folder)
        return found.lists[oid].get(path.relative_to(folder).as_posix())

    def _fetched(self, path: Path, oid: str) -> bytes:
        with transfer("the default remote", "pull"), suppress(FileNotFoundError):
            if remote := self._remote():
                with remote.fs.open(remote.odb.oid_to_path(oid), "rb") as file:
                    return bytes(file.read())
        raise self._absent(path)

    def _remote(self) -> Any:
        return self.repo.cloud.get_remote() if self.repo.config["core"].get("remote") else None

    def _absent(self, path: Path) -> UserError:
        # A commit that is no experiment is named by its first digits.
        named, removed = f" EXPERIMENT={self.name}", f"`dvc exp remove {self.name}` and "
        if self.commit.startswith(self.name):
            named = removed = ""
        mend = f"`make restore{named}` where somebody shares it, else {removed}run it again"
        return UserError(f"{path} of experiment {self.name} is neither in the cache nor in a remote; {mend}")
