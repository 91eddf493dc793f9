"""A small server that speaks the hub's protocol: trees of a commit, and files with ranges, over HTTP."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LARGE = 1000  # bytes from which a file counts as large, as git LFS does


@dataclass
class Repository:
    """Files of one commit; `sent` differs from `files` where the server lies about a file."""

    revision: str
    files: dict[str, bytes]
    gated: bool = False
    sent: dict[str, bytes] = field(default_factory=dict)
    older: dict[str, dict[str, bytes]] = field(default_factory=dict)  # files of earlier commits


@dataclass
class Hub:
    """Repositories by path (`org/name`, `datasets/org/name`), what breaks once, and what was asked."""

    endpoint: str = ""
    repositories: dict[str, Repository] = field(default_factory=dict)
    breaks: set[str] = field(default_factory=set)  # files whose first answer stops in the middle
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)  # method, path, range
    # What is sent as it stands, status line and all, for a path with these words in it: nothing else is then true.
    lies: dict[str, Iterable[bytes]] = field(default_factory=dict)

    def environment(self, home: Any) -> dict[str, str]:
        """Environment in which the real client talks to this server and keeps its cache under `home`."""
        import os

        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "MODELS_DIR"))}
        return {
            **kept,
            "HF_ENDPOINT": self.endpoint,
            "HF_HOME": str(home),
            "XDG_CACHE_HOME": f"{home}/cache",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }


def etag(data: bytes) -> str:
    """Checksum that names a file: sha256 of a large one, git's blob id of a small one."""
    if len(data) >= LARGE:
        return hashlib.sha256(data).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@contextmanager
def serve() -> Iterator[Hub]:
    """Run the server on a free port of this machine."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def do_HEAD(self) -> None:
            self.reply(body=False)

        def do_GET(self) -> None:
            self.reply(body=True)

        def reply(self, body: bool) -> None:
            path = self.path.split("?")[0]
            hub.asked.append((self.command, path, self.headers.get("Range")))
            if lie := next((hub.lies[words] for words in hub.lies if words in f"{self.command} {path}"), None):
                self.close_connection = True
                with suppress(OSError):
                    self.wfile.writelines(lie)
                return
            tree = re.fullmatch(r"/api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)/tree/([^/]+)/?", path)
            file = re.fullmatch(r"/((?:datasets/)?[^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
            info = re.fullmatch(r"/api/(?:models/)?((?:datasets/)?[^/]+/[^/]+)/revision/([^/]+)", path)
            asked = tree or file or info
            if not asked:
                self.answer(200, b"a hub", body)
                return
            repository = hub.repositories.get(asked[1])
            if repository is None:
                self.answer(401, b"", body, {"X-Error-Code": "RepoNotFound"})
            elif repository.gated:
                self.answer(403, b"", body, {"X-Error-Code": "GatedRepo"})
            elif info and info[2] == "main":
                self.answer(200, json.dumps({"id": info[1], "sha": repository.revision}).encode(), body)
            elif asked[2] in repository.older and tree:
                found = repository.older[asked[2]]
                self.answer(200, json.dumps([self.entry(*item) for item in found.items()]).encode(), body)
            elif asked[2] != repository.revision:
                self.answer(404, b"", body, {"X-Error-Code": "RevisionNotFound"})
            elif tree:
                self.answer(200, json.dumps([self.entry(*item) for item in repository.files.items()]).encode(), body)
            elif file and file[3] in repository.files:
                self.send(repository, file[3], body)
            else:
                self.answer(404, b"", body, {"X-Error-Code": "EntryNotFound"})

        def entry(self, name: str, data: bytes) -> dict[str, Any]:
            large = {"lfs": {"oid": etag(data), "size": len(data), "pointerSize": 130}} if len(data) >= LARGE else {}
            return {"type": "file", "path": name, "size": len(data), "oid": etag(data)[:40], **large}

        def send(self, repository: Repository, name: str, body: bool) -> None:
            data = repository.sent.get(name, repository.files[name])
            headers = {
                "X-Repo-Commit": repository.revision,
                "ETag": f'"{etag(repository.files[name])}"',
                "Accept-Ranges": "bytes",
            }
            start = int(re.findall(r"\d+", self.headers.get("Range") or "0")[0])
            if start:
                headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            stop = None
            if body and name in hub.breaks:
                hub.breaks.remove(name)
                stop = len(data) // 2
            self.answer(206 if start else 200, data[start:], body, headers, stop)

        def answer(
            self, status: int, data: bytes, body: bool, headers: dict[str, str] | None = None, stop: int | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {**(headers or {}), "Content-Length": str(len(data))}.items():
                self.send_header(name, value)
            self.end_headers()
            if body:
                self.wfile.write(data[:stop])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
