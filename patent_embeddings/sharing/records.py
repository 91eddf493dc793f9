"""Validate what comes from a shared cache or remote: records of past runs, and lists of the files of a folder.

DVC finds a record by the name of its folder, trusts its content, and writes the outputs that it names; for a folder it
writes the files in its list. Whoever can write to a remote controls both, so they are checked here first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Any

from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.stage.cache import _get_cache_hash
from dvc.utils.serialize import YAMLFileCorruptedError, parse_yaml
from ruamel.yaml import YAML, events
from ruamel.yaml.error import YAMLError
from voluptuous import Invalid

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import read_yaml, write_text
from patent_embeddings.core.registry import IDENTIFIER

DAMAGED = "its content is not what its name says"
LARGEST = 1 << 20  # most bytes of a record or a list; those of this pipeline have some thousands
_DEEPEST = 20  # most levels of nesting in YAML
MD5 = re.compile(r"[0-9a-f]{32}(\.dir)?")
_ENTRY = {"path", "hash", "md5", "size", "nfiles", "isexec"}  # DVC's fields of an output or a dependency
# A part of a path: not hidden, and the same name on every operating system.
_PART = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.=+@-]*[A-Za-z0-9_])?")
_HOLE = re.compile(r"\$\{([^}]*)\}")  # placeholder in dvc.yaml, filled by a foreach or a parameter
_LINE = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{64})(?: .*)?")


class Unfit(Exception):
    """The reason for which something is refused."""


class Foreign(Unfit):
    """The reason for which an undamaged record is refused: it is of another pipeline, or of another DVC."""


@dataclass(frozen=True)
class Record:
    """One past run: paths of `deps`, and hashes of `outs` by path.

    `key` is the hash of command, dependencies, parameters and paths of outputs; `value` is that of all this and the
    hashes of outputs.
    """

    key: str
    value: str
    command: str
    deps: tuple[str, ...]
    outs: Mapping[str, str]


def read(content: bytes, key: str, value: str) -> Record:
    """Read a record and check it against its key and value, so that DVC uses it for nothing else.

    Raises Foreign where it describes its files in another way, and Unfit where it is damaged, too large, or no record.
    """
    try:
        text = _bounded(content).decode("utf-8")
        plain(text)
        found = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse_yaml(text, value))
        actual = _get_cache_hash(found), _get_cache_hash(dict(found), key=True)
    except (YAMLFileCorruptedError, Invalid, TypeError, ValueError, AttributeError):
        raise Unfit("damaged, or no record") from None
    if actual != (value, key):
        raise Unfit(DAMAGED)
    entries = {kind: found.get(kind) or [] for kind in ("deps", "outs")}
    for one in [*entries["deps"], *entries["outs"]]:
        if one.keys() - _ENTRY or one.get("hash") != "md5" or not MD5.fullmatch(str(one.get("md5"))):
            raise Foreign(f"{_shown(one['path'])}: not described as DVC describes a file")
    outs = {entry["path"]: entry["md5"] for entry in entries["outs"]}
    return Record(key, value, str(found["cmd"]), tuple(entry["path"] for entry in entries["deps"]), outs)


@dataclass(frozen=True)
class Stage:
    """A stage of dvc.yaml with its placeholders."""

    command: str
    deps: tuple[str, ...]
    outs: tuple[str, ...]

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """Pattern of its command, with any id for a placeholder."""
        return _pattern(self.command, {})

    def made(self, record: Record) -> bool:
        """Whether a record is of this stage by command, dependencies and outputs, with the same ids in all of them."""
        found = self.pattern.fullmatch(record.command)
        if not found:
            return False
        known = dict(zip(_HOLE.findall(self.command), found.groups(), strict=True))
        outs = _same([_pattern(one, known) for one in self.outs], record.outs)
        return outs and _same([_pattern(one, known) for one in self.deps], record.deps)


def stages() -> list[Stage]:
    """Every stage of dvc.yaml."""
    bodies = [body.get("do", body) for body in read_yaml(layout.PIPELINE)["stages"].values()]
    return [Stage(str(body["cmd"]), _paths(body, "deps"), _paths(body, "outs", "metrics", "plots")) for body in bodies]


def locked(lock: Mapping[str, Any]) -> dict[str, str]:
    """Hash of every output in a dvc.lock, by path; `lock` is its content."""
    outs = (out for stage in lock["stages"].values() for out in stage.get("outs", []))
    return {out["path"]: out["md5"] for out in outs if "md5" in out}


def fit(record: Record, known: Iterable[Stage]) -> None:
    """Raise Foreign where a record is of no stage of dvc.yaml, or has an output outside data/ and reports/."""
    for path in record.outs:
        if not inside(path):
            raise Foreign(f"{_shown(path)}: outside {layout.DATA}/ and {layout.REPORTS}/")
    if not any(one.made(record) for one in known):
        raise Foreign(f"of no stage of {layout.PIPELINE} here, by command, dependencies or outputs")


def inside(path: str) -> bool:
    """Whether an output is in data/ or reports/, but not in data/raw/, which has the user's own files."""
    parts = path.split("/")
    raw = layout.RAW.as_posix().split("/")
    return len(parts) > 1 and parts[0] in (str(layout.DATA), str(layout.REPORTS)) and parts[:2] != raw and _safe(parts)


