"""Real sources: downloads that are pinned, resumed and refused; what the adapters make of what they get."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import re
import socket
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from patent_embeddings.core import layout, limits, registry
from patent_embeddings.core.errors import UserError
from patent_embeddings.corpus.entries import landscape_entry
from patent_embeddings.corpus.sources import fetch, historic_us, kista, package_index
from patent_embeddings.corpus.values import HistoricUs, Kista

# Families, families that cite one of them, and citations, counted by another program.
KISTA = {
    "kista-orbit-satellite": (1713, 223, 401),
    "kista-offshore-plant": (905, 185, 377),
    "kista-nighttime-driver": (923, 114, 277),
}


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@dataclass
class Web:
    """A server of files in memory that can break off, forget ranges, or refuse."""

    files: dict[str, bytes] = field(default_factory=dict)
    cut: int | None = None  # bytes after which every answer breaks off
    ranges: bool = True
    status: int | None = None
    asked: list[tuple[str, str | None, str | None]] = field(default_factory=list)  # path, range, authorization
    url: str = ""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Web]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    site = Web()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            site.asked.append((self.path, wanted, self.headers.get("Authorization")))
            content = site.files.get(self.path)
            if site.status or content is None:
                self.send_error(site.status or 404)
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and site.ranges else 0
            if start >= len(content) > 0:
                self.send_error(416)
                return
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            self.send_header("Content-Type", "application/octet-stream")
            self.end_headers()
            self.wfile.write(content[start : None if site.cut is None else start + site.cut])

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    site.url = f"http://127.0.0.1:{server.server_port}"
    yield site
    server.shutdown()
    server.server_close()


CONTENT = bytes(range(256)) * 40


def test_a_file_is_downloaded_once_and_kept_by_its_hash(web: Web) -> None:
    web.files["/a"] = CONTENT
    path = fetch.fetch(f"{web.url}/a", digest(CONTENT), "a")
    assert path.read_bytes() == CONTENT
    assert path == layout.scratch() / "downloads" / digest(CONTENT)[:16]
    assert fetch.fetch(f"{web.url}/a", digest(CONTENT), "a") == path
    assert len(web.asked) == 1


def test_a_broken_download_is_continued(web: Web) -> None:
    web.files["/a"] = CONTENT
    web.cut = 1000
    with pytest.raises(UserError, match="3,000 bytes are kept, the next run continues"):
        fetch.fetch(f"{web.url}/a", digest(CONTENT), "a")
    web.cut = None
    assert fetch.fetch(f"{web.url}/a", digest(CONTENT), "a").read_bytes() == CONTENT
    assert [asked[1] for asked in web.asked] == [None, "bytes=1000-", "bytes=2000-", "bytes=3000-"]


def test_a_server_without_ranges_starts_over(web: Web) -> None:
    web.files["/a"] = CONTENT
    fetch.place(digest(CONTENT)).parent.mkdir(parents=True)
    fetch.place(digest(CONTENT)).with_name(f"{digest(CONTENT)[:16]}.part").write_bytes(CONTENT[:50])
    web.ranges = False
    assert fetch.fetch(f"{web.url}/a", digest(CONTENT), "a").read_bytes() == CONTENT


@pytest.mark.parametrize("old", [b"of another version", CONTENT + b"too long"])
def test_a_part_of_another_version_is_thrown_away(web: Web, old: bytes) -> None:
    web.files["/a"] = CONTENT
    fetch.place(digest(CONTENT)).parent.mkdir(parents=True)
    fetch.place(digest(CONTENT)).with_name(f"{digest(CONTENT)[:16]}.part").write_bytes(old)
    assert fetch.fetch(f"{web.url}/a", digest(CONTENT), "a").read_bytes() == CONTENT


def test_another_content_is_refused_and_not_kept(web: Web) -> None:
    web.files["/a"] = CONTENT + b"!"
    with pytest.raises(UserError, match=r"a: .*/a has sha256 .*expected .*not used"):
        fetch.fetch(f"{web.url}/a", digest(CONTENT), "a")
    left = [path.name for path in (layout.scratch() / "downloads").iterdir() if path.suffix != ".lock"]
    assert left == []


def test_a_damaged_copy_is_downloaded_again(web: Web, capsys: pytest.CaptureFixture[str]) -> None:
    web.files["/a"] = CONTENT
    path = fetch.fetch(f"{web.url}/a", digest(CONTENT), "a")
    path.write_bytes(CONTENT[:-1] + b"?")
    assert fetch.fetch(f"{web.url}/a", digest(CONTENT), "a").read_bytes() == CONTENT
    assert "damaged, downloading it again" in capsys.readouterr().err


def test_an_unreachable_or_refusing_server_is_one_line_without_the_password(web: Web) -> None:
    web.status = 403
    url = web.url.replace("//", "//user:secret@")
    for address, why in ((f"{url}/a", "HTTP 403"), ("http://user:secret@127.0.0.1:9/a", "ConnectionError")):
        with pytest.raises(UserError) as error:
            fetch.fetch(address, digest(b""), "a", "find a mirror")
        assert why in str(error.value) and str(error.value).endswith("; find a mirror")
        assert "secret" not in str(error.value) and "\n" not in str(error.value)
    assert len(web.asked) == 1  # a refusal is not asked again


def test_two_at_once_download_once(web: Web) -> None:
    web.files["/a"] = CONTENT
    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(fetch.fetch(f"{web.url}/a", digest(CONTENT), "a")))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(paths) == 4 and len(web.asked) == 1


# Servers that lie: what follows is sent as it stands, whatever was asked.


@pytest.fixture
def liar(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[[Iterable[bytes]], str]]:
    """Start a server that sends some pieces to whoever connects, and hangs up; gives its URL."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    listener = socket.create_server(("127.0.0.1", 0))

    def started(pieces: Iterable[bytes]) -> str:
        def serve() -> None:
            while True:
                try:
                    connection = listener.accept()[0]
                except OSError:
                    return
                with connection, suppress(OSError):
                    connection.recv(65536)
                    for piece in pieces:
                        connection.sendall(piece)
                    connection.shutdown(socket.SHUT_WR)

        threading.Thread(target=serve, daemon=True).start()
        return f"http://127.0.0.1:{listener.getsockname()[1]}/a"

    yield started
    listener.close()


