from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transfer.errors import DataError
from transfer.images.decode import as_rgb, decode
from transfer.images.open import open_image, read_header
from transfer.images.scan import reason_left_out

pydicom = pytest.importorskip("pydicom")
RAMP = np.linspace(0, 4095, 40 * 50).round().astype(np.uint16).reshape(40, 50)
SHOWN = RAMP * (255 / 4095)


def write(path: Path, values: np.ndarray, **changes: Any) -> Path:
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.TransferSyntaxUID = changes.pop("syntax", ExplicitVRLittleEndian)
    meta.MediaStorageSOPClassUID = SecondaryCaptureImageStorage
    meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=bytes(128))
    dataset.Rows, dataset.Columns = values.shape[-2:] if values.shape[-1] != 3 else values.shape[:2]
    dataset.SamplesPerPixel = 3 if values.shape[-1] == 3 else 1
    dataset.PhotometricInterpretation = "RGB" if values.shape[-1] == 3 else "MONOCHROME2"
    dataset.PlanarConfiguration = 0
    dataset.BitsAllocated = 8 * values.dtype.itemsize
    dataset.BitsStored = 12 if values.dtype.itemsize == 2 else 8
    dataset.PixelRepresentation = int(values.dtype.kind == "i")
    for name, value in changes.items():
        setattr(dataset, name, value)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelData = values.tobytes()
    dataset.save_as(path)
    return path


def shown(path: Path) -> np.ndarray:
    with open_image(path) as image:
        return np.asarray(as_rgb(image)).astype(int)[..., 0]


@pytest.mark.case("F06")
def test_12_bits(tmp_path) -> None:
    path = write(tmp_path / "IM0001", RAMP)
    assert reason_left_out(path, path.name) == ""
    assert np.abs(shown(path) - SHOWN).max() <= 0.5
    assert read_header(path).bits == 16
    assert np.abs(shown(write(path, RAMP // 4)) - SHOWN / 4).max() <= 1  # as declared


@pytest.mark.case("F06")
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_monochrome1_is_turned(tmp_path, dtype) -> None:
    values = (RAMP if dtype == np.uint16 else RAMP // 16).astype(dtype)
    path = write(tmp_path / "x.dcm", values, PhotometricInterpretation="MONOCHROME1")
    assert np.abs(shown(path) - (255 - SHOWN)).max() <= 1


@pytest.mark.case("F06")
@pytest.mark.parametrize("kind", ["MONOCHROME1", "MONOCHROME2"])
def test_windows_are_applied_after_the_rescaling(tmp_path, kind) -> None:
    path = write(
        tmp_path / "x.dcm", RAMP, PhotometricInterpretation=kind, RescaleSlope=2,
        RescaleIntercept=-1000, WindowCenter=[1000, 40], WindowWidth=[2001, 400],
    )  # fmt: skip
    share = ((RAMP * 2.0 - 1000 - 999.5) / 2000 + 0.5).clip(0, 1)
    expected = 255 * (1 - share if kind == "MONOCHROME1" else share)
    assert np.abs(shown(path) - expected).max() <= 1
    assert read_header(path).bits == 8


@pytest.mark.case("F06")
@pytest.mark.parametrize("function", ["LINEAR_EXACT", "SIGMOID"])
def test_other_windows(tmp_path, function) -> None:
    path = write(
        tmp_path / "x.dcm", RAMP, WindowCenter=2000, WindowWidth=1000, VOILUTFunction=function
    )
    at_centre = shown(path)[np.abs(RAMP.astype(int) - 2000) < 2]
    assert np.abs(at_centre - 127.5).max() <= 2
    # Both rise by 1 / width at the centre.
    near = shown(path)[np.abs(RAMP.astype(int) - 2100) < 2]
    assert np.abs(near - 255 * (0.5 + 100 / 1000)).max() <= 3


@pytest.mark.case("F06")
def test_signed_values_and_colours(tmp_path) -> None:
    signed = RAMP.astype(np.int16) - 1024
    assert np.abs(shown(write(tmp_path / "x.dcm", signed, BitsStored=16)) - SHOWN).max() <= 1
    colours = np.stack([RAMP // 16] * 3, axis=-1).astype(np.uint8)
    assert (shown(write(tmp_path / "y.dcm", colours)) == RAMP // 16).all()


@pytest.mark.case("F06")
def test_a_depth_that_declares_nothing(tmp_path) -> None:
    assert np.abs(shown(write(tmp_path / "x.dcm", RAMP, BitsStored=16)) - SHOWN).max() <= 0.5
    deep = RAMP.astype(np.uint32) * 3
    assert shown(write(tmp_path / "y.dcm", deep, BitsStored=32)).max() > 180
    mask = (RAMP > 2000).astype(np.uint8)
    assert (shown(write(tmp_path / "z.dcm", mask, BitsStored=1)) == 255 * mask).all()


@pytest.mark.case("F06")
def test_a_preamble_like_a_tiff_file(tmp_path) -> None:
    path = write(tmp_path / "x", RAMP)
    path.write_bytes(b"II*\0\x08\0\0\0" + path.read_bytes()[8:])
    assert np.abs(shown(path) - SHOWN).max() <= 0.5


@pytest.mark.case("F06")
def test_the_first_frame_counts(tmp_path) -> None:
    frames = np.stack([RAMP, RAMP[::-1], RAMP * 0])
    path = write(tmp_path / "x.dcm", frames, NumberOfFrames=3)
    assert np.abs(shown(path) - SHOWN).max() <= 0.5
    assert read_header(path).animated


def test_what_holds_no_picture_is_named(tmp_path) -> None:
    path = write(tmp_path / "x.dcm", RAMP)
    dataset = pydicom.dcmread(path)
    del dataset.PixelData, dataset.Rows
    dataset.save_as(path)
    with pytest.raises(DataError, match=r"x\.dcm' holds no picture\."):
        decode(path, 32)
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match=r"x\.dcm"):
        decode(path, 32)


@pytest.mark.case("F10")
def test_deflated_files_are_refused_unread(tmp_path) -> None:
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    path = write(tmp_path / "x.dcm", RAMP, syntax=DeflatedExplicitVRLittleEndian)
    with pytest.raises(DataError, match=r"not read \(unsupported: deflated"):
        decode(path, 32)


@pytest.mark.case("F10")
def test_bombs_are_refused_from_their_headers(tmp_path) -> None:
    path = write(tmp_path / "x.dcm", RAMP, Rows=60_000, Columns=60_000)
    with pytest.raises(DataError, match="too large: 60000 x 60000"):
        decode(path, 32)
    path = write(tmp_path / "y.dcm", RAMP, NumberOfFrames=2**31 - 1)  # the first is there
    assert np.abs(shown(path) - SHOWN).max() <= 0.5
