"""handwriting_shapes: circles, rectangles and triangles drawn by hand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

ARCHIVE = "handwriting_shapes.tar.gz"
SHAPES = ("circle", "rectangle", "triangle")
SUFFIXES = (".png", ".jpg", ".jpeg")


class Builder(tfds.core.GeneratorBasedBuilder):
    """Reads handwriting_shapes.tar.gz, which has to be downloaded or made by hand."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    No public address of {ARCHIVE} is known. It holds circle/*.png, rectangle/*.png and
    triangle/*.png, with or without a folder around them. make_archive.py, next to the builder,
    draws one.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(),
                    "image/filename": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=SHAPES),
                }
            ),
            supervised_keys=("image", "label"),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = dl_manager.manual_dir / ARCHIVE
        if not archive.exists():
            raise FileNotFoundError(f"{archive} is missing. {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        return {"train": self._generate_examples(dl_manager, archive)}

    def _generate_examples(
        self, dl_manager: tfds.download.DownloadManager, archive: Any
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, file in dl_manager.iter_archive(archive):
            *_, shape, name = ("", *PurePosixPath(path).parts)
            photo = name.lower().endswith(SUFFIXES) and not name.startswith(".")
            if photo and shape in SHAPES:
                yield f"{shape}/{name}", {"image": file, "image/filename": name, "label": shape}
