"""Add, replace and remove the user's own landscapes, completely or not at all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import read_yaml, sha256, workplace, writable
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.user.conversion import Request, take
from patent_embeddings.corpus.user.registration import LISTED, drop, files_of, put

# Words that YAML or the grammar of `dvc exp run -S` reads as a boolean, null or a number, in any case.
_WORDS = {"y", "yes", "on", "true", "n", "no", "off", "false", "none", "null", "nil", "nan", "inf", "infinity"}
_NUMBER = re.compile(r"[0-9]+(e-?[0-9]+)?|0x[0-9a-f]+|0o[0-7]+|0b[01]+|[0-9]{4}-[0-9]{2}-[0-9]{2}")  # or a date
_LONGEST = 64  # characters of an id, which is part of file names
_DESCRIBED = "Families of "  # beginning of the default description


@dataclass(frozen=True)
class Added:
    """A landscape that was added, or would be in a dry run."""

    raw: Raw
    relevance: str
    threshold: int  # lowest grade that binary metrics count as relevant
    todo: list[str]  # lines about what to do next
    entry: Any = None  # in the registry; None in a dry run


def add(name: str, request: Request, given: Mapping[str, Any], *, dry: bool = False) -> Added:
    """Add files as a new landscape.

    Args:
        name: its id.
        request: the files and how to read them.
        given: those of `description`, `licence`, `relevance` and `threshold` that the user gives.
        dry: change nothing, only read the files.

    Raises:
        UserError: the id is invalid or taken, a file is invalid, or it cannot be stored or tracked. Nothing is changed.
    """
    _check_id(name)
    about = {"description": f"{_DESCRIBED}{request.files[0].name}", "licence": "not stated", "relevance": "cited"}
    return _stored(name, request, about, given, dry)


def replaced(name: str, request: Request, given: Mapping[str, Any], *, dry: bool = False) -> Added:
    """Replace the files of a landscape; fields of its entry that are not given stay as they are. See `add`."""
    old = _own(name)
    about = {key: value for key, value in old.items() if key in ("description", "licence", "relevance", "threshold")}
    if _names_file(old):
        about["description"] = f"{_DESCRIBED}{request.files[0].name}"
    return _stored(name, request, about, given, dry, files_of(old))


def _names_file(old: Mapping[str, Any]) -> bool:
    """Whether nobody wrote the description of an entry: it names the file that was added."""
    named = old["description"].removeprefix(_DESCRIBED)
    files = [one["name"] for one in (old.get("read") or {}).get("files", [])]
    return named != old["description"] and (named in files or Path(named).suffix == Path(old["file"]).suffix)


def remove(name: str, used: Iterable[str]) -> list[str]:
    """Remove one of the user's own landscapes and everything computed from it; returns lines about what to do next.

    `used` are the landscapes that params.yaml names. Raises UserError if this is one of them, or is not the user's own.
    """
    old = _own(name)
    if name in used:
        where = f"landscape or evaluate_on of {layout.PARAMS}"
        raise UserError(f"landscape {name!r} is named by {where}; take it out there first")
    drop(name, files_of(old), [*_derived(name), layout.landscape_page(name)])
    return [
        f"removed {name} from {LISTED}, and its files from {layout.DATA}; DVC's cache has them until `dvc gc`",
        f"keep it: git add -A {LISTED} {layout.RAW} && git commit -m 'Landscape {name} removed'",
    ]


def _derived(name: str) -> list[Path]:
    """The files and folders that stages have written for a landscape."""
    folders = [layout.DATA / kind for kind in layout.PER_LANDSCAPE]
    outputs = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.stem == name]
    return [*outputs, layout.VALUES / name]


def _stored(
    name: str, request: Request, about: dict[str, Any], given: Mapping[str, Any], dry: bool, old: Sequence[Path] = ()
) -> Added:
    about = _about(name, about | dict(given), given, judged=bool(request.qrels))
    taken = take(request)
    threshold, highest = about.get("threshold", 1), int(taken.raw.relations["relevance"].max() if taken.judged else 1)
    if threshold > highest:
        said = f"the highest grade of the judgements is {highest}, so that R@100, AP and RR would be 0"
        raise UserError(f"threshold {threshold} of landscape {name!r}: {said}; give --threshold {highest} or less")
    target, done = layout.raw(name, taken.suffix), "replaced" if old else "added"
    if dry:
        todo = [f"dry run: {name} would be {done}; nothing was touched"]
        return Added(taken.raw, about["relevance"], threshold, todo)
    block, made = {"source": "table", **about}, {}
    layout.RAW.mkdir(parents=True, exist_ok=True)
    with workplace("landscape", layout.RAW) as folder:
        for key, write in {"": taken.write, **taken.judged}.items():
            path = layout.raw(name, f".{key}.parquet") if key else target
            made[path] = folder / path.name
            with writable(path):
                write(made[path])
            file = {"file": path.as_posix(), "sha256": sha256(made[path])}
            block |= {key: file} if key else file
        block |= {"read": taken.read} if taken.read else {}
        put(name, block, made, old)
    keep = f"-A {LISTED} {layout.RAW}" if old else " ".join([str(LISTED), *(f"{path}.dvc" for path in made)])
    todo = [
        f"{done} {name} {'in' if old else 'to'} {LISTED}; its file is {target}",
        f"keep it:    git add {keep} && git commit -m 'Landscape {name}'",
        f"compute it: dvc exp run -S landscape={name} -S 'evaluate_on=[{name}]'{_options(taken.raw)}",
    ]
    entry = registry.validated("landscapes", name, block, Landscape)
    return Added(taken.raw, about["relevance"], threshold, todo, entry)


def _about(name: str, fields: dict[str, Any], given: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
    """The fields of an entry that do not concern files, some of them `given`.

    Raises UserError if an option contradicts the presence or absence of judgements.
    """
    if judged:
        if "relevance" in given:
            raise UserError(
                f"--relevance {given['relevance']}: --qrels says what is relevant; leave one of the two out"
            )
        return fields | {"relevance": "judged"}
    if "threshold" in given:
        raise UserError("--threshold: applies to judgements only; name them by --qrels, or leave it out")
    if fields["relevance"] == "judged":
        old = "has judgements, which name families of its old files"
        raise UserError(f"landscape {name!r} {old}; give --qrels again, or --relevance cited")
    return {key: value for key, value in fields.items() if key != "threshold"}


def _own(name: str) -> dict[str, Any]:
    """The entry of one of the user's own landscapes. Raises UserError if there is none."""
    blocks = read_yaml(LISTED)
    if name not in blocks:
        raise UserError(f"landscape {name!r} is not in {LISTED}{nearest(name, sorted(blocks))}")
    registry.validated("landscapes", name, blocks[name], Landscape)
    block: dict[str, Any] = blocks[name]
    if block["source"] != "table":
        said = f"came with the repository (source: {block['source']}), and is not replaced or removed by commands"
        raise UserError(f"landscape {name!r} {said}; edit {LISTED}, or add yours under an id of its own")
    return block


