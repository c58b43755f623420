"""Draws dummy_data/dogs_prepared.tar.gz: the layout of the real archive, with noise for dogs."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

BREEDS = (
    "n02085620-Chihuahua",
    "n02085782-Japanese_spaniel",
    "n02085936-Maltese_dog",
    "n02086079-Pekinese",
    "n02086240-Shih-Tzu",
    "n02086646-Blenheim_spaniel",
    "n02086910-papillon",
    "n02087046-toy_terrier",
    "n02087394-Rhodesian_ridgeback",
    "n02088094-Afghan_hound",
)
APPLE_DOUBLE = b"\0\5\x16\7\0\2\0\0Mac OS X        "


def members() -> Iterator[tuple[str, bytes | None]]:
    """Yield (path, bytes; None for a folder) in the order in which macOS packs them."""
    yield "./._dogs_prepared", APPLE_DOUBLE
    yield "./dogs_prepared", None
    yield "./dogs_prepared/._.DS_Store", APPLE_DOUBLE
    yield "./dogs_prepared/.DS_Store", b"\0\0\0\1Bud1"
    for split, each in (("test", 1), ("train", 2)):
        yield f"./dogs_prepared/._{split}", APPLE_DOUBLE
        yield f"./dogs_prepared/{split}", None
        for breed in BREEDS:
            yield f"./dogs_prepared/{split}/{breed}", None
            for number in range(each):
                name = f"{breed.split('-')[0]}_{split}{number}.jpg"
                yield f"./dogs_prepared/{split}/{breed}/._{name}", APPLE_DOUBLE
                yield f"./dogs_prepared/{split}/{breed}/{name}", photo(name)


def photo(seed: str) -> bytes:
    """Return a small JPEG file."""
    noise = Image.frombytes("RGB", (5, 4), random.Random(seed).randbytes(60))
    buffer = io.BytesIO()
    noise.resize((40, 32)).save(buffer, "JPEG", quality=60)
    return buffer.getvalue()


def main() -> None:
    path = Path(__file__).parent / "dummy_data" / "dogs_prepared.tar.gz"
    path.parent.mkdir(exist_ok=True)
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for name, data in members():
            info = tarfile.TarInfo(name)
            info.type, info.mode = (tarfile.DIRTYPE, 0o755) if data is None else (b"0", 0o644)
            info.size = len(data or b"")
            archive.addfile(info, io.BytesIO(data or b""))


if __name__ == "__main__":
    main()
