"""Threads that share out a whole, each alone with its part."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import faiss
from threadpoolctl import threadpool_limits

# As many as OpenMP has, one a core unless `OMP_NUM_THREADS` says otherwise. Asked here, as a limit that holds later on
# for BLAS holds for OpenMP too, where BLAS is built on it.
COUNT: int = faiss.omp_get_max_threads()


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """`COUNT` threads, for work that numpy and arrow do without Python's lock.

    Each computes its products by itself, so that a part's result is the same whatever their number, and products too
    small to be shared out are not. One use may stand within another, but must end before it.
    """
    # OpenMP has a number for each thread that starts some.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(COUNT, "", threadpool_limits, (1, "openmp")) as pool:
        yield pool
