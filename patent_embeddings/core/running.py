"""A stage at work: no second start of it beside the first, and no life beyond the DVC that started it."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError

if TYPE_CHECKING:
    import psutil

STAGES = (
    "check", "download", "views", "tasks", "lengths", "pairs", "finetune", "embed",
    "bm25", "search", "fuse", "rerank", "metrics", "report",
)  # fmt: skip
PATIENCE = 10.0  # seconds for which the stage before may take to end
POLL = 0.5  # seconds between two looks at DVC
_ASKED = "DVC_STAGE"  # set by DVC for what it starts


@contextmanager
def alone() -> Iterator[None]:
    """Hold the outputs of the stage that this process is, if it is one, and end when DVC does, if DVC started it.

    Started by hand it goes on without its shell. Nothing is held outside a repository.

    Raises:
        UserError: the same stage runs here already.
    """
    name = _name()
    if name is None:
        yield
        return
    if _ASKED in os.environ:
        _end_with_dvc()
    # One of torchrun's processes holds for all of them.
    if ("TORCHELASTIC_RUN_ID" in os.environ and os.environ.get("RANK", "0") != "0") or not layout.DVC.is_dir():
        yield
        return
    with _held(name, layout.running(name)):
        yield


def _name() -> str | None:
    """The stage as DVC calls it, such as `embed@sim-alpha`; None of another command, or where help is asked for."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name.removeprefix("stages.").removesuffix(".__main__") if spec else ""
    if module not in STAGES or not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", word) for word in sys.argv[1:]):
        return None
    return "@".join([module, *sys.argv[1:]])


@contextmanager
def _held(name: str, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE
    # Not filelock: it keeps the file to itself, and whoever is refused must read there by whom.
    with path.open("a+", encoding="ascii") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > until:
                    file.seek(0)
                    holder = file.read().strip()
                    raise UserError(f"stage {name} is at work here already (process {holder}); wait until it ends, or end it with `kill {holder}`, then run this again") from None  # fmt: skip
            time.sleep(0.1)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


def _end_with_dvc() -> None:
    """Kill this process and its children as soon as the DVC that started it is gone."""
    dvc = _dvc()
    if dvc is None:
        _end()
    # Looked at, not asked of the kernel: a shell may stand between, which outlives DVC.
    threading.Thread(target=_watch, args=(dvc,), daemon=True).start()


def _dvc() -> psutil.Process | None:
    """The process that started this stage, through a shell or directly; None if it is gone."""
    import psutil

    for ancestor in psutil.Process().parents():
        inherited = None
        with suppress(psutil.Error, OSError):
            inherited = ancestor.environ().get(_ASKED)
        if inherited != os.environ[_ASKED]:
            # Whoever adopts orphans has a session of its own.
            with suppress(OSError):
                return ancestor if os.getsid(ancestor.pid) == os.getsid(0) else None
            return None
    return None


def _watch(dvc: psutil.Process) -> None:
    import psutil

    with suppress(psutil.NoSuchProcess):
        while dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL)
    _end()


def _end() -> None:
    import psutil

    with suppress(OSError):
        os.write(2, b"stopped: the DVC that started this stage has ended\n")
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
