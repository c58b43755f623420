from __future__ import annotations

import gzip
import io
import os
import shutil
import stat
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from toys import place

from transfer.data.sources.archives import extract, is_archive, stem, unwrap
from transfer.data.sources.members import Limits
from transfer.data.sources.prepare import prepared_dir
from transfer.errors import DataError

DOGS = Path(__file__).resolve().parents[3] / "datasets/dogs_prepared/dummy_data"
Member = tarfile.TarInfo | tuple[str, bytes]


def entry(name: str, kind: bytes = tarfile.REGTYPE, **values: object) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in values.items():
        setattr(info, key, value)
    return info


def tar(path: Path, *members: Member, mode: str = "w:gz", form: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, mode, format=form) as archive:  # type: ignore[call-overload]
        for member in members:
            if isinstance(member, tarfile.TarInfo):
                archive.addfile(member, io.BytesIO(bytes(member.size)))
            else:
                info = entry(member[0], size=len(member[1]))
                archive.addfile(info, io.BytesIO(member[1]))
    return path


def zipped(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return path


@pytest.fixture
def out(tmp_path: Path) -> Path:
    (tmp_path / "box" / "out").mkdir(parents=True)
    return tmp_path / "box" / "out"


@pytest.fixture
def photos(encoded: Callable[..., bytes]) -> list[tuple[str, bytes]]:
    return [(f"pets/{name}/{i}.jpg", encoded()) for name in ("cat", "dog") for i in range(3)]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"])
def test_every_kind_gives_the_same_files(
    tmp_path: Path, out: Path, photos: list[tuple[str, bytes]], suffix: str
) -> None:
    path = tmp_path / f"pets{suffix}"
    assert is_archive(path)
    assert stem(path.name) == "pets"
    modes = {".tar": "w", ".tar.bz2": "w:bz2", ".tar.xz": "w:xz"}
    if suffix == ".zip":
        zipped(path, *photos)
    else:
        tar(path, *photos, mode=modes.get(suffix, "w:gz"))
    assert not extract(path, out)
    assert files(out) == [name for name, _ in photos]
    assert (out / photos[0][0]).read_bytes() == photos[0][1]


@pytest.mark.case("A01")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("../x.jpg", "leads out"),
        ("a/../../x.jpg", "leads out"),
        ("a\\..\\..\\x.jpg", "leads out"),
        ("/x.jpg", "absolute"),
        ("\\x.jpg", "absolute"),
        ("C:\\x.jpg", "absolute"),
        ("c:x.jpg", "absolute"),
        ("x" * 300 + ".jpg", "too long"),
        ("a/" * 600 + "x.jpg", "too long"),
        ("a\0b.jpg", "NUL"),
    ],
)
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_paths_that_lead_elsewhere(
    tmp_path: Path, out: Path, encoded: Callable[..., bytes], name: str, words: str, suffix: str
) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        long = "~" * len(name)  # zipfile itself changes such names, in writing
        zipped(path, ("good/1.jpg", b"good"), (long, b"bad"))
        path.write_bytes(path.read_bytes().replace(long.encode(), name.encode()))
    else:  # as a pax header: plain ones are cut at NUL
        info = entry("x.jpg", size=3, pax_headers={"path": name})
        tar(path, ("good/1.jpg", b"good"), info)
    with pytest.raises(DataError, match=f"is refused: .*{words}"):
        extract(path, out)
    assert files(tmp_path) == ["box/out/good/1.jpg", path.name]
    with pytest.raises(DataError, match=words):
        place(path)
    assert [each.name for each in prepared_dir().iterdir()] == []


@pytest.mark.case("A02")
@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE])
@pytest.mark.parametrize("to", ["/etc/passwd", "../../secret.jpg", "good/1.jpg", "._x"])
def test_any_link_is_refused(tmp_path: Path, out: Path, kind: bytes, to: str) -> None:
    link = entry("good/2.jpg", kind, linkname=to)
    path = tar(tmp_path / "x.tar", ("good/1.jpg", b"good"), link, mode="w")
    with pytest.raises(DataError, match=r"(symbolic|hard) link 'good/2\.jpg'"):
        extract(path, out)
    assert files(out) == ["good/1.jpg"]


