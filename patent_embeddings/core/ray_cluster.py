"""The Ray cluster that RAY_ADDRESS names, or this machine as one."""

from __future__ import annotations

import logging
import os
from typing import Any

from patent_embeddings.core.errors import UserError


def joined(option: str) -> tuple[Any, dict[str, float]]:
    """Ray, joined, and what the cluster has of each resource, such as `CPU`.

    `option` of params.yaml is what asked for it. Raises UserError: Ray is not installed.
    """
    try:
        import ray  # an optional library
    except ImportError:
        mend = "run `pip install -e '.[ray]'`, or set it to local"
        raise UserError(f"{option} is ray, which is not installed; {mend}") from None
    # Its core warns of each worker that it could not start again if this process ended: as an error.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    if not ray.is_initialized():
        ray.init(log_to_driver=False, logging_level="ERROR")
    ray.data.DataContext.get_current().enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    return ray, ray.cluster_resources()
