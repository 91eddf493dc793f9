"""Share what this clone has computed, and restore what others have: workspace, experiments and past runs.

DVC's own push sends the records of past runs (the run cache) without the objects that they name;
here both go, objects first, so that a record on the remote never names what is not there.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError, run
from patent_embeddings.core.progress import say, track
from patent_embeddings.sharing import records

if TYPE_CHECKING:
    from patent_embeddings.sharing.records import Record

app = typer.Typer(add_completion=False, no_args_is_help=True)


@app.command()
def push() -> None:
    """Push results, experiments and past runs, with everything that they name, to the default remote."""

    from patent_embeddings.sharing.remotes import (
        _absent,
        _complete,
        _exchange_experiments,
        _folders,
        _here,
        _lists,
        _name_each,
        _named,
        _needs,
        _objects,
        _outs,
        _remote,
        _repository,
        _send,
        _sound,
        _transfer,
        _whole,
    )

    with _repository() as repo:
        remote = _remote(repo, "push")
        where = f"remote {remote.name!r} ({remote.path})"
        found, bad = _here(repo)
        _name_each(bad, "removed")
        every = [*_named(repo, push=True).values(), *_outs(found)]
        with _transfer(where, "push"):
            lists, unfit = _lists(repo, remote, _folders(every))
        _sound(repo, unfit, every)
        objects = _objects(every, lists)
        new, missing = _absent(repo, objects, remote)
        gone = {one.value for one in missing}
        whole = _whole(repo, new)
        with _transfer(where, "push"):
            result = repo.cloud.push(whole)
            if result.failed:
                raise UserError(f"{len(result.failed)} of {len(whole)} files are not sent")
            full = [one for one in found if _complete(one, lists) and not _needs(one, lists) & gone]
            sent = _send(repo.cache.legacy, remote.legacy_odb, [(one.key, one.value) for one in full])
        say(f"{remote.name}: {len(whole)} files and {sent} records of past runs sent; {len(objects)} files in all")
        if left := len(found) - len(full):
            say(f"{left} records of past runs not sent: files that they name are neither here nor there (`dvc gc` removes such)")  # fmt: skip
        before = records.listed()
        if before is not None and (new_lines := records.enlist(full, before)):
            say(f"{layout.RECORDS}: {new_lines} records more; commit it, so that others take them in")
        _exchange_experiments(repo, "push")


@app.command()
def pull(experiment: Annotated[str | None, typer.Argument(help="Fetch this experiment only.")] = None) -> None:
    """Pull what others computed: past runs, experiments, and the workspace's files; nothing is run again."""

    from patent_embeddings.sharing.remotes import (
        _checkout,
        _complete,
        _exchange_experiments,
        _fetch_records,
        _folders,
        _has,
        _here,
        _inbox,
        _lists,
        _name,
        _name_each,
        _named,
        _needs,
        _objects,
        _outs,
        _remote,
        _repository,
        _sound,
        _take_in,
        _transfer,
    )

    with _repository() as repo, _inbox(repo) as inbox:
        remote = _remote(repo, "pull")
        allowed = records.listed()
        _exchange_experiments(repo, "pull", experiment)
        where = f"remote {remote.name!r} ({remote.path})"
        here: list[Record] = []
        new: list[Record] = []
        left: dict[tuple[str, str], str] = {}
        if experiment is None:
            here, bad = _here(repo)
            _name_each(bad, "removed")
            known = records.stages()
            with _transfer(where, "pull"):
                new, left = _fetch_records(repo, remote, inbox, known, allowed)
        named = _named(repo, only=experiment)
        with _transfer(where, "pull"):
            every = [*named.values(), *_outs([*here, *new])]
            lists, unfit = _lists(repo, remote, _folders(every))
            objects = _objects(every, lists)
        _sound(repo, unfit, every)
        with _transfer(where, "pull"):
            remote.odb.verify = True
            result = repo.cloud.pull(objects, odb=remote.odb)
            if result.failed:
                raise UserError(f"{len(result.failed)} of {len(objects)} files are not here yet")
        damaged = {one.value for one in result.transferred if not _has(repo.cache.local, one)}
        absent = {one.value for one in objects if not _has(repo.cache.local, one)}
        for one in new:
            reason = next((f"{path}: {unfit[oid]}" for path, oid in one.outs.items() if oid in unfit), None)
            if reason or not _complete(one, lists) or _needs(one, lists) & absent:
                left[one.key, one.value] = reason or "files that it names are damaged, or not there"
            else:
                _take_in(repo, inbox, one)
        taken = [one for one in new if (one.key, one.value) not in left]
        say(f"{remote.name}: {len(result.transferred)} files and {len(taken)} records of past runs received")
        if taken and allowed is None:
            say(f"what these runs gave is believed, as nobody keeps {layout.RECORDS} (docs/sharing.md, `Whom a restore trusts`)")  # fmt: skip
        _name_each(left, "left out")
        gone = sorted(_name(one) for one in _objects(named.values(), lists) if one.value in damaged)
        gone += sorted(f"{named[oid].obj_name}: {unfit[oid]}" for oid in unfit.keys() & named.keys())
        if gone:
            raise UserError(
                f"remote {remote.name!r}: holds damaged files ({', '.join(gone[:5])}); they are not kept; "
                "delete them there and `make share` from a clone that has them whole"
            )
        if experiment is None:
            _checkout(repo)
        else:
            say(f"`dvc exp apply {experiment}` brings it into the workspace")


@app.command()
def check() -> None:
    """Hash every file of DVC's cache; drop damaged ones, and what is linked to them, so that they are made again."""

    from patent_embeddings.sharing.remotes import (
        _folders,
        _here,
        _intact,
        _lists,
        _name,
        _name_each,
        _named,
        _objects,
        _outs,
        _repository,
        _why,
        _workspace_links,
    )

    with _repository() as repo:
        cache = repo.cache.local
        found, broken = _here(repo)
        named = [*_named(repo).values(), *_outs(found)]
        lists, unfit = _lists(repo, None, _folders(named))
        known = {str(one.value): _name(one) for one in [*named, *_objects(named, lists)]}
        oids = sorted(cache.all())
        bad = [oid for oid in track(oids, len(oids), "check", unit="files") if oid in unfit or not _intact(cache, oid)]
        _name_each(broken, "removed")
        for oid in bad:
            why = _why(unfit.get(oid, records.DAMAGED))
            say(f"{known.get(oid, 'a file of the past')}: damaged in the cache{why} ({cache.oid_to_path(oid)}), removed")  # fmt: skip
        links = _workspace_links(repo, bad)
        for oid in bad:
            Path(cache.oid_to_path(oid)).unlink()
        for path in links:
            say(f"{path}: the same file, removed")
            path.unlink()
        if bad or broken or links:
            raise UserError(f"{len(bad)} damaged files and {len(broken)} damaged records of runs removed; `make restore` brings whole ones, `dvc repro` computes them again")  # fmt: skip
        say(f"{len(oids)} files are whole")


if __name__ == "__main__":
    run(app)