@pytest.mark.case("A02")
def test_a_link_in_a_zip(tmp_path: Path, out: Path) -> None:
    link = zipfile.ZipInfo("link.jpg")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with pytest.raises(DataError, match=r"symbolic link 'link\.jpg'"):
        extract(zipped(tmp_path / "x.zip", (link, b"/etc/passwd")), out)
    assert files(out) == []


@pytest.mark.case("A02")
def test_the_chain_of_links_that_the_standard_library_follows(tmp_path: Path, out: Path) -> None:
    """CVE-2025-4517: a path longer than PATH_MAX is checked, and another one is written."""
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(b"mine")
    step, members, path = "d" * 247, [], ""
    for letter in "abcdefghijklmnop":
        members += [entry(path + step, tarfile.DIRTYPE, mode=0o755)]
        members += [entry(path + letter, tarfile.SYMTYPE, linkname=step)]
        path += f"{step}/"
    short = "/".join("abcdefghijklmnop")
    members += [entry(f"{short}/{'l' * 254}", tarfile.SYMTYPE, linkname="../" * 16)]
    escape = f"{short}/{'l' * 254}/../../secret.jpg"
    members += [entry("escape", tarfile.SYMTYPE, linkname=escape)]
    members += [entry("hard.jpg", tarfile.LNKTYPE, linkname="escape")]
    archive = tar(tmp_path / "x.tar", *members, ("hard.jpg", b"overwritten"), mode="w")
    with pytest.raises(DataError, match="is refused: it holds the symbolic link 'a'"):
        extract(archive, out)
    assert secret.read_bytes() == b"mine"
    assert not [each for each in out.rglob("*") if each.is_symlink()]


@pytest.mark.case("A03")
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.FIFOTYPE, "pipe"),
        (tarfile.CHRTYPE, "device"),
        (tarfile.BLKTYPE, "device"),
        (b"D", "special file"),
    ],
)
def test_what_is_no_regular_file(tmp_path: Path, out: Path, kind: bytes, words: str) -> None:
    with pytest.raises(DataError, match=rf"it holds the {words} 'x\.jpg'"):
        extract(tar(tmp_path / "x.tar", entry("x.jpg", kind)), out)
    assert files(out) == []


@pytest.mark.case("A03")
def test_sparse_members(tmp_path: Path, out: Path) -> None:
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x.jpg"}
    headers |= {"GNU.sparse.realsize": "100000000000"}
    data = b"1\n99999999999\n1\n".ljust(512, b"\0") + b"x"
    info = entry("GNUSparseFile.0/x.jpg", size=len(data), pax_headers=headers)
    path = tmp_path / "x.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info, io.BytesIO(data))
    with pytest.raises(DataError, match=r"sparse file 'x\.jpg'"):
        extract(path, out)


@pytest.mark.case("A03")
def test_modes_are_those_of_any_new_file(tmp_path: Path, out: Path) -> None:
    members = [entry("a", tarfile.DIRTYPE, mode=0o000), entry("a/x.jpg", mode=0o6777, size=1)]
    members += [entry("a/y.jpg", mode=0, size=1)]
    extract(tar(tmp_path / "x.tar", *members), out)
    (tmp_path / "plain").touch()
    expected = (tmp_path / "plain").stat().st_mode
    assert {(out / "a" / name).stat().st_mode for name in ("x.jpg", "y.jpg")} == {expected}
    assert (out / "a").stat().st_mode & 0o700 == 0o700


