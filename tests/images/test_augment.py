from __future__ import annotations

import math
import subprocess
import sys

import numpy as np
import pytest

from transfer.errors import UsageError
from transfer.images.augment import POLICIES, build_augment, parse_augment

SIZE = 64
WORDS = (
    "flip,vertical_flip,rotate=10,shift=0.1,zoom=0.1,shear=5,brightness=0.2,contrast=0.2,"
    "saturation=0.2,hue=0.05,channel_shift=0.1,grayscale=0.5,blur=0.5,randaugment=0.3,erasing=0.5"
)


def seeds(count: int) -> np.ndarray:
    return np.random.default_rng(5).integers(-(2**31), 2**31, (count, 2)).astype(np.int32)


def views(spec: str, image: np.ndarray, count: int = 40) -> np.ndarray:
    import tensorflow as tf

    change = build_augment(spec, len(image))
    rows = tf.data.Dataset.from_tensor_slices(seeds(count))
    return np.stack([v.numpy() for v in rows.map(lambda s: change(image, s), 2)])


@pytest.fixture
def image(picture) -> np.ndarray:
    return np.asarray(picture(SIZE, SIZE))


def test_parse():
    assert parse_augment("none") == {}
    assert parse_augment("shift=.1, flip") == {"flip": True, "shift": 0.1}
    assert parse_augment("light,rotate=20,flip=0,fill=wrap") == {
        "rotate": 20.0,
        "shift": 0.05,
        "zoom": 0.1,
        "fill": "wrap",
    }
    assert list(parse_augment(WORDS)) == [word.split("=")[0] for word in WORDS.split(",")]
    for policy in POLICIES:
        assert parse_augment(policy) == parse_augment(POLICIES[policy] or "none")


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("", "Expected an augmentation"),
        ("flips", "Unknown augmentation 'flips'. Did you mean 'flip'"),
        ("mediun", "Did you mean 'medium'"),
        ("flip,light", "'light' as the first word"),
        ("rotate", "Expected rotate=NUMBER between 0 and 180. Received: rotate"),
        ("rotate=190", "Received: rotate=190"),
        ("zoom=-1", "Received: zoom=-1"),
        ("hue=nan", "Received: hue=nan"),
        ("flip=2", "Expected flip, flip=0 or flip=1"),
        ("fill=nearst", "Did you mean 'nearest'"),
        ("fill", "Unknown fill ''"),
        ("fill=constant:256", "a number between 0 and 255. Received: fill=constant:256"),
        ("fill=constant:red", "Received: fill=constant:red"),
        ("fill=constant:", "Received: fill=constant:"),
        ("fill=wrap:3", "Received: fill=wrap:3"),
        ("rotation_range=10", "Did you mean 'rotate'"),
        ("cval=0", "Did you mean 'fill'"),
    ],
)
def test_parse_refuses(spec, message):
    with pytest.raises(UsageError) as caught:
        parse_augment(spec)
    assert message in str(caught.value)


