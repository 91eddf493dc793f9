"""`python -m stages.landscape`: whole or not at all, whatever the file."""

from __future__ import annotations

import contextlib
import csv
import gzip
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from own_files import REGISTRY, families, kept_files, prepare, write
from workspaces import ROOT

from patent_embeddings.core import layout
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import sha256
from patent_embeddings.corpus.schemas import CITATIONS, FAMILIES
from patent_embeddings.corpus.user import registration
from stages import landscape as landscape_stage

COLUMNS = (
    "family_id",
    "title",
    "abstract",
    "claims",
    "description",
    "ipc",
    "cpc",
    "jurisdiction",
    "date",
    "labels",
    "cites",
)
LISTS = ("ipc", "cpc", "labels", "domains", "publications", "applicants", "cites", "categories")


@pytest.fixture
def workspace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a registry of its own."""
    monkeypatch.chdir(tmp_path)
    prepare(tmp_path, monkeypatch)
    return tmp_path


def test_add_copies_registers_and_counts(workspace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write(workspace / "own.jsonl", families())
    landscape_stage.add("own", [file], description="Pumps: all of them", licence="CC0-1.0", relevance="linked")
    text = layout.registry("landscapes").read_text(encoding="utf-8")
    assert text.startswith(REGISTRY)
    assert yaml.safe_load(text)["own"] == {
        "source": "table", "description": "Pumps: all of them", "licence": "CC0-1.0", "relevance": "linked",
        "file": "data/raw/own.jsonl", "sha256": sha256(file),
    }  # fmt: skip
    assert Path("data/raw/own.jsonl").read_bytes() == file.read_bytes()
    out = capsys.readouterr().out
    for said in (
        "families: 4\n",
        "abstract: 4 families (100.0%)",
        "claims: 0 families (0.0%)",
        "queries: 4 queries with a relevant family (linked), 3 citation pairs",
        "ipc: 4 families (100.0%), 1 distinct",
        "2000-01-01 to 2003-01-01",
        "citations dropped, outside the landscape: 3",
        "'evaluate_on=[own]'",
    ):
        assert said in out


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Own", "made of a-z"),
        ("../own", "made of a-z"),
        ("a b", "made of a-z"),
        ("", "made of a-z"),
        ("123", "would not read it as text"),
        ("1e5", "would not read it as text"),
        ("null", "would not read it as text"),
        ("on", "would not read it as text"),
        ("08", "would not read it as text"),
        ("09e1", "would not read it as text"),
        ("-1e5", "read it as an option"),
        ("cell", "cell's own stages"),
        ("sim-alpha", "already in"),
        ("x" * 65, "at most 64"),
        *(
            (word, "would not read it as text")
            for word in (
                "nan",
                "inf",
                "infinity",
                "none",
                "nil",
                "true",
                "false",
                "yes",
                "no",
                "off",
                "y",
                "n",
                "1",
                "0x10",
                "0o7",
                "0b1",
                "2001-01-01",
                "9999-99-99",
            )
        ),
        *((word, "read it as an option") for word in ("-x", "--help", "-", "---", "-1")),
    ],
)
def test_bad_ids_are_refused(workspace: Path, name: str, message: str) -> None:
    file = write(workspace / "own.jsonl", families())
    with pytest.raises(UserError, match=message):
        landscape_stage.add(name, [file])
    assert layout.registry("landscapes").read_text() == REGISTRY and kept_files() == []


@pytest.mark.parametrize("name", ["3d-printing", "a-1", "north", "non", "h2o", "e5", "x" * 64])
def test_words_are_good_ids(workspace: Path, name: str) -> None:
    landscape_stage.add(name, [write(workspace / "own.jsonl", families())])
    assert name in yaml.safe_load(layout.registry("landscapes").read_text())


def test_a_second_add_of_an_id_is_refused_even_at_the_same_moment(workspace: Path) -> None:
    file = write(workspace / "own.jsonl", families())
    landscape_stage.add("own", [file])
    # The registry as this process first read it did not have the id, as when two adds race.
    with pytest.raises(UserError, match=r"'own' has just been added to registry/landscapes\.yaml by someone else"):
        landscape_stage.add("own", [file])
    assert list(yaml.safe_load(layout.registry("landscapes").read_text())) == ["sim-alpha", "own"]
    assert Path("data/raw/own.jsonl").exists()


def test_a_file_that_a_killed_command_left_is_named_and_stays(workspace: Path) -> None:
    Path("data/raw").mkdir(parents=True)
    Path("data/raw/own.jsonl").write_text("left")
    with pytest.raises(UserError, match=r"data/raw/own\.jsonl is in the way .*; move it elsewhere and run this again"):
        landscape_stage.add("own", [write(workspace / "own.jsonl", families())])
    assert Path("data/raw/own.jsonl").read_text() == "left" and layout.registry("landscapes").read_text() == REGISTRY


@pytest.mark.parametrize("broken", ["dvc", "copy", "interrupt"])
def test_a_failure_leaves_nothing_behind(workspace: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    def fail(*_: Any, **__: Any) -> None:
        if broken == "dvc":
            Path("data/raw/own.jsonl.dvc").write_text("half")
            raise UserError("dvc add failed")
        if broken == "interrupt":
            raise KeyboardInterrupt
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((shutil, "copyfile", fail) if broken == "copy" else (registration, "_dvc_add", fail)))
    with pytest.raises((UserError, KeyboardInterrupt)):
        landscape_stage.add("own", [write(workspace / "own.jsonl", families())])
    assert layout.registry("landscapes").read_text() == REGISTRY
    assert kept_files() == [] and not list(Path("data/raw").glob(".own*"))
    assert [path.name for path in layout.REGISTRY.iterdir()] == ["landscapes.yaml"]


def test_a_file_that_changes_meanwhile_is_refused(workspace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(workspace / "own.jsonl", families())
    copy = shutil.copyfile
    monkeypatch.setattr(shutil, "copyfile", lambda source, to: (write(file, families(3)), copy(source, to)))
    with pytest.raises(UserError, match="changed while it was read"):
        landscape_stage.add("own", [file])
    assert kept_files() == []


def test_a_registry_that_cannot_take_an_entry_at_its_end_stays(workspace: Path) -> None:
    flow = "{sim-alpha: {source: simulated, description: d, licence: l, seed: 1, families: 600}}\n"
    layout.registry("landscapes").write_text(flow, encoding="utf-8")
    with pytest.raises(UserError, match="write every entry as an indented block"):
        landscape_stage.add("own", [write(workspace / "own.jsonl", families())])
    assert layout.registry("landscapes").read_text() == flow and kept_files() == []


# Fuzz: mutated files are accepted with the same content, or refused by a UserError.

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
control = st.text(st.characters(max_codepoint=0x9F, categories=["Cc"]), min_size=1, max_size=5)
huge = st.integers(20_000, 300_000).map("x".__mul__)
unlikely = st.sampled_from(
    ["2001-13-01", "A/B", "A;B", "", " ", "F0", "=1+1", "\ufeff", "<script>alert(1)</script>", "é" * 7]
)
values = anything | control | huge | unlikely | st.lists(control | unlikely, max_size=3)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A suffix and the bytes of a file: a sound landscape after up to three mutations of records and two of bytes."""
    suffix = draw(st.sampled_from([".jsonl", ".jsonl.gz", ".csv", ".parquet"]))
    rows: list[Any] = families(draw(st.integers(1, 4)))
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(0, len(rows) - 1))
        row = dict(rows[place])
        match draw(st.sampled_from(["value", "drop", "extra", "repeat"])):
            case "value":
                row[draw(st.sampled_from(COLUMNS))] = draw(values)
            case "drop":
                row.pop(draw(st.sampled_from(COLUMNS)), None)
            case "extra":
                row[draw(st.text(st.characters(exclude_categories=()), max_size=10))] = draw(values)
            case "repeat":
                rows.append(row)
        rows[place] = row
    content = encoded(suffix, rows, draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "latin-1", "utf-16", "cp037"])))
    for _ in range(draw(st.sampled_from([0, 0, 0, 1, 2]))):
        at = draw(st.integers(0, len(content)))
        match draw(st.sampled_from(["cut", "insert", "flip", "double"])):
            case "cut":
                content = content[:at]
            case "insert":
                content = content[:at] + draw(st.binary(min_size=1, max_size=8)) + content[at:]
            case "flip" if at < len(content):
                content = content[:at] + bytes([content[at] ^ draw(st.integers(1, 255))]) + content[at + 1 :]
            case _:
                content += content[at:]
    return suffix, content