@pytest.mark.case("A04")
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_bombs_stop_at_the_ratio(tmp_path: Path, out: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    if suffix == ".zip":
        zipped(path, ("x.jpg", bytes(100_000_000)))
    else:
        tar(path, entry("x.jpg", size=100_000_000))
    assert path.stat().st_size < 150_000
    with pytest.raises(DataError, match=r"more than 100 times its own size.*max_ratio="):
        extract(path, out)
    assert sum(file.stat().st_size for file in out.rglob("*")) < 60_000_000


@pytest.mark.case("A04")
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
def test_limits_of_size_and_number(tmp_path: Path, out: Path, suffix: str) -> None:
    path = tmp_path / f"x{suffix}"
    members = [(f"{i}.jpg", os.urandom(1000)) for i in range(100)]
    zipped(path, *members) if suffix == ".zip" else tar(path, *members)
    with pytest.raises(DataError, match=r"more than 99 files.*max_files="):
        extract(path, out, Limits(files=99))
    with pytest.raises(DataError, match=r"more than 0 MB.*max_size="):
        extract(path, out.parent, Limits(size=50_000))
    (tmp_path / "all").mkdir()
    extract(path, tmp_path / "all", Limits(files=100))
    assert len(files(tmp_path / "all")) == 100


@pytest.mark.case("A04")
def test_archives_in_archives_are_no_images(tmp_path: Path, out: Path) -> None:
    inner = zipped(tmp_path / "inner.zip", ("x.jpg", b"x"))
    path = zipped(tmp_path / "x.zip", ("inner.zip", inner.read_bytes()), ("readme.txt", b""))
    assert extract(path, out) == {"not an image": 2}
    assert files(out) == []


@pytest.mark.case("A04")
def test_headers_that_would_fill_the_memory(tmp_path: Path, out: Path) -> None:
    path = tar(tmp_path / "x.tar", entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2 << 20))
    with pytest.raises(DataError, match="a header says 2097152 bytes"):
        extract(path, out)


@pytest.mark.case("A05")
@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".zip"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_cut_off(
    tmp_path: Path, photos: list[tuple[str, bytes]], suffix: str, share: float
) -> None:
    path = tmp_path / f"pets{suffix}"
    if suffix == ".zip":
        zipped(path, *photos)
    else:
        tar(path, *photos, mode="w" if suffix == ".tar" else "w:gz")
    whole = path.read_bytes()
    if suffix == ".tar":  # whose end is 10 KB of zeros
        whole = whole.rstrip(b"\0")
    path.write_bytes(whole[: int(len(whole) * share)])
    with pytest.raises(DataError, match=r"damaged or cut off|is not a tar or zip"):
        place(path)
    assert list(prepared_dir().iterdir()) == []


@pytest.mark.case("A05")
def test_cut_off_between_two_members(
    tmp_path: Path, out: Path, photos: list[tuple[str, bytes]]
) -> None:
    path = tar(tmp_path / "pets.tar", *photos, mode="w")
    with tarfile.open(path) as archive:
        place = archive.getmembers()[3].offset
    path.write_bytes(path.read_bytes()[:place])
    with pytest.raises(DataError, match="damaged or cut off"):
        extract(path, out)


@pytest.mark.case("A05")
def test_bytes_that_changed(tmp_path: Path, out: Path, photos: list[tuple[str, bytes]]) -> None:
    for path in (tar(tmp_path / "pets.tgz", *photos), zipped(tmp_path / "pets.zip", *photos)):
        data = bytearray(path.read_bytes())
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
        with pytest.raises(DataError, match="damaged or cut off"):
            extract(path, out)
        shutil.rmtree(out)
        out.mkdir()


@pytest.mark.case("A05")
@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "found an empty file"),
        (b"<!DOCTYPE html><title>404</title>", "found HTML"),
        (b"\x7fELF" + bytes(range(200)), "found unknown bytes"),
        (gzip.compress(b"<html>", mtime=0), "damaged or cut off"),
    ],
)
@pytest.mark.parametrize("name", ["x.tar.gz", "x.zip", "x.tar"])
def test_what_is_no_archive(tmp_path: Path, data: bytes, words: str, name: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=words):
        place(tmp_path / name)
    assert list(prepared_dir().iterdir()) == []


