"""A process that Ray runs in, with this machine as its cluster."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import psutil


def process() -> ProcessPoolExecutor:
    """A process with Ray, apart: it handles SIGSEGV, the signal that a JVM lives on."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), initializer=cluster)


def cluster() -> None:
    """This machine as a cluster of two processors."""
    import ray

    ray.init(num_cpus=2, num_gpus=0, log_to_driver=False, logging_level="ERROR", include_dashboard=False)


def kill_one_of_two_workers() -> None:
    """Kill the first of the two processes that map in this process's cluster; another test may have one beside it."""
    ours = psutil.Process().children(recursive=True)
    workers = [process for process in ours if "MapWorker" in " ".join(process.cmdline())]
    assert len(workers) == 2
    workers[0].kill()
