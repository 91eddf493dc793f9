"""Records of past runs and lists of folders: what is taken in is what its name says, and of this pipeline."""

from __future__ import annotations

import hashlib
import json
import random
import re
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml
from workspaces import ROOT

from patent_embeddings.sharing import records

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


def filled(value: str, item: str) -> str:
    """A text of dvc.yaml as DVC fills it; every other hole with a view."""
    return re.sub(r"\$\{[^}]*\}", "tac", value.replace("${item}", item))


def record(name: str, item: str = "sim-beta-2") -> dict[str, Any]:
    """A record as DVC writes one of a stage of this repository."""
    body = STAGES[name].get("do", STAGES[name])
    entries = {}
    for kind, parts in {"deps": ["deps"], "outs": ["outs", "metrics", "plots"]}.items():
        named = [one for part in parts for one in body.get(part, [])]
        paths = {filled(path, item) for one in named for path in ([one] if isinstance(one, str) else one)}
        entries[kind] = [
            {"path": path, "hash": "md5", "md5": hashlib.md5(path.encode()).hexdigest(), "size": 3}
            for path in sorted(paths)
        ]
    return {"cmd": filled(body["cmd"], item), **entries}


def named(found: dict[str, Any]) -> tuple[bytes, str, str]:
    """Its bytes, key and value."""
    from dvc.stage.cache import _get_cache_hash

    return yaml.safe_dump(found).encode(), _get_cache_hash(deepcopy(found), key=True), _get_cache_hash(deepcopy(found))


@pytest.mark.parametrize("name", STAGES)
def test_a_record_of_each_stage_fits_and_no_record_of_two_ids_does(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    known = records.stages()
    one = records.read(*named(record(name)))
    records.fit(one, known)
    for kind in ("deps", "outs"):
        for number, entry in enumerate(record(name)[kind]):
            other = record(name)
            other[kind][number] |= {"path": f"{entry['path']}x"}
            with pytest.raises(records.Unfit, match=r"of no stage of dvc.yaml|outside data/ and reports/"):
                records.fit(records.read(*named(other)), known)
            if "sim-beta-2" in entry["path"]:
                other[kind][number] |= {"path": entry["path"].replace("sim-beta-2", "sim-alpha")}
                with pytest.raises(records.Unfit, match=r"of no stage of dvc\.yaml"):
                    records.fit(records.read(*named(other)), known)


def flips(content: bytes, count: int = 300) -> list[bytes]:
    rng = random.Random(0)
    places = [(rng.randrange(len(content)), 1 << rng.randrange(8)) for _ in range(count)]
    return [content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :] for place, bit in places]


def test_no_flipped_bit_of_a_record_or_a_list_changes_what_is_read() -> None:
    content, key, value = named(record("fuse"))
    whole, refused = records.read(content, key, value), 0
    for flipped in flips(content):
        try:
            # Sizes are no part of DVC's hash, and are not read.
            assert records.read(flipped, key, value) == whole
        except records.Unfit:
            refused += 1
    assert refused > 250
    listed = json.dumps([{"md5": "1" * 32, "relpath": "a.parquet"}, {"md5": "2" * 32, "relpath": "b/c.npy"}]).encode()
    oid = hashlib.md5(listed).hexdigest() + ".dir"
    assert records.files(listed, oid) == {"a.parquet": "1" * 32, "b/c.npy": "2" * 32}
    for flipped in flips(listed):
        with pytest.raises(records.Unfit, match="not what its name says"):
            records.files(flipped, oid)


def test_the_list_of_records_merges_and_stays_sorted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert records.listed() is None
    ours, theirs = (records.Record(letter * 64, "0" * 64, f"run {letter}", (), {}) for letter in "ba")
    (tmp_path / "reports").mkdir()
    assert records.enlist([ours], {}) == 1
    before = records.listed()
    assert before is not None and records.enlist([ours], before) == 0
    assert records.enlist([ours, theirs], before) == 1
    text = Path("reports/records.txt").read_text()
    assert text == f"{'a' * 64} {'0' * 64} run a\n{'b' * 64} {'0' * 64} run b\n"
