"""dogs_prepared: ten breeds of Stanford Dogs in train/ and test/ folders."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

import tensorflow_datasets as tfds

ARCHIVE = "dogs_prepared.tar.gz"


class Builder(tfds.core.GeneratorBasedBuilder):
    """Reads dogs_prepared.tar.gz, which has to be downloaded by hand."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Initial release."}  # noqa: RUF012
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"""
    No public address of {ARCHIVE} is known. It holds train/<breed>/*.jpg and
    test/<breed>/*.jpg, with or without a folder around them.
    """

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=tfds.features.FeaturesDict(
                {
                    "image": tfds.features.Image(),
                    "image/filename": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(),
                }
            ),
            supervised_keys=("image", "label"),
            homepage="http://vision.stanford.edu/aditya86/ImageNetDogs/",
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        archive = dl_manager.manual_dir / ARCHIVE
        if not archive.exists():
            raise FileNotFoundError(f"{archive} is missing. {self.MANUAL_DOWNLOAD_INSTRUCTIONS}")
        # The names of the folders are the names of the classes, whichever breeds there are.
        breeds = {breed for _, breed, _, _ in _photos(dl_manager, archive)}
        self.info.features["label"].names = sorted(breeds)
        return {
            split: self._generate_examples(dl_manager, archive, split)
            for split in ("train", "test")
        }

    def _generate_examples(
        self, dl_manager: tfds.download.DownloadManager, archive: Any, split: str
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        for found, breed, name, file in _photos(dl_manager, archive):
            if found == split:
                yield f"{breed}/{name}", {"image": file, "image/filename": name, "label": breed}


def _photos(
    dl_manager: tfds.download.DownloadManager, archive: Any
) -> Iterator[tuple[str, str, str, Any]]:
    """Yield (split, breed, file name, file) of each photo.

    macOS adds a `._x` next to many a file `x`; these are skipped.
    """
    for path, file in dl_manager.iter_archive(archive):
        parts = PurePosixPath(path).parts
        if len(parts) >= 3 and parts[-3] in ("train", "test") and not parts[-1].startswith("."):
            yield parts[-3], parts[-2], parts[-1], file
