"""Registry entries of the user's own landscapes and their files: added, replaced and removed together."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout
from ruamel.yaml.error import YAMLError

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
    with _alone(name, there=bool(before)) as text:
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
            temporary.write_bytes(edited(text, name, block).encode("utf-8"))
            for path, made in kept.items():
                made.replace(path)
                _dvc_add(path)
        for path in before - set(kept) - set(shared):
            _unlink(path, _pointer(path))


def drop(name: str, tracked: Iterable[Path], others: Iterable[Path]) -> None:
    """Remove an entry, its tracked files that no other entry names, and other files and folders.

    Raises UserError where one cannot be removed.
    """
    with _alone(name, there=True) as text:
        shared = _shared(name)
        with files.replacing(LISTED) as temporary:
            temporary.write_bytes(edited(text, name, None).encode("utf-8"))
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


def edited(text: str, name: str, block: dict[str, Any] | None) -> str:
    """Text of the registry with the entry of a name added at its end, replaced, or removed if `block` is None.

    The blank line below an entry stays, so that git merges this with what another clone appends there. Raises UserError
    where the result would not be read as meant.
    """
    old, lines = files.parse_yaml(text), text.splitlines(keepends=True)
    if name in old:
        top: Any = yaml.compose(text)
        first = next(key.start_mark.line for key, _ in top.value if key.value == name)
        last = first + 1
        for number in range(first + 1, len(lines)):
            if lines[number].strip() and not lines[number][0].isspace():
                break
            if lines[number].strip():
                last = number + 1
        lines[first:last] = [_line(name, block)] if block else []
    elif block:
        gap = len(text) - len(text.rstrip())  # line ends that removed entries left
        lines = [text.rstrip(), "\n" * max(2, gap), _line(name, block), "\n"]
    new, meant = "".join(lines), {key: value for key, value in old.items() if key != name}
    with suppress(YAMLError, ValueError):
        if files.parse_yaml(new) == meant | ({name: block} if block else {}):
            return new
    raise UserError(f"{LISTED}: the entry would not be read as one; write every entry as an indented block")


def _line(name: str, block: dict[str, Any]) -> str:
    """An entry on one line, so that git can merge entries added in two clones by line (.gitattributes)."""
    registry.validated("landscapes", name, block, Landscape)
    for key in ("description", "licence"):
        if not block[key].isprintable():
            raise UserError(f"--{key} {block[key]!r:.80}: has a character that cannot be printed; write plain text")
    entry = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    if files.parse_yaml(entry) != block:  # such as the text `1e3`, which PyYAML leaves without quotes
        entry = json.dumps(block, ensure_ascii=False)
    return f"{name}: {entry.rstrip()}\n"


@contextmanager
def _alone(name: str, *, there: bool) -> Iterator[str]:
    """Hold the registry's lock, after another command that holds it, and yield the registry's text.

    Raises UserError where an entry of the name should be there and is not, or the other way round.
    """
    try:
        layout.ADDING.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(layout.ADDING, timeout=120).acquire()
    except Timeout:
        raise UserError(f"{layout.ADDING}: another landscape is being added; run again when that is done") from None
    except OSError as error:
        raise UserError(f"{layout.ADDING}: cannot write ({error.strerror}); check permissions and free space") from None
    with lock:
        text = LISTED.read_text(encoding="utf-8")
        if (name in files.parse_yaml(text)) != there:
            what = "removed from" if there else "added to"
            raise UserError(f"landscape {name!r} has just been {what} {LISTED} by someone else; see `landscape list`")
        yield text


@contextmanager
def _restored(paths: list[Path]) -> Iterator[None]:
    """Restore files, and remove new ones, if the block fails."""
    with files.workplace("landscape", layout.RAW) as aside:
        saved = {path: aside / path.name for path in paths if path.exists()}
        for path, copy in saved.items():
            # DVC writes into its own file; not every file system has links.
            with suppress(OSError):
                if path.suffix != ".dvc":
                    os.link(path, copy)
            if not copy.exists():
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
