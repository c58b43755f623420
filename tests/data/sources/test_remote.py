from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from fsspec.registry import _registry
from layouts import parquet, png, shards, table, tree, zips

import transfer
from transfer.data.sources.kinds import find
from transfer.data.sources.members import Limits
from transfer.data.sources.prepare import prepared_dir, resolve
from transfer.data.sources.remote import remote_dir
from transfer.data.sources.source import Options
from transfer.errors import DataError, TransferError, UsageError
from transfer.images.folder import ImageFolder
from transfer.recipe.reading import Reading

SETS = {f"{c}/{n}.png": png() for c in ("cat", "dog") for n in range(3)}
TWO = {"": {"cat": 3, "dog": 3}}


class Cloud(MemoryFileSystem):
    """A file system in memory with digests, as S3 has them, and with faults on request."""

    store: ClassVar[dict[str, Any]] = {}
    pseudo_dirs: ClassVar[list[str]] = [""]
    broken: ClassVar[set[str]] = set()
    read: ClassVar[list[str]] = []
    sizes: ClassVar[dict[str, int]] = {}

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return super()._strip_protocol(path.removeprefix("s3://"))

    def ls(self, path: str, detail: bool = True, **options: Any) -> list[Any]:
        if self._strip_protocol(path) in self.broken:
            raise ConnectionError("the line\nwent dead")
        found = super().ls(path, detail=True, **options)
        for each in found:
            if each["type"] == "file":
                del each["created"]
                data = self.store[each["name"]].getvalue()
                each["ETag"] = hashlib.md5(data, usedforsecurity=False).hexdigest()
                each["size"] = self.sizes.get(each["name"], each["size"])
        return found

    def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
        if mode == "rb":
            if path in self.broken:
                raise ConnectionError("the line\nwent dead")
            self.read.append(path)
        return super().open(path, mode, **options)


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    """What s3:// reads: a bucket b with two classes of three pictures in set/."""
    fsspec.register_implementation("s3", Cloud, clobber=True)
    fs = fsspec.filesystem("s3")
    for name, data in SETS.items():
        fs.pipe(f"/b/set/{name}", data)
    yield fs
    for each in (Cloud.store, Cloud.broken, Cloud.read, Cloud.sizes):
        each.clear()
    Cloud.pseudo_dirs[:] = [""]
    Cloud.clear_instance_cache()
    _registry.pop("s3", None)


def upload(fs: Cloud, local: Path, url: str) -> None:
    files = [local] if local.is_file() else [path for path in local.rglob("*") if path.is_file()]
    for path in files:
        name = path.relative_to(local.parent if local.is_file() else local).as_posix()
        fs.pipe(f"{url}/{name}", path.read_bytes())


def index(url: str, **reading: Any) -> ImageFolder:
    return resolve(url, Reading(**reading)).index()


def test_a_folder_is_read_as_a_local_one(cloud: Cloud, said: Callable[[], str]) -> None:
    resolved = resolve("s3://b/set")
    folder = resolved.index()
    assert (folder.counts(), resolved.name) == (TWO, "set")
    assert {path: folder.file(path).read_bytes() for path in folder.paths} == SETS
    assert "s3://b/set: 6 file(s), 0.0 MB; 0 in the cache" in said()
    assert index("s3://b").counts() == TWO  # set/ only wraps the classes
    assert index("s3://b/set/").counts() == TWO


def test_the_file_system_of_the_session(tmp_path: Path) -> None:
    fs = fsspec.filesystem("memory")
    try:
        for name, data in SETS.items():
            fs.pipe(f"/pets/{name}", data)
        assert transfer.check("memory://pets").counts == TWO
        assert transfer.prepare("memory://pets", tmp_path / "out").counts() == TWO
    finally:
        fs.rm("/pets", recursive=True)


def test_an_archive_with_a_name_that_is_no_file_name_here(cloud: Cloud, tmp_path: Path) -> None:
    archive = zips({"pets.zip": list(SETS)}, whole=False)(tmp_path)
    cloud.pipe("/x/a\\..\\b:c.zip", archive.read_bytes())
    assert index("s3://x/a\\..\\b:c.zip").counts() == TWO


def test_other_layouts(cloud: Cloud, tmp_path: Path) -> None:
    for number, (make, counts) in enumerate(
        (
            (tree({f"{s}/{c}": 2 for s in ("train", "test") for c in "ab"}),
             {split: {"a": 2, "b": 2} for split in ("train", "test")}),
            (table("labels.csv", [("id", "label"), ("a1", "x"), ("b1", "y")],
                   ["images/a1.png", "images/b1.png"], True), {"": {"x": 1, "y": 1}}),
            (zips({f"{c}.zip": ("1.png", "2.png") for c in "ab"}), {"": {"a": 2, "b": 2}}),
            (tree({"a": 2, "b": 2, "other": 3}), {"": {"a": 2, "b": 2}}),
        )
    ):  # fmt: skip
        local = make(tmp_path / str(number))
        upload(cloud, local, f"s3://x/{number}")
        reading = {"negatives": "other"} if number == 3 else {}
        assert index(f"s3://x/{number}", **reading).counts() == counts
        assert resolve(local, Reading(**reading)).index().counts() == counts


