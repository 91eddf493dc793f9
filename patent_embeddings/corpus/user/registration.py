"""Registry entries of the user's own landscapes and their files: added, replaced and removed together."""

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
    """Move files into place, track them with DVC, and write the entry that names them.

    The new registry is written to a temporary file first and renamed at the end. A UserError leaves everything as it
    was.

    Args:
        name: id of the landscape.
        block: its entry.
        kept: where each file goes -> where it is now.
        old: files of the entry that is replaced; none for a new landscape.
    """
    before = set(old)
    with _alone():
        shared = _shared(name)
        if clash := next((path for path in kept if path in shared), None):
            said = f"landscape {shared[clash]!r} names this file too, and would change with {name!r}"
            raise UserError(f"{clash}: {said}; add the new file under an id of its own")
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
        for path in before - set(kept) - set(shared):
            _unlink(path, _pointer(path))


def drop(name: str, tracked: Iterable[Path], others: Iterable[Path]) -> None:
    """Remove an entry, its tracked files that no other entry names, and other files and folders.

    Raises UserError where one cannot be removed.
    """
    with _alone():
        shared = _shared(name)
        with files.replacing(LISTED) as temporary:
            text = LISTED.read_text(encoding="utf-8")
            temporary.write_bytes(swapped(text, name, None).encode("utf-8"))
        for path in set(tracked) - set(shared):
            _unlink(path, _pointer(path))
        _unlink(*others)


def files_of(block: Mapping[str, Any]) -> list[Path]:
    """The files that an entry of a landscape names."""
    parts = (block, block.get("queries"), block.get("qrels"))
    return [Path(part["file"]) for part in parts if isinstance(part, dict) and "file" in part]


def _shared(name: str) -> dict[Path, str]:
    """Files that entries of other landscapes name -> one such landscape."""
    others = {other: block for other, block in files.read_yaml(LISTED).items() if other != name}
    return {path: other for other, block in others.items() if isinstance(block, dict) for path in files_of(block)}


def appended(text: str, name: str, block: dict[str, Any]) -> str:
    """Text of the registry with an entry added at its end. Raises UserError where it would not be read as an entry."""
    if name in (old := yaml.safe_load(text)):
        raise UserError(f"landscape {name!r} has just been added to {LISTED} by someone else; choose another id")
    return _checked(f"{text.rstrip()}{_gap(text)}{_line(name, block)}\n", {**old, name: block})


def swapped(text: str, name: str, block: dict[str, Any] | None) -> str:
    """Text of the registry with one entry replaced by `block`, or removed if that is None.

    The blank line below the entry stays, so that git merges this with what another clone appends there. Raises
    UserError where the result would not be read as meant.
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
    """The line ends between the last entry and a new one: a blank line, and those that removed entries left."""
    return "\n" * max(2, len(text) - len(text.rstrip()))


def _line(name: str, block: dict[str, Any]) -> str:
    """An entry on one line, so that git can merge entries added in two clones by line (.gitattributes)."""
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
    """Hold the registry's lock; waits for another command that holds it."""
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
    """Restore files, and remove new ones, if the block fails."""
    with ExitStack() as stack:
        saved: dict[Path, Path] = {}
        if there := [path for path in paths if path.exists()]:
            aside = stack.enter_context(files.workplace("landscape", layout.RAW))
            saved = {path: aside / path.name for path in there}
            for path, copy in saved.items():
                try:
                    if path.suffix == ".dvc":  # DVC writes into the file itself
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
