"""Push what this clone has computed, pull what others have, and check the cache for damage.

DVC's own push sends the records of past runs without the files that they name. Here files are sent first and records
after them, so that no record on the remote names a file that is missing there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from dvc.exceptions import CheckoutError
from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say, track
from patent_embeddings.sharing import objects, past_runs, records
from patent_embeddings.sharing.exchange import exchange
from patent_embeddings.sharing.records import Record
from patent_embeddings.sharing.repository import called, default_remote, opened, transfer


def push() -> None:
    """Push files, records of past runs and experiments to the default remote.

    Raises UserError where there is no remote, it cannot be reached, or something in this clone is damaged.
    """
    with opened() as repo:
        remote = default_remote(repo, "push")
        found, bad = past_runs.here(repo)
        past_runs.name_each(bad, "removed")
        every = [*objects.named(repo, push=True).values(), *objects.of_records(found)]
        folders = objects.exchanged(repo, remote, "push", every)
        wanted = folders.objects(every)
        new, gone = objects.send(repo, remote, folders, wanted)
        with transfer(called(remote), "push"):
            full = [one for one in found if not folders.lacks(one, gone)]
            sent = past_runs.send(repo.cache.legacy, remote.legacy_odb, [(one.key, one.value) for one in full])
        say(f"{remote.name}: {new} files and {sent} records of past runs sent; {len(wanted)} files in all")
        if left := len(found) - len(full):
            why = "files that they name are neither here nor there (`dvc gc` removes such)"
            say(f"{left} records of past runs not sent: {why}")
        before = records.listed()
        if before is not None and (new_lines := records.enlist(full, before)):
            say(f"{layout.RECORDS}: {new_lines} records more; commit it, so that others take them in")
        exchange(repo, "push")


def pull(experiment: str | None = None) -> None:
    """Pull experiments, past runs and the files that they name, or only one `experiment`; nothing is run.

    Raises UserError where the remote cannot be reached or holds damage, or a file of the workspace would be lost.
    """
    with opened() as repo, past_runs.inbox(repo) as inbox:
        remote = default_remote(repo, "pull")
        allowed = records.listed()
        exchange(repo, "pull", experiment)
        here, new, left = list[Record](), list[Record](), dict[past_runs.Pair, str]()
        if experiment is None:
            here, bad = past_runs.here(repo)
            past_runs.name_each(bad, "removed")
            known = records.stages()
            with transfer(called(remote), "pull"):
                new, left = past_runs.fetch(repo, remote, inbox, known, allowed)
        named = objects.named(repo, only=experiment)
        every = [*named.values(), *objects.of_records([*here, *new])]
        folders = objects.exchanged(repo, remote, "pull", every)
        wanted = folders.objects(every)
        received = objects.receive(repo, remote, wanted)
        absent = {str(one.value) for one in wanted if not objects.has(repo.cache.local, one)}
        for one in new:
            if reason := folders.refused(one):
                left[one.key, one.value] = reason
            elif folders.lacks(one, absent):
                left[one.key, one.value] = "files that it names are damaged, or not there"
            else:
                past_runs.take_in(repo, inbox, one)
        taken = [one for one in new if (one.key, one.value) not in left]
        say(f"{remote.name}: {len(received)} files and {len(taken)} records of past runs received")
        if taken and allowed is None:
            why = f"as nobody keeps {layout.RECORDS} (docs/sharing.md, `Whom a restore trusts`)"
            say(f"what these runs gave is believed, {why}")
        past_runs.name_each(left, "left out")
        _refuse_damaged(remote, named, folders, received & absent)
        lost = [one for one in folders.objects(named.values()) if one.value in absent]
        lost += [one for oid, one in named.items() if one.isdir and oid not in folders.lists]
        if experiment is None:
            if lost:
                first = min(map(objects.name, lost))
                say(f"{len(lost)} files of commits are neither here nor on the remote, such as {first}")
            _checkout(repo)
        elif lost:
            raise _not_shared(map(objects.name, lost))
        else:
            commits = objects.commits(repo, experiment)
            names = [one[:7] for one in commits] if commits[1:] else [experiment]
            say(f"{' or '.join(f'`dvc exp apply {one}`' for one in names)} brings it into the workspace")


def _refuse_damaged(remote: Any, named: Mapping[str, HashInfo], folders: objects.Folders, damaged: set[str]) -> None:
    """Raise UserError, with the first names, where objects of commits are damaged on the remote."""
    gone = sorted(objects.name(one) for one in folders.objects(named.values()) if one.value in damaged)
    gone += sorted(f"{objects.name(named[oid])}: {folders.unfit[oid]}" for oid in folders.unfit.keys() & named.keys())
    if gone:
        raise UserError(
            f"remote {remote.name!r}: holds damaged files ({', '.join(gone[:5])}); they are not kept; "
            "delete them there and `make share` from a clone that has them whole"
        )


def check() -> None:
    """Hash every file of DVC's cache; remove damaged ones and files of the workspace that are links to them.

    Raises UserError where something was damaged.
    """
    with opened() as repo:
        cache = repo.cache.local
        found, broken = past_runs.here(repo)
        every = [*objects.named(repo).values(), *objects.of_records(found)]
        folders = objects.folders(repo, None, every)
        known = {str(one.value): objects.name(one) for one in [*every, *folders.objects(every)]}
        oids = sorted(cache.all())
        tracked = track(oids, len(oids), "check", unit="files")
        bad = [oid for oid in tracked if oid in folders.unfit or not objects.intact(cache, oid)]
        past_runs.name_each(broken, "removed")
        for oid in bad:
            why = objects.why(folders.unfit.get(oid, records.DAMAGED))
            what = known.get(oid, "a file of the past")
            say(f"{what}: damaged in the cache{why} ({cache.oid_to_path(oid)}), removed")
        linked = _links(repo, bad)
        for oid in bad:
            Path(cache.oid_to_path(oid)).unlink()
        for path in linked:
            say(f"{path}: the same file, removed")
            path.unlink()
        if bad or broken or linked:
            raise UserError(
                f"{len(bad)} damaged files and {len(broken)} damaged records of runs removed; "
                "`make restore` brings whole ones, `dvc repro` computes them again"
            )
        say(f"{len(oids)} files are whole")


def _checkout(repo: Repo) -> None:
    """Check out the workspace's files as in dvc.lock.

    Raises UserError where a file is not on the remote, a changed file would be lost, or a link leads out of the
    repository.
    """
    root = Path(repo.root_dir)
    for out in repo.index.outs:
        # A file may itself be a link into the cache, so its folder is checked.
        folder = Path(out.fs_path) if out.is_dir_checksum else Path(out.fs_path).parent
        if not folder.resolve().is_relative_to(root.resolve()):
            why = "a link leads out of the repository, where nothing may be written; make it a folder"
            raise UserError(f"{folder.relative_to(root)}: {why}")
    try:
        stats = repo.checkout()["stats"]
    except CheckoutError as error:
        raise _not_shared(error.target_infos) from None
    say(f"workspace: {stats['added']} files added, {stats['modified']} changed, {stats['deleted']} removed")


def _not_shared(paths: Iterable[str]) -> UserError:
    mend = "who computed it runs `make share`, or `dvc repro` computes it here"
    return UserError(f"not on the remote: {', '.join(sorted(paths)[:5])}; {mend}")


def _links(repo: Repo, oids: list[str]) -> list[Path]:
    """Files of the workspace that are links to some files of the cache."""
    wanted = {_inode(Path(repo.cache.local.oid_to_path(oid))) for oid in oids}
    found = []
    for out in repo.index.outs:
        root = Path(out.fs_path)
        for path in [root, *root.rglob("*")] if wanted and out.use_cache and root.exists() else []:
            if path.is_file() and _inode(path) in wanted:
                found.append(path.relative_to(repo.root_dir))
    return sorted(found)


def _inode(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