def test_archives_shards_and_parquet(cloud: Cloud, tmp_path: Path) -> None:
    names = [f"{c}/{n}.png" for c in ("cat", "dog") for n in range(2)]
    archive = zips({"pets.zip": [f"pets/{name}" for name in names]}, whole=False)(tmp_path)
    local = [archive, shards(["s.tar"], "cls", "{}", "s.tar")(tmp_path)]
    local.append(parquet(["p.parquet"], classes=["cat", "dog"])(tmp_path))
    for path in local:
        upload(cloud, path, "s3://x")
        url = f"s3://x/{path.name}"
        assert index(url).counts() == resolve(path).index().counts()
        assert not [each.name for each in resolve(url).root.iterdir() if path.name in each.name]
    asked = {"layout": "classes"}
    assert index("s3://x/pets.zip", **asked).counts() == {"": {"cat": 2, "dog": 2}}


@pytest.mark.case("A06")
def test_an_archive_may_be_pinned(cloud: Cloud, tmp_path: Path) -> None:
    names = [f"{c}/{n}.png" for c in ("cat", "dog") for n in range(2)]
    archive = zips({"pets.zip": names}, whole=False)(tmp_path)
    upload(cloud, archive, "s3://x")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    with pytest.raises(DataError, match=rf"The sha256 of 's3://x/pets\.zip' is {digest}"):
        resolve(f"s3://x/pets.zip#sha256={'0' * 64}")
    assert not [path for path in remote_dir().rglob("*") if path.is_file()]
    assert index(f"s3://x/pets.zip#sha256={digest}").counts() == {"": {"cat": 2, "dog": 2}}
    folder = transfer.prepare("s3://x/pets.zip", tmp_path / "out", sha256=digest.upper())
    assert len(folder) == 4
    with pytest.raises(UsageError, match="to match the one in the address"):
        find(f"s3://x/pets.zip#sha256={'0' * 64}", Options(sha256=digest))
    for wrong in ("s3://b/set", "s3://x/pets.zip"):
        with pytest.raises(UsageError):
            find(f"{wrong}#sha256={'0' * 64 if 'set' in wrong else '12'}", Options())


def test_only_what_is_new_is_read_again(cloud: Cloud, said: Callable[[], str]) -> None:
    first = resolve("s3://b/set").root
    assert len(cloud.read) == 6
    assert resolve("s3://b/set").root == first
    assert len(cloud.read) == 6
    cloud.pipe("/b/set/cat/new.png", png())
    cloud.pipe("/b/set/dog/1.png", png())
    cloud.rm("/b/set/dog/2.png")
    folder = index("s3://b/set")
    assert sorted(cloud.read[6:]) == ["/b/set/cat/new.png", "/b/set/dog/1.png"]
    assert folder.counts() == {"": {"cat": 4, "dog": 2}}
    assert folder.file("dog/1.png").read_bytes() != SETS["dog/1.png"]
    assert "; 4 in the cache" in said()
    assert (first / "dog/1.png").read_bytes() == SETS["dog/1.png"]  # what runs may still need


def test_an_interrupted_download_goes_on(cloud: Cloud) -> None:
    cloud.broken.add("/b/set/dog/2.png")
    words = r"Cannot read s3://b/set/dog/2\.png: the line went dead\..*is kept: repeat"
    with pytest.raises(TransferError, match=words) as raised:
        resolve("s3://b/set")
    assert raised.value.exit_code == 1
    assert "\n" not in str(raised.value)
    assert not list(prepared_dir().glob("[!.]*"))
    cloud.broken.clear()
    assert index("s3://b/set").counts() == TWO
    assert len(cloud.read) == len(set(cloud.read)) == 6


@pytest.mark.parametrize(("listed", "words"), [(10**6, "1,000,000 are listed"), (3, "3 are li")])
def test_a_file_of_another_size_is_not_kept(cloud: Cloud, listed: int, words: str) -> None:
    cloud.sizes["/b/set/cat/0.png"] = listed
    with pytest.raises(TransferError, match=words):
        resolve("s3://b/set")
    known = {path.read_bytes() for path in remote_dir().rglob("*") if path.is_file()}
    assert SETS["cat/0.png"] not in known
    assert known <= set(SETS.values())


def test_a_folder_that_cannot_be_listed_is_not_passed_over(cloud: Cloud) -> None:
    cloud.broken.add("/b/set/dog")
    with pytest.raises(TransferError, match="Cannot read s3://b/set/dog: the line went dead"):
        resolve("s3://b/set")


