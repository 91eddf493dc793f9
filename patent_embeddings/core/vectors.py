"""TODO."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    from patent_embeddings.core.arrays import Floats


def load(path: Path, rows: int | None) -> Floats:
    """Vectors of one side, float32 [rows, dimension], memory-mapped.

    Raises:
        UserError: the file is absent, damaged, of another shape or type, or holds a number that is not finite.
    """

    again = "run `python -m stages.share check`, then `dvc repro`"
    try:
        vectors = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError:
        raise UserError(f"{path}: no such file; run `dvc repro` first") from None
    except (ValueError, OSError, EOFError) as error:
        raise UserError(f"{path}: damaged vectors ({str(error).splitlines()[0]:.100}); {again}") from None
    if vectors.ndim != 2 or vectors.dtype != np.float32:
        raise UserError(f"{path}: {vectors.dtype} of shape {vectors.shape}, expected rows of float32; {again}")
    if rows is not None and len(vectors) != rows:
        raise UserError(f"{path}: {len(vectors)} vectors for {rows} ids; {again}")
    digest = path.with_suffix(".sha256")
    if digest.exists() and digest.read_text(encoding="ascii").strip() != sha256(path):
        raise UserError(f"{path}: damaged vectors (not those of {digest.name}); {again}")
    for start in range(0, len(vectors), 1 << 16):
        if not np.isfinite(vectors[start : start + (1 << 16)]).all():
            raise UserError(f"{path}: a vector holds a number that is not finite; {again}")
    return vectors