def encoded(suffix: str, rows: list[Any], encoding: str) -> bytes:
    if suffix == ".parquet":
        columns = list(dict.fromkeys(key for row in rows for key in row))
        arrays = {ascii(column): column_of([row.get(column) for row in rows]) for column in columns}
        return parquet({name[1:-1]: array for name, array in arrays.items()})
    if suffix == ".csv":
        columns = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO(newline="")
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            writer.writerow(
                [";".join(map(str, cell)) if isinstance(cell := row.get(key, ""), list) else cell for key in columns]
            )
        return text.getvalue().encode(encoding, "replace")
    content = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode(
        encoding, "surrogatepass" if encoding.startswith("utf-8") else "replace"
    )
    return gzip.compress(content, mtime=0) if suffix == ".jsonl.gz" else content


def column_of(cells: list[Any]) -> pa.Array:
    """A column of whatever type Arrow finds for the cells; of bytes where it finds none that parquet can hold."""
    try:
        array = pa.array(cells)
        parquet({"column": array})
        return array
    except (pa.ArrowException, UnicodeEncodeError, OverflowError):
        return pa.array([repr(cell).encode() for cell in cells])


def parquet(arrays: dict[str, pa.Array]) -> bytes:
    buffer = io.BytesIO()
    pq.write_table(pa.table(arrays), buffer)
    return buffer.getvalue()


