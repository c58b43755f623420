"""What the names of image files tell: their class, their source, what they are masks of."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

# Regular expressions that read a class from a path, the more specific ones first.
_CLASS_PATTERNS = (
    r"([^/]+?)[._-]\d+\.\w+$",  # cat.0.jpg, Abyssinian_12.jpg
    r"([^\W\d][^/]*?)[ ._(-]*\d+\)?\.\w+$",  # cat0.jpg, great dane (3).png
    r"(?:^|/)([^\W\d_][^/]*?)[ ._-]*\d+[^/]*$",  # cat_3_full.jpg
    r"(?:^|/)([^\W\d_]+(?:[ -][^\W\d_]+)*)[._-][^/]*$",  # cat_a81f.jpg, dog-xyz.png
    r"(?:^|/)\d+[ ._-]+([^\W\d_][^/]*?)\.\w+$",  # 0001_cat.jpg
    r"_([^\W_]+)\.\w+$",  # img17_cat.jpg, 23_1_0.jpg
    r"(?:^|/)([^\W_]+)_[^/]*$",  # 0_1.jpg
)
_MOST_SHARE = 0.5  # of classes to images: more are names, not classes
_CAMERA = {"img", "dsc", "dscn", "dscf", "image", "photo", "picture", "pic", "mvimg", "pxl", "p"}
_CAMERA |= {"frame", "whatsapp", "screenshot", "scan", "dji", "gopr", "file", "download"}

NUMBERED = "NAME (2)"
_SOURCE = (
    (re.compile(r" - copy(?: ?\(\d+\))?$", re.I), "NAME - Copy"),
    (re.compile(r"_(?:jpe?g|png|bmp|webp|tiff?)\.rf\.[0-9a-f]+$", re.I), "NAME_jpg.rf.HASH"),
    (re.compile(r"[ _-]+(?:aug|augm|augmented|augmentation)[ _-]*\d*$", re.I), "NAME_aug3"),
    (re.compile(r"[ _-]+(?:rot|rotated?|flip|flipped|mirror|mirrored|crop|bright|noise|blur"
                r"|hflip|vflip)[ _-]*\d*$", re.I), "NAME_rot90"),
    (re.compile(r" ?\(\d+\)$"), NUMBERED),
)  # fmt: skip
_PAGE = re.compile(r"(.+)\.page-\d+\.\w+", re.DOTALL)
_COPY_OF = re.compile(r"^copy of ", re.I)
_MASK = re.compile(
    r"[ _-]+(?:masks?|seg|segm|segmentation|superpixels?|gt|groundtruth|trimap|overlay|annotated"
    r"|annotation|bbox|heatmap|thumb|thumbnail|small|preview)(?:[ _-]?\d+)?$",
    re.I,
)


def propose_regex(paths: Sequence[str]) -> str | None:
    """Return a regular expression that reads classes from file names.

    None where no expression gives two or more classes, of two images each on average.
    """
    for pattern in _CLASS_PATTERNS:
        found = [re.search(pattern, path) for path in paths]
        classes = Counter(match[1] for match in found if match)
        enough = sum(classes.values()) >= 0.9 * len(paths)
        if not enough or not 2 <= len(classes) <= max(2, _MOST_SHARE * len(paths)):
            continue
        if {name.lower().strip(" ._-") for name in classes} <= _CAMERA:
            continue
        if all(name.isdigit() for name in classes) and len(classes) > 0.1 * len(paths) + 2:
            continue
        return pattern
    return None


def source_of(path: str) -> tuple[str, str]:
    """Return the name of the photo that an image was made from, and the form of name that says so.

    The form is empty where nothing in the name says that it was made from another.
    """
    stem, form = PurePosixPath(path).stem, ""
    while True:
        for pattern, shown in _SOURCE:
            shorter = pattern.sub("", stem)
            if shorter and shorter != stem:
                stem, form = shorter, form or shown
                break
        else:
            shorter = _COPY_OF.sub("", stem)
            return (shorter, form or "Copy of NAME") if shorter != stem else (stem, form)


def name_of_page(stem: str, number: int, last: int) -> str:
    """Return the name, without suffix, of a page of a file that has `last` pages."""
    return f"{stem}.page-{number:0{len(str(last))}d}"


def file_of_page(path: str) -> str:
    """Return the path, without suffix, of the file that an image is a page of; ``""`` for none."""
    match = _PAGE.fullmatch(path)
    return match[1] if match else ""


def masks_among(names: Iterable[str]) -> set[str]:
    """Return which files of a folder are masks or thumbnails of images beside them."""
    stems = {name: name.rpartition(".")[0] or name for name in names}
    marked = {name: _MASK.sub("", stem) for name, stem in stems.items() if _MASK.search(stem)}
    known = set(stems.values())
    return {name for name, base in marked.items() if base in known}
