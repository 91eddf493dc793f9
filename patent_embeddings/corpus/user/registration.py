"""Entries of the user's own landscapes and the files they name: put in, replaced and taken out together."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from patent_embeddings.core import files, layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.entries import Landscape

LISTED = layout.registry("landscapes")


def put(name: str, block: dict[str, Any], kept: Mapping[Path, Path], old: Iterable[Path] = ()) -> None:
    """Move files to their places, track them, and register the entry that names them, in that of one that names `old`.

    The new registry lies complete beside the old one before all else, and takes its place by one rename at the end.
    Raises UserError where that cannot be; everything is as before then.
    """
    before = set(old)
    with _alone():
        for path in (one for target in kept if target not in before for one in (target, _pointer(target))):
            if path.exists():
                said = f"{path} is in the way though {name!r} is no landscape that names it"
                raise UserError(f"{said}; move it elsewhere and run this again")
        every = [one for path in {*kept, *before} for one in (path, _pointer(path))]
        with _restored(every), files.replacing(LISTED) as temporary:
            text = LISTED.read_text(encoding="utf-8")
            new = swapped(text, name, block) if before else appended(text, name, block)
            temporary.write_bytes(new.encode("utf-8"))
            for path, made in kept.items():
                made.replace(path)
                _dvc_add(path)
        for path in before - set(kept):
            _unlink(path, _pointer(path))


def drop(name: str, tracked: Iterable[Path], others: Iterable[Path]) -> None:
    """Take an entry out of the registry and remove its files, with what tracks them, and other files and folders.

    Raises UserError where one cannot be removed.
    """
    with _alone():
        with files.replacing(LISTED) as temporary:
            text = LISTED.read_text(encoding="utf-8")
            temporary.write_bytes(swapped(text, name, None).encode("utf-8"))
        for path in tracked:
            _unlink(path, _pointer(path))
        _unlink(*others)


def appended(text: str, name: str, block: dict[str, Any]) -> str:
    """Text of the registry with an entry more at its end. Raises UserError where that would not be read as one."""
    if name in (old := yaml.safe_load(text)):
        raise UserError(f"landscape {name!r} has just been added to {LISTED} by someone else; choose another id")
    return _checked(f"{text.rstrip()}{_gap(text)}{_line(name, block)}\n", {**old, name: block})


def swapped(text: str, name: str, block: dict[str, Any] | None) -> str:
    """Text of the registry with another entry in the place of one, or without it.

    The blank line below it stays: what another clone appends there touches no line that is taken out here, and git
    merges both. Raises UserError where the result would not be read so.
    """
    old, lines = yaml.safe_load(text), text.splitlines(keepends=True)
    if name not in old:
        raise UserError(f"landscape {name!r} has just been removed from {LISTED} by someone else")
    top: Any = yaml.compose(text)
    first = next(key.start_mark.line for key, _ in top.value if key.value == name)
    last = first + 1
    for number in range(first + 1, len(lines)):
        if lines[number].strip() and not lines[number][0].isspace():
            break
        if lines[number].strip():
            last = number + 1
    lines[first:last] = [_line(name, block)] if block else []
    rest = {key: value for key, value in old.items() if key != name}
    return _checked("".join(lines), rest | ({name: block} if block else {}))


def _gap(text: str) -> str:
    """What parts the last entry from the next: a blank line, and those that removed entries have left."""
    return "\n" * max(2, len(text) - len(text.rstrip()))


def _line(name: str, block: dict[str, Any]) -> str:
    """An entry on one line: git merges what two clones add line by line (.gitattributes), and blocks share lines."""
    registry.validated("landscapes", name, block, Landscape)
    for key in ("description", "licence"):
        if not block[key].isprintable():
            raise UserError(f"--{key} {block[key]!r:.80}: has a character that cannot be printed; write plain text")
    entry = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    return f"{name}: {entry.rstrip()}\n"


def _checked(text: str, entries: dict[str, Any]) -> str:
    with suppress(yaml.YAMLError):
        if yaml.safe_load(text) == entries:
            return text
    raise UserError(f"{LISTED}: the entry would not be read as one; write every entry as an indented block")


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the registry, waiting for another command to end."""
    lock = FileLock(layout.ADDING, timeout=120)
    try:
        layout.ADDING.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise UserError(f"{layout.ADDING}: another landscape is being added; run again when that is done") from None
    except OSError as error:
        raise UserError(f"{layout.ADDING}: cannot write ({error.strerror}); check permissions and free space") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _restored(paths: list[Path]) -> Iterator[None]:
    """Put files back, and remove those that were not there, where the block fails."""
    with ExitStack() as stack:
        saved: dict[Path, Path] = {}
        if there := [path for path in paths if path.exists()]:
            aside = stack.enter_context(files.workplace("landscape", layout.RAW))
            saved = {path: aside / path.name for path in there}
            for path, copy in saved.items():
                try:
                    if path.suffix == ".dvc":  # DVC writes into it
                        raise OSError
                    os.link(path, copy)
                except OSError:
                    shutil.copy2(path, copy)
        try:
            yield
        except BaseException:
            for path in paths:
                if path in saved:
                    saved[path].replace(path)
                else:
                    path.unlink(missing_ok=True)
            raise


def _pointer(path: Path) -> Path:
    return Path(f"{path}.dvc")


def _unlink(*paths: Path) -> None:
    for path in paths:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(f"{path}: cannot remove ({error.strerror}); its landscape is gone, remove it") from None


def _dvc_add(path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", "add", path.as_posix()], capture_output=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").replace("ERROR:", "").split())
        raise UserError(f"{path}: `dvc add` failed ({said[:300]}); mend that and run this again")
