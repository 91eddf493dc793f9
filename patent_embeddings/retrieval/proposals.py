"""Matrix products that propose the documents nearest to a query, and bounds of their error.

With x~ and y~ the vectors as they are multiplied, v their exact product before the last rounding, c the score of the
pair by itself, and g(n) = n 2^-24 / (1 - n 2^-24):
|x.y - x~.y~| <= |x - x~| |y| + |x~| |y - y~| (Cauchy and Schwarz), |v - x~.y~| <= g(2n) |x~| |y~| and
|c - x.y| <= g(n) |x| |y|, in whatever order a sum is taken (Higham, "Accuracy and Stability of Numerical Algorithms",
section 3.1; 2n, as the instruction for bfloat16 rounds products and sums). Their sum is e: |c - v| <= e. Lengths are
the longest document's, taken from the vectors and rounded up; numbers too small to be normal, which that instruction
takes for 0, are covered by a constant. In float32 x~ is x, and e is 2e-4 for unit vectors of 1,024 dimensions; in
bfloat16 it is .004. A GPU multiplies in float32 without its tensor cores, whose rounding is not documented.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np

from patent_embeddings.core.arrays import Doubles, Floats, Integers
from patent_embeddings.core.errors import tells_of_memory
from patent_embeddings.core.threads import COUNT, threads
from patent_embeddings.encoders import devices

_TILE = 1 << 22  # scores of a tile of documents and queries: 16 MiB, which a cache holds
_ON_GPU = 1 << 26  # the same of a GPU, at most
_EACH = 32  # bytes of a GPU's memory for each score of a tile: itself, its mark, its place where it is high
_SAMPLE = 31  # one document in so many is a sample; odd, as rows an even number apart share places of a cache
_LEAST, _MOST = 1 << 10, 1 << 14  # documents of a sample
_LARGE = 2e12  # operations of a search above which torch is worth the seconds that it takes to load
_TINY = 2.0**-90  # more than all numbers that are too small to be normal, multiplied and added, of a row
_LEAST_LENGTH = 2.0**-55  # more than a vector has whose squares are all 0
# Variables by which NVIDIA's libraries multiply float32 with fewer bits, whatever the program asks for.
_FORCED = ("NVIDIA_TF32_OVERRIDE", "CUBLAS_EMULATE_SINGLE_PRECISION")


class _Float32:
    """Products of documents with queries in float32 by numpy, whose OpenBLAS is as fast as oneDNN and MKL.

    Attributes:
        size: number of documents.
        tile: scores of a tile, at most.
        strided: whether `scores` takes any slice; else only one of `tiles`.
    """

    strided = True

    def __init__(self, documents: Floats) -> None:
        self.documents, self.size, self.tile, self.longest = documents, len(documents), _TILE, longest(documents)

    def ask(self, queries: Floats) -> tuple[Floats, Doubles]:
        """Return the queries in the product's precision, and their bounds e, [queries]."""
        return queries, bound(queries, self.longest, 3 * queries.shape[1])

    def cut(self, scores: Floats, error: Doubles) -> Floats:
        """r(t - u|t| - 2e) of `nearest`, float32 [queries]."""
        return _lowered(scores, 2.0**-24, error).astype(np.float32)

    def scores(self, asked: Floats, rows: slice, out: Floats | None = None) -> Floats:
        """Scores of some documents, [queries, documents]; written into `out`, which is at least as large."""
        part = self.documents[rows]
        found: Floats = np.matmul(asked, part.T, out=_within(out, len(asked), len(part)))
        return found

    def high(self, scores: Floats, cut: Floats) -> tuple[Integers, Floats]:
        """Flat places, ascending, and values of the scores that reach their query's cut."""
        places = np.flatnonzero(scores >= cut[:, None])
        return places, scores.ravel()[places]

    def ranked(self, scores: Floats, rank: int) -> Floats:
        """The score at a rank, from 1, of each query, float32 [queries]."""
        return _ranked(scores, rank)


