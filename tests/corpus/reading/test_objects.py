"""JSON objects of a stream, with borders of chunks anywhere."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.reading import objects
from patent_embeddings.corpus.reading.source import CUT, Report
from patent_embeddings.corpus.reading.text import DAMAGED, WINDOWS

TEXT = st.text(alphabet='ab"\\{}[],:\n é', max_size=8)
VALUE = st.recursive(
    TEXT | st.integers() | st.none(), lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=5
)
OBJECTS = st.lists(st.dictionaries(TEXT, VALUE, min_size=1, max_size=3), min_size=1, max_size=4)


def found(content: bytes) -> tuple[list[dict[str, Any]], Report]:
    report = Report()
    return [one for _, one in objects.objects(io.BufferedReader(io.BytesIO(content)), "x", report)], report


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(OBJECTS, st.sampled_from([2, 5, 16, 61]), st.sampled_from(["lines", "array", "printed", "joined"]))
def test_borders_of_chunks_and_signs_in_texts_do_not_matter(
    monkeypatch: pytest.MonkeyPatch, values: list[dict[str, Any]], chunk: int, form: str
) -> None:
    monkeypatch.setattr("patent_embeddings.corpus.reading.text._CHUNK", chunk)
    texts = [json.dumps(one, indent=1 if form == "printed" else None, ensure_ascii=chunk > 9) for one in values]
    joint = {"lines": "\n", "array": " ,\n", "printed": "\n", "joined": ""}[form]
    text = joint.join(texts)
    read, report = found((f"[{text}]" if form == "array" else text).encode())
    assert read == values
    assert not report.counts


@pytest.mark.parametrize(
    "content", ['[{"a": 1}, {"a": "b', '[{"a": 1}', '[{"a": 1}, ', '{"a": 1}\n{"a": tr', '{"a": 1}\n{"a"']
)
def test_a_cut_stream_ends_with_its_last_whole_object(content: str) -> None:
    read, report = found(content.encode())
    assert read == [{"a": 1}]
    assert report.counts == {CUT: 1}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ('{"a": 1}\n{"a" 2}\n', "x: record 2, from line 2: not JSON"),
        ('{"a": 1}\n["b"]\n', "x: record 2, from line 2: 'b' is no JSON object"),
        ('[{"a": 1},\n\n{"a": 2}}]', "x: record 3, from line 3: not JSON"),
        ('[{"a": 1},\n{"a: 2},\n{"a": 3}]', "x: record 2, from line 2: not JSON"),
        ('{"a": 1}\n' + '{"a":' * 100_000, "x: record 2, from line 2: not JSON"),
    ],
)
def test_what_is_no_json_is_named_by_record_and_line(content: str, said: str) -> None:
    with pytest.raises(UserError, match=said + r".*; export or copy the file again, one JSON object a line$"):
        found(content.encode())


def test_a_record_without_an_end_is_not_held_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(objects, "_LONGEST", 1 << 21)
    for content in (b'[{"a": "' + b"b" * (1 << 22), b'{"a": 1}\n{"b": "' + b"b" * (1 << 22)):
        with pytest.raises(UserError, match="no end within 2 MiB"):
            found(content)


def test_bytes_that_are_no_utf8_and_what_is_no_strict_json_are_read() -> None:
    read, report = found(
        '{"a": "Größe, größer"}\n{"a": "\\ud800"}\n{"a": NaN}\n{"a": "@"}'.encode().replace(b"@", b"\xff")
    )
    assert [one["a"] for one in read[:2]] == ["Größe, größer", "\ud800"]
    assert read[2]["a"] != read[2]["a"] and read[3]["a"] == "\ufffd"
    assert report.counts == {DAMAGED: 1}
    read, report = found('{"a": "Größe"}'.encode("cp1252"))
    assert read == [{"a": "Größe"}] and report.counts == {WINDOWS: 2}
