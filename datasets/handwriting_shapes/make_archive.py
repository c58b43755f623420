"""Draws a handwriting_shapes.tar.gz: python make_archive.py FILE [NUMBER OF EACH SHAPE]"""

from __future__ import annotations

import gzip
import io
import sys
import tarfile
from collections import Counter
from pathlib import Path

from transfer.data.sources.shapes import PER_CLASS, draw_shapes


def write(path: Path, each: int = PER_CLASS) -> None:
    """Write the archive, the same each time: circle/001.png and so on, 100 of each at most."""
    numbers: Counter[str] = Counter()
    with (
        path.open("wb") as file,
        gzip.GzipFile("", "wb", fileobj=file, mtime=0) as stream,
        tarfile.open(fileobj=stream, mode="w") as archive,
    ):
        for shape, image in draw_shapes():
            numbers[shape] += 1
            if numbers[shape] <= each:
                buffer = io.BytesIO()
                image.save(buffer, "PNG")
                info = tarfile.TarInfo(f"handwriting_shapes/{shape}/{numbers[shape]:03d}.png")
                info.size = buffer.tell()
                buffer.seek(0)
                archive.addfile(info, buffer)


if __name__ == "__main__":
    write(Path(sys.argv[1]), *map(int, sys.argv[2:3]))
