from __future__ import annotations

import hashlib
import http.server
import io
import os
import re
import tarfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from toys import place

from transfer.data.sources import kinds
from transfer.data.sources.fetching import digest_of
from transfer.data.sources.kinds import Options, find
from transfer.data.sources.prepare import prepared, prepared_dir
from transfer.errors import DataError, TransferError, UsageError
from transfer.images.folder import ImageFolder
from transfer.system.cachedir import cache_dir

PAGE = b"<!DOCTYPE html><html><title>Sign in</title></html>"


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves /pets.tar.gz whole, and with different faults in other folders."""

    archive = b""

    def do_GET(self) -> None:
        whole, part = self.archive, self.archive
        if self.path.startswith("/half/"):
            part = part[: len(part) // 2]
        elif self.path.startswith("/page/"):
            whole = part = PAGE
        elif self.path.startswith("/other/"):
            whole = part = whole + b"!"
        elif self.path.startswith("/none/"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(whole)))
        self.end_headers()
        self.wfile.write(part)

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def archive(tmp_path: Path, encoded: Callable[..., bytes]) -> Path:
    path = tmp_path / "pets.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in ("pets/cat/1.jpg", "pets/cat/2.jpg", "pets/dog/1.jpg"):
            data = encoded()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


@pytest.fixture
def server(archive: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    handler = type("Serving", (Handler,), {"archive": archive.read_bytes()})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_an_archive_is_unpacked_once(
    archive: Path, tmp_path: Path, said: Callable[[], str]
) -> None:
    before = archive.read_bytes()
    folder, name = place(archive)
    assert name == "pets"
    assert folder.parent == prepared_dir()
    assert ImageFolder.index(folder).paths == ("cat/1.jpg", "cat/2.jpg", "dog/1.jpg")
    assert f"Preparing {archive} in {folder}" in said()
    assert place(archive) == (folder, name)
    assert f"{archive} is already prepared in {folder}" in said()
    twin = tmp_path / "elsewhere" / "pets.tgz"
    twin.parent.mkdir()
    twin.write_bytes(before)
    assert place(twin) == (folder, name)
    assert archive.read_bytes() == before
    [(path, about)] = prepared()
    assert path == folder
    assert about["archive"] == digest(archive)
    assert about["size"] > 1000


def test_another_archive_of_the_same_name(archive: Path, encoded: Callable[..., bytes]) -> None:
    first, _ = place(archive)
    with tarfile.open(archive, "w:gz") as tar:
        tar.addfile(tarfile.TarInfo("a/1.jpg"))
        tar.addfile(tarfile.TarInfo("b/1.jpg"))
    second, _ = place(archive)
    assert first != second
    assert ImageFolder.index(second).classes == ("a", "b")


def test_an_archive_without_images(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.addfile(tarfile.TarInfo("a/readme.txt"))
    with pytest.raises(DataError, match="holds no image"):
        place(tmp_path / "x.tar")
    assert list(prepared_dir().iterdir()) == []


def test_an_address(server: str, archive: Path) -> None:
    url = f"{server}/pets.tar.gz"
    folder, name = place(f"{url}#sha256={digest(archive)}")
    assert name == "pets"
    assert len(ImageFolder.index(folder)) == 3
    assert sorted(path.name for path in folder.iterdir()) == [".source.json", "cat", "dog"]
    assert place(archive)[0] == folder
    # known by its content: nothing is downloaded again
    gone = f"http://127.0.0.1:9/pets.tar.gz#sha256={digest(archive)}"
    assert place(gone)[0] == folder


@pytest.mark.case("A06")
@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("half", "it broke off after"),
        ("page", r"it is a web page\): its sha256 is .* It was not kept"),
        ("other", "not the expected file: its sha256 is"),
        ("none", "404"),
    ],
)
def test_downloads_that_fail_leave_nothing(
    server: str, archive: Path, path: str, words: str
) -> None:
    url = f"{server}/{path}/pets.tar.gz#sha256={digest(archive)}"
    with pytest.raises(TransferError, match=words) as error:
        place(url)
    assert error.value.exit_code == 1
    assert list(prepared_dir().iterdir()) == []
    folder, _ = place(f"{server}/pets.tar.gz#sha256={digest(archive)}")
    assert len(ImageFolder.index(folder)) == 3


def test_what_is_wrong_with_a_download_is_said_of_its_address(server: str) -> None:
    url = f"{server}/page/pets.tar.gz"
    words = re.escape(f"{url} is not a tar or zip archive (found HTML)")
    with pytest.raises(DataError, match=words):
        place(f"{url}#sha256={hashlib.sha256(PAGE).hexdigest()}")


def test_nobody_there() -> None:
    with pytest.raises(TransferError, match=r"refused.*Download it by other means"):
        place(f"http://127.0.0.1:9/x.zip#sha256={'0' * 64}")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("https://x.invalid/x.zip", "Add the digest"),
        ("https://x.invalid/x.zip#sha256=12", "Add the digest"),
        (f"https://x.invalid/dogs#sha256={'0' * 64}", "Expected the address of an archive"),
        ("kears:mnist", "Unknown kind of data 'kears:mnist'. Did you mean 'keras'"),
        ("ftp://host/x.zip", "Unknown kind of data"),
        ("keras:minst", "Unknown data set 'keras:minst'. Did you mean 'mnist'"),
        ("tfds:", "Expected tfds:NAME"),
        ("tfds:../x", "Expected tfds:NAME"),
        ("sample:shape", "Did you mean 'shapes'"),
    ],
)
def test_names_that_mean_nothing(data: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        place(data)


def test_a_digest_is_remembered_of_the_same_file_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, other, notes = tmp_path / "x.tar", tmp_path / "y", cache_dir() / "digests"
    path.write_bytes(b"a")
    assert digest_of(path, remembered=True) == digest(path)
    assert not notes.exists()  # it has just been written
    monkeypatch.setattr("transfer.data.sources.fetching.RACY", -1.0)
    digest_of(path, remembered=True)
    [note] = notes.iterdir()
    note.write_text("noted")
    assert digest_of(path, remembered=True) == "noted"
    assert digest_of(path, remembered=False) == digest(path)
    note.write_text("noted")
    other.write_bytes(b"b")
    os.utime(other, ns=(0, path.stat().st_mtime_ns))
    other.replace(path)
    assert digest_of(path, remembered=True) == digest(path)


def test_a_sha256_that_makes_no_sense(tmp_path: Path) -> None:
    options = Options(sha256="0" * 64)
    for data in (tmp_path, "keras:mnist"):
        with pytest.raises(UsageError, match="Expected an archive with sha256="):
            find(data, options)
    with pytest.raises(UsageError, match="Expected sha256= to match the one in the address"):
        find(f"https://x.invalid/x.zip#sha256={'1' * 64}", options)
    assert find(f"https://x.invalid/x.zip#sha256={'0' * 64}", options).name == "x"


def test_files_that_are_no_source(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"x")
    with pytest.raises(DataError, match=r"Expected a folder of images, or a file \.zip"):
        place(tmp_path / "x.jpg")
    with pytest.raises(DataError, match="empty path"):
        place("")


def test_a_folder_whose_name_has_a_colon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("keras:mine").mkdir()
    assert place("keras:mine") == (Path("keras:mine"), "keras:mine")


def test_a_full_disk(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transfer.data.sources.archives._Writer.write", full)
    with pytest.raises(TransferError, match=r"No space left.*TRANSFER_CACHE_DIR") as error:
        place(archive)
    assert error.value.exit_code == 1
    assert list(prepared_dir().iterdir()) == []


@pytest.mark.parametrize(
    "data", ["", "nothing:there", "tfds:a b", "http://host/x.txt#sha256=" + "0" * 64]
)
def test_every_message_about_a_source_ends_its_sentences(data):
    with pytest.raises(TransferError) as raised:
        kinds.find(data, kinds.Options())
    message = str(raised.value)
    assert message.endswith(".")
    assert "sample: Received" not in message


def test_a_failed_download_tells_the_remedy_in_a_whole_sentence(tmp_path):
    url = f"http://127.0.0.1:9/x.zip#sha256={'0' * 64}"
    source = kinds.find(url, kinds.Options())
    with pytest.raises(
        TransferError, match=r"give the file in place of http://127\.0\.0\.1:9/x\.zip\.$"
    ):
        source.fill(tmp_path)