@pytest.mark.case("A05")
def test_a_damaged_archive_is_read_anew_when_it_is_replaced(
    tmp_path: Path, photos: list[tuple[str, bytes]]
) -> None:
    path = tar(tmp_path / "pets.tar.gz", *photos)
    whole = path.read_bytes()
    path.write_bytes(whole[:-40])
    with pytest.raises(DataError):
        place(path)
    path.write_bytes(whole)
    folder, name = place(path)
    assert name == "pets"
    assert files(folder)[1:] == [name.removeprefix("pets/") for name, _ in photos]


def test_a_negative_size_does_not_loop(tmp_path: Path, out: Path) -> None:
    """CVE-2025-8194"""
    path = tar(
        tmp_path / "x.tar", ("a.jpg", b"a"), entry("b.jpg"), mode="w", form=tarfile.GNU_FORMAT
    )
    data = bytearray(path.read_bytes())
    header = data[1024:1536]
    header[124:136] = (-2048).to_bytes(12, "big", signed=True)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    data[1024:1536] = header
    path.write_bytes(data)
    with pytest.raises(DataError, match="a header says -2048 bytes"):
        extract(path, out)


@pytest.mark.case("A07")
def test_a_kill_leaves_the_whole_folder_or_none(
    tmp_path: Path, encoded: Callable[..., bytes]
) -> None:
    members = [(f"{name}/{i}.jpg", encoded()) for name in "ab" for i in range(2000)]
    path = tar(tmp_path / "x.tar", *members, mode="w")
    code = "from transfer.data.sources.prepare import resolve\nprint(1, flush=True)\n"
    code += f"resolve({str(path)!r})"
    for delay in (0.05, 0.2, 0.5):
        process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=-3)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        process.kill()
        process.communicate()
        for folder in prepared_dir().glob("[!.]*"):
            assert len(files(folder)) == 4001
    for folder in prepared_dir().glob("[!.]*"):
        shutil.rmtree(folder)  # the last one may have been fast enough
    for left in prepared_dir().glob(".transfer-*"):
        os.utime(left, (0, 0))  # an hour later
    folder, _ = place(path)
    assert len(files(folder)) == 4001
    assert list(prepared_dir().glob(".transfer-*")) == []


@pytest.mark.case("A07")
def test_two_at_once(tmp_path: Path, photos: list[tuple[str, bytes]]) -> None:
    path = tar(tmp_path / "pets.tar.gz", *photos)
    code = f"from transfer.data.sources.prepare import resolve; print(resolve({str(path)!r}).root)"
    start = [subprocess.Popen([sys.executable, "-c", code], stdout=-1, text=True) for _ in "ab"]
    said = {process.communicate()[0] for process in start}
    assert [process.returncode for process in start] == [0, 0]
    assert said == {f"{place(path)[0]}\n"}
    assert len(list(prepared_dir().iterdir())) == 1