def head(**fields: str) -> bytes:
    lines = [f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items()]
    return ("HTTP/1.1 200 OK\r\nConnection: close\r\n" + "".join(lines) + "\r\n").encode()


def downloads() -> list[str]:
    return sorted(path.name for path in (layout.scratch() / "downloads").iterdir() if path.suffix != ".lock")


@pytest.mark.parametrize("length", ["-5", "x", "1e3", "", "9" * 5000, "\xb2", "+10240", "10240, 10240"])
def test_a_length_that_is_no_number_is_none(liar: Callable[[Iterable[bytes]], str], length: str) -> None:
    url = liar([head(Content_Length=length), CONTENT])
    assert fetch.fetch(url, digest(CONTENT), "a").read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("length", "why"),
    [
        ("100", "has sha256"),
        ("99999", "cannot download"),
        ("1, 2", "cannot download"),
        ("9999999999999", "has 9,999,999,999,999 bytes by its own account"),
    ],
)
def test_a_length_that_is_wrong_is_one_line(liar: Callable[[Iterable[bytes]], str], length: str, why: str) -> None:
    with pytest.raises(UserError, match=rf"a: .*{why}"):
        fetch.fetch(liar([head(Content_Length=length), CONTENT]), digest(CONTENT), "a")
    assert downloads() in ([], [f"{digest(CONTENT)[:16]}.part"])  # a part is held against its hash in the end


@pytest.mark.parametrize("fields", [{}, {"Content_Length": "-1"}, {"Transfer_Encoding": "chunked"}])
def test_an_endless_answer_ends_and_nothing_of_it_is_kept(
    liar: Callable[[Iterable[bytes]], str], fields: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fetch, "LARGEST", 3 << 20)
    block = bytes(1 << 16)
    url = liar(Endless(head(**fields), b"10000\r\n" + block + b"\r\n" if "Transfer_Encoding" in fields else block))
    with pytest.raises(UserError, match=r"a: http.*/a does not end after 3,145,728 bytes; it is not the file .*; mend"):
        fetch.fetch(url, digest(CONTENT), "a", "mend")
    assert downloads() == []


