"""Add, replace and remove the user's own landscapes, completely or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from patent_embeddings.core import layout, registry
from patent_embeddings.core.errors import UserError, nearest
from patent_embeddings.core.files import read_yaml, sha256, workplace, writable
from patent_embeddings.corpus.entries import Landscape
from patent_embeddings.corpus.families import Raw
from patent_embeddings.corpus.user.conversion import Request, take
from patent_embeddings.corpus.user.registration import drop, files_of, put

# Words that YAML or the grammar of `dvc exp run -S` reads as a boolean, null or a number, in any case.
_WORDS = {"y", "yes", "on", "true", "n", "no", "off", "false", "none", "null", "nil", "nan", "inf", "infinity"}
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
    return _stored(name, request, about, given, dry=dry)


def replaced(name: str, request: Request, given: Mapping[str, Any], *, dry: bool = False) -> Added:
    """Replace the files of a landscape; fields of its entry that are not given stay as they are. See `add`."""
    old = _own(name)
    keys: tuple[str, ...] = ("description", "licence", "relevance", "threshold")
    about = {key: old[key] for key in keys if key in old}
    if about["description"].startswith(_DESCRIBED):
        about["description"] = f"{_DESCRIBED}{request.files[0].name}"
    return _stored(name, request, about, given, dry=dry, old=files_of(old))


def remove(name: str, used: Iterable[str]) -> list[str]:
    """Remove one of the user's own landscapes and everything computed from it; returns lines about what to do next.

    `used` are the landscapes that params.yaml names. Raises UserError if this is one of them, or is not the user's own.
    """
    old = _own(name)
    if name in used:
        where = f"landscape or evaluate_on of {layout.PARAMS}"
        raise UserError(f"landscape {name!r} is named by {where}; take it out there first")
    drop(name, files_of(old), [*derived(name), layout.landscape_page(name)])
    listed = layout.registry("landscapes")
    return [
        f"removed {name} from {listed}, and its files from {layout.DATA}; DVC's cache has them until `dvc gc`",
        f"keep it: git add -A {listed} {layout.RAW} && git commit -m 'Landscape {name} removed'",
    ]


def derived(name: str) -> list[Path]:
    """The files and folders that stages have written for a landscape."""
    folders = [layout.DATA / kind for kind in layout.PER_LANDSCAPE]
    outputs = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.stem == name]
    return [*outputs, layout.VALUES / name]


def _stored(
    name: str,
    request: Request,
    about: dict[str, Any],
    given: Mapping[str, Any],
    *,
    dry: bool,
    old: Sequence[Path] = (),
) -> Added:
    about = _about(name, about, given, judged=bool(request.qrels))
    taken = take(request)
    threshold, highest = about.get("threshold", 1), int(taken.raw.relations["relevance"].max() if taken.judged else 1)
    if threshold > highest:
        said = f"the highest grade of the judgements is {highest}, so that R@100, AP and RR would be 0"
        raise UserError(f"threshold {threshold} of landscape {name!r}: {said}; give --threshold {highest} or less")
    target, listed, done = layout.raw(name, taken.suffix), layout.registry("landscapes"), "replaced" if old else "added"
    if dry:
        todo = [f"dry run: {name} would be {done}; nothing was touched"]
        return Added(taken.raw, about["relevance"], threshold, todo)
    writes = {target: taken.write} | {layout.raw(name, f".{key}.parquet"): one for key, one in taken.judged.items()}
    layout.RAW.mkdir(parents=True, exist_ok=True)
    with workplace("landscape", layout.RAW) as folder:
        made = {path: folder / path.name for path in writes}
        for path, write in writes.items():
            with writable(path):
                write(made[path])
        block = {"source": "table", **about, "file": target.as_posix(), "sha256": sha256(made[target])}
        for key in taken.judged:
            path = layout.raw(name, f".{key}.parquet")
            block[key] = {"file": path.as_posix(), "sha256": sha256(made[path])}
        block |= {"read": taken.read} if taken.read else {}
        put(name, block, made, old)
    keep = f"-A {listed} {layout.RAW}" if old else " ".join([str(listed), *(f"{path}.dvc" for path in writes)])
    todo = [
        f"{done} {name} {'in' if old else 'to'} {listed}; its file is {target}",
        f"keep it:    git add {keep} && git commit -m 'Landscape {name}'",
        f"compute it: dvc exp run -S landscape={name} -S 'evaluate_on=[{name}]'{_options(taken.raw)}",
    ]
    entry = registry.validated("landscapes", name, block, Landscape)
    return Added(taken.raw, about["relevance"], threshold, todo, entry)


def _about(name: str, about: dict[str, Any], given: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
    """The fields of an entry that do not concern files: `about`, updated by what the user gives.

    Raises UserError if an option contradicts the presence or absence of judgements.
    """
    if judged and "relevance" in given:
        raise UserError(f"--relevance {given['relevance']}: --qrels says what is relevant; leave one of the two out")
    if not judged and "threshold" in given:
        raise UserError("--threshold: applies to judgements only; name them by --qrels, or leave it out")
    if not judged and (about | dict(given))["relevance"] == "judged":
        old = "has judgements, which name families of its old files"
        raise UserError(f"landscape {name!r} {old}; give --qrels again, or --relevance cited")
    fields = about | dict(given) | ({"relevance": "judged"} if judged else {})
    return fields if judged else {key: value for key, value in fields.items() if key != "threshold"}


def _own(name: str) -> dict[str, Any]:
    """The entry of one of the user's own landscapes. Raises UserError if there is none."""
    path = layout.registry("landscapes")
    blocks = read_yaml(path)
    if name not in blocks:
        raise UserError(f"landscape {name!r} is not in {path}{nearest(name, sorted(blocks))}")
    registry.validated("landscapes", name, blocks[name], Landscape)
    block: dict[str, Any] = blocks[name]
    if block["source"] != "table":
        said = f"came with the repository (source: {block['source']}), and is not replaced or removed by commands"
        raise UserError(f"landscape {name!r} {said}; edit {path}, or add yours under an id of its own")
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


def _is_text(name: str) -> bool:
    """Whether YAML, Python and command lines all read a name as text: not as a number, a date or a keyword."""
    for number in (float, lambda text: int(text, 0)):  # 08, 1e5, 0x10, 0o7, 0b1
        with suppress(ValueError):
            number(name)
            return False
    with suppress(ValueError, yaml.YAMLError):  # 9999-99-99 looks like a date
        return name not in _WORDS and bool(yaml.safe_load(name) == name)
    return False


def _check_id(name: str) -> None:
    path = layout.registry("landscapes")
    if not registry.IDENTIFIER.fullmatch(name):
        raise UserError(f"landscape id {name!r:.80}: ids are made of a-z, 0-9 and '-' only; choose another")
    if name.startswith("-"):
        raise UserError(f"landscape id {name!r}: command lines read it as an option; begin it with a letter")
    if len(name) > _LONGEST:
        raise UserError(f"landscape id {name!r:.80}: has {len(name)} characters; use at most {_LONGEST}")
    if not _is_text(name):
        said = "YAML or a command line would not read it as text; choose a word"
        raise UserError(f"landscape id {name!r}: {said}")
    if name == layout.CELL:
        raise UserError(f"landscape id {name!r}: is reserved for the costs of the cell's own stages; choose another")
    if name in registry.ids("landscapes"):
        mend = f"choose another id, or `landscape replace {name}`"
        raise UserError(f"landscape {name!r} is already in {path}; {mend}")