@pytest.mark.case("A07")
def test_the_slower_of_two_takes_the_folder_of_the_faster(
    tmp_path: Path, photos: list[tuple[str, bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tar(tmp_path / "pets.tar.gz", *photos)

    def overtaken(*arguments: Any) -> Any:
        monkeypatch.undo()
        monkeypatch.setenv("TRANSFER_CACHE_DIR", str(tmp_path / "cache"))
        faster.append(place(path))
        return extract(*arguments)

    faster: list[tuple[Path, str]] = []
    monkeypatch.setattr("transfer.data.sources.archives.extract", overtaken)
    assert place(path) == faster[0]
    assert list(prepared_dir().iterdir()) == [faster[0][0]]


@pytest.mark.case("A08")
@pytest.mark.parametrize("suffix", [".tar.gz", ".zip"])
@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("a/x.jpg", "a/x.jpg", "same file"),
        ("a/x.jpg", "a/X.JPG", "same file"),
        ("a/x.jpg", "A/x.jpg", "same file"),
        ("a/x.jpg", "./a//x.jpg", "same file"),
        ("a/\u00e9.jpg", "a/e\u0301.jpg", "same file"),
        ("a", "a/x.jpg", "same file"),
        ("a/x.jpg", "a", "both a file and a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name(
    tmp_path: Path, out: Path, first: str, second: str, words: str, suffix: str
) -> None:
    members = [(first, b"1"), (second, b"2")]
    path = tmp_path / f"x{suffix}"
    zipped(path, *members) if suffix == ".zip" else tar(path, *members)
    with pytest.raises(DataError, match=words):
        extract(path, out)


@pytest.mark.case("D21")
def test_leftovers_of_macos_and_windows(tmp_path: Path, encoded: Callable[..., bytes]) -> None:
    members = [("pets/cat/1.jpg", encoded()), ("pets/dog/1.jpg", encoded())]
    junk = ["._pets", "pets/._cat", "pets/.DS_Store", "pets/cat/._1.jpg", "pets/cat/Thumbs.db"]
    junk += ["__MACOSX/pets/cat/._1.jpg", "pets/cat/desktop.ini", "__MACOSX/pets/cat/2.jpg"]
    for path in (
        tar(tmp_path / "a.tgz", *members, *((name, b"\0\5\x16\7") for name in junk)),
        zipped(tmp_path / "b.zip", *members, *((name, b"\0\5\x16\7") for name in junk)),
    ):
        folder, _ = place(path)
        assert files(folder) == [".source.json", "cat/1.jpg", "dog/1.jpg"]


@pytest.mark.case("D21")
def test_dogs_prepared_as_it_is() -> None:
    folder, name = place(DOGS / "dogs_prepared.tar.gz")
    assert name == "dogs_prepared"
    assert sorted(path.name for path in folder.glob("[!.]*")) == ["test", "train"]
    assert len(files(folder)) == 31
    assert not [path for path in files(folder) if "/." in path]


@pytest.mark.parametrize(
    ("paths", "left"),
    [
        (["w/a/1", "w/b/1"], ["a/1", "b/1"]),
        (["w/v/a/1", "w/v/b/1"], ["a/1", "b/1"]),
        (["a/1", "b/1"], ["a/1", "b/1"]),
        (["a/1", "a/2"], ["a/1", "a/2"]),
        (["w/a/1", "x"], ["w/a/1", "x"]),
    ],
)
def test_unwrap(tmp_path: Path, paths: list[str], left: list[str]) -> None:
    for path in paths:
        (tmp_path / "in" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / path).touch()
    unwrap(tmp_path / "in", tmp_path)
    assert files(tmp_path) == left


@pytest.mark.parametrize(("name", "tool"), [("x.7z", "7z x"), ("x.rar", "unrar x")])
def test_archives_that_need_another_tool(tmp_path: Path, name: str, tool: str) -> None:
    (tmp_path / name).write_bytes(b"7z")
    with pytest.raises(DataError, match=f"{tool} '{name}'"):
        place(tmp_path / name)


def test_a_password(tmp_path: Path, out: Path) -> None:
    path = zipped(tmp_path / "x.zip", ("x.jpg", b"x"))
    data = bytearray(path.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"'x\.jpg' is protected by a password"):
        extract(path, out)


@pytest.mark.parametrize("make", [tar, zipped])
def test_pictures_are_recognised_by_content(
    tmp_path: Path, out: Path, make: Callable[..., Path], photos: list[tuple[str, bytes]]
) -> None:
    data = max((data for _, data in photos), key=len)
    members = [("a/1", data), ("b/2.image", data), ("b/notes", b"text"), ("b/empty", b"")]
    skipped = extract(make(tmp_path / "x", *members), out)
    assert files(out) == ["a/1", "b/2.image"]
    assert (out / "a/1").read_bytes() == data
    assert skipped == {"not an image": 2}