def read_plainly(suffix: str, content: bytes) -> list[dict[str, Any]]:
    """What the file holds, by the plain readers of the standard library and Arrow."""
    if suffix == ".parquet":
        return pq.read_table(io.BytesIO(content)).to_pylist()
    if suffix == ".csv":
        rows = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
        return [
            {
                key: [part.strip() for part in value.split(";") if part.strip()] if key in LISTS else value
                for key, value in row.items()
            }
            for row in rows
        ]
    plain = gzip.decompress(content) if suffix == ".jsonl.gz" else content
    text = plain.decode("utf-8-sig")
    try:
        return [json.loads(line) for line in text.split("\n") if line.strip()]
    except ValueError:  # objects over several lines
        return json.loads(f"[{text}]")


def filled(value: Any) -> Any:
    """A value as it must be kept: nothing where it stands for nothing."""
    blank = value is None or value != value or (isinstance(value, str) and value.strip() in ("", "-", "[]", "{}"))
    return "" if blank else value


@contextlib.contextmanager
def inside(folder: str) -> Iterator[None]:
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


FUZZ = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.large_base_example, HealthCheck.data_too_large],
)


def test_mutated_files_are_taken_whole_or_refused() -> None:
    accepted: list[bool] = []

    @FUZZ
    @given(mutated())
    @example((".jsonl", json.dumps(families()[0] | {"title": "t" * 10_000_000}).encode()))
    @example((".csv", b"family_id,title,abstract\nA," + b"t" * 10_000_000 + b",a\n"))
    @example((".jsonl", b'{"family_id": "A", "title": ' + b"[" * 50_000))
    @example((".jsonl", b'{"family_id": "A", "title": "t", "abstract": "a", "x": ' + b"9" * 5_000 + b"}"))
    def attempt(file: tuple[str, bytes]) -> None:
        accepted.append(taken(*file))

    attempt()
    assert len(accepted) >= 50 and 0.05 < sum(accepted) / len(accepted) < 0.95


def taken(suffix: str, content: bytes) -> bool:
    """Whether `add` takes the file; asserts that it does so whole, or refuses it without a trace."""
    with tempfile.TemporaryDirectory() as folder, inside(folder), pytest.MonkeyPatch.context() as patch:
        prepare(Path(), patch)
        registry = layout.registry("landscapes")
        own = Path(f"own{suffix}")
        own.write_bytes(content)
        stdout = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        try:
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(io.StringIO()):
                landscape_stage.add("own", [own])
        except UserError as error:
            assert own.name in str(error) and len(str(error)) < 500
            assert registry.read_text(encoding="utf-8") == REGISTRY and kept_files() == []
            return False
        entry = yaml.safe_load(registry.read_text(encoding="utf-8"))["own"]
        assert Path(entry["file"]).read_bytes() == content
        check_same_content(Path(entry["file"]), suffix, content)
        return True


