"""Landscapes of the user's own: added, replaced and removed, whole or not at all."""

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
from patent_embeddings.corpus.user.registration import drop, put

# Words that YAML or the grammar of `dvc exp run -S` takes for truth, nothing or a number, in any case.
_WORDS = {"y", "yes", "on", "true", "n", "no", "off", "false", "none", "null", "nil", "nan", "inf", "infinity"}
_LONGEST = 64  # of an id, which is part of the names of files
_DESCRIBED = "Families of "  # what a landscape is called that nobody describes


@dataclass(frozen=True)
class Added:
    """A landscape that was added, or would be."""

    raw: Raw
    relevance: str
    threshold: int  # least grade that is relevant to metrics that know no grades
    todo: list[str]  # what to do next, in lines
    entry: Any = None  # of the registry; None where it was not added


def add(name: str, request: Request, said: Mapping[str, Any], *, dry: bool = False) -> Added:
    """Add files as the landscape `name`.

    `said` are `description`, `licence`, `relevance` and `threshold`, each where the user says it; `dry`: only what
    would come of it. Raises UserError where the id cannot be one or is taken, a file breaks its format, or it cannot be
    kept or tracked; nothing is left of it then.
    """
    _check_id(name)
    about = {"description": f"{_DESCRIBED}{request.files[0].name}", "licence": "not stated", "relevance": "cited"}
    return _kept(name, request, about, said, dry=dry)


def replaced(name: str, request: Request, said: Mapping[str, Any], *, dry: bool = False) -> Added:
    """Put files in the place of those of the landscape `name`, which keeps what is not said; see `add`."""
    old = _own(name)
    keys: tuple[str, ...] = ("description", "licence", "relevance", "threshold")
    about = {key: old[key] for key in keys if key in old}
    if about["description"].startswith(_DESCRIBED):
        about["description"] = f"{_DESCRIBED}{request.files[0].name}"
    return _kept(name, request, about, said, dry=dry, old=_files(old))


def remove(name: str, used: Iterable[str]) -> list[str]:
    """Remove a landscape of the user's own and all that is here of it; what to do next, in lines.

    `used` are the landscapes that params.yaml names. Raises UserError where this is one of them, or came with the
    repository.
    """
    old = _own(name)
    if name in used:
        where = f"landscape or evaluate_on of {layout.PARAMS}"
        raise UserError(f"landscape {name!r} is named by {where}; take it out there first")
    drop(name, _files(old), [*derived(name), layout.landscape_page(name)])
    listed = layout.registry("landscapes")
    return [
        f"removed {name} from {listed}, and its files from {layout.DATA}; DVC's cache has them until `dvc gc`",
        f"keep it: git add -A {listed} {layout.RAW} && git commit -m 'Landscape {name} removed'",
    ]


def derived(name: str) -> list[Path]:
    """What stages have written of a landscape."""
    folders = [layout.DATA / kind for kind in layout.PER_LANDSCAPE]
    found = [path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.stem == name]
    return [*found, layout.VALUES / name]


def _kept(
    name: str,
    request: Request,
    about: dict[str, Any],
    said: Mapping[str, Any],
    *,
    dry: bool,
    old: Sequence[Path] = (),
) -> Added:
    about = _about(name, about, said, judged=bool(request.qrels))
    taken = take(request)
    threshold, highest = about.get("threshold", 1), int(taken.raw.relations["relevance"].max() if taken.beside else 1)
    if threshold > highest:
        said_ = f"no judgement has a grade so high, the highest is {highest}, so that R@100, AP and RR would be 0"
        raise UserError(f"threshold {threshold} of landscape {name!r}: {said_}; give --threshold {highest} or less")
    target, listed, done = layout.raw(name, taken.suffix), layout.registry("landscapes"), "replaced" if old else "added"
    if dry:
        return Added(
            taken.raw, about["relevance"], threshold, [f"dry run: {name} would be {done}; nothing was touched"]
        )
    writes = {target: taken.write} | {layout.raw(name, f".{key}.parquet"): one for key, one in taken.beside.items()}
    layout.RAW.mkdir(parents=True, exist_ok=True)
    with workplace("landscape", layout.RAW) as folder:
        made = {path: folder / path.name for path in writes}
        for path, write in writes.items():
            with writable(path):
                write(made[path])
        block = {"source": "table", **about, "file": target.as_posix(), "sha256": sha256(made[target])}
        for key in taken.beside:
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


def _about(name: str, about: dict[str, Any], said: Mapping[str, Any], *, judged: bool) -> dict[str, Any]:
    """What an entry says beside its files. Raises UserError where that does not go with judgements, or their lack."""
    if judged and "relevance" in said:
        raise UserError(f"--relevance {said['relevance']}: --qrels says what is relevant; leave one of the two out")
    if not judged and "threshold" in said:
        raise UserError("--threshold: is of judgements; name them by --qrels, or leave it out")
    if not judged and (about | dict(said))["relevance"] == "judged":
        old = "has judgements, which name families of its old files"
        raise UserError(f"landscape {name!r} {old}; give --qrels anew, or --relevance cited")
    found = about | dict(said) | ({"relevance": "judged"} if judged else {})
    return found if judged else {key: value for key, value in found.items() if key != "threshold"}


def _own(name: str) -> dict[str, Any]:
    """The entry of a landscape of the user's own. Raises UserError where there is none."""
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


def _files(block: dict[str, Any]) -> list[Path]:
    """The files that an entry names, all tracked by DVC."""
    return [Path(one["file"]) for one in (block, block.get("queries"), block.get("qrels")) if one]


def _options(raw: Raw) -> str:
    """What a first cell of the landscape has to set, as not every family of it can have the sections of the default."""
    lacks = {name for name in ("abstract", "claims", "description") if (raw.families[name] == "").all()}
    if {"abstract", "claims"} <= lacks:
        return " -S recipe=zero-shot -S query_view=title -S document_view=title"
    if "claims" in lacks:
        return " -S recipe=zero-shot -S query_view=ta -S document_view=ta"
    if "abstract" in lacks:
        return " -S recipe=zero-shot" if "description" in lacks else " -S recipe=r3-cd"
    return " -S recipe=zero-shot" if len(raw.relations) else ""


def _is_text(name: str) -> bool:
    """Whether neither YAML nor Python nor a command line reads a name as a number, a date or a word of their own."""
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
        raise UserError(f"landscape id {name!r}: command lines read it as an option; begin with a letter")
    if len(name) > _LONGEST:
        raise UserError(f"landscape id {name!r:.80}: has {len(name)} characters; use at most {_LONGEST}")
    if not _is_text(name):
        said = "YAML reads it as something else than text, or a command line does; choose one that is a word"
        raise UserError(f"landscape id {name!r}: {said}")
    if name == layout.CELL:
        raise UserError(f"landscape id {name!r}: stands for the cell's own stages in costs; choose another")
    if name in registry.ids("landscapes"):
        mend = f"choose another id, or `landscape replace {name}`"
        raise UserError(f"landscape {name!r} is already in {path}; {mend}")
