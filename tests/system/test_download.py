"""Downloads from a hostile server."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path

import pytest

from transfer.system.download import download

BODY = bytes(range(256)) * 9000  # more than one chunk


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        with suppress(OSError):  # the other side hangs up
            getattr(self, self.path[1:].partition("/")[0])()

    def begin(self, code: int = 200, **headers: object) -> None:
        self.close_connection = True
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()

    def good(self) -> None:
        self.begin(Content_Length=len(BODY))
        self.wfile.write(BODY)

    def unstated(self) -> None:
        self.begin()
        self.wfile.write(BODY)

    def chunked(self) -> None:
        self.begin(Transfer_Encoding="chunked")
        for part in (BODY[:100], BODY[100:]):
            self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
        self.wfile.write(b"0\r\n\r\n")

    def chunked_short(self) -> None:
        self.begin(Transfer_Encoding="chunked")
        self.wfile.write(b"1000\r\n%s" % BODY[:100])

    def nonsense(self) -> None:
        self.begin(Content_Length="many")
        self.wfile.write(BODY)

    def longer(self) -> None:
        self.begin(Content_Length=1000)
        self.wfile.write(BODY)

    def shorter(self) -> None:
        self.begin(Content_Length=len(BODY) + 1000)
        self.wfile.write(BODY)

    def huge(self) -> None:
        self.begin(Content_Length=10**12)
        self.endless_body()

    def endless(self) -> None:
        self.begin()
        self.endless_body()

    def endless_body(self) -> None:
        while True:
            self.wfile.write(BODY)

    def trickle(self) -> None:
        self.begin(Content_Length=10**6)
        for _ in range(200):
            self.wfile.write(b"x")
            time.sleep(0.05)

    def silent(self) -> None:
        self.begin(Content_Length=10)
        time.sleep(1.5)

    def redirect(self) -> None:
        self.begin(302, Location=self.path.removeprefix("/redirect/"), Content_Length=0)

    def missing(self) -> None:
        self.begin(404, Content_Length=0)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        httpd.daemon_threads, httpd.block_on_close = True, False
        thread = threading.Thread(target=httpd.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_port}"
        httpd.shutdown()
        thread.join()


@pytest.mark.parametrize("path", ["good", "unstated", "chunked", "nonsense", "redirect//good"])
def test_whole_files_come_whole(server: str, tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_bytes(b"something longer" * 10**6)
    download(f"{server}/{path}", tmp_path / "file", "x", most=len(BODY))
    assert (tmp_path / "file").read_bytes() == BODY


def test_nothing_is_read_beyond_the_stated_length(server: str, tmp_path: Path) -> None:
    download(f"{server}/longer", tmp_path / "file", "x", most=len(BODY))
    assert (tmp_path / "file").read_bytes() == BODY[:1000]


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("shorter", "it broke off after 2,304,000 of 2,305,000 bytes"),
        ("chunked_short", "IncompleteRead"),
        ("huge", "it has 1,000,000,000,000 bytes; expected at most 5,000,000"),
        ("endless", "it has more than 5,000,000 bytes"),
        ("missing", "404"),
    ],
)
def test_a_bad_answer_is_refused(server: str, tmp_path: Path, path: str, words: str) -> None:
    with pytest.raises((OSError, HTTPException, ValueError), match=words):
        download(f"{server}/{path}", tmp_path / "file", "x", most=5_000_000)
    if (tmp_path / "file").exists():
        assert (tmp_path / "file").stat().st_size <= 5_000_000


def test_a_trickle_ends(server: str, tmp_path: Path) -> None:
    """Each byte comes within the limit for silence."""
    began = time.monotonic()
    with pytest.raises(TimeoutError, match="not complete after 1 seconds"):
        download(f"{server}/trickle", tmp_path / "file", "x", most=10**7, seconds=1, silence=1)
    assert time.monotonic() - began < 4


def test_silence_ends(server: str, tmp_path: Path) -> None:
    with pytest.raises(TimeoutError):
        download(f"{server}/silent", tmp_path / "file", "x", most=100, silence=0.2)


@pytest.mark.parametrize("scheme", ["file://{secret}", "ftp://127.0.0.1/x", "data:,secret"])
def test_no_address_becomes_another_kind(server: str, tmp_path: Path, scheme: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    address = scheme.format(secret=secret)
    for url in (address, f"{server}/redirect/{address}"):
        with pytest.raises(OSError, match=r"unknown url type|not allowed"):
            download(url, tmp_path / "file", "x", most=100)
    assert not (tmp_path / "file").exists()
