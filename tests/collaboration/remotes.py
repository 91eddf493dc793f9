"""Remotes on this machine: an OpenSSH server, an S3 API server, and a TCP relay that can be cut."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


def free_port() -> int:
    """A port of the loopback that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    """Return once the server answers."""
    for _ in range(300):
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert process.poll() is None, process.args
        time.sleep(0.1)
    raise TimeoutError


@contextmanager
def serving(command: list[str], port: int) -> Iterator[None]:
    """Run a server for the time of the block."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait_for(port, process)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@contextmanager
def ssh(folder: Path) -> Iterator[dict[str, str]]:
    """An OpenSSH server with a key of its own; yields the DVC settings of a remote on it."""
    daemon = shutil.which("sshd", path="/usr/sbin:/usr/local/sbin:/usr/bin")
    if daemon is None:
        pytest.skip("no sshd: Debian's openssh-server is not installed")
    folder.mkdir(parents=True)
    for name in ("host", "user"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)], check=True)
    shutil.copy(folder / "user.pub", folder / "authorized")
    port = free_port()
    lines = [
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {folder}/host", f"AuthorizedKeysFile {folder}/authorized",
        f"PidFile {folder}/pid", "PasswordAuthentication no", "UsePAM no", "StrictModes no", "PermitRootLogin yes",
        "Subsystem sftp internal-sftp",
    ]  # fmt: skip
    (folder / "config").write_text("\n".join(lines) + "\n")
    Path("/run/sshd").mkdir(exist_ok=True)
    with serving([daemon, "-D", "-e", "-f", str(folder / "config")], port):
        yield {
            "url": f"ssh://127.0.0.1/{folder}/store", "port": str(port), "user": getpass.getuser(),
            "keyfile": str(folder / "user"),
        }  # fmt: skip


@contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 API server (moto) with a bucket; yields the DVC settings of a remote on it."""
    import boto3

    port = free_port()
    keys = {"access_key_id": "someone", "secret_access_key": "not-a-secret"}
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port):
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="us-east-1",
            **{f"aws_{name}": value for name, value in keys.items()},
        )  # fmt: skip
        client.create_bucket(Bucket="lab")
        yield {"url": "s3://lab/store", "endpointurl": endpoint, "region": "us-east-1", **keys}


class Relay:
    """Passes bytes to a server, and cuts every connection after so many of them."""

    def __init__(self, target: int) -> None:
        self.target, self.left, self.open = target, 1 << 62, True
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def cut_after(self, count: int) -> None:
        """Drop connections once `count` more bytes have passed, and refuse new ones."""
        self.left = count

    def heal(self) -> None:
        """Let everything pass again."""
        self.left = 1 << 62

    def _accept(self) -> None:
        while True:
            near = self.listener.accept()[0]
            if self.left <= 0:
                near.close()
                continue
            far = socket.create_connection(("127.0.0.1", self.target))
            for pair in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        try:
            while (data := source.recv(4096)) and self.left > 0:
                self.left -= len(data)
                target.sendall(data)
        except OSError:
            pass
        for one in (source, target):
            one.close()