@pytest.mark.case("A01")
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("/b/set/../../evil.png", "leads out of it"),
        ("/b/set/cat/..\\..\\evil.png", "leads out of it"),
        ("/b/set/cat/" + 300 * "x" + ".png", "is too long"),
        ("/b/set/cat/a\0.png", "NUL"),
        ("/b/set/cat/\ud800.png", "is not Unicode"),
        ("/b/set/CAT/0.PNG", "would be the same file"),
    ],
)
def test_names_that_lead_elsewhere_are_refused(cloud: Cloud, name: str, words: str) -> None:
    cloud.store[name] = cloud.store["/b/set/cat/0.png"]
    with pytest.raises(DataError, match=words) as raised:
        resolve("s3://b/set")
    assert str(raised.value).startswith("s3://b/set is refused: ")
    assert "\n" not in str(raised.value)
    assert cloud.read == []


def test_a_name_outside_of_the_folder_is_refused(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = [{"name": "/etc/passwd.png", "type": "file", "size": 3}]
    monkeypatch.setattr(Cloud, "ls", lambda self, path, **options: listed)
    with pytest.raises(DataError, match=r"'/etc/passwd\.png' is listed, which lies elsewhere"):
        resolve("s3://b/set")


def test_folders_without_end_are_refused(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(self: Cloud, path: str, **options: Any) -> list[dict[str, Any]]:
        return [{"name": f"{path}/x", "type": "directory", "size": 0}]

    monkeypatch.setattr(Cloud, "ls", endless)
    with pytest.raises(DataError, match="do not end"):
        resolve("s3://b/set")


@pytest.mark.case("A04")
@pytest.mark.parametrize(
    ("limits", "words"),
    [
        (Limits(files=5), r"more than 5 files\..*max_files=10"),
        (Limits(size=100), r"more than 1e-07 GB"),
    ],
)
def test_absurd_numbers_are_refused_before_anything_is_read(
    cloud: Cloud, limits: Limits, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        find("s3://b/set", Options(limits=limits))
    assert cloud.read == []


def test_what_is_no_picture_is_not_fetched(cloud: Cloud, said: Callable[[], str]) -> None:
    for name in (".DS_Store", "cat/.hidden.png", "__MACOSX/cat/._0.png"):
        cloud.pipe(f"/b/set/{name}", b"x")
    cloud.pipe("/b/set/cat/photo", png())
    cloud.pipe("/b/set/cat/film.mp4", b"film")
    cloud.pipe("/b/set/set_dataset_builder.py", b"raise SystemExit('this must not run')")
    folder = index("s3://b/set")
    assert folder.counts() == {"": {"cat": 4, "dog": 3}}
    assert "Left out 2 file(s): not an image." in said()
    assert not list(folder.root.rglob("*.py"))
    assert not [name for name in cloud.read if "hidden" in name or "MACOSX" in name]


def test_a_folder_of_the_users_shares_no_file_with_the_cache(cloud: Cloud, tmp_path: Path) -> None:
    transfer.prepare("s3://b/set", tmp_path / "out")
    photo = tmp_path / "out/cat/0.png"
    assert photo.stat().st_nlink == 1
    photo.write_bytes(b"edited")
    assert index("s3://b/set").file("cat/0.png").read_bytes() == SETS["cat/0.png"]
    if os.name == "posix":
        assert (index("s3://b/set").root / "cat/0.png").stat().st_nlink > 1


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("s3://b/nothing", "There is nothing at s3://b/nothing"),
        ("s3://b/set/cat/0.png", "Expected the address of a folder, an archive"),
        ("s3://b/labels.csv", "give the folder that holds the table"),
        ("s3://b/cats.7z", "7z x"),
        ("s3://b/empty", "There is no image, table or archive in s3://b/empty"),
    ],
)
def test_addresses_of_nothing_that_can_be_used(cloud: Cloud, url: str, words: str) -> None:
    cloud.pipe("/b/labels.csv", b"path,label\n")
    cloud.pipe("/b/cats.7z", b"7z")
    cloud.pipe("/b/empty/notes.md", b"text")
    with pytest.raises(DataError, match=words) as raised:
        resolve(url)
    assert raised.value.exit_code == 2
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("url", ["ftp://host/x", "file:///etc", "s4://b/x", "s3://b/x::file:///e"])
def test_other_protocols_are_refused(url: str) -> None:
    with pytest.raises(UsageError, match="s3://"):
        find(url, Options())


@pytest.mark.parametrize(
    ("url", "module", "words"),
    [
        ("memory://x", "fsspec", r"pip install 'transfer-classifier\[remote\]'"),
        ("s3://b/x", "s3fs", "needs s3fs: pip install s3fs"),
        ("gs://b/x", "gcsfs", "needs gcsfs: pip install gcsfs"),
        ("hf://datasets/a/b", "huggingface_hub", "needs huggingface_hub: pip install hugg"),
    ],
)
def test_a_missing_package_is_one_line(
    url: str, module: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(DataError, match=words) as raised:
        find(url, Options())
    assert "\n" not in str(raised.value)


def test_what_the_cache_holds_is_listed(cloud: Cloud) -> None:
    from transfer.api.cache import list_cache

    resolve("s3://b/set")
    listed = {each.source: each for each in list_cache().prepared}
    assert listed.keys() == {"s3://b/set", "6 files from remote folders"}
    assert listed["6 files from remote folders"].bytes == sum(map(len, SETS.values()))
