"""Python processes that are forked from one which has loaded the large libraries: what is tested in them runs as ever.

Of this project nothing is loaded before, and nothing that reads the environment as it is imported.
"""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

LOADED = ("numpy", "pandas", "pyarrow.parquet", "pydantic", "sklearn.metrics", "typer.testing", "yaml")


class Forks:
    """The process with the libraries; it starts with the first command and ends with `close`."""

    def __init__(self) -> None:
        self.parent: subprocess.Popen[str] | None = None

    def module(self, name: str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """As `python -m name`; options are those of `code`."""
        return self.code(started(name), *arguments, **options)

    def code(
        self, code: str, *arguments: str, cwd: Path, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """As `python -c code` in a folder and an environment, with all that it says."""
        if self.parent is None:
            kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
            self.parent = subprocess.Popen(
                [sys.executable, "-P", __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=kept
            )
        assert self.parent.stdin and self.parent.stdout
        with tempfile.TemporaryDirectory() as folder:
            said = [Path(folder) / name for name in ("out", "err")]
            asked = {"code": code, "argv": ["-c", *arguments], "cwd": str(cwd), "said": list(map(str, said))}
            print(json.dumps({**asked, "env": dict(os.environ if env is None else env)}), file=self.parent.stdin)
            self.parent.stdin.flush()
            status = int(self.parent.stdout.readline())
            return subprocess.CompletedProcess([code, *arguments], status, *(path.read_text() for path in said))

    def close(self) -> None:
        """End the process."""
        if self.parent:
            self.parent.communicate()


def started(module: str) -> str:
    """What `python -m` does."""
    return f"import runpy; runpy.run_module({module!r}, run_name='__main__', alter_sys=True)"


def serve() -> None:
    """Fork for each line of the input: a command; and say its exit status."""
    from importlib import import_module

    for name in LOADED:
        import_module(name)
    for line in sys.stdin:
        child = os.fork()
        if not child:
            become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(code: str, argv: list[str], cwd: str, env: Mapping[str, str], said: tuple[str, ...] = ()) -> NoReturn:
    """Run a command in this process, forked, as a new one would, and end it."""
    atexit._clear()
    nothing = os.open(os.devnull, os.O_RDONLY)
    outputs = [os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND) for path in said]
    for number, file in enumerate((nothing, *outputs)):
        os.dup2(file, number)
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = argv
    sys.path[:0] = [cwd, *filter(None, env.get("PYTHONPATH", "").split(os.pathsep))]
    status: object = 0
    try:
        exec(compile(code, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as ended:
        status = ended.code
    except BaseException:
        traceback.print_exc()
        status = 1
    if isinstance(status, str):
        print(status, file=sys.stderr)
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status if isinstance(status, int) else bool(status))  # to clear up what was loaded takes a second


def dvc_with(*names: str) -> str:
    """Code of a program that is DVC, but that its stages are forked from it: what several load is loaded once."""
    return f"import sys; sys.path.append({str(Path(__file__).parent)!r}); import forks; forks.dvc({names!r})"


def dvc(names: Iterable[str]) -> NoReturn:
    """Run DVC with this process's arguments."""
    from importlib import import_module

    from dvc.cli import main
    from dvc.stage import run
    from dvc.stage.exceptions import StageCmdFailedError

    def forked(executable: str, cmd: str, *, cwd: str, env: dict[str, str], **_: object) -> None:
        python, option, module, *arguments = cmd.split()
        assert (python, option) == ("python", "-m")
        sys.stdout.flush()
        child = os.fork()
        if not child:
            become(started(module), [module, *arguments], cwd, env)
        if status := os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
            raise StageCmdFailedError(cmd, status)

    for name in names:
        import_module(name)
    run._run = forked
    raise SystemExit(main(sys.argv[1:]))


if __name__ == "__main__":
    serve()
