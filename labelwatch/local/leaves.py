"""Draw rice leaves, healthy and sick: pictures of our own for a demonstration without anybody's photographs."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

LABELS: tuple[str, ...] = ("healthy", "bacterial-leaf-blight", "leaf-smut", "brown-spot")

Plane = NDArray[np.floating]
"""One number for each pixel: height x width, or height x width x 3 for a colour (0 to 1)."""

Random = np.random.Generator


def draw(label: str, seed: int, size: int = 256) -> Image.Image:
    """Draw one leaf with the disease of that label: an RGB image of size x size pixels, the same for the same seed.

    A seed is a whole number from 0. Raises ValueError when there is no such label.
    """
    if label not in LABELS:
        raise ValueError(f"No drawing of the label {label!r}. Labels: {', '.join(LABELS)}.")
    random = np.random.default_rng([seed, LABELS.index(label)])
    blade = _blade(random, size)
    green = _green(random, blade)
    colour = DISEASES[label](random, blade, green)
    return _photograph(random, blade, colour)


def draw_folder(folder: Path, each: int, seed: int = 0) -> None:
    """Draw `each` pictures of every label as JPEG files, one sub-folder a label, as Custom Labels reads labels."""
    for label in LABELS:
        label_folder = folder / label
        label_folder.mkdir(parents=True, exist_ok=True)
        for number in range(each):
            draw(label, seed * 100_000 + number).save(label_folder / f"{label}-{number + 1:04}.jpg", quality=92)


@dataclass(frozen=True)
class Blade:
    """Where the leaf lies. Lengths are shares of the picture's side."""

    size: int
    middle: tuple[float, float]
    angle: float
    bend: float
    half: float
    tip: float
    along: Plane
    across: Plane
    """From -1 at one edge through 0 at the midrib to 1 at the other edge."""
    cover: Plane
    """1 on the leaf, 0 off it, between on its outline."""

    def to_pixels(self, along: Plane, across: Plane) -> list[tuple[float, float]]:
        """Return the pixels of points given along and across the leaf."""
        offset = across * self.half + self.bend * along**2
        x = self.middle[0] + along * math.cos(self.angle) - offset * math.sin(self.angle)
        y = self.middle[1] + along * math.sin(self.angle) + offset * math.cos(self.angle)
        return list(zip((x * self.size).tolist(), (y * self.size).tolist(), strict=True))


def _blade(random: Random, size: int) -> Blade:
    middle = (float(random.uniform(0.4, 0.6)), float(random.uniform(0.4, 0.6)))
    angle = float(random.normal(0, 0.35))
    bend, half = float(random.uniform(-0.12, 0.12)), float(random.uniform(0.13, 0.3))
    tip = float(random.uniform(0.35, 1.6))
    y, x = (np.mgrid[:size, :size].astype(np.float32) + 0.5) / size
    x, y = x - middle[0], y - middle[1]
    along = x * math.cos(angle) + y * math.sin(angle)
    offset = y * math.cos(angle) - x * math.sin(angle) - bend * along**2
    width = half * (1 - np.exp(-np.clip(tip - along, 0, None) / 0.18))
    cover = np.clip((width - np.abs(offset)) * size / 1.5 + 0.5, 0, 1) * (along < tip)
    return Blade(size, middle, angle, bend, half, tip, along, np.clip(offset / np.maximum(width, 1e-3), -2, 2), cover)


def _green(random: Random, blade: Blade) -> Plane:
    """Paint the healthy blade: parallel veins, a pale midrib, and a tone that changes along and across."""
    base = np.asarray([random.uniform(0.28, 0.5), random.uniform(0.46, 0.64), random.uniform(0.08, 0.22)])
    veins = random.uniform(9, 17) * math.pi
    deep = np.float32(random.uniform(0.02, 0.07))
    tone = 1 + deep * np.cos(blade.across * veins) + random.uniform(-0.14, 0.14) * blade.across
    tone = tone + 0.06 * _streaks(random, blade, 40) + 0.05 * (_clouds(random, blade.size, 5) - 0.5)
    midrib = np.exp(-((blade.across / random.uniform(0.03, 0.06)) ** 2)) * random.uniform(0.05, 0.3)
    return _mix((base * tone[..., None]).astype(np.float32), (0.78, 0.84, 0.55), midrib)


def _healthy(random: Random, blade: Blade, colour: Plane) -> Plane:
    del random, blade
    return colour


def _blight(random: Random, blade: Blade, colour: Plane) -> Plane:
    """Lay long wavy lesions along the edges: yellow outside, straw where the tissue is dead."""
    for _ in range(random.integers(1, 4)):
        side, length = random.choice([-1, 1]), random.uniform(0.3, 0.8)
        start = random.uniform(-0.5, min(blade.tip, 0.5))
        reach = np.clip(1 - np.abs((blade.along - start) / length) ** 2, 0, 1)
        waves = sum(np.sin(blade.along * random.uniform(8, 45) + random.uniform(0, 6)) for _ in range(3))
        depth = random.uniform(0.3, 0.9) * (reach + (0.1 * waves + 0.3 * _streaks(random, blade, 14)) * reach)
        inside = depth - (1 - side * blade.across)
        colour = _mix(colour, (0.8, 0.74, 0.26), random.uniform(0.5, 0.85) * np.clip(inside / 0.12 + 1.3, 0, 1))
        straw = np.asarray((0.86, 0.77, 0.58)) * random.uniform(0.9, 1.08)
        straw = straw * (1 + 0.12 * _streaks(random, blade, 30))[..., None]
        colour = _mix(colour, straw, np.clip(inside / 0.1, 0, 1) * (reach > 0))
    return colour


