"""Data that a script of a page unpacks: compressed, so that thousands of texts stay small."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any


def packed(data: Any) -> str:
    """What `DecompressionStream("gzip")` reads after base64: JSON without blanks, NaN refused, the same bytes always.

    Its letters are those of base64, so that it may stand in a page whatever the data hold.
    """
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode("ascii")
