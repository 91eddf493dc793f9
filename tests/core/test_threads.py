"""As many threads as OpenMP has, whatever is loaded and whatever limit holds."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

MET = """
from threading import Barrier
from patent_embeddings.core.threads import threads
together = Barrier({number})
with threads() as outer:
    list(outer.map(lambda _: together.wait(20), range({number})))
    with threads() as inner:
        list(inner.map(lambda _: together.wait(20), range({number})))
"""


@pytest.mark.parametrize("first", ["", "import torch", "import sklearn.cluster"])
def test_as_many_threads_work_at_once_as_are_asked_for(first: str) -> None:
    if first:
        pytest.importorskip(first.split()[1].partition(".")[0])
    code = f"{first}\n{MET.format(number=2)}"
    environment = {**os.environ, "OMP_NUM_THREADS": "2"}
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=60)
