"""Aliases of array types."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]  # positions of families in a run: 32 bits, as there are millions
Booleans = npt.NDArray[np.bool_]
# (places of queries [n], k) -> scores and rows of the k best for each, [n, at most k]
Search = Callable[[Integers, int], tuple[Floats, Integers]]