def check_same_content(path: Path, suffix: str, content: bytes) -> None:
    from patent_embeddings.core import tables
    from patent_embeddings.corpus import own

    raw = own.parse(path)
    tables.write(raw.families, Path("families.parquet"), FAMILIES)
    tables.write(raw.citations, Path("citations.parquet"), CITATIONS)
    kept = tables.read(Path("families.parquet"), FAMILIES).set_index("family_id")
    plain = read_plainly(suffix, content)
    assert len(kept) == len(plain)
    ids = {row["family_id"] for row in plain}
    pairs = set()
    for row in plain:
        for column in FAMILIES.columns:
            if column != "family_id":
                value = kept.at[row["family_id"], column]
                told = filled(row.get(column))
                if FAMILIES.columns[column] == "list":
                    assert list(value) == [part.strip() for part in told or [] if filled(part)]
                else:
                    assert value == told
        pairs |= {(row["family_id"], cited) for cited in row.get("cites") or [] if cited in ids - {row["family_id"]}}
    assert set(map(tuple, raw.citations[["citing_id", "cited_id"]].to_numpy())) == pairs


# With DVC itself, in a clone.


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clone")
    for path in (
        "stages",
        "patent_embeddings",
        "registry",
        ".dvc/config",
        ".dvc/.gitignore",
        ".gitignore",
        "params.yaml",
    ):
        if (ROOT / path).is_dir():
            shutil.copytree(ROOT / path, folder / path, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (folder / path).parent.mkdir(exist_ok=True)
            shutil.copyfile(ROOT / path, folder / path)
    for command in (
        ["init", "-q"],
        ["add", "."],
        ["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-q", "-m", "start"],
    ):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def command(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], cwd=folder, capture_output=True, text=True, timeout=120)


@pytest.mark.pipeline
def test_add_list_show_in_a_clone(clone: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "own.jsonl", families())
    done = command(clone, "stages.landscape", "add", "own", str(file))
    assert done.returncode == 0, done.stderr
    pointer = yaml.safe_load((clone / "data/raw/own.jsonl.dvc").read_text())
    assert pointer["outs"][0]["path"] == "own.jsonl" and pointer["outs"][0]["size"] == file.stat().st_size
    status = subprocess.run(["git", "status", "--short"], cwd=clone, capture_output=True, text=True).stdout
    assert {line.split()[1] for line in status.splitlines()} == {
        "data/raw/own.jsonl.dvc",
        "registry/landscapes.yaml",
    }
    assert str(tmp_path) not in (clone / "registry/landscapes.yaml").read_text()
    assert "own " in command(clone, "stages.landscape", "list").stdout
    assert "licence: not stated" in command(clone, "stages.landscape", "show", "own").stdout
    typo = command(clone, "stages.landscape", "show", "onw")
    assert typo.returncode == 2 and "did you mean own?" in typo.stderr and len(typo.stderr.splitlines()) == 1
    # The file is in DVC's cache: a lost copy comes back, without being named too. DVC skips folders that git ignores.
    (clone / "data/raw/own.jsonl").unlink()
    assert command(clone, "dvc", "checkout").returncode == 0
    assert (clone / "data/raw/own.jsonl").read_bytes() == file.read_bytes()


@pytest.mark.pipeline
def test_bad_files_end_in_one_line_and_status_2(clone: Path, tmp_path: Path) -> None:
    before = (clone / "registry/landscapes.yaml").read_text()
    file = write(tmp_path / "bad.jsonl", [families()[0] | {"cites": "F1"}])
    for arguments in (["bad", str(file)], ["bad", str(tmp_path / "none.jsonl")], ["Bad", str(file)]):
        done = command(clone, "stages.landscape", "add", *arguments)
        assert done.returncode == 2 and "Traceback" not in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: ")
    assert (clone / "registry/landscapes.yaml").read_text() == before
    assert not list((clone / "data/raw").glob("bad*"))


@pytest.mark.pipeline
def test_where_dvc_refuses_nothing_is_left(clone: Path, tmp_path: Path) -> None:
    before = (clone / "registry/landscapes.yaml").read_text()
    (clone / ".dvc").rename(clone / ".dvc-away")
    try:
        done = command(clone, "stages.landscape", "add", "other", str(write(tmp_path / "own.jsonl", families())))
    finally:
        (clone / ".dvc-away").rename(clone / ".dvc")
    assert done.returncode == 2 and "`dvc add` failed" in done.stderr
    assert (clone / "registry/landscapes.yaml").read_text() == before
    assert not list((clone / "data/raw").glob("other*"))
