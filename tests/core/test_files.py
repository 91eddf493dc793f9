"""What is left of a killed process goes, what a living one fills stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import ROOT

from patent_embeddings.core.errors import UserError
from patent_embeddings.core.files import PARTIAL, read_yaml, replacing, workplace, write_text

FILLING = """
import sys, time
from pathlib import Path
from patent_embeddings.core.files import replacing
with replacing(Path(sys.argv[1])) as temporary:
    temporary.mkdir()
    print("begun", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def filling(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A process inside `replacing`."""
    process = subprocess.Popen(
        [sys.executable, "-c", FILLING, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True, cwd=ROOT
    )
    assert process.stdout and process.stdout.readline() == "begun\n"
    yield process
    process.kill()
    process.wait()


def test_a_killed_process_leaves_nothing_to_the_next_even_as_a_zombie(
    filling: subprocess.Popen[str], tmp_path: Path
) -> None:
    filling.send_signal(signal.SIGKILL)
    os.waitid(os.P_PID, filling.pid, os.WEXITED | os.WNOWAIT)  # dead, not reaped: its number is still taken
    os.kill(filling.pid, 0)
    assert len(list(tmp_path.glob(f"*{PARTIAL}"))) == 1
    write_text(tmp_path / "out", "whole\n")
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


def test_what_a_living_process_fills_is_not_swept(filling: subprocess.Popen[str], tmp_path: Path) -> None:
    before = list(tmp_path.glob(f"*{PARTIAL}"))
    write_text(tmp_path / "out", "whole\n")
    assert list(tmp_path.glob(f"*{PARTIAL}")) == before and len(before) == 1


def test_what_is_left_of_another_name_is_not_swept(tmp_path: Path) -> None:
    with replacing(tmp_path / "out.json") as temporary:
        temporary.write_text("{}")
        write_text(tmp_path / "out", "whole\n")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out", "out.json"]


HAMMER = """
import sys, time
from pathlib import Path
from patent_embeddings.core.files import replacing
path, number, kind, end = Path(sys.argv[1]), sys.argv[2], sys.argv[3], time.monotonic() + 1.5
turns = 0
while time.monotonic() < end:
    with replacing(path) as temporary:
        if kind == "file":
            temporary.write_text(number * 5000)
        else:
            (temporary / "in").mkdir(parents=True)
            (temporary / "first").write_text(number)
            (temporary / "in" / "second").write_text(number)
    turns += 1
print(turns)
"""


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_many_processes_replace_one_path_and_none_fails(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "out"
    command = [sys.executable, "-c", HAMMER, str(path)]
    working = [
        subprocess.Popen([*command, str(n), kind], stdout=subprocess.PIPE, text=True, cwd=ROOT) for n in range(4)
    ]
    turns = [int(one.communicate(timeout=60)[0]) for one in working]
    assert all(one.returncode == 0 for one in working) and sum(turns) > 50
    if kind == "file":
        text = path.read_text()
        assert len(text) == 5000 and len(set(text)) == 1
    else:
        assert (path / "first").read_text() == (path / "in/second").read_text()
    assert [one.name for one in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_what_is_renamed_is_on_the_disk_before(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[tuple[str, int]] = []
    sync, replace = os.fsync, os.replace

    def synced(number: int) -> None:
        done.append(("sync", os.fstat(number).st_ino))
        sync(number)

    def replaced(one: str, other: str) -> None:
        done.append(("rename", Path(one).stat().st_ino))
        replace(one, other)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    with replacing(tmp_path / "out") as temporary:
        if kind == "folder":
            (temporary / "in").mkdir(parents=True)
            (temporary / "in" / "file").write_text("whole")
        else:
            temporary.write_text("whole")
    out = tmp_path / "out"
    renamed = done.index(("rename", out.stat().st_ino))
    assert {("sync", one.stat().st_ino) for one in [out, *out.rglob("*")]} <= set(done[:renamed])


def test_what_a_killed_process_left_in_its_workplace_goes_with_the_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    working = "from patent_embeddings.core.files import workplace\nwith workplace('bench') as place:\n"
    working += "    (place / 'index').mkdir()\n    print('begun', flush=True)\n    input()"
    environment = {**os.environ, "TMPDIR": str(tmp_path)}

    def start() -> subprocess.Popen[str]:
        command = [sys.executable, "-c", working]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, **pipes)  # type: ignore[call-overload]

    killed, living = start(), start()
    for one in (killed, living):
        assert one.stdout and one.stdout.readline() == "begun\n"
    killed.kill()
    killed.wait()
    assert len(list(tmp_path.iterdir())) == 2
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with workplace("bench") as place:
        assert len(list(tmp_path.iterdir())) == 2 and place.is_dir()
    living.communicate("\n")
    assert not list(tmp_path.iterdir())


def test_no_place_for_temporary_files_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> str:
        raise FileNotFoundError(2, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr("tempfile.gettempdir", none)
    with pytest.raises(UserError, match=r"set TMPDIR"), workplace("bench"):
        pass


def test_a_file_that_cannot_be_read_is_not_called_one_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(PermissionError), replacing(tmp_path / "out") as temporary:
        temporary.write_text("whole")
        raise PermissionError(13, "Permission denied", "/models/weights.safetensors")
    with (
        pytest.raises(UserError, match=r"out: cannot write \(Permission denied\)"),
        replacing(tmp_path / "out") as temporary,
    ):
        raise PermissionError(13, "Permission denied", str(temporary / "part"))
    assert not list(tmp_path.iterdir())


@pytest.mark.pipeline
@pytest.mark.parametrize("text", ["010", "-0_1", "1:30", "yes", "on", "1e3", "0o17", "12:30:45", ".5", "2020-01-01"])
def test_a_value_is_what_dvc_reads(tmp_path: Path, text: str) -> None:
    from dvc.utils.serialize import load_yaml

    path = tmp_path / "params.yaml"
    path.write_text(f"seed: {text}\n")
    assert repr(read_yaml(path)) == repr(load_yaml(str(path)))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("seed: 2001-99-99", r"not valid YAML: month must be in 1\.\.12"),
        ("tasks:\n\tseed: 1", "not valid YAML in line 2: found character that cannot start any token"),
        ("seed: *other", "not valid YAML in line 1: found undefined alias"),
        ("seed: 1\n---\nseed: 2", "not valid YAML in line 2: but found another document"),
        ("seed: \a", "not valid YAML: control characters are not allowed"),
        ("seed: !!python/tuple [1]", "not valid YAML in line 1: could not determine a constructor"),
        ("tasks:\n  seed: 1\n  fold: 0\n  seed: 1", "'seed' stands there twice; keep one of them"),
    ],
)
def test_what_is_no_yaml_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=rf"params\.yaml: {said}") as caught:
        read_yaml(path)
    assert "\n" not in str(caught.value)


def test_a_file_where_a_folder_is_needed_is_said(tmp_path: Path) -> None:
    (tmp_path / "pages").write_text("not a folder")
    for path in (tmp_path / "pages/one.html", tmp_path / "pages/deep/one.html"):
        with pytest.raises(UserError, match=r"pages.*: a file is where a folder is needed"):
            write_text(path, "text")
    assert (tmp_path / "pages").read_text() == "not a folder"
    with pytest.raises(UserError, match="/proc/nowhere: no folder can be made there"):
        write_text(Path("/proc/nowhere/one.html"), "text")
