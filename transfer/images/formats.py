"""Which image formats are read, and what other files seem to be. No file is opened here."""

from __future__ import annotations

import codecs
from dataclasses import dataclass


@dataclass(frozen=True)
class Format:
    """An image format that is read.

    Attributes:
        name: Pillow's name, upper case.
        shown: Its name for users.
        suffixes: Lower case, the usual one first.
        magic: First bytes of every such file; those after a gap are in `inner`.
        opener: Import string of the Pillow class that opens it.
        inner: Bytes at offset 8; empty where `magic` alone is enough.
    """

    name: str
    shown: str
    suffixes: tuple[str, ...]
    magic: bytes
    opener: str
    inner: bytes = b""

    def starts(self, head: bytes) -> bool:
        """Return whether a file that begins with `head` (12 bytes or more) is of this format."""
        return head.startswith(self.magic) and head[8:].startswith(self.inner)


# The classes are called by name instead of through Image.open, which would warn about photos
# above 89 megapixels (warning filters are not thread-safe) and read the JPEGs of many phones as
# MPO, whose second image then counts as an animation.
FORMATS = {
    each.name: each
    for each in (
        Format(
            "JPEG",
            "JPEG",
            (".jpg", ".jpeg", ".jpe", ".jfif"),
            b"\xff\xd8\xff",
            "PIL.JpegImagePlugin:JpegImageFile",
        ),
        Format("PNG", "PNG", (".png",), b"\x89PNG\r\n\x1a\n", "PIL.PngImagePlugin:PngImageFile"),
        Format("GIF", "GIF", (".gif",), b"GIF8", "PIL.GifImagePlugin:GifImageFile"),
        Format("BMP", "BMP", (".bmp",), b"BM", "PIL.BmpImagePlugin:BmpImageFile"),
        Format("WEBP", "WebP", (".webp",), b"RIFF", "PIL.WebPImagePlugin:WebPImageFile", b"WEBP"),
    )
}

IMAGE_SUFFIXES = frozenset(suffix for each in FORMATS.values() for suffix in each.suffixes)
READ = ", ".join(each.suffixes[0].lstrip(".") for each in FORMATS.values())  # for messages

# fmt: off
UNSUPPORTED_SUFFIXES = frozenset((
    ".tif", ".tiff", ".heic", ".heif", ".avif", ".svg", ".jp2", ".jxl", ".ico", ".psd", ".raw",
    ".cr2", ".nef", ".dng",
))
# fmt: on
_FOREIGN = {
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"%PDF": "PDF",
    b"\0\0\x01\0": "ICO",
    b"8BPS": "Photoshop",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
    b"PK\x03\x04": "a ZIP archive",
}


def listed(word: str) -> str:
    """Return the formats that are read, with ``"and"`` or ``"or"`` before the last."""
    *others, last = (each.shown for each in FORMATS.values())
    return f"{', '.join(others)} {word} {last}"


def format_of(head: bytes) -> Format | None:
    """Return the format of a file by its first bytes (12 or more); None where it is not read."""
    return next((each for each in FORMATS.values() if each.starts(head)), None)


def guess_kind(head: bytes) -> str:
    """Return what a file that is not read seems to be, from its first bytes (256 or so)."""
    for magic, name in _FOREIGN.items():
        if head.startswith(magic):
            return name
    if head[4:8] == b"ftyp":
        brand = head[8:12]
        if brand[:3] == b"avi":
            return "AVIF"
        return "HEIC" if brand in (b"heic", b"heix", b"hevc", b"mif1", b"msf1") else "a video"
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).lstrip().lower()
    except UnicodeDecodeError:
        return "unknown bytes"
    if "<svg" in text:
        return "SVG"
    if text.startswith(("<!doctype html", "<html")):
        return "HTML"
    return "text" if all(c.isprintable() or c.isspace() for c in text) else "unknown bytes"
