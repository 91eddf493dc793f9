"""A collaborator who can write to the remote, and wants more: nothing is executed or leaves data/ and reports/."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest
import yaml

from patent_embeddings.core.errors import UserError
from patent_embeddings.sharing import past_runs
from stages import share

pytestmark = pytest.mark.pipeline

PIPELINE = """
stages:
  make:
    foreach: ${evaluate_on}
    do:
      cmd: python -m stages.make ${item}
      deps:
        - stages/make.py
      outs:
        - data/things/${item}.txt
        - data/folders/${item}
  report:
    cmd: python -m stages.report
    deps:
      - data/things
      - stages/report.py
    outs:
      - reports/scores.csv:
          cache: false
"""
MAKE = """
import sys
from pathlib import Path

folder = Path("data/folders") / sys.argv[1]
folder.mkdir(parents=True)
for name in ("one.txt", "two.txt"):
    (folder / name).write_text(name)
thing = Path("data/things") / f"{sys.argv[1]}.txt"
thing.parent.mkdir(exist_ok=True)
thing.write_text(sys.argv[1])
"""
REPORT = """
from pathlib import Path

Path("reports").mkdir(exist_ok=True)
Path("reports/scores.csv").write_text("nDCG .31")
"""
HOSTILE = "raise SystemExit('executed')\n"


@dataclass
class Store:
    """The remote, as somebody who writes to it sees it."""

    path: Path

    def put(self, content: str, folder: bool = False, named: str | None = None) -> str:
        """Store a file or a list of a folder, by its hash unless another name is wanted."""
        oid = named or hashlib.md5(content.encode()).hexdigest() + (".dir" if folder else "")
        target = self.path / "files/md5" / oid[:2] / oid[2:]
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(content)
        return oid

    def list(self, **files: str) -> str:
        """Store a folder, by the contents of its files."""
        return self.entries([{"md5": self.put(text), "relpath": path} for path, text in files.items()])

    def entries(self, entries: Any) -> str:
        return self.put(json.dumps(entries), folder=True)

    @cached_property
    def originals(self) -> dict[str, Path]:
        """Text of each honest record, and its file."""
        return {path.read_text(): path for path in (self.path / "runs").rglob("*") if path.is_file()}

    def honest(self, words: str = "make one") -> tuple[str, Path]:
        """The honest record of a command, and its file."""
        return next((text, path) for text, path in self.originals.items() if words in text)

    def plant(self, record: dict[str, Any] | str, key: str | None = None, value: str | None = None) -> str:
        """Store a record as DVC names it, unless other names are wanted; what it is called in messages."""
        from dvc.stage.cache import _get_cache_hash

        text = record if isinstance(record, str) else yaml.safe_dump(record)
        if isinstance(record, dict):
            value = value or _get_cache_hash(deepcopy(record))
            key = key or _get_cache_hash(deepcopy(record), key=True)
        assert key and value
        path = self.path / "runs" / key[:2] / key / value
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (2**31, 2**31))  # of several DVC takes the newest
        return f"{key[:10]}/{value[:10]}"


def changed(record: dict[str, Any], number: int = 0, kind: str = "outs", **entry: Any) -> dict[str, Any]:
    record = deepcopy(record)
    record[kind][number] |= entry
    return record


def more(record: dict[str, Any], path: str, oid: str) -> dict[str, Any]:
    record = deepcopy(record)
    record["outs"].append({"path": path, "hash": "md5", "md5": oid, "size": 5})
    return record


def of(store: Store, words: str = "make one") -> tuple[dict[str, Any], str]:
    """An honest record and the key under which its victim looks for it."""
    text, path = store.honest(words)
    return yaml.safe_load(text), path.parent.name


def elsewhere(path: str, key: bool = True) -> Callable[[Store], str]:
    """One output more, under the key of the honest record or one of its own."""

    def attack(store: Store) -> str:
        record, wanted = of(store)
        return store.plant(more(record, path, store.put(HOSTILE)), wanted if key else None)

    return attack


def folder(*entries: Any) -> Callable[[Store], str]:
    """Another folder in place of the honest one; an entry is a path, or what else stands in the list."""

    def attack(store: Store) -> str:
        listed = [{"md5": store.put(HOSTILE), "relpath": one} if isinstance(one, str) else one for one in entries]
        return store.plant(changed(of(store)[0], 0, md5=store.entries(listed)))

    return attack


def spelled(change: Callable[[str], str]) -> Callable[[Store], str]:
    """The honest record's text changed, its names kept."""

    def attack(store: Store) -> str:
        text, path = store.honest()
        text = change(text)
        return store.plant(text, path.parent.name, hashlib.sha256(text.encode()).hexdigest())

    return attack