@dataclass
class Endless:
    """One piece, and then another without end, some seconds apart."""

    first: bytes
    then: bytes
    seconds: float = 0

    def __iter__(self) -> Iterator[bytes]:
        yield self.first
        while True:
            time.sleep(self.seconds)
            yield self.then


def test_an_answer_that_trickles_is_given_up(
    liar: Callable[[Iterable[bytes]], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "GRACE", 0.3)
    monkeypatch.setattr(fetch, "ATTEMPTS", 1)
    began = time.monotonic()
    with pytest.raises(UserError, match=r"a: cannot download .*Timeout"):
        fetch.fetch(liar(Endless(head(), b"x", 0.05)), digest(CONTENT), "a")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "page",
    [
        b"<html>Sign in, please</html>", b"\xff\xfe\x00<a href=", b'<a href="http://[::1/patents-1.0.tar.gz">x</a>',
        b"", b"[" * 100_000, b'{"files": []}', b"\xff", b"<a>" * 10_000,
    ],
)  # fmt: skip
def test_an_index_that_answers_nonsense_is_one_line(pip: Web, page: bytes) -> None:
    pip.files["/simple/patents/"] = page
    with pytest.raises(
        UserError, match=r"patents-1\.0\.tar\.gz: on no package index .*is no page with links.*; set PIP"
    ):
        package_index.locate("patents", "patents-1.0.tar.gz", package_index.Configured((f"{pip.url}/simple",), None))


@pytest.mark.parametrize(
    ("pieces", "why"),
    [
        ([head(Content_Type="text/html", Content_Encoding="gzip"), b"<a>not packed</a>"], "DecodeError"),
        (
            [head(Content_Type="text/html", Content_Encoding="gzip"), gzip.compress(bytes(64 << 20))],
            "its page does not end after",
        ),
        ([head(Content_Type="text/html", Content_Length="70000000000")], "its page has 70,000,000,000 bytes"),
        ([b"HTTP/1.1 302 F\r\nLocation: /a\r\nConnection: close\r\n\r\n"], "TooManyRedirects"),
        ([b"HTTP/1.1 302 F\r\nLocation: ftp://x/\r\nConnection: close\r\n\r\n"], "InvalidSchema"),
        ([b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200], "ConnectionError"),
        ([b"SSH-2.0\r\n"], "ConnectionError"),
        ([], "ConnectionError"),
    ],
    ids=["gzip", "bomb", "length", "loop", "scheme", "headers", "protocol", "nothing"],
)
def test_a_server_that_is_no_index_is_one_line(
    liar: Callable[[Iterable[bytes]], str], pieces: list[bytes], why: str
) -> None:
    with pytest.raises(UserError, match=rf"on no package index .*{why}"):
        package_index.locate("patents", "patents-1.0.tar.gz", package_index.Configured((liar(pieces),), None))


# KISTA: five rows that hold every trap of the real files.

PUMP = (
    """US-2-B2,20020102,US,10,Pump,"A  pump\n for H<sub>2</sub>O &amp; oil.",[],"""
    """"['F04B1/00']","['F04B1/00']","['US-9-A1', 'US-1-A', 'US-3-B1', 'EP-7-A']",[0.1]"""
)
HEADER = (
    ",publication_number,publication_date,country_code,family_id,title_text,abstract_text,"
    "uspc_code,cpc_code,ipc_code,refs,embedding_v1,valid"
)
ROWS = f"""{HEADER}
0,{PUMP},True
1,{PUMP},False
2,US-1-A,20010203,US,10,A pump &lt;new&gt;,Short.,[],"['A01B1/00']",[],[],[0.1],True
3,US-3-B2,19990101,US,20,Valve,Valve.,[],[],"['F16K1/00']",[''],[0.1],True
4,US-9-B1,20050607,US,30,Gasket,,[],[],[],"['US-3-B2', 'US-2-A1']",[0.1],False
"""


def kista_entry(content: bytes) -> Kista:
    return Kista(licence="l", source="kista", commit="0" * 40, file="pumps.csv", sha256=digest(content))