def files(content: bytes, oid: str) -> dict[str, str]:
    """Hashes of the files of a folder by path, from its list with hash `oid`.

    Raises Unfit where the list is damaged, too large, or names files outside the folder.
    """
    whole(_bounded(content), oid)
    try:
        found = json.loads(content)
        named = [(one["relpath"], one["md5"]) for one in found if one.keys() == {"relpath", "md5"}]
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise Unfit("no list of files") from None
    if len(named) < len(found):
        raise Unfit("no list of files")
    for path, digest in named:
        if not isinstance(path, str) or not _safe(path.split("/")):
            raise Unfit(f"{_shown(path)}: no file of the folder")
        if not isinstance(digest, str) or not MD5.fullmatch(digest) or digest.endswith(".dir"):
            raise Unfit(f"{_shown(path)}: {_shown(digest)} is no hash of a file")
    paths = {path for path, _ in named}
    above = {"/".join(path.split("/")[:depth]) for path in paths for depth in range(1, path.count("/") + 1)}
    if len(paths) < len(named) or paths & above:
        raise Unfit("names a file twice, or as a folder too")
    return dict(named)


def whole(content: bytes, oid: str) -> None:
    """Raise Unfit where content does not have the hash `oid`, of a file or of a folder's list."""
    if hashlib.md5(content, usedforsecurity=False).hexdigest() != oid.removesuffix(".dir"):
        raise Unfit(DAMAGED)


def listed() -> dict[tuple[str, str], str] | None:
    """Lines of reports/records.txt by key and value; None where it does not exist. Raises UserError at a bad line."""
    try:
        lines = layout.RECORDS.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return None
    matches = [_LINE.fullmatch(line) for line in lines]
    for number, match in enumerate(matches, 1):
        if match is None:
            why = "no record's (a key, a value and a command); merge both sides' lines, or take the file from git"
            raise UserError(f"{layout.RECORDS}: line {number} is {why}")
    return {(match[1], match[2]): match[0] for match in matches if match}


def enlist(found: Iterable[Record], before: Mapping[tuple[str, str], str]) -> int:
    """Add records to reports/records.txt, and return how many are new."""
    lines = {(one.key, one.value): f"{one.key} {one.value} {one.command}" for one in found}
    if new := lines.keys() - before.keys():
        write_text(layout.RECORDS, "".join(f"{line}\n" for line in sorted({**lines, **before}.values())))
    return len(new)


def _bounded(content: bytes) -> bytes:
    if len(content) > LARGEST:
        raise Unfit(f"larger than {LARGEST >> 20} MiB")
    return content


def plain(text: str) -> None:
    """Raise Unfit where YAML has aliases, anchors or tags, or is nested deeper than any record."""
    depth = 0
    try:
        for event in YAML(typ="safe").parse(text):
            if isinstance(event, events.AliasEvent) or getattr(event, "anchor", None) or getattr(event, "tag", None):
                raise Unfit("its YAML has aliases, anchors or tags")
            depth += isinstance(event, events.CollectionStartEvent) - isinstance(event, events.CollectionEndEvent)
            if depth > _DEEPEST:
                raise Unfit("its YAML is nested too deeply")
    except YAMLError:
        raise Unfit("damaged, or no record") from None


def _safe(parts: list[str]) -> bool:
    return all(_PART.fullmatch(part) for part in parts)


def _paths(body: Mapping[str, Any], *kinds: str) -> tuple[str, ...]:
    entries = [entry for kind in kinds for entry in body.get(kind, [])]
    return tuple(path for entry in entries for path in ([entry] if isinstance(entry, str) else entry))


def _pattern(template: str, known: Mapping[str, str]) -> re.Pattern[str]:
    """Pattern of a text of dvc.yaml: known placeholders are filled, others match any id."""
    parts = _HOLE.split(template)  # text, placeholder, text, ...
    ids = (re.escape(known[hole]) if hole in known else f"({IDENTIFIER.pattern})" for hole in parts[1::2])
    texts = (re.escape(text) for text in parts[::2])
    return re.compile("".join(one for pair in zip_longest(texts, ids, fillvalue="") for one in pair))


def _same(patterns: list[re.Pattern[str]], paths: Iterable[str]) -> bool:
    """Whether every path matches a pattern, and every pattern matches a path."""
    found = [{number for number, one in enumerate(patterns) if one.fullmatch(path)} for path in paths]
    return all(found) and set().union(*found) == set(range(len(patterns)))


def _shown(value: object) -> str:
    """An untrusted text, shortened and without control characters."""
    return ascii(value)[:80]