def bomb(text: str) -> str:
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]" for n in range(9)]
    return "\n".join([text, "params:", "  bomb:", *(f"    {line}" for line in lines)])


def other(**changes: Any) -> Callable[[Store], str]:
    return lambda store: store.plant(of(store)[0] | changes)


def entry(**changes: Any) -> Callable[[Store], str]:
    return lambda store: store.plant(changed(of(store)[0], 1, **changes))


def lying_object(store: Store) -> str:
    return store.plant(changed(of(store)[0], 1, md5=store.put(HOSTILE, named="0" * 32)))


def lying_list(store: Store) -> str:
    text = json.dumps([{"md5": store.put(HOSTILE), "relpath": "one.txt"}])
    return store.plant(changed(of(store)[0], 0, md5=store.put(text, named="0" * 32 + ".dir")))


def one_output(store: Store) -> str:
    return store.plant({**of(store)[0], "outs": of(store)[0]["outs"][:1]})


def other_dependency(store: Store) -> str:
    return store.plant(changed(of(store)[0], 0, "deps", path="/etc/passwd"))


def deep_list(store: Store) -> str:
    return store.plant(changed(of(store)[0], 0, md5=store.put("[" * 10**5, folder=True)))


def absent_object(store: Store) -> str:
    return store.plant(changed(of(store)[0], 1, md5="1" * 32))


def million(store: Store) -> str:
    oid = store.put(HOSTILE)
    return store.plant(
        changed(of(store)[0], 0, md5=store.entries([{"md5": oid, "relpath": f"f{n}"} for n in range(10**6)]))
    )


def pipe(store: Store) -> str:
    key = of(store)[1]
    os.mkfifo(store.path / "runs" / key[:2] / key / ("e" * 64))
    return f"{key[:10]}/{'e' * 10}"