def test_kista_merges_publications_into_families(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.files["/mirror/pumps.csv"] = ROWS.encode()
    monkeypatch.setenv("KISTA_URL", f"{web.url}/mirror/")
    raw = kista.load("pumps", kista_entry(ROWS.encode()))
    families = raw.families.set_index("family_id")
    assert families.index.tolist() == ["DOCDB-10", "DOCDB-20", "DOCDB-30"]
    first = families.loc["DOCDB-10"]
    assert first["title"] == "A pump <new>"
    assert first["abstract"] == "A pump for H<sub>2</sub>O & oil."
    assert (first["date"], first["ipc"], first["cpc"]) == ("2001-02-03", ["F04B1/00"], ["A01B1/00", "F04B1/00"])
    assert first["labels"] == ["invalid", "valid"] and families.at["DOCDB-20", "labels"] == ["valid"]
    # US-9-A1 and US-3-B1 are met by US-9-B1 and US-3-B2; US-1-A is a member of the same family; EP-7-A is unknown.
    assert raw.citations[["citing_id", "cited_id"]].values.tolist() == [
        ["DOCDB-10", "DOCDB-20"], ["DOCDB-10", "DOCDB-30"], ["DOCDB-30", "DOCDB-10"], ["DOCDB-30", "DOCDB-20"],
    ]  # fmt: skip
    assert raw.notes["citations dropped, outside the landscape"] == 1
    assert raw.notes["citations dropped, to itself"] == 1
    assert (raw.notes["rows"], raw.notes["publications"]) == (5, 4)


def test_kista_refuses_a_changed_file(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    web.files["/pumps.csv"] = ROWS.replace("Valve", "Value").encode()
    monkeypatch.setenv("KISTA_URL", web.url)
    with pytest.raises(UserError, match=r"pumps: .* has sha256 .* expected"):
        kista.load("pumps", kista_entry(ROWS.encode()))


def test_kista_unreachable_names_the_mirror_variable(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KISTA_URL", "http://127.0.0.1:9")
    with pytest.raises(UserError, match=r"pumps: cannot download .* set KISTA_URL to a mirror"):
        kista.load("pumps", kista_entry(b""))


@pytest.mark.parametrize("literal", ["__import__('pathlib').Path('ran').touch()", "['a', 1]", "['a'"])
def test_kista_lists_are_read_and_never_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, literal: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("pumps.csv").write_text(ROWS.replace("\"['F16K1/00']\"", f'"{literal}"'))
    with pytest.raises(UserError, match=r"pumps\.csv: not a file of this source"):
        kista.parse(Path("pumps.csv"))
    assert not Path("ran").exists()


def test_the_five_registered_files_are_pinned() -> None:
    entries = {name: landscape_entry(name) for name in registry.ids("landscapes") if name.startswith("kista-")}
    assert len(entries) == 5 and len({entry.sha256 for entry in entries.values()}) == 5
    assert all(entry.commit == "9fb407c711b3ca4ee4f265cc75d42d2a2cd6d3f9" for entry in entries.values())


@pytest.mark.skipif("KISTA_FILES" not in os.environ, reason="KISTA_FILES names no folder with the real files")
@pytest.mark.parametrize(("name", "counts"), KISTA.items())
def test_kista_gives_the_families_queries_and_citations_of_the_real_files(
    name: str, counts: tuple[int, int, int]
) -> None:
    entry = landscape_entry(name)
    path = Path(os.environ["KISTA_FILES"]) / entry.file
    assert digest(path.read_bytes()) == entry.sha256
    raw = kista.parse(path)
    found = (len(raw.families), raw.citations["citing_id"].nunique(), len(raw.citations))
    assert found == pytest.approx(counts, rel=0.02)
    assert (raw.families["abstract"] != "").all()


# Historic US patents.

SCAN = (
    "/x/US398479.txt\t(No Model.) \r No. 398,479. \rJ. W. WEAVER \rFIRE ESCAPE. \r\x0cUNITED STATES PATENT OFFICE. \r"
    "JOHN WARREN WEAVER, OF BROOKLYN, NEW YORK, ASSIGNOR OF ONE-HALF \rTO ADAM SMITH, OF SAME PLACE. \r"
    "FOLDING FIRE-ESCAPE. \rSPECIFICATION forming part of Letters Patent No. 398,479, dated February 26, 1889. \r"
    "Application filed June 8, 1888. (No model.) \rTo all whom it may concern: \r"
    "Be it known that I, JOHN WARREN WEAVER, "
    "have invented a new Fire-Escape, of which the following is a specification. \r55 \r"
    "My invention provides a ladder, "
    "and I do not claim a plain ladder. \r"
    + "The ladder A folds upon the wall when it is at rest. \r"
    * 8
    + "Having thus described my invention, what I \rclaim as new, and desire to secure by Letters \rPatent, is \r"
    "1. A fire-escape having two side portions hinged to the wall. \r60 \r"
    "2. The fire-escape of claim 1, having 3 rungs, \rsubstantially as described. \r"
    "In testimony whereof I claim the foregoing as mine. \rJOHN WARREN WEAVER. \rWitnesses: \rW. CROWE. \r\x0c"
)


def test_sections_are_cut_from_a_scan() -> None:
    sections = historic_us.cut(SCAN.split("\t", 1)[1])
    assert sections["title"] == "FOLDING FIRE-ESCAPE"
    assert sections["claims"] == (
        "1. A fire-escape having two side portions hinged to the wall.\n"
        "2. The fire-escape of claim 1, having 3 rungs, substantially as described."
    )
    assert sections["description"].startswith("Be it known that I, JOHN WARREN WEAVER")
    assert sections["description"].endswith("Having thus described my invention,")
    assert "55" not in sections["description"] and "I do not claim a plain ladder" in sections["description"]


def test_a_single_claim_and_a_swapped_page_are_cut_too() -> None:
    single = SCAN.replace("1. A fire", "A fire").replace(
        "2. The fire-escape of claim 1, having 3 rungs, \rsubstantially as described. \r", ""
    )
    assert historic_us.cut(single)["claims"] == "A fire-escape having two side portions hinged to the wall."
    left, claimed = SCAN.split("Having thus", 1)
    head, left = left.split("To all whom", 1)
    claimed = claimed.split("In testimony", 1)[0]
    swapped = historic_us.cut(head + "Having thus" + claimed + "To all whom" + left)
    assert swapped["claims"].startswith("1. A fire-escape") and "2. The fire-escape of claim 1" in swapped["claims"]
    assert swapped["description"].startswith("Be it known")


def test_dirt_gives_no_section() -> None:
    assert historic_us.cut("No. 1. \r|~ \r4 5 \r\x0c") == dict.fromkeys(("title", "claims", "description"), "")


def sdist(members: dict[str, bytes | str]) -> bytes:
    """A gzipped tar archive; a text value makes a symbolic link to it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def package(**changes: bytes | str) -> bytes:
    folder = "patents-1.0/examples/data"
    second = (
        SCAN.replace("398479", "198080").replace("Be it known", "Be it \x93known\x94").replace("hinged", "h\x81nged")
    )
    members: dict[str, bytes | str] = {
        "patents-1.0/setup.py": b"import pathlib; pathlib.Path('built').touch()",
        f"{folder}/raw_input.txt": f"{SCAN}\n{second}\n".encode("latin-1"),
        f"{folder}/GPCPCs.txt": b"pat\tprogr\tCPC\r\n398479\t1\tE06C9/08\r\n398479\t2\tE06C1/04\r\n"
        b"398479\t2\tE06C9/08\r\n7\t0\tA01B1/00\r\n",
        f"{folder}/year.csv": b"pat\tyear\n398479\t1889\n",
    }
    return sdist(members | {f"{folder}/{name.replace('_txt', '.txt')}": value for name, value in changes.items()})


def historic_entry(content: bytes) -> HistoricUs:
    return HistoricUs(licence="l", source="historic-us", project="patents", version="1.0", sha256=digest(content))


@pytest.fixture
def pip(web: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Web:
    """Pip configured with the local server alone, under a user and password."""
    for name in ("PIP_EXTRA_INDEX_URL", "PIP_NO_INDEX", "PIP_CERT", "PIP_FIND_LINKS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", web.url.replace("//", "//user:secret@") + "/simple")
    monkeypatch.chdir(tmp_path)
    return web


def test_historic_us_is_fetched_from_the_index_and_not_built(pip: Web, capsys: pytest.CaptureFixture[str]) -> None:
    content = package()
    pip.files["/files/patents-1.0.tar.gz"] = content
    pip.files["/simple/patents/"] = (
        b'<a href="../../files/patents-0.9.tar.gz">old</a><a href="../../files/patents-1.0.tar.gz#sha256=0">new</a>'
    )
    raw = historic_us.load("old", historic_entry(content))
    assert raw.families["family_id"].tolist() == ["US-398479", "US-198080"]
    first, second = raw.families.to_dict("records")
    assert (first["title"], first["cpc"], first["date"]) == ("FOLDING FIRE-ESCAPE", ["E06C9/08", "E06C1/04"], "1889")
    assert (second["cpc"], second["date"]) == ([], "")
    assert "h\ufffdnged" in second["claims"] and "“known”" in second["description"]
    assert raw.citations.empty and raw.notes["claims found"] == 2
    assert "title 100.0%, claims 100.0%, description 100.0%" in capsys.readouterr().err
    assert not Path("built").exists()
    assert all(asked[2] for asked in pip.asked)  # the password went to the index
    # Once held, no index is asked.
    asked = len(pip.asked)
    historic_us.load("old", historic_entry(content))
    assert len(pip.asked) == asked


def test_a_later_index_is_asked_and_a_folder_can_be_one(
    pip: Web, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    content = package()
    folder = tmp_path / "index" / "patents"
    folder.mkdir(parents=True)
    (folder / "patents-1.0.tar.gz").write_bytes(content)
    (folder / "index.html").write_text('<a href="patents-1.0.tar.gz">it</a>')
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{pip.url}/other {folder.parent.as_uri()}")
    assert len(historic_us.load("old", historic_entry(content)).families) == 2


def test_an_index_without_the_file_is_one_line_without_the_password(pip: Web) -> None:
    with pytest.raises(UserError) as error:
        package_index.locate("patents", "patents-1.0.tar.gz", package_index.configured())
    assert re.search(r"patents-1\.0\.tar\.gz: on no package index .*HTTP 404.*; set PIP_INDEX_URL", str(error.value))
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("index", ["http://user:secret@[::1/simple", "https://user:secret@[x", "user:secret://@[y"])
def test_an_index_whose_address_is_none_is_one_line_without_the_password(index: str) -> None:
    with pytest.raises(UserError, match="on no package index") as met:
        package_index.locate("project", "file.whl", package_index.Configured((index,), None))
    assert "secret@" not in str(met.value)


def test_pip_without_settings_asks_its_own_index(pip: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    own = pytest.importorskip("pip._internal.models.index").PyPI.simple_url
    monkeypatch.delenv("PIP_INDEX_URL")
    for width in ("30", "200"):
        monkeypatch.setenv("COLUMNS", width)
        assert package_index.configured() == package_index.Configured((own,), None)


def test_pip_without_an_index_asks_nobody(pip: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{pip.url}/other")
    assert package_index.configured().indexes == ()
    with pytest.raises(UserError, match="there is none"):
        package_index.locate("patents", "patents-1.0.tar.gz", package_index.configured())


@pytest.mark.parametrize(
    ("content", "message"),
    [(package(raw_input_txt="../../../../secret.txt"), "not the archive .*secret"),
     (sdist({"a": b""}), "not the archive .*raw_input"),
     (package()[:200], "not the archive that is expected"), (b"no archive", "not the archive that is expected"),
     (package(raw_input_txt=b"name\ttext\n"), "names no patent")],
    ids=["link", "empty", "cut", "no-archive", "no-patent"],
)  # fmt: skip
def test_a_strange_archive_is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    (tmp_path / "secret.txt").write_text(SCAN)
    (tmp_path / "patents.tar.gz").write_bytes(content)
    with pytest.raises(UserError, match=message):
        historic_us.parse(tmp_path / "patents.tar.gz", "patents-1.0/examples/data", "old")
