"""Threads that each compute a part of the work by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import faiss
from threadpoolctl import threadpool_limits

# OpenMP's number: one per core unless `OMP_NUM_THREADS` is set. Read at import, as a later limit on BLAS may also limit
# OpenMP.
COUNT: int = faiss.omp_get_max_threads()


@contextmanager
def threads() -> Iterator[ThreadPoolExecutor]:
    """A pool of `COUNT` threads, for work that numpy and arrow do without holding the GIL.

    Within each thread BLAS and OpenMP use one thread, so that the result of a part does not depend on `COUNT`. Uses may
    be nested.
    """
    # OpenMP's limit is per thread.
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(COUNT, "", threadpool_limits, (1, "openmp")) as pool:
        yield pool
