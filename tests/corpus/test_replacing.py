"""`landscape replace` and `remove`: whole or not at all, and what two clones do is merged by git."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from own_files import REGISTRY, families, kept_files, prepare, write
from workspaces import ROOT

from patent_embeddings.core import files, layout, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus.user import registration
from stages import landscape as landscape_stage


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a landscape `own` of four families."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    file = write(tmp_path / "own.jsonl", families())
    landscape_stage.add("own", [file], description="Pumps", licence="CC0-1.0", relevance="linked")
    return tmp_path


def entries() -> dict[str, Any]:
    return yaml.safe_load(layout.registry("landscapes").read_text(encoding="utf-8"))


def everything() -> dict[str, bytes]:
    kept = {path: Path(path).read_bytes() for path in kept_files()}
    return kept | {"registry": layout.registry("landscapes").read_bytes()}


def test_replace_keeps_what_is_not_said(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = added / "new.csv"
    file.write_text("family_id,title,abstract\nA,Valve,A valve.\n", encoding="utf-8")
    landscape_stage.replace("own", [file], licence="CC BY 4.0")
    assert entries()["own"] == {
        "source": "table", "description": "Pumps", "licence": "CC BY 4.0", "relevance": "linked",
        "file": "data/raw/own.csv", "sha256": sha256(file),
    }  # fmt: skip
    assert kept_files() == ["data/raw/own.csv", "data/raw/own.csv.dvc"]
    said = capsys.readouterr().out
    assert "families: 1\n" in said and "git add -A registry/landscapes.yaml data/raw" in said


@pytest.mark.parametrize("suffix", ["jsonl", "csv"])
@pytest.mark.parametrize("broken", ["dvc", "interrupt", "file"])
def test_a_replacement_that_fails_leaves_all_as_it_was(
    added: Path, monkeypatch: pytest.MonkeyPatch, broken: str, suffix: str
) -> None:
    before = everything()

    def fail(path: Path) -> None:
        Path(f"{path}.dvc").write_text("half")
        raise KeyboardInterrupt if broken == "interrupt" else UserError("dvc add failed")

    monkeypatch.setattr(registration, "_dvc_add", fail)
    file = write(added / "new.jsonl", families(2))
    if suffix == "csv":
        file = added / "new.csv"
        file.write_text("family_id,title,abstract\nA,Valve,A valve.\n", encoding="utf-8")
    if broken == "file":
        file.write_text("nothing", encoding="utf-8")
    with pytest.raises((UserError, KeyboardInterrupt)):
        landscape_stage.replace("own", [file])
    assert everything() == before and not list(Path("data/raw").glob("*.partial"))


def test_dry_run_touches_nothing(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything()
    landscape_stage.replace("own", [write(added / "new.jsonl", families(2))], dry_run=True)
    landscape_stage.add("other", [added / "new.jsonl"], dry_run=True)
    assert everything() == before and not layout.REPORTS.exists()
    said = capsys.readouterr().out
    assert "families: 2\n" in said and "nothing was touched" in said


@pytest.mark.parametrize("command", ["replace", "remove"])
@pytest.mark.parametrize(("name", "message"), [("sim-alpha", "came with the repository"), ("onw", "did you mean own")])
def test_only_landscapes_of_ones_own_are_replaced_or_removed(
    added: Path, command: str, name: str, message: str
) -> None:
    before = everything()
    run: dict[str, Callable[[], None]] = {
        "replace": lambda: landscape_stage.replace(name, [added / "own.jsonl"]),
        "remove": lambda: landscape_stage.remove(name),
    }
    with pytest.raises(UserError, match=message):
        run[command]()
    assert everything() == before


@pytest.mark.parametrize(("name", "read"), [("1e3", "1000.0"), ("123", "123")])
def test_an_id_that_yaml_reads_as_something_else_is_named(added: Path, name: str, read: str) -> None:
    path = layout.registry("landscapes")
    path.write_text(path.read_text(encoding="utf-8").replace("own:", f"{name}:"), encoding="utf-8")
    registry._read.cache_clear()
    with pytest.raises(UserError, match=f"landscapes.yaml: id {read} is not text in YAML"):
        registry.ids("landscapes")


@pytest.mark.parametrize("text", ["1e3", "0o17", "yes", "12:30"])
def test_a_description_that_yaml_reads_as_something_else_is_kept_as_text(added: Path, text: str) -> None:
    listed = layout.registry("landscapes").read_text(encoding="utf-8")
    block = entries()["own"] | {"description": text}
    assert files.parse_yaml(registration.edited(listed, "second", block))["second"] == block
    assert files.parse_yaml(registration.edited(listed, "own", block))["own"] == block


def test_a_file_that_two_entries_name_stays_with_the_other(added: Path) -> None:
    path = layout.registry("landscapes")
    copy = yaml.safe_dump({name: entries()["own"] | {"relevance": "cited"} for name in ("copy", "second")})
    path.write_text(f"{path.read_text(encoding='utf-8')}\n{copy}", encoding="utf-8")
    before = everything()
    with pytest.raises(UserError, match="landscape 'second' names this file too"):
        landscape_stage.replace("own", [write(added / "new.jsonl", families(2))])
    assert everything() == before
    landscape_stage.remove("copy")
    assert kept_files() == ["data/raw/own.jsonl", "data/raw/own.jsonl.dvc"]
    landscape_stage.replace("second", [added / "new.jsonl"])
    assert Path("data/raw/own.jsonl").read_bytes() == before["data/raw/own.jsonl"]
    assert len(kept_files()) == 4
    landscape_stage.remove("own")
    assert kept_files() == ["data/raw/second.jsonl", "data/raw/second.jsonl.dvc"]


def test_an_empty_entry_of_another_landscape_is_in_nobodys_way(added: Path) -> None:
    path = layout.registry("landscapes")
    path.write_text(f"{path.read_text(encoding='utf-8')}\nempty:\n", encoding="utf-8")
    landscape_stage.remove("own")
    assert "own" not in entries() and kept_files() == []


def test_remove_takes_all_that_is_of_it_and_nothing_else(added: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landscape_stage.add("own-too", [added / "own.jsonl"])
    for name in ("own", "own-too"):
        for path in (layout.families(name), layout.task(name, "queries"), layout.cost("tasks", name)):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("computed")
        layout.values("tasks", name).parent.mkdir(parents=True)
        layout.values("tasks", name).write_text("{}")
        layout.landscape_page(name).parent.mkdir(parents=True, exist_ok=True)
        layout.landscape_page(name).write_text("page")
    landscape_stage.remove("own")
    assert list(entries()) == ["sim-alpha", "own-too"]
    left = [path.relative_to(added).as_posix() for path in added.rglob("*") if "own" in path.name]
    assert [path for path in left if Path(path).name.split(".")[0] == "own"] == ["own.jsonl"]  # the user's own
    assert len(left) > 5 and "git add -A registry/landscapes.yaml data/raw" in capsys.readouterr().out
    landscape_stage.add("own", [added / "own.jsonl"])
    assert layout.registry("landscapes").read_text(encoding="utf-8").startswith(REGISTRY)


@pytest.mark.parametrize("key", ["landscape", "evaluate_on"])
def test_a_landscape_that_the_cell_names_is_not_removed(added: Path, key: str) -> None:
    params = yaml.safe_load(layout.PARAMS.read_text(encoding="utf-8"))
    params[key] = "own" if key == "landscape" else ["sim-alpha", "own"]
    layout.PARAMS.write_text(yaml.safe_dump(params), encoding="utf-8")
    before = everything()
    with pytest.raises(UserError, match=r"named by landscape or evaluate_on of params\.yaml"):
        landscape_stage.remove("own")
    assert everything() == before


def test_an_entry_of_several_lines_is_found_whole(added: Path) -> None:
    listed = layout.registry("landscapes")
    block = "\n  ".join(f"{key}: {value}" for key, value in entries()["own"].items())
    listed.write_text(f"{REGISTRY}\n# Mine.\nown:\n  {block}\n\n  # the end of it\n\n# Another's.\nz: {{}}\n")
    landscape_stage.remove("own")
    assert listed.read_text() == f"{REGISTRY}\n# Mine.\n\n# Another's.\nz: {{}}\n"


# Merges.


Change = Callable[[str], str]


def block(name: str, **changed: object) -> dict[str, Any]:
    return {
        "source": "table",
        "description": f'Families of {name}: 5 % {{of}} them, [all] "new" # ä',
        "licence": "not stated",
        "relevance": "cited",
        "file": f"data/raw/{name}.jsonl",
        "sha256": "0" * 64,
        **changed,
    }


def adds(*names: str) -> Change:
    def change(text: str) -> str:
        for name in names:
            text = registration.edited(text, name, block(name))
        return text

    return change


def removes(name: str) -> Change:
    return lambda text: registration.edited(text, name, None)


def replaces(name: str) -> Change:
    return lambda text: registration.edited(text, name, block(name, sha256="1" * 64))


def merged(folder: Path, monkeypatch: pytest.MonkeyPatch, start: Change, ours: Change, theirs: Change) -> Path:
    """The registry after two clones, each with a change of its own, were merged by git."""
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@t", "-c", "init.defaultBranch=main"]
    registry = layout.registry("landscapes")
    for name in (registry, Path(".gitattributes")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    monkeypatch.chdir(folder)
    registry.write_text(start(registry.read_text(encoding="utf-8")), encoding="utf-8")
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "start"]):
        subprocess.run([*git, *command], check=True)
    for name, change in (("ours", ours), ("theirs", theirs)):
        subprocess.run([*git, "checkout", "-qb", name, "main"], check=True)
        registry.write_text(change(registry.read_text(encoding="utf-8")), encoding="utf-8")
        subprocess.run([*git, "commit", "-qam", name], check=True)
    done = subprocess.run([*git, "merge", "-q", "--no-edit", "ours"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    return registry


@pytest.mark.parametrize(
    ("start", "ours", "theirs", "left"),
    [
        ("", adds("a"), adds("b"), {"a": 0, "b": 0}),
        ("", adds("a", "z"), adds("m", "b"), {"a": 0, "z": 0, "m": 0, "b": 0}),
        ("xy", adds("a"), adds("b"), {"x": 0, "y": 0, "a": 0, "b": 0}),
        ("xy", removes("y"), adds("a"), {"x": 0, "a": 0}),
        ("xy", adds("a"), removes("y"), {"x": 0, "a": 0}),
        ("xy", removes("x"), adds("a", "b"), {"y": 0, "a": 0, "b": 0}),
        ("xy", removes("x"), removes("y"), {}),
        ("xy", replaces("y"), adds("a"), {"x": 0, "y": 1, "a": 0}),
        ("xy", replaces("x"), removes("y"), {"x": 1}),
        ("xy", replaces("x"), replaces("y"), {"x": 1, "y": 1}),
        ("x", removes("x"), removes("x"), {}),
    ],
)
def test_what_two_clones_do_is_merged_by_git_as_both(
    start: str, ours: Change, theirs: Change, left: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = yaml.safe_load((ROOT / layout.registry("landscapes")).read_text(encoding="utf-8"))
    before = {name: one for name, one in before.items() if one["source"] != "table"}
    registry = merged(tmp_path, monkeypatch, adds(*start), ours, theirs)
    expected = before | {name: block(name, sha256=str(digit) * 64) for name, digit in left.items()}
    assert files.read_yaml(registry) == expected
    assert yaml.safe_load(registry.read_text(encoding="utf-8")) == expected


def test_one_id_that_two_clones_add_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def other(text: str) -> str:
        return registration.edited(text, "own", block("own", sha256="1" * 64))

    registry = merged(tmp_path, monkeypatch, adds(), adds("own"), other)
    with pytest.raises(UserError, match=r"landscapes\.yaml: .*'own' stands there twice; keep one of them") as caught:
        files.read_yaml(registry)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "said", "after"),
    [
        (None, None, "Families of new.jsonl"),
        ("Pumps", None, "Pumps"),
        (None, "Valves", "Valves"),
        ("Families of pumps, the best.", None, "Families of pumps, the best."),
    ],
)
def test_a_description_that_nobody_wrote_names_the_new_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str | None, said: str | None, after: str
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    landscape_stage.add("own", [write(tmp_path / "old.jsonl", families())], description=before)
    landscape_stage.replace("own", [write(tmp_path / "new.jsonl", families()[1:])], description=said)
    assert entries()["own"]["description"] == after


def test_a_threshold_without_judgements_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    with pytest.raises(UserError, match="--threshold: applies to judgements only"):
        landscape_stage.add("own", [tmp_path / "absent.jsonl"], threshold=2)
