"""Atomic writes, temporary folders, and readers of JSON and YAML."""

from __future__ import annotations

import errno
import glob
import hashlib
import itertools
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from patent_embeddings.core.errors import NO_PLACE, NO_ROOM, UserError
from patent_embeddings.core.progress import say

PARTIAL = ".partial"  # suffix of temporary folders, which DVC ignores (.dvcignore)
OWNER = ".owner"  # file in a temporary folder that its process keeps locked as long as it lives
_IN_THE_WAY = {errno.ENOTEMPTY, errno.EEXIST, errno.EISDIR, errno.ENOTDIR}
# Messages of numpy, safetensors and torch about a full disk, without an error number.
_UNNUMBERED = re.compile(r"requested and \d+ written|\(os error (13|27|28|30|122)\)|PytorchStreamWriter failed writing")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path; on success it is renamed to `path`, on failure removed.

    The caller creates a file or folder there. Of several processes the last one wins; after a power loss the file is
    complete or absent. Raises UserError if the disk is full or the folder is not writable.
    """
    with ExitStack() as stack:
        with writable(path):
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise UserError(f"{path.parent}: a file is where a folder is needed; move it elsewhere") from None
            except FileNotFoundError:  # such as below /proc
                raise UserError(f"{path.parent}: no folder can be made there; name another place") from None
            # DVC may link outputs to its cache, read-only: replace them, never write through the link.
            folder = stack.enter_context(_owned(path.parent, f".{path.name}."))
        temporary = folder / path.name
        with writable(path):
            yield temporary
            _sync(temporary)
            _move(temporary, path, folder)


@contextmanager
def workplace(name: str, place: Path | None = None) -> Iterator[Path]:
    """A temporary folder in `place` or the system's temporary folder; those of killed processes are removed.

    Raises UserError if there is no room for it.
    """
    try:
        place = place or Path(tempfile.gettempdir())
    except FileNotFoundError:
        raise UserError(NO_PLACE) from None
    with ExitStack() as stack:
        with writable(place):
            folder = stack.enter_context(_owned(place, f"patent-embeddings-{name}-"))
        yield folder


@contextmanager
def _owned(parent: Path, prefix: str) -> Iterator[Path]:
    """Create a folder of this process, after removing those of killed processes with the same prefix.

    A lock ends with its process. A process id may belong to a zombie, be reused, or be of another machine on a shared
    disk.
    """
    for left in parent.glob(f"{glob.escape(prefix)}*{PARTIAL}"):
        if re.fullmatch(rf"{re.escape(prefix)}\w+{re.escape(PARTIAL)}", left.name):
            with suppress(Timeout, OSError):
                if (left / OWNER).exists():
                    with FileLock(left / OWNER, timeout=0):
                        shutil.rmtree(left, ignore_errors=True)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=prefix, suffix=PARTIAL, dir=parent))
        owner = FileLock(folder / OWNER)
        # Another process may remove it before it is locked.
        with suppress(FileNotFoundError):
            owner.acquire()
            break
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        owner.release()


def held(path: Path, fault: str) -> AbstractContextManager[object]:
    """Lock a file for a block; while another process holds it, say `fault` and wait. A lock ends with its process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        return lock.acquire(timeout=1)
    except Timeout:
        say(f"{fault}; waiting until it has ended")
        return lock.acquire()


def _move(temporary: Path, path: Path, aside: Path) -> None:
    """Rename over whatever is there; a folder, which rename does not replace, is moved aside first."""
    for number in itertools.count():
        try:
            temporary.replace(path)
            break
        except OSError as error:
            if error.errno not in _IN_THE_WAY:
                raise
            with suppress(FileNotFoundError):  # another process moved it
                path.rename(aside / f".{number}")


def _sync(path: Path) -> None:
    """Flush a file, or a folder and its contents, to disk.

    The parent folder is not flushed, which would double the time of a small file: after a power loss, the old file may
    be back.
    """
    for one in [*(sorted(path.rglob("*"), reverse=True) if path.is_dir() else []), path]:
        if one.is_symlink():
            continue
        opened = os.open(one, os.O_RDONLY)
        try:
            os.fsync(opened)
        except OSError as error:
            if error.errno != errno.EINVAL:  # the file system cannot flush folders
                raise
        finally:
            os.close(opened)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Turn errors about a full or read-only disk, of any library, into UserError; other errors pass."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        if number not in NO_ROOM and (number is not None or not _UNNUMBERED.search(str(error))):
            raise
        named = getattr(error, "filename", None)
        if isinstance(named, str):
            one, ours = Path(named).absolute(), path.absolute()
            if not (ours.is_relative_to(one) or one.is_relative_to(ours.parent)):
                raise  # about another file
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{path}: cannot write ({reason:.100}); free space or check permissions") from error


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with `\\n` line ends on every platform."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def as_json(value: Any) -> str:
    """JSON with sorted keys: equal values give equal text."""
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def write_json(path: Path, value: Any) -> None:
    """Write `as_json` atomically."""
    write_text(path, as_json(value))


def read_json(path: Path) -> Any:
    """Read a JSON file. Raises UserError if it is absent or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged JSON ({error}); delete it and run `dvc repro`") from None


def parse_yaml(text: str) -> Any:
    """The value of a YAML text as DVC reads it, by YAML 1.2: `yes` is text, `1e3` a number, `010` ten."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(text)


def read_yaml(path: Path, shown: Path | None = None) -> Any:
    """`parse_yaml` of a file; error messages name it by `shown`, or by its path.

    Raises UserError if it is absent, not UTF-8 or not YAML, or has a key twice.
    """
    from ruamel.yaml.error import YAMLError

    shown = shown or path
    try:
        return parse_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{shown}: no such file here; run from the repository's root") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown}: not UTF-8; save it in that encoding") from None
    except (YAMLError, ValueError) as error:  # ValueError: 2001-99-99
        problem = getattr(error, "problem", None) or getattr(error, "reason", None) or str(error)
        mark = getattr(error, "problem_mark", None)
        if twice := re.match(r'found duplicate key "(.+?)" with value', problem):
            raise UserError(f"{shown}: {twice[1]!r} stands there twice; keep one of them") from None
        raise UserError(f"{shown}: not valid YAML{f' in line {mark.line + 1}' if mark else ''}: {problem}") from None


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
