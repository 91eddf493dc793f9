"""Data that a page carries packed."""

from __future__ import annotations

import base64
import gzip
import json
import re

import pytest

from patent_embeddings.pages.shell import packed


def test_packed_is_json_again_and_safe_in_a_page() -> None:
    data = {"text": "</script> \u2028 é 🙂", "value": 0.25, "none": None}
    found = packed(data)
    assert re.fullmatch(r"[A-Za-z0-9+/]+=*", found)
    assert json.loads(gzip.decompress(base64.b64decode(found))) == data
    assert base64.b64decode(found)[4:8] == bytes(4)  # no time: the same bytes whenever it is made


def test_what_a_browser_could_not_read_is_refused() -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        packed({"value": float("nan")})
