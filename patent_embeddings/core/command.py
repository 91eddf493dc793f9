"""Run a command: errors become one line, a stage runs once at a time, and it ends when DVC does."""

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
from typing import TYPE_CHECKING, Annotated

import typer

from patent_embeddings.core import distributed, gpus, layout
from patent_embeddings.core.errors import UserError, user_message

if TYPE_CHECKING:
    import psutil

Landscape = Annotated[str, typer.Argument(help="Id of the landscape, one of `evaluate_on` in params.yaml.")]
_NAMES = "check download views tasks lengths pairs finetune embed bm25 search fuse rerank metrics report"
STAGES = tuple(_NAMES.split())
MODELS = ("finetune", "embed", "rerank")  # stages that use a GPU if there is one; `search` decides itself
PATIENCE = 10.0  # seconds to wait for an earlier process of the same stage to end
POLL = 0.5  # seconds between checks that DVC is alive
YOUNG = 50_000  # new objects between garbage collections while a stage imports
_GARBAGE = gc.get_threshold()
_STAGE = "DVC_STAGE"  # environment variable that DVC sets for the processes it starts


def imported() -> None:
    """Exclude imported objects from garbage collection, and restore Python's own thresholds."""
    gc.freeze()
    gc.set_threshold(*_GARBAGE)


def run(app: typer.Typer) -> None:
    """Run a Typer application; a UserError, or a lack of memory or disk space, becomes one line and exit status 2."""
    # Imports create many objects that stay: garbage collection would take a third of their time.
    gc.set_threshold(YOUNG)
    atexit.register(gc.freeze)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A terminal that cannot show a character shows its escape.
            stream.reconfigure(errors="backslashreplace")
    try:
        # Libraries in Rust take paths as UTF-8, and are given others under another locale.
        if sys.getfilesystemencoding() != "utf-8" and not str(Path.cwd()).isascii():
            raise UserError("this folder's path is not ASCII and the locale not UTF-8; set PYTHONUTF8=1, or move it")
        with alone():
            app()
    except Exception as error:
        line = user_message(error)
        if line is None:
            raise
        print(f"error: {' '.join(line.split())}", file=sys.stderr)
        raise SystemExit(2) from None


@contextmanager
def alone() -> Iterator[None]:
    """If this process is a stage, lock it against a second process; if DVC started it, end when DVC does.

    Nothing is locked outside a repository. Raises UserError if the same stage is already running here.
    """
    name = _name()
    if name is None:
        yield
        return
    if _STAGE in os.environ:
        # Polled, as the kernel only reports the parent's death, which may be a shell that outlives DVC.
        dvc = _dvc()
        threading.Thread(target=_watch, args=(dvc,), daemon=True).start() if dvc else _watch(dvc)
    # One of torchrun's processes holds the lock for all.
    if (distributed.by_torchrun() and os.environ["RANK"] != "0") or not layout.DVC.is_dir():
        yield
        return
    with _held(name, layout.running(name)), gpus.apart() if name.split("@")[0] in MODELS else nullcontext():
        yield


def _name() -> str | None:
    """The stage's name in DVC, such as `embed@sim-alpha`; None for other commands and `--help`."""
    spec = getattr(sys.modules["__main__"], "__spec__", None)
    module = spec.name.removeprefix("stages.").removesuffix(".__main__") if spec else ""
    if module not in STAGES or not all(re.fullmatch(r"[a-z0-9][a-z0-9-]*", word) for word in sys.argv[1:]):
        return None
    return "@".join([module, *sys.argv[1:]])


@contextmanager
def _held(name: str, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    until = time.monotonic() + PATIENCE
    # Not filelock: a process that is refused must be able to read the holder's id from the file.
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
    """The DVC process that started this stage, directly or through a shell; None if it is gone."""
    import psutil

    for ancestor in psutil.Process().parents():
        inherited = None
        with suppress(psutil.Error, OSError):
            inherited = ancestor.environ().get(_STAGE)
        if inherited != os.environ[_STAGE]:
            # A process that adopts orphans is in another session.
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
