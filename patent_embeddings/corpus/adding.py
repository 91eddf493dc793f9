"""A landscape of the user's own: its file is checked, copied, tracked with DVC and registered, or nothing is."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import yaml
from filelock import FileLock, Timeout

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import replacing, sha256
from patent_embeddings.core.progress import say
from patent_embeddings.corpus import formats
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.families import checked
from patent_embeddings.corpus.summary import summary

# Words that YAML or the grammar of `dvc exp run -S` takes for truth, nothing or a number, in any case.
_WORDS = {"y", "yes", "on", "true", "n", "no", "off", "false", "none", "null", "nil", "nan", "inf", "infinity"}
_LONGEST = 64  # of an id, which is part of the names of files


def add(name: str, file: Path, description: str, licence: str, relevance: Literal["cited", "linked"]) -> list[str]:
    """Add a file of families as the landscape `name`; what is in it, and what to do next, in lines.

    Raises:
        UserError: the id cannot be one or is taken, the file breaks its format, or it cannot be copied or tracked;
            nothing is left of it then.
    """
    _check_id(name)
    target = layout.raw(name, formats.suffix(file))
    try:
        digest = sha256(file)
    except OSError as error:
        raise UserError(f"{file}: cannot read ({error.strerror}); check path and permissions") from None
    say(f"reading {file}")
    raw = checked(formats.parse(file), str(file))
    block = {"source": "table", "description": description or f"Families of {file.name}", "licence": licence}
    block |= {"relevance": relevance, "file": target.as_posix(), "sha256": digest}
    with _alone():
        _register(name, block, file, target)
    path = layout.registry("landscapes")
    return [
        *summary(raw.families, raw.citations, relevance, raw.notes),
        f"added {name} to {path}; its file is {target}",
        f"keep it:    git add {path} {target}.dvc && git commit -m 'Landscape {name}'",
        f"compute it: dvc exp run -S landscape={name} -S 'evaluate_on=[{name}]'{_options(raw.families)}",
    ]


def _options(families: pd.DataFrame) -> str:
    """What a first cell of the landscape has to set, as not every family of it can have the sections of the default."""
    if (families["claims"] == "").all():
        return " -S recipe=zero-shot -S query_view=ta -S document_view=ta"
    if (families["abstract"] == "").all():
        return " -S recipe=zero-shot" if (families["description"] == "").all() else " -S recipe=r3-cd"
    return ""


def _is_text(name: str) -> bool:
    """Whether neither YAML nor Python nor a command line reads a name as a number, a date or a word of their own."""
    for number in (float, lambda text: int(text, 0)):  # 08, 1e5, 0x10, 0o7, 0b1
        with suppress(ValueError):
            number(name)
            return False
    with suppress(ValueError, yaml.YAMLError):  # 9999-99-99 looks like a date
        return name not in _WORDS and bool(yaml.safe_load(name) == name)
    return False


def _check_id(name: str) -> None:
    path = layout.registry("landscapes")
    if not registry.IDENTIFIER.fullmatch(name):
        raise UserError(f"landscape id {name!r:.80}: ids are made of a-z, 0-9 and '-' only; choose another")
    if name.startswith("-"):
        raise UserError(f"landscape id {name!r}: command lines read it as an option; begin with a letter")
    if len(name) > _LONGEST:
        raise UserError(f"landscape id {name!r:.80}: has {len(name)} characters; use at most {_LONGEST}")
    if not _is_text(name):
        said = "YAML reads it as something else than text, or a command line does; choose one that is a word"
        raise UserError(f"landscape id {name!r}: {said}")
    if name == layout.CELL:
        raise UserError(f"landscape id {name!r}: stands for the cell's own stages in costs; choose another")
    if name in registry.ids("landscapes"):
        raise UserError(f"landscape {name!r} is already in {path}; choose another id, or remove that entry first")


@contextmanager
def _alone() -> Iterator[None]:
    """Hold the lock of the registry, waiting for another `add` to end."""
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


def _register(name: str, block: dict[str, Any], file: Path, target: Path) -> None:
    """Copy, track and register a checked file; on any failure all three are as before.

    The new registry lies complete beside the old one before all else, and takes its place by one rename at the end.
    """
    pointer = Path(f"{target}.dvc")
    for path in (target, pointer):
        if path.exists():
            raise UserError(f"{path} is in the way though {name!r} is no landscape; move it elsewhere and add again")
    listed = layout.registry("landscapes")
    with replacing(listed) as temporary:
        temporary.write_bytes(_appended(listed, name, block).encode("utf-8"))
        try:
            with replacing(target) as copy:
                shutil.copyfile(file, copy)
                if sha256(copy) != block["sha256"]:
                    raise UserError(f"{file}: changed while it was read; add it again")
            _dvc_add(target)
        except BaseException:
            target.unlink(missing_ok=True)
            pointer.unlink(missing_ok=True)
            raise


def _appended(path: Path, name: str, block: dict[str, Any]) -> str:
    """Text of the registry with an entry more at its end. Raises UserError where that would not be read as one."""
    registry.validated("landscapes", name, block, Landscape)
    for key in ("description", "licence"):
        if not block[key].isprintable():
            raise UserError(f"--{key} {block[key]!r:.80}: has a character that cannot be printed; write plain text")
    old = path.read_text(encoding="utf-8")
    if name in yaml.safe_load(old):
        raise UserError(f"landscape {name!r} has just been added to {path} by someone else; choose another id")
    # On one line: git merges what two clones add line by line (.gitattributes), and blocks have lines in common.
    entry = yaml.safe_dump(block, sort_keys=False, allow_unicode=True, width=10**9, default_flow_style=True)
    new = f"{old.rstrip()}\n\n{name}: {entry}"
    with suppress(yaml.YAMLError):
        if yaml.safe_load(new) == yaml.safe_load(old) | {name: block}:
            return new
    raise UserError(f"{path}: an entry put at its end would not be read as one; write every entry as an indented block")


def _dvc_add(path: Path) -> None:
    done = subprocess.run([sys.executable, "-m", "dvc", "add", path.as_posix()], capture_output=True, check=False)
    if done.returncode:
        said = " ".join(done.stderr.decode("utf-8", "replace").replace("ERROR:", "").split())
        raise UserError(f"{path}: `dvc add` failed ({said[:300]}); mend that and add again")
