"""The image formats that are read, those that are only named, and how their files begin.

No file is opened here. docs/data.md shows the same table.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

HEAD = 256
"""Number of bytes at the start of a file by which it is recognised."""

_FURTHER = (
    *("pillow_heif", "pillow_jxl", "tifffile", "imagecodecs", "pydicom"),
    *("pylibjpeg", "libjpeg", "openjpeg", "rle", "jpeg_ls", "gdcm"),  # codecs for pydicom
)


@dataclass(frozen=True)
class Format:
    """An image format.

    Attributes:
        name: Pillow's name, upper case.
        shown: Its name for users.
        suffixes: Lower case, the usual one first.
        magic: Regular expression for the first bytes of its files; empty where they say too little.
        weak: The same, for bytes that count only in a file with one of the suffixes.
        reader: Import string of the Pillow class that opens it; empty where nothing does.
        extra: The extra of this package, or the package itself, that installs the reader.
        more: What the further pictures in a file are called; empty where they do not count.
    """

    name: str
    shown: str
    suffixes: tuple[str, ...]
    magic: bytes
    weak: bytes = b""
    reader: str = ""
    extra: str = ""
    more: str = ""

    def starts(self, head: bytes, suffix: str = "") -> bool:
        """Return whether a file that begins with `head` and has this suffix is of this format."""
        if self.magic and re.match(self.magic, head, re.DOTALL):
            return True
        weak = bool(self.weak) and suffix in self.suffixes
        return weak and re.match(self.weak, head, re.DOTALL) is not None

    @property
    def readable(self) -> bool:
        """Whether its reader is installed."""
        return bool(self.reader) and (not self.extra or _installed(self.reader.partition(":")[0]))

    @property
    def unread(self) -> str:
        """What to say of its files where they cannot be read."""
        if not self.reader:
            return f"unsupported {self.shown}"
        package = self.extra if "-" in self.extra else f'"transfer-classifier[{self.extra}]"'
        return f"{self.shown}, which needs: pip install {package}"


@cache
def _installed(module: str) -> bool:
    needed = "pydicom" if module == "transfer.images.dicom" else module.partition(".")[0]
    return find_spec(needed) is not None


def further_readers() -> tuple[str, ...]:
    """Return the modules that are installed and read, or decompress, what Pillow does not."""
    return tuple(module for module in _FURTHER if find_spec(module) is not None)


# The classes are called by name instead of through Image.open, which would warn about photos
# above 89 megapixels (warning filters are not thread-safe) and read the JPEGs of many phones as
# MPO, whose second image then counts as an animation. The first row that fits counts.
# fmt: off
_ROWS = (
    Format("DICOM", "DICOM", (".dcm", ".dicom", ".ima"), rb".{128}DICM",
           reader="transfer.images.dicom:DicomImageFile", extra="dicom", more="frames"),
    Format("JPEG", "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), rb"\xff\xd8\xff(?!\xf7)",
           reader="PIL.JpegImagePlugin:JpegImageFile"),
    Format("PNG", "PNG", (".png", ".apng"), rb"\x89PNG\r\n\x1a\n",
           reader="PIL.PngImagePlugin:PngImageFile", more="frames"),
    Format("GIF", "GIF", (".gif",), rb"GIF8[79]a",
           reader="PIL.GifImagePlugin:GifImageFile", more="frames"),
    Format("BMP", "BMP", (".bmp",), rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", rb"BM",
           reader="PIL.BmpImagePlugin:BmpImageFile"),
    Format("WEBP", "WebP", (".webp",), rb"RIFF....WEBP",
           reader="PIL.WebPImagePlugin:WebPImageFile", more="frames"),
    Format("RAW", "raw camera file",
           (".dng", ".nef", ".cr2", ".cr3", ".arw", ".orf", ".rw2", ".raf", ".pef", ".srw", ".raw",
            ".crw", ".x3f", ".mrw", ".nrw", ".rwl", ".3fr", ".iiq", ".kdc", ".dcr", ".erf"),
           rb"II\*\0.{4}CR|....ftypcrx |II(?:RO|RS|U\0)|MMOR|FUJIFILMCCD-RAW|II\x1a\0\0\0HEAPCCDR"
           rb"|FOVb|\0MRM", rb"II\*\0|MM\0\*"),
    Format("TIFF", "TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]",
           reader="transfer.images.tiff:open_tiff", more="pages"),
    Format("AVIF", "AVIF", (".avif", ".avifs"),
           rb"....ftyp(?:avi[fs]|(?:mif1|msf1).{4}(?:.{4}){0,12}avi[fs])",
           reader="PIL.AvifImagePlugin:AvifImageFile", more="frames"),
    Format("HEIF", "HEIC", (".heic", ".heif", ".hif", ".heics", ".heifs"),
           rb"....ftyp(?:hei[cxms]|hev[cxms]|mif[12]|msf1|avc[is]|MiH[BEA])",
           reader="pillow_heif.as_plugin:HeifImageFile", extra="heif", more="pictures"),
    Format("JPEG2000", "JPEG 2000", (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx"),
           rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51\0",
           reader="PIL.Jpeg2KImagePlugin:Jpeg2KImageFile"),
    Format("JXL", "JPEG XL", (".jxl",), rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n",
           reader="pillow_jxl.JpegXLImagePlugin:JXLImageFile", extra="pillow-jxl-plugin",
           more="frames"),
    Format("PPM", "PPM/PGM/PBM", (".ppm", ".pgm", ".pbm", ".pnm", ".pfm"),
           rb"P[1-6]\s(?:\s|#[^\n]*\n)*\d+\s(?:\s|#[^\n]*\n)*\d+\s|P[Ff]\s+\d+\s+\d+\s",
           rb"P[1-6Ff]\s",
           reader="PIL.PpmImagePlugin:PpmImageFile"),
    Format("ICO", "ICO", (".ico",), rb"\0\0\x01\0[^\0]\0.{3}\0",
           reader="PIL.IcoImagePlugin:IcoImageFile"),
    Format("QOI", "QOI", (".qoi",), rb"qoif.{8}[\x03\x04]",
           reader="PIL.QoiImagePlugin:QoiImageFile"),
    Format("PSD", "Photoshop", (".psd",), rb"8BPS\0\x01", reader="PIL.PsdImagePlugin:PsdImageFile"),
    Format("PCX", "PCX", (".pcx",), rb"\n[\0\x02-\x05]\x01[\x01\x02\x04\x08]",
           reader="PIL.PcxImagePlugin:PcxImageFile"),
    Format("SGI", "SGI", (".sgi", ".rgb", ".rgba", ".bw"),
           rb"\x01\xda[\0\x01][\x01\x02]\0[\x01-\x03]",
           reader="PIL.SgiImagePlugin:SgiImageFile"),
    Format("DIB", "DIB", (".dib",), b"", rb"[\x0c\x28\x34\x38\x40\x6c\x7c]\0\0\0",
           reader="PIL.BmpImagePlugin:DibImageFile"),
    Format("TGA", "TGA", (".tga", ".icb", ".vda", ".vst"), b"",
           rb".[\0\x01][\x01-\x03\x09-\x0b].{13}[\x01\x08\x0f\x10\x18\x20]",
           reader="PIL.TgaImagePlugin:TgaImageFile"),
    Format("CUR", "cursor", (".cur",), rb"\0\0\x02\0[^\0]\0.{3}\0",
           reader="PIL.CurImagePlugin:CurImageFile"),
    Format("ICNS", "ICNS", (".icns",), rb"icns", reader="PIL.IcnsImagePlugin:IcnsImageFile"),
    Format("DDS", "DDS", (".dds",), rb"DDS \x7c\0\0\0", reader="PIL.DdsImagePlugin:DdsImageFile"),
    Format("SUN", "Sun raster", (".ras", ".sun"), rb"\x59\xa6\x6a\x95",
           reader="PIL.SunImagePlugin:SunImageFile"),
    Format("SVG", "SVG", (".svg", ".svgz"), rb"(?:\xef\xbb\xbf)?\s*(?:<[?!][^>]*>\s*)*<svg\b"),
    Format("EPS", "PostScript", (".eps", ".ps"), rb"%!PS|\xc5\xd0\xd3\xc6"),
    Format("PSB", "large Photoshop", (".psb",), rb"8BPS\0\x02"),
    Format("XCF", "GIMP", (".xcf",), rb"gimp xcf "),
    Format("JXR", "JPEG XR", (".jxr", ".wdp", ".hdp"), rb"II\xbc"),
    Format("JLS", "JPEG-LS", (".jls",), rb"\xff\xd8\xff\xf7"),
    Format("EXR", "OpenEXR", (".exr",), rb"v/1\x01"),
    Format("HDR", "Radiance HDR", (".hdr",), rb"#\?(?:RADIANCE|RGBE)"),
    Format("FITS", "FITS", (".fits", ".fit", ".fts"), rb"SIMPLE  = "),
    Format("CZI", "microscope file (CZI, LIF, ND2)", (".czi", ".lif", ".nd2", ".lsm", ".vsi"),
           rb"ZISRAWFILE|\x70\0\0\0.{4}\x2a|\xda\xce\xbe\x0a"),
)
# fmt: on
FORMATS = {each.name: each for each in _ROWS}
_BY_SUFFIX = {suffix: each for each in _ROWS for suffix in each.suffixes}

IMAGE_SUFFIXES = frozenset(suffix for suffix, each in _BY_SUFFIX.items() if each.reader)
UNSUPPORTED_SUFFIXES = frozenset(_BY_SUFFIX) - IMAGE_SUFFIXES
READ = "jpg, png, gif, bmp, webp, tif, ..."  # for messages

_OTHERS = {  # what other files seem to be
    rb"%PDF": "PDF",
    rb"PK\x03\x04": "a ZIP archive",
    rb"....ftyp|\x1aE\xdf\xa3|RIFF....AVI |\0\0\x01[\xb3\xba]": "a video",
    rb"version https://git-lfs": "a Git LFS pointer: run git lfs pull",
}


def listed(word: str) -> str:
    """Return the formats that are read now, with ``"and"`` or ``"or"`` before the last."""
    *others, last = (each.shown for each in FORMATS.values() if each.readable)
    return f"{', '.join(others)} {word} {last}"


def format_of(head: bytes, suffix: str = "") -> Format | None:
    """Return the format of a file, whether it is read or not; None where it is no image.

    Args:
        head: The first `HEAD` bytes, or all there are.
        suffix: Of its name, lower case. A few old formats begin with bytes that say too little
            and are recognised with their suffix alone.
    """
    return next((each for each in _ROWS if each.starts(head, suffix)), None)


def trusted(suffix: str) -> bool:
    """Return whether a file with this suffix counts as an image until it is opened."""
    known = _BY_SUFFIX.get(suffix)
    return known is not None and known.readable


def left_out(head: bytes, suffix: str) -> str | None:
    """Return why a file is left out where it is an image that is not read; "" where it is read.

    Returns:
        None for a file that is no image.
    """
    found = format_of(head, suffix) or _BY_SUFFIX.get(suffix)
    return None if found is None else "" if found.readable else found.unread


def guess_kind(head: bytes) -> str:
    """Return what a file that is not read seems to be, from its first `HEAD` bytes."""
    known = format_of(head)
    if known is not None:
        return known.shown
    for magic, name in _OTHERS.items():
        if re.match(magic, head, re.DOTALL):
            return name
    try:
        text = codecs.getincrementaldecoder("utf-8-sig")().decode(head).lstrip().lower()
    except UnicodeDecodeError:
        return "unknown bytes"
    if "<svg" in text:
        return "SVG"
    if text.startswith(("<!doctype html", "<html")):
        return "HTML"
    return "text" if all(c.isprintable() or c.isspace() for c in text) else "unknown bytes"