def _options(raw: Raw) -> str:
    """Options for a first cell of the landscape, where it lacks sections that the default recipe or view needs."""
    lacks = {name for name in ("abstract", "claims", "description") if (raw.families[name] == "").all()}
    if {"abstract", "claims"} <= lacks:
        return " -S recipe=zero-shot -S query_view=title -S document_view=title"
    if "claims" in lacks:
        return " -S recipe=zero-shot -S query_view=ta -S document_view=ta"
    if "abstract" in lacks:
        return " -S recipe=zero-shot" if "description" in lacks else " -S recipe=r3-cd"
    return " -S recipe=zero-shot" if len(raw.relations) else ""


def _check_id(name: str) -> None:
    faults = {
        "ids are made of a-z, 0-9 and '-' only; choose another": not registry.IDENTIFIER.fullmatch(name),
        "command lines read it as an option; begin it with a letter": name.startswith("-"),
        f"has {len(name)} characters; use at most {_LONGEST}": len(name) > _LONGEST,
        "YAML or a command line would not read it as text; choose a word": name in _WORDS or _NUMBER.fullmatch(name),
        "is reserved for the costs of the cell's own stages; choose another": name == layout.CELL,
    }
    if said := next((said for said, wrong in faults.items() if wrong), None):
        raise UserError(f"landscape id {name!r:.80}: {said}")
    if name in registry.ids("landscapes"):
        mend = f"choose another id, or `landscape replace {name}`"
        raise UserError(f"landscape {name!r} is already in {LISTED}; {mend}")
