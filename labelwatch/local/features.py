"""Turn an image into numbers: the colour, the texture and the spots of what stands before the background."""

# mypy: allow-untyped-calls
# scikit-image says that it is typed, and is so only in part.

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from skimage.color import rgb2lab
from skimage.feature import local_binary_pattern
from skimage.filters import gaussian, threshold_otsu
from skimage.measure import label as connected
from skimage.measure import regionprops_table

VERSION = 2
"""Raise by one with every change of the numbers: a cached classifier of another version is not used."""

SIDE = 128
PERCENTILES = (2, 10, 25, 50, 75, 90, 98)
BLUR_SIGMAS = (1.0, 2.0, 4.0, 8.0)
EDGES = {"L": (0, 15, 30, 45, 60, 75, 90, 101), "chroma": (0, 8, 16, 24, 32, 40, 50, 200)}
HUE_BINS = 18
SMALLEST_SPOT = 4
LARGEST_SPOTS = 5
DIRECTIONS = 6

Plane = NDArray[np.float64]
Mask = NDArray[np.bool_]


def features(image: Image.Image) -> Plane:
    """Return the feature vector of an image: one dimension, always of the same length, finite numbers only.

    Turned as its EXIF orientation says, read as RGB, and brought to 128 pixels on its longer side, so that neither
    the format nor the resolution counts.
    """
    lab = rgb2lab(_pixels(image))
    chroma = np.hypot(lab[..., 1], lab[..., 2])
    leaf = _foreground(chroma)
    return np.concatenate(
        [
            _colour(lab, leaf),
            _histograms(lab, chroma, leaf),
            _texture(lab, leaf),
            _bands(lab, leaf),
            _spots(lab, leaf),
            _grain(lab[..., 0]),
        ],
    )


def _pixels(image: Image.Image) -> NDArray[np.uint8]:
    upright = ImageOps.exif_transpose(image).convert("RGB")
    scale = SIDE / max(upright.size)
    width, height = (max(16, round(length * scale)) for length in upright.size)
    return np.asarray(upright.resize((width, height), Image.Resampling.BOX if scale < 1 else Image.Resampling.BICUBIC))


def _foreground(chroma: Plane) -> Mask:
    """Tell the coloured from the pale: Otsu's threshold, held in bounds for pictures that are all leaf or none."""
    smooth = gaussian(chroma, 1)
    mask: Mask = smooth > np.clip(threshold_otsu(smooth), 8, 20)
    return mask if mask.mean() > 0.02 else np.ones_like(mask)


def _colour(lab: Plane, leaf: Mask) -> Plane:
    # Nothing of what lies around the leaf: the table that it was photographed on must not tell the disease.
    inside = lab[leaf]
    return np.concatenate([np.percentile(inside, PERCENTILES, axis=0).ravel(), inside.mean(axis=0), inside.std(axis=0)])


def _histograms(lab: Plane, chroma: Plane, leaf: Mask) -> Plane:
    hue = np.arctan2(lab[..., 2], lab[..., 1])[leaf]
    light = np.histogram(lab[..., 0][leaf], EDGES["L"])[0]
    strength = np.histogram(chroma[leaf], EDGES["chroma"])[0]
    hues = np.histogram(hue, HUE_BINS, (-np.pi, np.pi), weights=chroma[leaf])[0]
    # Square roots, as the shares of small lesions matter as much as the leaf's own colour.
    return np.concatenate([np.sqrt(part / max(part.sum(), 1e-9)) for part in (light, strength, hues)])


def _texture(lab: Plane, leaf: Mask) -> Plane:
    parts = []
    for channel, radius in ((0, 1), (0, 3), (1, 2)):
        plane = np.round(lab[..., channel] * 2).astype(np.int16)
        codes = local_binary_pattern(plane, 8, radius, "uniform")[leaf]
        parts.append(np.sqrt(np.bincount(codes.astype(np.intp), minlength=10) / len(codes)))
    return np.concatenate(parts)


def _bands(lab: Plane, leaf: Mask) -> Plane:
    """Measure how much happens at each scale: spread and skew of the differences of blurred planes."""
    fine = np.where(leaf[..., None], lab, np.median(lab[leaf], axis=0)).astype(np.float32)
    parts = []
    for sigma in BLUR_SIGMAS:
        coarse = gaussian(fine, sigma, channel_axis=-1)
        band = (fine - coarse)[leaf]
        band = band - band.mean(axis=0)
        spread = band.std(axis=0)
        parts += [np.log1p(spread), np.cbrt((band * band * band).mean(axis=0)) / (spread + 0.5)]
        fine = coarse
    return np.concatenate(parts)


def _spots(lab: Plane, leaf: Mask) -> Plane:
    """Describe what differs from the leaf's own colour: redder, paler, darker and greyer patches."""
    planes = gaussian(lab, 0.7, channel_axis=-1) - np.median(lab[leaf], axis=0)
    light, red, yellow = np.moveaxis(planes, -1, 0)
    patches = (red > 6, red > 14, light > 10, light < -12, yellow < -12)
    return np.concatenate([_patch(patch & leaf, leaf, planes) for patch in patches])


def _patch(patch: Mask, leaf: Mask, planes: Plane) -> Plane:
    """Return number, share, sizes, filling, stretch and mean colour of the spots that make up one patch."""
    spots = connected(patch, connectivity=2)
    area = np.bincount(spots.ravel())[1:]
    kept = area >= SMALLEST_SPOT
    if not kept.any():
        return np.zeros(9)
    # The shape of a spot is slow to measure: the largest few stand for all, or noise would take seconds.
    order = np.argsort(area, kind="stable")[::-1][:LARGEST_SPOTS]
    rank = np.zeros(len(area) + 1, np.intp)
    rank[order + 1] = np.arange(1, len(order) + 1)
    shape = regionprops_table(rank[spots], properties=("area", "extent", "axis_major_length", "axis_minor_length"))
    stretch = np.log((shape["axis_major_length"] + 1) / (shape["axis_minor_length"] + 1))
    whole = leaf.sum()
    return np.asarray(
        [
            np.log1p(kept.sum()),
            np.sqrt(area.sum() / whole),
            np.sqrt(area.max() / whole),
            np.log(np.median(area[kept])),
            np.average(shape["extent"], weights=shape["area"]),
            np.average(stretch, weights=shape["area"]),
            *planes[patch].mean(axis=0) / 20,
        ],
    )


def _grain(light: Plane) -> Plane:
    """Measure how far the edges run one way, as veins do: shares of direction around the main one, fine and coarse."""
    parts = []
    for sigma in (1.0, 3.0):
        vertical, horizontal = np.gradient(gaussian(light, sigma))
        strength = np.hypot(vertical, horizontal)
        double = 2 * np.arctan2(vertical, horizontal)
        main = np.angle(np.sum(strength * np.exp(1j * double)))
        turned = np.abs(np.angle(np.exp(1j * (double - main))))
        shares = np.histogram(turned, DIRECTIONS, (0, np.pi), weights=strength)[0]
        parts.append(np.sqrt(shares / max(strength.sum(), 1e-9)))
    return np.concatenate(parts)
