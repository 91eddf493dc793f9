"""Files that are whole or absent: write to a temporary name, then rename."""

from __future__ import annotations

import errno
import hashlib
import json
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from stages.errors import UserError

PARTIAL = ".partial"  # of temporaries, which DVC ignores (.dvcignore)
OWNER = ".owner"  # locked in a temporary by the process that fills it, for as long as that lives
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EPERM, errno.EROFS}
# Of numpy, safetensors and torch, whose errors of a full disk carry no number.
_UNNUMBERED = re.compile(r"requested and \d+ written|\(os error (13|27|28|30|122)\)|PytorchStreamWriter failed writing")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is renamed to `path`, on failure removed.

    The temporary may be made a file or a folder by the caller.

    Raises:
        UserError: the disk is full or the folder cannot be written.
    """
    with writable(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path)
        # DVC links outputs read-only into its cache: replace them, never write through.
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", suffix=PARTIAL, dir=path.parent))
        owner = FileLock(scratch / OWNER)
        owner.acquire()
    temporary = scratch / path.name
    try:
        with writable(path):
            yield temporary
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            temporary.replace(path)
    finally:
        owner.release()
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def writable(path: Path) -> Iterator[None]:
    """Say in one line that the disk is full or may not be written, whichever library met it.

    Raises:
        UserError: as above; every other error passes.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        number = getattr(error, "errno", None)
        if number not in _NO_ROOM and (number is not None or not _UNNUMBERED.search(str(error))):
            raise
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise UserError(f"{path}: cannot write ({reason:.100}); free space or check permissions") from error


def _sweep(path: Path) -> None:
    """Remove temporaries of `path` whose process was killed.

    A number of a process would not tell: a zombie still has one, another process gets it later,
    and on a shared disk it is of another machine. A lock goes with its process.
    """
    for left in path.parent.glob(f"*{PARTIAL}"):
        if re.fullmatch(rf"\.{re.escape(path.name)}\.\w+{re.escape(PARTIAL)}", left.name) and (left / OWNER).exists():
            with suppress(Timeout), FileLock(left / OWNER, timeout=0):
                shutil.rmtree(left, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write UTF-8 text atomically, with `\\n` line ends on every platform."""
    with replacing(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:
    """Write JSON atomically with sorted keys; the same value gives the same bytes."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        UserError: the file is absent or is not JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except ValueError as error:
        raise UserError(f"{path}: damaged JSON ({error}); delete it and run `dvc repro`") from None


def read_yaml(path: Path, shown: Path | None = None) -> Any:
    """Read a YAML file of the repository.

    Args:
        path: of the file.
        shown: what an error calls it; its path unless said.

    Raises:
        UserError: the file is absent, not UTF-8 or not YAML, or a key stands in it twice.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
        """Refuses a key that stands twice, as after a merge in git: the last one would count, without a word."""

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> Any:
            keys = [key.value for key, _ in node.value if isinstance(key, yaml.ScalarNode)]
            if len(set(keys)) < len(keys):
                twice = next(key for key in keys if keys.count(key) > 1)
                raise yaml.YAMLError(f"{twice!r} stands there twice; keep one of them")
            return super().construct_mapping(node, deep)

    shown = shown or path
    try:
        # YAML 1.1, where DVC reads 1.2: they differ on none of the values used here.
        return yaml.load(path.read_text(encoding="utf-8"), Loader=Loader)
    except FileNotFoundError:
        raise UserError(f"{shown}: no such file here; run from the repository's root") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown}: not UTF-8; save it in that encoding") from None
    except yaml.YAMLError as error:
        raise UserError(f"{shown}: not valid YAML: {error}") from None


def sha256(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()