class _Torch:
    """The methods of `_Float32` by torch.

    On a processor in bfloat16, where oneDNN sums in float32 and rounds once; on a GPU in float32.
    """

    strided = False

    def __init__(self, documents: Floats, dtype: str, device: str = "cpu") -> None:
        import torch  # takes seconds to load, which small searches do not need

        self.torch, self.size, self.tile = torch, len(documents), _TILE
        self.dtype, self.device = getattr(torch, dtype), torch.device(device)
        self.unit = torch.finfo(self.dtype).eps / 2
        with self._room():  # also what looks first needs some
            free = _free(device)
        if free is not None:
            torch.backends.cuda.matmul.allow_tf32 = False  # float32 to the last bit
            self.tile = max(1, min(_ON_GPU, free // 2 // _EACH // COUNT))
        # In the order of `tiles`. What does not fit on the device is sent when it is multiplied.
        self.step, self.given, self.held = step(self.size), documents, None
        self.first = np.cumsum([0, *(len(range(first, self.size, self.step)) for first in range(self.step))])
        if free is None or self.dtype.itemsize * documents.size < free // 2:
            with self._room():
                self.held = torch.empty(documents.shape, dtype=self.dtype, device=self.device)

        def placed(rows: slice) -> tuple[float, float]:
            part = documents[rows].copy()  # torch warns of arrays that are read-only, as of a memory map
            rounded = torch.from_numpy(part).to(self.dtype)
            if self.held is not None:
                self._part(rows).copy_(rounded)
            return longest(part), longest(part - rounded.float().numpy())

        with threads() as pool:
            lengths = [(0.0, 0.0), *pool.map(placed, tiles(self.size, _LEAST))]
        self.longest, self.lost = (max(each) for each in zip(*lengths, strict=True))

    def ask(self, queries: Floats) -> tuple[Any, Doubles]:
        n, asked = queries.shape[1], self.torch.from_numpy(queries).to(self.dtype)
        length, lost = lengths(queries), lengths(queries - asked.float().numpy())
        # A rounded vector is no longer than itself and what it lost.
        error = lost * self.longest + (length + lost) * self.lost
        error += sums(2 * n) * (length + lost) * (self.longest + self.lost) + sums(n) * length * self.longest
        with self._room():
            return asked.to(self.device), error + _TINY

    def cut(self, scores: Floats, error: Doubles) -> Floats:
        lowered = self.torch.from_numpy(_lowered(scores, self.unit, error))
        found: Floats = lowered.to(self.dtype).float().numpy()
        return found

    def scores(self, asked: Any, rows: slice, out: Any = None) -> Any:
        with self._room():
            part = self._part(rows)
            return self.torch.mm(asked, part.T, out=_within(out, len(asked), len(part)))

    def high(self, scores: Any, cut: Floats) -> tuple[Integers, Floats]:
        with self._room():
            least = self.torch.from_numpy(cut).to(self.device, self.dtype)[:, None]
            if self.dtype is not self.torch.bfloat16:
                places = (scores >= least).flatten().nonzero()[:, 0]
            else:  # numpy looks four times as fast as torch; above 0 numbers are in the order of their bits
                kind = self.torch.int16
                bits = scores.view(kind).numpy(), least.view(kind).numpy()
                marks = bits[0] >= bits[1] if (cut > 0).all() else (scores >= least).numpy()
                places = self.torch.from_numpy(np.flatnonzero(marks))
            return places.cpu().numpy(), scores.flatten()[places].float().cpu().numpy()

    def ranked(self, scores: Any, rank: int) -> Floats:
        return _ranked(scores.float().cpu().numpy(), rank)

    def _part(self, rows: slice) -> Any:
        if self.held is None:
            return self.torch.from_numpy(self.given[rows].copy()).to(self.device)
        first = self.first[rows.start % self.step] + rows.start // self.step
        return self.held[first : first + len(range(rows.start, rows.stop, self.step))]

    @contextmanager
    def _room(self) -> Iterator[None]:
        """Turn the error of a GPU whose memory ends, torch's, CUDA's or cuBLAS's, into MemoryError; halve the tiles."""
        tile = self.tile
        try:
            yield
        except RuntimeError as fault:
            if tells_of_memory(str(fault)) is None:
                raise
            self.tile = min(self.tile, max(1, tile // 2))  # several threads may meet its end at once
            raise MemoryError(str(fault)) from fault


Product = _Float32 | _Torch


def products(queries: int, documents: Floats, halved: bool | None) -> list[Product]:
    """Products that can propose documents for this number of queries, the fastest first; the last needs no GPU.

    `halved`: whether a processor multiplies in bfloat16; None: large searches use a GPU where torch sees one, else
    bfloat16 where the processor has it.
    """
    large = halved is None and 2.0 * queries * documents.size > _LARGE
    if large and unforced() and devices.planned().kind == "cuda" and devices.loaded().kind == "cuda":
        with suppress(MemoryError):
            return [_Torch(documents, "float32", "cuda"), _Float32(documents)]
    if halved or (large and devices.processor().halves):
        return [_Torch(documents, "bfloat16"), _Float32(documents)]
    return [_Float32(documents)]


def unforced() -> bool:
    """Whether NVIDIA's libraries multiply float32 with all bits."""
    return all(os.environ.get(name, "") in ("", "0") for name in _FORCED)


def step(size: int) -> int:
    """Distance between the documents of a sample; 1: there are too few documents for one."""
    return max(min(_SAMPLE, size // _LEAST), size // _MOST) | 1 if size >= 2 * _LEAST else 1


def tiles(size: int, most: int, begin: int = 0) -> Iterator[slice]:
    """Slices of at most `most` documents, each `step` apart, that cover all; from `begin` 1 all but the sample."""
    apart = step(size)
    for first in range(begin, apart):
        for start in range(first, size, most * apart):
            yield slice(start, min(size, start + most * apart), apart)


def _free(device: str) -> int | None:
    """Free bytes of a GPU; None for the processor."""
    if device == "cpu":
        return None
    import torch

    return int(torch.cuda.mem_get_info(device)[0])


def _ranked(scores: Floats, rank: int) -> Floats:
    found: Floats = np.partition(scores, -rank, axis=1)[:, -rank]
    return found


def _within(room: Any, queries: int, documents: int) -> Any:
    """The beginning of an array's memory as [queries, documents]; None for None."""
    return None if room is None else room.reshape(-1)[: queries * documents].reshape(queries, documents)


def _lowered(scores: Floats, unit: float, error: Doubles) -> Doubles:
    """t - u|t| - 2e of `nearest`; -inf, which keeps everything, where scores overflow float32."""
    cut: Doubles = scores - unit * np.abs(scores, dtype=np.float64) - 2 * error
    return np.where(np.isnan(cut), -np.inf, cut)


def bound(queries: Floats, longest: float, roundings: int) -> Doubles:
    """Largest error of inner products after so many roundings of their terms, float64 [queries]; see the module."""
    return sums(roundings) * lengths(queries) * longest + _TINY


def longest(rows: Floats) -> float:
    """Upper bound of the length of the longest row, 0 without rows."""
    return float(lengths(rows).max(initial=0.0))


def lengths(rows: Floats) -> Doubles:
    """Upper bound of each row's length, float64 [rows]: squares are rounded, and the smallest become 0."""
    squares = np.einsum("ij,ij->i", rows, rows).astype(np.float64)
    found: Doubles = np.sqrt(squares) * (1 + sums(rows.shape[1])) + _LEAST_LENGTH
    return found


def sums(n: Any) -> Any:
    """g(n) of the module's docstring, for a number or an array."""
    return n * 2.0**-24 / (1 - n * 2.0**-24)
