"""Several processes: those of a training that torchrun started, whatever other variables say, and a Ray cluster."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.progress import say

_LOCAL = ("LOCAL_RANK", "LOCAL_WORLD_SIZE")
_GLOBAL = ("RANK", "WORLD_SIZE")
# Accelerate takes ranks from MPI's variables, and precision, device and engine from its own.
_OTHERS = re.compile(r"(OMPI|PMI|PMIX|MV2|ACCELERATE)_\w+")


def rank() -> int:
    """This process's rank among those that torchrun started; 0 without torchrun."""
    settle()
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """The number of processes that torchrun started; 1 without torchrun."""
    settle()
    return int(os.environ.get("WORLD_SIZE", "1"))


def settle() -> None:
    """Remove, and report, variables that would make libraries run as one of several processes without torchrun."""
    found = [name for name in os.environ if _OTHERS.fullmatch(name)]
    if not by_torchrun():
        found += [name for name in (*_GLOBAL, *_LOCAL) if name in os.environ]
    for name in found:
        del os.environ[name]
    if found:
        why = "(torchrun starts several processes, params.yaml says the precision)"
        say(f"{', '.join(sorted(found))}: in the environment, not followed {why}")


def by_torchrun() -> bool:
    """Whether torchrun's variables are all set and consistent."""
    ranks = []
    for names in (_GLOBAL, _LOCAL):
        texts = [os.environ.get(name, "") for name in names]
        if not all(text.isascii() and text.isdecimal() for text in texts):
            return False
        ranks.append([int(text) for text in texts])
    (rank, size), (local, here) = ranks
    named = all(os.environ.get(name) for name in ("TORCHELASTIC_RUN_ID", "MASTER_ADDR", "MASTER_PORT"))
    return named and rank < size and local < here <= size


def joined(option: str) -> tuple[Any, dict[str, float]]:
    """Ray, connected to the cluster that RAY_ADDRESS names or to this machine as one, and its resources, such as `CPU`.

    `option` is the key of params.yaml that asked for Ray. Raises UserError if Ray is not installed.
    """
    try:
        import ray  # an optional library
    except ImportError:
        mend = "run `pip install -e '.[ray]'`, or set it to local"
        raise UserError(f"{option} is ray, which is not installed; {mend}") from None
    # Ray's core logs an error for each worker that it could not restart if this process ended.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray, ray.cluster_resources()
