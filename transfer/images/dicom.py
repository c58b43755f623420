"""DICOM pictures (X-ray, CT, MR, ultrasound) for Pillow, with pydicom.

Where a file names a window, gray values are shown through it, as viewers do; otherwise they keep
their depth. The first frame is used.
"""

from __future__ import annotations

import logging
import re
import warnings
from typing import Any, BinaryIO, cast

import numpy as np
import pydicom
from pydicom.pixels.processing import apply_color_lut, apply_modality_lut, apply_voi_lut
from pydicom.pixels.utils import pixel_array

from transfer.images.levels import DeepFile

# What other programs wrote not quite by the book is not for the user to mend.
warnings.filterwarnings("ignore", module="pydicom")
logging.getLogger("pydicom").setLevel(logging.ERROR)

_META = 4096  # bytes that hold the transfer syntax
_DEFLATED = re.compile(rb"1\.2\.840\.10008\.1\.2\.1\.99(?![\d.])")


class DicomImageFile(DeepFile):
    """A DICOM file with a picture."""

    format = "DICOM"
    format_description = "DICOM"

    def _open(self) -> None:
        assert self.fp is not None
        # pydicom would inflate all of it, whatever its size.
        if _DEFLATED.search(self.fp.read(_META)):
            raise SyntaxError("unsupported: deflated as a whole")
        self.fp.seek(0)
        dataset = pydicom.dcmread(self.fp, stop_before_pixels=True)
        if "Rows" not in dataset or "Columns" not in dataset:
            raise SyntaxError("holds no picture")
        self._dataset = dataset
        self._size = (int(dataset.Columns), int(dataset.Rows))
        self.is_animated = int(dataset.get("NumberOfFrames") or 1) > 1
        kind, stored = str(dataset.PhotometricInterpretation), int(dataset.get("BitsStored", 8))
        self._mode = "L" if kind.startswith("MONOCHROME") else "RGB"
        self.inverse = kind == "MONOCHROME1"
        if self._mode == "L" and not _is_windowed(dataset) and stored > 8:
            self.bits = int(dataset.BitsAllocated)
            self.declared = stored if stored < self.bits else 0

    def _values(self) -> np.ndarray:
        assert self.fp is not None
        self.fp.seek(0)
        values = pixel_array(cast(BinaryIO, self.fp), index=0)
        if self._mode == "RGB":
            return _colours(values, self._dataset)
        if self.bits > 8:
            return values
        if _is_windowed(self._dataset):
            values = _windowed(apply_modality_lut(values, self._dataset), self._dataset)
        elif (stored := int(self._dataset.get("BitsStored", 8))) < 8:  # masks
            values = values * (255 / (2**stored - 1))
        values = values.astype(np.uint8)
        return 255 - values if self.inverse else values


def _is_windowed(dataset: pydicom.Dataset) -> bool:
    return any(
        name in dataset and dataset[name].value not in (None, "", [])
        for name in ("WindowWidth", "VOILUTSequence")
    )


def _colours(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Return colours of any depth as uint8 (h, w, 3)."""
    bits = int(dataset.get("BitsStored", 8))
    if str(dataset.PhotometricInterpretation) == "PALETTE COLOR":
        values = apply_color_lut(values, dataset)
        bits = 8 * values.dtype.itemsize
    return np.asarray(values[..., :3] >> max(0, bits - 8), np.uint8)


def _windowed(values: np.ndarray, dataset: pydicom.Dataset) -> np.ndarray:
    """Return values through the file's (first) window or table, uint8."""
    if "VOILUTSequence" in dataset:
        table = dataset.VOILUTSequence[0]
        shown = apply_voi_lut(values.astype(np.int64), dataset, prefer_lut=True)
        return np.asarray(shown.astype(np.int64) >> max(0, table.LUTDescriptor[2] - 8), np.uint8)
    centre, width = _first(dataset.WindowCenter), _first(dataset.WindowWidth)
    function = str(dataset.get("VOILUTFunction", "LINEAR"))
    values = values.astype(np.float32)
    if function == "SIGMOID":
        share = 1 / (1 + np.exp(-4 * (values - centre) / width))
    elif function == "LINEAR_EXACT":
        share = (values - centre) / width + 0.5
    else:  # DICOM PS3.3 C.11.2.1.2.1
        share = (values - (centre - 0.5)) / max(width - 1, 1e-6) + 0.5
    return np.asarray(np.rint((255 * share).clip(0, 255)), np.uint8)


def _first(value: Any) -> float:
    return float(value[0] if isinstance(value, pydicom.multival.MultiValue) else value)