PATHS = [
    "typer.py", "stages/make.py", "dvc.yaml", ".git/hooks/post-checkout", "data/../typer.py", "../typer.py",
    "/tmp/typer.py", "data/raw/mine.jsonl", "data/.git/config", "reports//../typer.py", "data\\..\\typer.py", "data/x.",
    "data/\u2025/typer.py", "data", "data/.gitignore",
]  # fmt: skip
NAMES = [
    "../../../.git/hooks/post-checkout", "/tmp/typer.py", ".git/config", "a/.git/hooks/post-checkout", "..", ".", "",
    "a//b", "a/../../b", "a\\..\\b", "caf\u00e9", "a.", "a ", "a\nb", ".gitignore",
]  # fmt: skip
ATTACKS: dict[str, tuple[Callable[[Store], str], str]] = {
    **{f"output {path!a}": (elsewhere(path), "its content is not what its name says") for path in PATHS},
    **{f"own key {path!a}": (elsewhere(path, key=False), "outside data/ and reports/") for path in PATHS},
    "output of no stage": (elsewhere("data/things/typer.py", key=False), "of no stage of dvc.yaml"),
    "an output less": (one_output, "of no stage of dvc"),
    **{f"list {path!a}": (folder(path), "no file of the folder") for path in NAMES},
    "list twice": (folder("a", "a"), "twice"),
    "list both": (folder("a", "a/b"), "as a folder too"),
    "list nested": (folder({"relpath": "a", "md5": "2" * 32 + ".dir"}), "no hash of a file"),
    "list path as hash": (folder({"relpath": "a", "md5": "../../../../typer.py"}), "no hash of a file"),
    "list more": (folder({"relpath": "a", "md5": "2" * 32, "isexec": True}), "no list of files"),
    "list of numbers": (folder(1, 2), "no list of files"),
    "list deep": (deep_list, "no list of"),
    "list long": (million, "larger than"),
    "list false": (lying_list, "its content is not what its name says"),
    "object false": (lying_object, "damaged, or not there"),
    "object absent": (absent_object, "damaged, or not there"),
    "hash is a path": (entry(md5="../../../../typer.py"), "not described as DVC describes a file"),
    "no cache": (entry(cache=False), "damaged, or no record"),
    "files inside": (entry(files=[{"relpath": "../../x", "md5": "2" * 32}]), "not described as DVC describes a file"),
    "cloud": (entry(cloud={"s3": {"md5": "2" * 32}}), "not described as DVC describes a file"),
    "old hash": (entry(hash="md5-dos2unix"), "not described as DVC describes a file"),
    "command": (other(cmd="python -m stages.make one; touch typer.py"), "of no stage of dvc.yaml"),
    "command of no stage": (other(cmd="python -m stages.paint one"), "of no stage of dvc.yaml"),
    "command list": (other(cmd=["python -m stages.make one", "true"]), "of no stage of dvc.yaml"),
    "command of another id": (other(cmd="python -m stages.make two"), "of no stage of dvc.yaml"),
    "command terminal": (other(cmd="\x1b[2Jpython"), "of no stage of dvc.yaml"),
    "dependency": (other_dependency, "of no stage of dvc.yaml"),
    "dependency more": (other(deps=[]), "of no stage of dvc.yaml"),
    "key": (lambda store: store.plant(of(store)[0], key="a" * 64), "its content is not what its name says"),
    "value": (lambda store: store.plant(of(store)[0], value="a" * 64), "its content is not what its name says"),
    "truncated": (spelled(lambda text: text[: len(text) // 2]), "damaged, or no record|not what its name says"),
    "empty": (spelled(lambda text: ""), "damaged, or no record"),
    "binary": (spelled(lambda text: "\x00\x01"), "damaged, or no record"),
    "list of records": (spelled(lambda text: f"- {json.dumps(text)}"), "damaged, or no record"),
    "bomb": (spelled(bomb), "aliases"),
    "tag": (spelled(lambda text: "cmd: !!python/object/apply:os.system ['touch typer.py']"), "tags"),
    "deep": (spelled(lambda text: "params: " + "[" * 10**5), "nested too deeply"),
    "huge": (spelled(lambda text: text + "#" * 10**7), "larger than"),
    "date": (spelled(lambda text: text + "params: {params.yaml: {day: 2020-01-01}}\n"), "damaged, or no record"),
    "pipe": (pipe, "damaged, or no record"),
}  # fmt: skip


def repository(path: Path, store: Path) -> Path:
    """A git and DVC repository of two stages, nothing computed."""
    from dvc.repo import Repo

    (path / "stages").mkdir(parents=True)
    for name, text in (
        ("dvc.yaml", PIPELINE), ("params.yaml", "evaluate_on: [one, two]\n"), (".gitignore", "/data/\n"),
        ("stages/__init__.py", ""), ("stages/make.py", MAKE), ("stages/report.py", REPORT),
    ):  # fmt: skip
        (path / name).write_text(text)
    git(path, "init", "--quiet", "--initial-branch=main")
    with Repo.init(str(path)) as repo, repo.config.edit() as settings:
        settings["remote"] = {"lab": {"url": str(store)}}
        settings["core"] |= {"remote": "lab", "analytics": False}
    git(path, "add", "--all")
    git(path, "commit", "--quiet", "--message", "Start")
    return path


def git(path: Path, *arguments: str) -> str:
    who = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    return subprocess.run(["git", *who, *arguments], cwd=path, check=True, capture_output=True, text=True).stdout


def repro() -> None:
    from dvc.repo import Repo

    with Repo() as repo:
        repo.reproduce()


def outside(path: Path) -> dict[str, bytes]:
    """All that is beside and in a clone but for data/, reports/, dvc.lock and the notes of git, DVC and Python."""
    found = {str(one.relative_to(path.parent)): one.read_bytes() for one in path.parent.rglob("*") if one.is_file()}
    notes = re.compile(r"[^/]+/(data|reports|dvc\.lock|\.dvc/(cache|tmp)|\.git/(?!hooks|config)|stages/__pycache__)")
    return {name: content for name, content in found.items() if not notes.match(name)}


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a clone that has computed and shared, and the store."""
    base = tmp_path_factory.mktemp("honest")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DVC_SITE_CACHE_DIR", str(base / "site"))
        patch.chdir(repository(base / "a" / "clone", base / "store"))
        repro()
        share.push()
    return base


@pytest.fixture
def victim(honest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """The store's copy, from a clone beside it where nothing is computed; its dvc.lock is not committed yet."""
    subprocess.run(["cp", "-r", str(honest / "store"), str(tmp_path / "store")], check=True)
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    monkeypatch.chdir(repository(tmp_path / "b" / "clone", tmp_path / "store"))
    store = Store(tmp_path / "store")
    assert len(store.originals) == 2
    return store


def restored(capsys: pytest.CaptureFixture[str]) -> str:
    """What `make restore` says; nothing but a line where it fails."""
    capsys.readouterr()
    try:
        share.pull()
    except UserError as error:
        return capsys.readouterr().err + str(error)
    return capsys.readouterr().err


def named(title: str, reason: str) -> str:
    """A line that says that a record is left out and why."""
    return f"^[0-9]+ records left out: .*({reason}).*: .*{title}"


def unharmed(before: dict[str, bytes]) -> None:
    """After the next `dvc repro`, all that the honest clone has, and nothing else anywhere."""
    repro()
    assert outside(Path.cwd()) == before
    assert {path.name: path.read_text() for path in Path("data/things").iterdir() if path.suffix} == {
        "one.txt": "one",
        "two.txt": "two",
    }
    assert {path.name: path.read_text() for path in Path("data/folders/one").iterdir()} == {
        name: name for name in ("one.txt", "two.txt")
    }
    assert not list(Path("data/raw").glob("*"))


def test_every_bad_record_is_named_and_skipped_and_the_good_ones_come(
    victim: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(past_runs, "_SHOWN", 1000)
    names = {name: attack(victim) for name, (attack, _) in ATTACKS.items() if attack is not million}
    before = outside(Path.cwd())
    said = restored(capsys)
    missing = [name for name, title in names.items() if not re.search(named(title, ATTACKS[name][1]), said, re.M)]
    assert not missing
    assert "2 records of past runs received" in said
    unharmed(before)


@pytest.mark.slow
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_alone(name: str, victim: Store, capsys: pytest.CaptureFixture[str]) -> None:
    attack, reason = ATTACKS[name]
    title = attack(victim)
    for path in victim.originals.values():
        path.unlink()
    before = outside(Path.cwd())
    assert re.search(named(title, reason), restored(capsys), re.M)
    unharmed(before)


def test_only_what_the_committed_list_names_is_taken_in(
    victim: Store, honest: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of the right shape whose content somebody chose: without the list it is believed, and that is said."""
    here = Path.cwd()
    record, _ = of(victim)
    victim.honest()[1].unlink()
    lie = victim.plant(changed(record, 1, md5=victim.put("nDCG .99")))
    said = restored(capsys)
    assert "2 records of past runs received" in said and "believed, as nobody keeps reports/records.txt" in said
    repro()
    assert Path("data/things/one.txt").read_text() == "nDCG .99"

    author = honest / "a" / "clone"
    other = repository(victim.path.parent / "c" / "clone", victim.path)
    subprocess.run(["cp", "-r", str(author / ".dvc/cache"), str(other / ".dvc/")], check=True)
    monkeypatch.chdir(other)
    share.push()
    assert not Path("reports/records.txt").exists()
    Path("reports").mkdir(exist_ok=True)
    Path("reports/records.txt").touch()
    capsys.readouterr()
    share.push()
    assert "reports/records.txt: 2 records more; commit it" in capsys.readouterr().err
    share.push()
    assert "records more" not in capsys.readouterr().err
    lines = Path("reports/records.txt").read_text().splitlines()
    assert [re.sub(r"\b[0-9a-f]{64}\b", "H", line) for line in lines] == [
        "H H python -m stages.make one",
        "H H python -m stages.make two",
    ]

    monkeypatch.chdir(repository(victim.path.parent / "d" / "clone", victim.path))
    Path("reports").mkdir()
    Path("reports/records.txt").write_text("\n".join(lines) + "\n")
    before = outside(Path.cwd())
    said = restored(capsys)
    assert "2 records of past runs received" in said and "believed" not in said
    assert re.search(named(lie, "not in reports/records.txt"), said, re.M)
    unharmed(before)
    Path("reports/records.txt").write_text("<<<<<<< HEAD\n" + lines[0])
    assert "reports/records.txt: line 1 is no record's" in restored(capsys)
    assert here.exists()


def test_a_record_that_names_absent_files_is_not_sent(
    victim: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """As after `dvc gc`: a file that a record names, one in its folder, or the folder's list is gone here and there."""
    restored(capsys)
    cache, runs = Path(".dvc/cache/files/md5"), Path(".dvc/cache/runs")
    empty = Store(Path.cwd().parent / "empty")
    settings = Path(".dvc/config")
    settings.write_text(settings.read_text().replace(str(victim.path), str(empty.path)))
    kept = {
        name: (yaml.safe_load(text), text, path.relative_to(victim.path / "runs"))
        for text, path in victim.originals.items()
        for name in ("one", "two")
        if f"make {name}" in text
    }
    in_folder = hashlib.md5(b"two.txt").hexdigest()
    for oid, sent in (
        (next(one["md5"] for one in kept["one"][0]["outs"] if one["path"].startswith("data/things")), ["two"]),
        (in_folder, []), (kept["one"][0]["outs"][0]["md5"], []), (None, ["one", "two"]),
    ):  # fmt: skip
        subprocess.run(["rm", "-rf", str(empty.path)], check=True)
        gone = cache / oid[:2] / oid[2:] if oid else None
        content = gone.read_bytes() if gone else b""
        if gone:
            gone.unlink()
        capsys.readouterr()
        share.push()
        said = capsys.readouterr().err
        assert sorted(str(path.relative_to(empty.path / "runs")) for path in empty.path.glob("runs/*/*/*")) == sorted(
            str(kept[name][2]) for name in sent
        )
        assert f"{len(sent)} records of past runs sent" in said
        assert (f"{2 - len(sent)} records of past runs not sent" in said) == (len(sent) < 2)
        if gone:
            gone.write_bytes(content)
    assert len(list(runs.glob("*/*/*"))) == 2


def test_what_is_gone_here_and_whole_there_is_no_obstacle(victim: Store, capsys: pytest.CaptureFixture[str]) -> None:
    restored(capsys)
    for path in Path(".dvc/cache/files").rglob("*"):
        if path.is_file():
            path.unlink()
    subprocess.run(["rm", "-rf", str(victim.path / "runs")], check=True)
    share.push()
    assert "0 files and 2 records of past runs sent" in capsys.readouterr().err


def test_damage_in_the_list_of_a_folder_is_named_and_stays_here(
    victim: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    restored(capsys)
    [path] = Path(".dvc/cache/files").rglob("*.dir")
    path.chmod(0o644)
    path.write_text(path.read_text().replace("one.txt", "oNe.txt"))
    for command in (share.push, share.pull):
        with pytest.raises(
            UserError, match=r"data/folders/(one|two): damaged in DVC's cache; run `python -m stages.share check`"
        ):
            command()
    with pytest.raises(UserError, match="1 damaged files and 0 damaged records"):
        share.check()
    assert not path.exists()


def test_check_drops_what_a_shared_cache_was_given(victim: Store, capsys: pytest.CaptureFixture[str]) -> None:
    restored(capsys)
    cache = Store(Path(".dvc/cache").absolute())
    hostile = elsewhere("typer.py")(victim)
    bad = {
        "extra": elsewhere("typer.py"), "bomb": spelled(bomb), "half": spelled(lambda text: text[:100]),
    }  # fmt: skip
    victim_originals = cache.originals
    assert len(victim_originals) == 2
    names = [attack(cache) for attack in bad.values()]
    # What another repository keeps in the same cache is no stage's of this one, and stays.
    for attack in (entry(hash="md5-dos2unix"), other(cmd="paint")):
        attack(cache)
    assert hostile == names[0]
    with pytest.raises(UserError, match="0 damaged files and 3 damaged records"):
        share.check()
    said = capsys.readouterr().err
    assert all(f"{name}" in said for name in names)
    assert len(list(cache.path.glob("runs/*/*/*"))) == 2 + 2
    unharmed(outside(Path.cwd()))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("params.yaml", None),
        ("stages/make.py", "changes stages/make.py; look at it"),
        ("dvc.yaml", "changes dvc.yaml; look at it"),
        ("link", "changes reports/plots; look at it"),
        ("hidden", "begins at a commit of no branch or tag"),
        ("bomb", "dvc.lock: its YAML has aliases, anchors or tags; left out"),
        ("deep", "dvc.lock: its YAML is nested too deeply; left out"),
        ("bytes", "names of its files: git ls-tree"),
    ],
)
def test_an_experiment_that_brings_code_is_named(
    change: str, said: str | None, victim: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    here = Path.cwd()
    bare = here.parent / "origin.git"
    git(here, "clone", "--quiet", "--bare", ".", str(bare))
    git(here, "remote", "add", "origin", str(bare))
    attacker = here.parent / "attacker"
    git(here, "clone", "--quiet", str(bare), str(attacker))
    if change == "hidden":
        (attacker / "stages/make.py").write_text(HOSTILE)
        git(attacker, "commit", "--quiet", "--all", "--message", "Base")
    base = git(attacker, "rev-parse", "HEAD").strip()
    if change == "link":
        (attacker / "reports").mkdir()
        (attacker / "reports/plots").symlink_to(here.parent)
    elif change == "bytes":
        (attacker / os.fsdecode(b"\xff")).touch()
    elif change in ("bomb", "deep"):
        (attacker / "dvc.lock").write_text(bomb("schema: '2.0'") if change == "bomb" else "stages: " + "[" * 10**5)
    else:
        with (attacker / ("params.yaml" if change == "hidden" else change)).open("a") as file:
            file.write("# changed\n")
    git(attacker, "add", "--all")
    git(attacker, "commit", "--quiet", "--message", "Experiment")
    git(attacker, "push", "--quiet", "origin", f"HEAD:refs/exps/{base[:2]}/{base[2:]}/mine")
    before = outside(here)
    found = restored(capsys)
    assert "origin: 1 experiments" in found
    assert (f"experiment mine: {said}" in found) if said else ("experiment mine" not in found), found
    assert git(here, "status", "--porcelain").strip() in ("", "?? .dvcignore")
    assert outside(here) == before


def test_what_this_clone_computed_goes_before_what_others_say(
    victim: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    repro()
    for number in range(5):
        victim.plant(changed(of(victim)[0], 1, md5=victim.put(f"nDCG .{number}")))
    assert "5 records of past runs received" in restored(capsys)
    Path("dvc.lock").unlink()
    repro()
    assert Path("data/things/one.txt").read_text() == "one"


@pytest.mark.parametrize("where", ["cache", "store"])
def test_the_grid_takes_no_output_with_a_flipped_bit(where: str, honest: Path, victim: Store) -> None:
    """An output in the cache, or on the remote where the cache lacks it: each byte, and a file cut short."""
    from patent_embeddings.sharing.outputs import Outputs, cache

    Path("dvc.lock").write_bytes((honest / "a/clone/dvc.lock").read_bytes())
    git(Path.cwd(), "add", "--all")
    git(Path.cwd(), "commit", "--quiet", "--message", "Lock")
    if where == "cache":
        share.pull()
    path = Path("data/things/two.txt")
    oid = hashlib.md5(b"two").hexdigest()
    file = {"cache": Path(".dvc/cache"), "store": victim.path}[where] / "files/md5" / oid[:2] / oid[2:]
    stages = yaml.safe_load(Path("dvc.lock").read_text())["stages"].values()
    hashes = {out["path"]: out["md5"] for stage in stages for out in stage.get("outs", [])}
    with cache() as opened:
        one = Outputs(opened, "mine", git(Path.cwd(), "rev-parse", "HEAD").strip(), hashes)
        assert one.read(path) == b"two"
        file.chmod(0o644)
        for content in (b"twp", b"tvo", b"4wo", b"tw", b""):
            file.write_bytes(content)
            with pytest.raises(
                UserError, match=r"data/things/two.txt of experiment mine: damaged in (DVC's c|the remote).*`"
            ):
                one.read(path)
        file.write_bytes(b"two")
        assert one.read(path) == b"two"


@pytest.mark.parametrize("link", ["data", "data/things", "data/folders/one"])
def test_nothing_is_written_through_a_link_out_of_the_repository(
    link: str, honest: Path, victim: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("dvc.lock").write_bytes((honest / "a/clone/dvc.lock").read_bytes())
    away = Path.cwd().parent / "away"
    away.mkdir()
    Path(link).parent.mkdir(parents=True, exist_ok=True)
    Path(link).symlink_to(away)
    assert re.search(f"^{link}.*: a link leads out of the repository", restored(capsys), re.M)
    assert not list(away.iterdir())
