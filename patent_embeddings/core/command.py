"""A command at work: its errors in one line, no second start of a stage beside the first, no life beyond DVC's."""

from __future__ import annotations

import atexit
import fcntl
import gc
import os
import re
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING

from patent_embeddings.core import distributed, gpus, layout
from patent_embeddings.core.errors import UserError, told

if TYPE_CHECKING:
    import psutil
    import typer

_NAMES = "check download views tasks lengths pairs finetune embed bm25 search fuse rerank metrics report"
STAGES = tuple(_NAMES.split())
MODELS = (
    "finetune",
    "embed",
    "rerank",
)  # stages that compute on a GPU where there is one; `search` asks itself
PATIENCE = 10.0  # seconds for which the stage before may take to end
POLL = 0.5  # seconds between two looks at DVC
YOUNG = 50_000  # new objects between two looks of Python for what is garbage, while a stage imports
_GARBAGE = gc.get_threshold()
_ASKED = "DVC_STAGE"  # set by DVC for what it starts


def imported() -> None:
    """Leave what was imported out of the search for garbage, which from here on is Python's own."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def run(app: typer.Typer) -> None:
    """Run a Typer application; a UserError, or a machine that is at its limits, becomes one line and exit status 2."""
    # Imports make very many objects that stay: looking through all of them for garbage, again and again and at the end
    # once more, is a third of what they take.
    gc.set_threshold(YOUNG)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a letter shows its number.
            stream.reconfigure(errors="backslashreplace")
    try:
        with alone():
            app()
    except Exception as error:
        line = told(error)
        if line is None:
            raise
        print(f"error: {' '.join(line.split())}", file=sys.stderr)
        raise SystemExit(2) from None


@contextmanager
def alone() -> Iterator[None]:
    """Hold the outputs of the stage that this process is, if it is one, and end when DVC does, if DVC started it.

    Nothing is held outside a repository. Raises UserError where the same stage runs here already.
    """
    name = _name()
    if name is None:
        yield
        return
    if _ASKED in os.environ:
        # Looked at, not asked of the kernel: a shell may stand between, which outlives DVC.
        dvc = _dvc()
        threading.Thread(target=_watch, args=(dvc,), daemon=True).start() if dvc else _watch(dvc)
    # One of torchrun's processes holds for all of them.
    if (distributed.by_torchrun() and os.environ["RANK"] != "0") or not layout.DVC.is_dir():
        yield
        return
    with _held(name, layout.running(name)), gpus.apart() if name.split("@")[0] in MODELS else nullcontext():
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
                    mend = f"wait until it ends, or end it with `kill {holder}`, then run this again"
                    raise UserError(f"stage {name} is at work here already (process {holder}); {mend}") from None
            time.sleep(0.1)
        file.truncate(0)
        file.write(f"{os.getpid()}\n")
        file.flush()
        yield


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


def _watch(dvc: psutil.Process | None) -> None:
    """Kill this process and its children as soon as the DVC that started it is gone."""
    import psutil

    with suppress(psutil.NoSuchProcess):
        while dvc and dvc.is_running() and dvc.status() != psutil.STATUS_ZOMBIE:
            time.sleep(POLL)
    with suppress(OSError):
        os.write(2, b"stopped: the DVC that started this stage has ended\n")
    for child in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            child.kill()
    os.kill(os.getpid(), signal.SIGKILL)