def _smut(random: Random, blade: Blade, colour: Plane) -> Plane:
    """Sprinkle many tiny angular black spots, each with a lit edge, as they stand up from the leaf."""
    spots = [
        (position, random.uniform(0.005, 0.014), random.uniform(0.004, 0.009), int(random.integers(4, 7)))
        for position in _positions(random, blade, int(random.integers(35, 110)))
    ]
    black = _stencil(random, blade, spots, 0.35)
    lit = np.clip(np.roll(black, (1, 1), (0, 1)) - black, 0, 1)
    colour = _mix(colour, (0.72, 0.74, 0.6), 0.4 * lit)
    return _mix(colour, (0.1, 0.09, 0.08), 0.92 * black)


def _brown_spot(random: Random, blade: Blade, colour: Plane) -> Plane:
    """Lay oval brown spots: a yellowish halo around each, and a grey centre in the larger ones."""
    positions = _positions(random, blade, int(random.integers(6, 19)))
    ovals = [
        (position, s * random.uniform(1.1, 2.3), s, 24)
        for position in positions
        for s in [random.uniform(0.012, 0.036)]
    ]
    halo = _stencil(random, blade, [(position, a * 1.9, b * 1.9, n) for position, a, b, n in ovals], 0.08)
    centre = _stencil(
        random, blade, [(position, a * 0.45, b * 0.45, n) for position, a, b, n in ovals if b > 0.022], 0.15
    )
    colour = _mix(colour, (0.86, 0.77, 0.22), random.uniform(0.4, 0.8) * _blur(halo, blade.size * 0.014))
    colour = _mix(colour, (0.4, 0.2, 0.09), 0.95 * _blur(_stencil(random, blade, ovals, 0.1), blade.size * 0.003))
    return _mix(colour, (0.68, 0.63, 0.55), 0.9 * _blur(centre, blade.size * 0.003))


DISEASES: dict[str, Callable[[Random, Blade, Plane], Plane]] = dict(
    zip(LABELS, (_healthy, _blight, _smut, _brown_spot), strict=True),
)

Spot = tuple[tuple[float, float], float, float, int]
"""Where (along, across), half length, half breadth, number of corners."""


def _positions(random: Random, blade: Blade, count: int) -> Iterator[tuple[float, float]]:
    last = min(blade.tip - 0.08, 0.6)
    for _ in range(count):
        yield float(random.uniform(-0.55, last)), float(random.uniform(-0.85, 0.85))


def _stencil(random: Random, blade: Blade, spots: list[Spot], ragged: float) -> Plane:
    # Twice the size and halved again: polygons have no smooth outline of their own.
    large = Image.new("L", (2 * blade.size, 2 * blade.size))
    pen = ImageDraw.Draw(large)
    for (along, across), length, breadth, corners in spots:
        turn = np.linspace(0, 2 * math.pi, corners, endpoint=False) + random.uniform(0, 6)
        radius = 1 + ragged * random.uniform(-1, 1, corners)
        points = blade.to_pixels(
            along + length * radius * np.cos(turn), across + breadth / blade.half * radius * np.sin(turn)
        )
        pen.polygon([(2 * x, 2 * y) for x, y in points], fill=255)
    return np.asarray(large.reduce(2), np.float32) / 255


def _photograph(random: Random, blade: Blade, colour: Plane) -> Image.Image:
    """Put the leaf on a lit background with its shadow, and take the picture: light, softness, grain."""
    size = blade.size
    paper = np.asarray(random.choice([(0.93, 0.9, 0.88), (0.86, 0.88, 0.92), (0.7, 0.68, 0.64), (0.55, 0.6, 0.58)]))
    ground = (paper + random.normal(0, 0.02, 3)) * (1 + 0.06 * (_clouds(random, size, 3) - 0.5))[..., None]
    down, right = (int(random.integers(least, 9)) * size // 256 for least in (2, 0))
    shadow = _blur(np.pad(blade.cover, ((down, 0), (right, 0)), mode="edge")[:size, :size], size * 0.015)
    ground = ground * (1 - random.uniform(0.15, 0.45) * shadow)[..., None]
    scene = _mix(ground.astype(np.float32), colour, blade.cover)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    light = random.uniform(0.85, 1.1) * (1 + random.uniform(-0.12, 0.12) * x + random.uniform(-0.12, 0.12) * y)
    scene = scene * light[..., None] + random.normal(0, random.uniform(0.004, 0.014), (size, size, 1))
    image = Image.fromarray((np.clip(scene, 0, 1) * 255).astype(np.uint8))
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0.3, 0.9) * size / 256))


def _mix(under: Plane, over: tuple[float, float, float] | Plane, share: Plane) -> Plane:
    return (under + (np.asarray(over, np.float32) - under) * share[..., None]).astype(np.float32)


def _blur(plane: Plane, radius: float) -> Plane:
    image = Image.fromarray((plane * 255).astype(np.uint8))
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32) / 255


def _clouds(random: Random, size: int, cells: int) -> Plane:
    """Return slow random change over the picture, 0 to 1."""
    coarse = Image.fromarray(random.integers(0, 256, (cells, cells), np.uint8))
    return np.asarray(coarse.resize((size, size), Image.Resampling.BICUBIC), np.float32) / 255


def _streaks(random: Random, blade: Blade, cells: int) -> Plane:
    """Return random change across the leaf that runs along its veins, -1 to 1."""
    knots = random.uniform(-1, 1, cells)
    return np.interp(blade.across, np.linspace(-1, 1, cells), knots).astype(np.float32)
