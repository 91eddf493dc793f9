"""The Ray cluster that RAY_ADDRESS names, or this machine as one."""

from __future__ import annotations

import logging
import os
from typing import Any

from patent_embeddings.core.errors import UserError


def joined(option: str) -> tuple[Any, dict[str, float]]:
    """Connect to the cluster; returns Ray and the cluster's resources, such as `CPU`.

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
