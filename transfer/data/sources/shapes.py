"""Circles, rectangles and triangles as a shaky hand would draw them."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator

from PIL import Image, ImageChops, ImageDraw

SIZE = 96
PER_CLASS = 100
_SCALE = 4  # drawn larger and shrunk, for smooth strokes
_PENS = ("#1f2430", "#23408f", "#9c2a2a", "#1e6b45", "#5b3a8c", "#4a4a4a", "#a85a12")

Point = tuple[float, float]


def draw_shapes() -> Iterator[tuple[str, Image.Image]]:
    """Yield (class name, RGB image of 96 x 96 pixels), 100 of each class, the same each time."""
    for label, corners in (("circle", 0), ("rectangle", 4), ("triangle", 3)):
        for number in range(PER_CLASS):
            # random.Random promises the same numbers in every version of Python; NumPy does not
            yield label, _draw(random.Random(f"{label}-{number}"), corners)


def _draw(rng: random.Random, corners: int) -> Image.Image:
    white = rng.randint(242, 255)
    paper = (white, white - rng.randint(0, 3), white - rng.randint(0, 10))
    image = Image.new("RGB", (SIZE * _SCALE, SIZE * _SCALE), paper)
    radius = rng.uniform(17, 36)
    reach = SIZE / 2 - radius - 5
    centre = (SIZE / 2 + rng.uniform(-reach, reach), SIZE / 2 + rng.uniform(-reach, reach))
    vertices = _vertices(rng, corners, centre, radius)
    pen, width = rng.choice(_PENS), rng.uniform(1.2, 3.4)
    for _ in range(rng.choice((1, 1, 1, 2))):  # some go over their line twice
        outline = _edges(rng, vertices) if vertices else _loop(rng, centre, radius)
        _stroke(rng, image, outline, pen, width)
    image = image.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    grain = Image.frombytes("L", (SIZE, SIZE), rng.randbytes(SIZE * SIZE)).point(lambda v: v // 36)
    return ImageChops.subtract(image, Image.merge("RGB", (grain, grain, grain)))


def _vertices(rng: random.Random, corners: int, centre: Point, radius: float) -> list[Point]:
    turn = rng.uniform(0, 2 * math.pi)
    if corners == 3:
        angles = [turn + 2 * math.pi * i / 3 + rng.uniform(-0.3, 0.3) for i in range(3)]
    elif corners == 4:
        half = math.atan(rng.uniform(0.45, 1))  # half the angle between the diagonals
        angles = [turn + a for a in (-half, half, math.pi - half, math.pi + half)]
    else:
        return []
    return [
        (
            centre[0] + radius * math.cos(angle) + rng.gauss(0, 0.9),
            centre[1] + radius * math.sin(angle) + rng.gauss(0, 0.9),
        )
        for angle in angles
    ]


def _loop(rng: random.Random, centre: Point, radius: float) -> list[Point]:
    """Return a circle that is a bit flat, wobbles, and misses its own start."""
    start, length = rng.uniform(0, 2 * math.pi), 2 * math.pi + rng.uniform(-0.15, 0.35)
    drift, squash, tilt = rng.gauss(0, 0.06), rng.uniform(0.84, 1), rng.uniform(0, math.pi)
    waves = [(k, rng.gauss(0, 0.035 / k), rng.uniform(0, 2 * math.pi)) for k in (2, 3, 5)]
    points = []
    for i in range(161):
        t = i / 160
        angle = start + length * t
        r = radius * (1 + drift * (t - 0.5) + sum(a * math.sin(k * angle + p) for k, a, p in waves))
        x, y = r * math.cos(angle), squash * r * math.sin(angle)
        points.append(
            (
                centre[0] + x * math.cos(tilt) - y * math.sin(tilt),
                centre[1] + x * math.sin(tilt) + y * math.cos(tilt),
            )
        )
    return points


def _edges(rng: random.Random, vertices: list[Point]) -> list[Point]:
    """Return a closed outline with bent edges that meet slightly off the corners."""
    points = []
    for (x0, y0), (x1, y1) in zip(vertices, vertices[1:] + vertices[:1], strict=True):
        x0, y0, x1, y1 = (value + rng.gauss(0, 0.7) for value in (x0, y0, x1, y1))
        length = math.hypot(x1 - x0, y1 - y0)
        bend, wave, phase = rng.gauss(0, 0.9), rng.gauss(0, 0.35), rng.uniform(0, 2 * math.pi)
        over = rng.uniform(0, 0.05)
        for i in range(49):
            t = i / 48 * (1 + over)
            side = bend * math.sin(math.pi * t) + wave * math.sin(3 * math.pi * t + phase)
            points.append(
                (
                    x0 + (x1 - x0) * t - (y1 - y0) / length * side,
                    y0 + (y1 - y0) * t + (x1 - x0) / length * side,
                )
            )
    return points


def _stroke(
    rng: random.Random, image: Image.Image, points: list[Point], pen: str, width: float
) -> None:
    """Draw a line whose width follows the pressure of the hand."""
    draw = ImageDraw.Draw(image)
    pressure, phase = rng.uniform(0.1, 0.3), rng.uniform(0, 2 * math.pi)
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        here = width * (1 + pressure * math.sin(i / 17 + phase)) * _SCALE
        line = [value * _SCALE for value in (x0, y0, x1, y1)]
        draw.line(line, fill=pen, width=max(1, round(here)))
        half = here / 2
        draw.ellipse([line[0] - half, line[1] - half, line[0] + half, line[1] + half], fill=pen)
