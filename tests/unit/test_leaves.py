"""The drawn leaves: repeatable, varied, and with the disease of their label."""

import numpy as np
import pytest
from PIL import Image
from skimage.color import rgb2lab

from labelwatch.local.leaves import LABELS, draw

SEEDS = range(6)


def share(image: Image.Image, darkest: float, lightest: float, reddest: float, yellowest: float) -> float:
    """Return the share of pixels within a range of lightness and at least so red and so yellow (CIE Lab)."""
    light, red, yellow = np.moveaxis(rgb2lab(np.asarray(image)), -1, 0)
    return float(np.mean((light >= darkest) & (light <= lightest) & (red >= reddest) & (yellow >= yellowest)))


def brown(image: Image.Image) -> float:
    return share(image, 10, 55, 8, 8)


def straw(image: Image.Image) -> float:
    return share(image, 55, 95, 0, 16)


def black(image: Image.Image) -> float:
    return share(image, 0, 25, -8, -20)


def mean_share(kind: object, label: str) -> float:
    assert callable(kind)
    return float(np.mean([kind(draw(label, seed)) for seed in SEEDS]))


@pytest.mark.parametrize("label", LABELS)
def test_the_same_label_and_seed_draw_the_same_picture(label: str) -> None:
    assert draw(label, 7).tobytes() == draw(label, 7).tobytes()


@pytest.mark.parametrize("label", LABELS)
def test_another_seed_draws_another_picture(label: str) -> None:
    assert len({draw(label, seed).tobytes() for seed in SEEDS}) == len(SEEDS)


def test_labels_of_the_same_seed_draw_leaves_in_different_positions() -> None:
    assert len({draw(label, 0).tobytes() for label in LABELS}) == len(LABELS)


@pytest.mark.parametrize("size", [64, 256, 300])
def test_a_picture_is_rgb_and_has_the_requested_size(size: int) -> None:
    image = draw("brown-spot", 1, size)
    assert (image.mode, image.size) == ("RGB", (size, size))


def test_an_unknown_label_is_refused_and_the_known_ones_are_named() -> None:
    with pytest.raises(ValueError, match=r"'rust'.*healthy, bacterial-leaf-blight, leaf-smut, brown-spot"):
        draw("rust", 0)


@pytest.mark.parametrize(
    ("kind", "label", "least"),
    [(straw, "bacterial-leaf-blight", 0.03), (black, "leaf-smut", 0.003), (brown, "brown-spot", 0.008)],
)
def test_a_disease_shows_in_its_own_colour_and_a_healthy_leaf_does_not(kind: object, label: str, least: float) -> None:
    assert mean_share(kind, label) > least
    assert mean_share(kind, "healthy") < least / 4


@pytest.mark.parametrize("label", LABELS)
def test_every_picture_shows_much_green_or_diseased_leaf_and_some_background(label: str) -> None:
    for seed in SEEDS:
        coloured = np.hypot(*np.moveaxis(rgb2lab(np.asarray(draw(label, seed))), -1, 0)[1:]) > 20
        assert 0.08 < coloured.mean() < 0.95
