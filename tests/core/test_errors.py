"""What a machine at its limits says: one line with the true cause; faults of the program keep their traceback."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from workspaces import ROOT

from patent_embeddings.core import command, costs, layout
from patent_embeddings.core.errors import UserError, user_message
from patent_embeddings.retrieval import lucene

PROGRAM = """
import sys
import typer
from patent_embeddings.core.errors import UserError
from patent_embeddings.core.command import run
app = typer.Typer()
@app.command()
def main(what: str):
    if what == "print":
        print("Prüfung – \\udce4 試")
        raise UserError("Größe: zu groß")
    if what == "memory":
        bytearray(1 << 60)
    if what == "hidden":
        try:
            bytearray(1 << 60)
        except MemoryError:
            raise UserError("the file is damaged; delete it") from None
    if what == "folder":
        open("/proc/self/nothing", "w")
    if what == "home":
        from patent_embeddings.core import layout
        layout.scratch()
    raise ValueError("a fault")
run(app)
"""


def program(what: str, *wrapper: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    kept = {name: value for name, value in os.environ.items() if name not in ("XDG_CACHE_HOME", "HOME")}
    return subprocess.run(
        [*wrapper, sys.executable, "-c", PROGRAM, what], capture_output=True, cwd=ROOT, env=kept | environment
    )


def test_a_terminal_of_ascii_shows_numbers_for_letters() -> None:
    done = program("print", PYTHONIOENCODING="ascii")
    assert done.stdout == rb"Pr\xfcfung \u2013 \udce4 \u8a66" + b"\n"
    assert (done.returncode, done.stderr) == (2, rb"error: Gr\xf6\xdfe: zu gro\xdf" + b"\n")
    done = program("print", PYTHONIOENCODING="utf-8")
    assert done.stdout.decode() == "Prüfung – \\udce4 試\n"  # what is no letter at all


def test_a_path_that_libraries_would_be_given_in_another_encoding_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "größe"
    folder.mkdir()
    code = "from patent_embeddings.core import command\ncommand.run(lambda: print('ran'))"
    for cwd, mode, ran in ((folder, "0", False), (folder, "1", True), (tmp_path, "0", True)):
        posix = {"LC_ALL": "POSIX", "PYTHONUTF8": mode, "PYTHONCOERCECLOCALE": "0", "PYTHONPATH": str(ROOT)}
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, cwd=cwd, env=os.environ | posix)
        assert (done.returncode, done.stdout) == ((0, b"ran\n") if ran else (2, b"")), done.stderr
        assert ran or (b"set PYTHONUTF8=1" in done.stderr and done.stderr.count(b"\n") == 1)


@pytest.mark.parametrize("what", ["memory", "hidden"])
def test_no_memory_is_the_cause_whoever_met_it(what: str) -> None:
    done = program(what)
    assert done.returncode == 2 and done.stderr.startswith(b"error: not enough memory (")
    assert done.stderr.count(b"\n") == 1


def test_a_fault_of_the_program_keeps_its_traceback() -> None:
    done = program("fault")
    assert done.returncode == 1 and b"ValueError: a fault" in done.stderr


@pytest.mark.skipif(os.getuid() != 0 or not Path("/usr/bin/setpriv").exists(), reason="becomes a user without a home")
def test_a_user_without_a_home_is_told_the_variable() -> None:
    done = program("home", "setpriv", "--reuid=54321", "--clear-groups")
    assert done.returncode == 2, done.stderr
    assert (
        done.stderr == b"error: this user has no home directory; set XDG_CACHE_HOME to a folder that can be written\n"
    )


def no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_no_home_is_one_line_and_no_account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(UserError, match="no home directory; set XDG_CACHE_HOME"):
        layout.scratch()
    assert costs.account() == ""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert layout.scratch() == tmp_path / "patent-embeddings"
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for relative in ("", "cache", "./cache"):  # would be another folder in every copy of the repository
        monkeypatch.setenv("XDG_CACHE_HOME", relative)
        assert layout.scratch() == tmp_path / ".cache/patent-embeddings"


def numpy() -> None:
    import numpy as np

    np.zeros(10**15)


def arrow() -> None:
    import pyarrow as pa

    pa.allocate_buffer(1 << 60)


def torch() -> None:
    # As torch says it, word for word.
    raise RuntimeError(
        "[enforce fail at alloc_cpu.cpp:127] err == 0. "
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"
    )


def cuda() -> None:
    raise RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total capacity of 79.15 GiB")


def java() -> None:
    raise Exception("JVM exception occurred: Java heap space java.lang.OutOfMemoryError")


def loader() -> None:
    raise ImportError("libtorch_cpu.so: failed to map segment from shared object")


def fork() -> None:
    raise OSError(errno.ENOMEM, "Cannot allocate memory")


def thread() -> None:
    raise RuntimeError("can't start new thread")


@pytest.mark.parametrize("lack", [numpy, arrow, torch, cuda, java, loader, fork, thread])
def test_every_library_s_lack_of_memory_is_known(lack: Callable[[], None]) -> None:
    with pytest.raises(Exception) as found:
        lack()
    assert (user_message(found.value) or "").startswith("not enough memory (")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EIO])
def test_a_disk_that_gives_out_is_named(number: int) -> None:
    line = user_message(OSError(number, os.strerror(number), "/some/where"))
    assert line == f"/some/where: {os.strerror(number)}; free space or check permissions and limits"


def test_no_place_for_temporary_files_is_one_line_whichever_library_wanted_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", None)
    monkeypatch.setattr("tempfile._candidate_tempdir_list", list)
    with pytest.raises(FileNotFoundError) as met:
        tempfile.mkdtemp()
    assert "set TMPDIR to one that can be written" in str(user_message(met.value))
    assert user_message(FileNotFoundError(errno.ENOENT, "No such file or directory", "x")) is None


def test_other_errors_are_nobody_s_line() -> None:
    for error in (ValueError("x"), OSError(errno.ENOENT, "No such file", "x"), RuntimeError("allocated")):
        assert user_message(error) is None
    assert user_message(UserError("the worker was killed (out of memory?)")) == "the worker was killed (out of memory?)"


def test_java_is_given_what_a_limit_leaves_or_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    import psutil

    used = psutil.Process().memory_info().vms
    for limit, heap in ((lucene.resource.RLIM_INFINITY, None), (used + (64 << 30), None), (used + (4 << 30), 1 << 30)):
        monkeypatch.setattr(lucene.resource, "getrlimit", lambda _, limit=limit: (limit, limit))
        most = min(4 << 30, os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2)
        assert abs(lucene._heap() - min(heap or most, most)) < 64 << 20
    monkeypatch.setattr(lucene.resource, "getrlimit", lambda _: (used + (1 << 30), -1))
    with pytest.raises(UserError, match=r"not enough memory for Java: .*ulimit -v"):
        lucene._heap()


def test_a_java_that_finds_no_memory_is_not_a_java_to_install_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(
        "#!/bin/sh\necho 'Error occurred during initialization of VM'\n"
        "echo 'Could not reserve enough space for 2097152KB object heap'\nexit 1\n"
    )
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"JAVA_HOME: .*not enough memory \(Could not reserve enough space for"):
        lucene.java_home()


def test_the_line_of_an_error_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    def app() -> None:
        raise UserError("two\n  lines")

    with pytest.raises(SystemExit) as ended:
        command.run(app)  # type: ignore[arg-type]
    assert ended.value.code == 2 and capsys.readouterr().err == "error: two lines\n"