def test_parsing_imports_no_tensorflow():
    script = (
        "import sys, transfer.images.augment as a, transfer.images.pipeline\n"
        "import transfer.data.audit.clean, transfer.data.split, transfer.data.sources.prepare\n"
        "a.parse_augment('strong'); assert a.build_augment('none', 8) is None\n"
        "assert not {'tensorflow', 'keras', 'sklearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("spec", ["light", "medium", "strong", *WORDS.split(",")])
def test_views_depend_on_the_seed_alone(image, spec):
    first, again = views(spec, image, 12), views(spec, image, 12)
    np.testing.assert_array_equal(first, again)
    assert first.shape == (12, SIZE, SIZE, 3)
    assert first.dtype == np.float32
    assert first.min() >= 0
    assert first.max() <= 255
    assert (np.ptp(first, axis=0) > 1).any()  # the views differ


@pytest.mark.slow
def test_views_are_the_same_in_another_process(image, tmp_path):
    np.save(tmp_path / "image.npy", image)
    script = (
        "import sys, numpy as np; sys.path.insert(0, sys.argv[1])\n"
        "from test_augment import views\n"
        "print(views('strong,randaugment=0.5', np.load(sys.argv[2]), 6).astype(int).sum())"
    )
    command = [sys.executable, "-c", script, __file__.rpartition("/")[0], tmp_path / "image.npy"]
    theirs = int(subprocess.check_output(command, text=True).split()[-1])
    assert theirs == views("strong,randaugment=0.5", image, 6).astype(int).sum()


def test_operations_draw_apart(image):
    import tensorflow as tf

    change = build_augment("flip,vertical_flip", SIZE)
    kinds = set()
    for seed in seeds(40):
        view = change(tf.constant(image), tf.constant(seed)).numpy()
        kinds.add(tuple(np.abs(view - t).max() < 2 for t in (image, image[:, ::-1], image[::-1])))
    assert len(kinds) == 4


def test_flip_mirrors_about_half(image):
    mirrored = [np.abs(view - image[:, ::-1]).max() < 2 for view in views("flip", image, 200)]
    same = [np.abs(view - image).max() < 2 for view in views("flip", image, 200)]
    assert 70 < sum(mirrored) < 130
    assert sum(mirrored) + sum(same) == 200


def dot(x: float, y: float) -> np.ndarray:
    """Return a black picture with a soft white dot at (x, y) from the centre."""
    grid = np.arange(SIZE) - (SIZE - 1) / 2
    square = np.exp(-((grid[None] - x) ** 2 + (grid[:, None] - y) ** 2) / 8)
    return (255 * np.repeat(square[..., None], 3, axis=2)).astype(np.float32)


def places(spec: str, x: float, y: float) -> np.ndarray:
    """Return where a dot at (x, y) comes to lie in 60 views: array of shape (60, 2)."""
    grid = np.arange(SIZE) - (SIZE - 1) / 2
    mass = views(f"{spec},fill=nearest", dot(x, y), 60).sum(axis=-1)
    total = mass.sum(axis=(1, 2))
    moved_x = (mass * grid[None, None]).sum(axis=(1, 2)) / total
    return np.stack([moved_x, (mass * grid[None, :, None]).sum(axis=(1, 2)) / total], axis=1)


def test_rotate_turns_by_at_most_that_many_degrees():
    where = places("rotate=10", 20, 0)
    angles = np.degrees(np.arctan2(where[:, 1], where[:, 0]))
    assert 8 < angles.max() < 10.3
    assert -10.3 < angles.min() < -8
    np.testing.assert_allclose(np.hypot(*where.T), 20, atol=0.3)
    np.testing.assert_allclose(places("rotate=90", 0, 0), 0, atol=0.1)


def test_shift_zoom_and_shear_reach_as_far_as_they_say():
    shifted = places("shift=0.1", 0, 0)
    assert np.abs(shifted).max(axis=0) == pytest.approx([0.1 * SIZE] * 2, rel=0.15)
    assert abs(shifted.mean()) < 1.5
    zoomed = places("zoom=0.2", 15, 10)
    assert zoomed[:, 0].min() == pytest.approx(15 / 1.2, rel=0.05)
    assert zoomed[:, 0].max() == pytest.approx(15 / 0.8, rel=0.05)
    np.testing.assert_allclose(zoomed[:, 1] / zoomed[:, 0], 10 / 15, atol=0.03)
    sheared = places("shear=10", 0, 20)
    assert np.abs(sheared[:, 0]).max() == pytest.approx(20 * math.tan(math.radians(10)), rel=0.12)
    np.testing.assert_allclose(sheared[:, 1], 20, atol=0.3)


def test_fill():
    black = np.zeros((SIZE, SIZE, 3), np.uint8)
    assert views("shift=0.3,fill=constant", black).max() == 255
    assert views("shift=0.3,fill=constant: 40.5", black).max() == 40.5
    for fill in ("nearest", "reflect", "wrap", "constant:0"):
        assert views(f"shift=0.3,fill={fill}", black).max() == 0


class Fixed:
    """Draws that are chosen beforehand: the angle, slant, scale and two shifts of a warp."""

    def __init__(self, *values: float) -> None:
        self.values = list(values)

    def uniform(self, low: float, high: float, shape: tuple[int, ...] = ()):
        import tensorflow as tf

        drawn = [self.values.pop(0) for _ in range(math.prod(shape))]
        return tf.constant(drawn if shape else drawn[0], tf.float32)


def warped(image: np.ndarray, fill: str, turn: float, scale: float, x: float, y: float):
    """Return the image warped by these values, and the same by SciPy with each of its modes."""
    from scipy.ndimage import affine_transform

    from transfer.images.operations import warp

    step = warp({"rotate": 1, "zoom": 1, "shift": 1}, len(image), fill)
    ours = step(image, Fixed(turn, 0, scale, x, y)).numpy()
    matrix = scale * np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    centre = np.full(2, (len(image) - 1) / 2)
    offset = centre - matrix @ centre + [y, x]

    def theirs(mode: str, level: float) -> np.ndarray:
        planes = [
            affine_transform(image[..., k], matrix, offset, order=1, mode=mode, cval=level)
            for k in range(3)
        ]
        return np.stack(planes, axis=-1)

    return ours, theirs


@pytest.mark.parametrize(
    "values", [(0, 1, 2.3, -1.6), (0.4, 1.2, -2, 1), (-0.5, 1.9, 11, -9)], ids=str
)
def test_fill_is_that_of_scipy(values):
    image = np.random.default_rng(1).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    modes = {"wrap": "grid-wrap", "constant": "grid-constant"}
    for fill in ("nearest", "reflect", "wrap", "constant", "constant:0"):
        ours, theirs = warped(image, fill, *values)
        name = fill.partition(":")[0]
        wanted = theirs(modes.get(name, name), 255 if fill == "constant" else 0)
        np.testing.assert_allclose(ours, wanted, atol=0.05, err_msg=fill)


@pytest.mark.filterwarnings("ignore:Please import `affine_transform`:DeprecationWarning")
def test_fill_is_that_of_imagedatagenerator():
    from keras.src.legacy.preprocessing.image import ImageDataGenerator

    image = np.random.default_rng(1).uniform(0, 255, (8, 8, 3)).astype(np.float32)
    rows, wrapped = image[[3, 4, 5, 6, 7, 0, 1, 2]], warped(image, "wrap", 0, 1, 0, 3)[0]
    np.testing.assert_allclose(wrapped, rows, atol=1e-3)  # abcdabcd|abcd|abcdabcd, as documented
    for fill, level in (("nearest", 0), ("reflect", 0), ("constant", 255), ("constant:9", 9)):
        generator = ImageDataGenerator(fill_mode=fill.partition(":")[0], cval=level)
        wanted = generator.apply_transform(image.copy(), {"tx": -2, "ty": 3})
        ours, _ = warped(image, fill, 0, 1, -2, 3)
        np.testing.assert_allclose(ours, wanted, atol=1e-3, err_msg=fill)


def test_light_and_colour():
    gray = np.full((SIZE, SIZE, 3), 100, np.uint8)
    bright = views("brightness=0.2", gray)[:, 0, 0, 0] - 100
    assert bright.min() == pytest.approx(-51, abs=6)
    assert bright.max() == pytest.approx(51, abs=6)
    shifts = views("channel_shift=0.1", gray)[:, 0, 0] - 100
    assert np.abs(shifts).max() <= 25.6
    assert (np.ptp(shifts, axis=1) > 1).any()
    halves = gray.copy()
    halves[: SIZE // 2] = 140
    steps = np.ptp(views("contrast=0.2", halves), axis=(1, 2, 3))
    assert steps.min() == pytest.approx(32, abs=2)
    assert steps.max() == pytest.approx(48, abs=2)
    red = np.zeros((SIZE, SIZE, 3), np.uint8) + np.array([200, 100, 100], np.uint8)
    spread = np.ptp(views("saturation=0.2", red)[:, 0, 0], axis=1)
    assert spread.min() == pytest.approx(80, abs=5)
    assert spread.max() == pytest.approx(120, abs=5)
    turned = views("hue=0.05", red)[:, 0, 0]
    assert (turned[:, 0] > 199).all()
    assert turned[:, 1:].max() == pytest.approx(100 + 100 * 0.05 * 6, abs=3)


def test_randaugment_draws_two_of_ten_operations():
    """Three of ten move a dot, so that 0.7 ** 2 of the views leave it where it is."""
    values = views("randaugment=0.6", 0.4 * dot(18, 9), 200)[..., 1]
    low, high = values.min(axis=(1, 2), keepdims=True), values.max(axis=(1, 2), keepdims=True)
    mass = values > (low + high) / 2
    total = np.maximum(mass.sum(axis=(1, 2)), 1)  # none where it has left the picture
    grid = np.arange(SIZE) - (SIZE - 1) / 2
    x = (mass * grid).sum(axis=(1, 2)) / total
    y = (mass * grid[:, None]).sum(axis=(1, 2)) / total
    stays = np.hypot(x - 18, y - 9) < 0.4
    assert 0.42 < stays.mean() < 0.62  # of one operation 0.7, of three 0.34


def test_randaugment_changes_more_with_more_strength(image):
    little, much = (
        np.abs(views(f"randaugment={strength}", image, 60) - image).mean()
        for strength in (0.05, 1.0)
    )
    assert little < 0.2 * much


def test_shares(image):
    gray = [np.ptp(view, axis=-1).max() < 1 for view in views("grayscale=0.3", image, 200)]
    assert 35 < sum(gray) < 85
    erased = [(view == 127).all(axis=-1).mean() for view in views("erasing=0.3", image, 200)]
    assert 35 < sum(share > 0.01 for share in erased) < 85
    assert max(erased) < 0.3
    blurred = views("blur=1", np.full((SIZE, SIZE, 3), 255, np.uint8), 4)
    np.testing.assert_allclose(blurred, 255, atol=0.01)  # no black rim
