"""The local model's classifier: learns labels from a folder of images, and gives none to a picture unlike them."""

import hashlib
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import joblib
import numpy as np
import sklearn
from numpy.typing import NDArray
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from labelwatch.local import features
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted

VERSION = 2
"""Raise by one with every change of what is learned: a cached classifier of another version is not used."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MIN_IMAGES_PER_LABEL = 5
PENALTY = 0.3
# One or two of a hundred pictures are outliers. So the limit is the 95th percentile of the distances between
# neighbours, with a margin, and not the greatest distance.
PERCENTILE = 95
MARGIN = 1.35
MAX_DEVIATION = 8

Vector = NDArray[np.float64]


class FolderError(UserError):
    """Raised when a folder cannot be learned from. The message is one sentence for the person who chose the folder."""


def _nothing() -> None:
    pass


def read_folder(folder: Path) -> dict[str, list[Path]]:
    """Return the sorted image paths for each label: a sub-folder's name is the label of the images in it.

    This is the layout that Custom Labels itself takes labels from. Raises FolderError when there is no such folder,
    when it has fewer than two sub-folders, or when one of them has fewer than five images.
    """
    if not folder.is_dir():
        raise FolderError(f"{folder} is not a folder. Pass a folder that has a sub-folder of images per label.")
    label_folders = sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
    images = {path.name: sorted(filter(_is_image, path.iterdir())) for path in label_folders}
    if len(images) < 2:
        found = f"only the sub-folder {label_folders[0].name}" if label_folders else "no sub-folder"
        raise FolderError(f"{folder} has {found}. Add a sub-folder of images for each label: at least two.")
    for label, paths in images.items():
        if not label.isprintable():
            raise FolderError(f"The sub-folder {label!r} in {folder} cannot be a label. Use printable characters.")
        if len(paths) < MIN_IMAGES_PER_LABEL:
            found = f"{folder / label} has {counted(len(paths), 'image')} (JPEG or PNG)"
            raise FolderError(f"{found}. A label needs at least {MIN_IMAGES_PER_LABEL}. Add images.")
    return images


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


class NoveltyDetector:
    """Separates known kinds of pictures from unknown ones, by the distance to the nearest picture learned from."""

    def __init__(self, vectors: Vector) -> None:
        """Learn the usual distance between neighbours from the feature vectors, one row a picture."""
        # A duplicate has a neighbour at distance 0, which would bring the limit down for all others.
        distinct = np.unique(vectors, axis=0)
        # Clipped, so that one unusual feature cannot reject a picture whose other features are usual.
        clip = FunctionTransformer(np.clip, kw_args={"a_min": -MAX_DEVIATION, "a_max": MAX_DEVIATION})
        self._scale = make_pipeline(StandardScaler(), clip).fit(distinct)
        self._neighbours = NearestNeighbors(n_neighbors=1, metric="manhattan").fit(self._scale.transform(distinct))
        # Without an argument, kneighbors() does not count a picture as its own neighbour.
        distances, _ = self._neighbours.kneighbors() if len(distinct) > 1 else ([[0.0]], None)
        self._limit = MARGIN * float(np.percentile(distances, PERCENTILE))

    def is_known(self, vector: Vector) -> bool:
        """Return whether the picture is near enough to one that was learned from."""
        distance, _ = self._neighbours.kneighbors(self._scale.transform(vector[np.newaxis]))
        return bool(distance[0, 0] <= self._limit)


class Classifier:
    """Predicts the labels that it was trained on. Made by train; may be used by several threads at once."""

    labels: tuple[str, ...]

    def __init__(self, vectors: Mapping[str, Sequence[Vector]]) -> None:
        """Learn from the feature vectors of each label's images."""
        self.labels = tuple(sorted(vectors))
        pictures = np.asarray([vector for label in self.labels for vector in vectors[label]])
        truth = [label for label in self.labels for _ in vectors[label]]
        self._novelty = NoveltyDetector(pictures)
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000)).fit(pictures, truth)

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        """Return every label with its confidence (0 to 100; they add up to 100), the highest first.

        Returns an empty list for a picture unlike those learned from. Raises OSError for a damaged image.
        """
        return self.classify_vector(features.features(image))

    def classify_vector(self, vector: Vector) -> list[tuple[str, float]]:
        """Do the same as classify for the feature vector of an image."""
        if not self._novelty.is_known(vector):
            return []
        probabilities = self._model.predict_proba(vector[np.newaxis])[0]
        return sorted(zip(self.labels, (100 * probabilities).tolist(), strict=True), key=lambda pair: -pair[1])


def train(images: Mapping[str, Sequence[Path]], on_image: Callable[[], None] = _nothing) -> Classifier:
    """Learn from the images of each label; on_image is called once for each image read.

    Raises FolderError when an image cannot be read, and when there are not two labels with two images each.
    """
    return Classifier(_read(images, on_image))


def train_cached(
    images: Mapping[str, Sequence[Path]],
    cache: Path,
    on_image: Callable[[], None] = _nothing,
) -> Classifier:
    """Do the same as train, but only once for the same images: later calls load the result from the folder `cache`.

    on_image is not called when the result is loaded. The folder must be the user's own, as loading runs what is in it.
    """
    path = cache / f"classifier-{_fingerprint(images)}.joblib"
    cached = _load(path)
    if cached is not None:
        return cached
    classifier = train(images, on_image)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=cache, suffix=".part", delete=False) as part:
        joblib.dump(classifier, part)
    Path(part.name).replace(path)
    return classifier


def split[T](
    images: Mapping[str, Sequence[T]],
    each: int,
    seed: int,
) -> tuple[dict[str, list[T]], dict[str, list[T]]]:
    """Split every label's images at random into a training set and a test set.

    `each` of a label go to the training set, or 60 % where there are fewer images; one at least.
    """
    random = np.random.default_rng(seed)
    training: dict[str, list[T]] = {}
    test: dict[str, list[T]] = {}
    for label, items in images.items():
        shuffled = [items[index] for index in random.permutation(len(items))]
        count = max(1, min(each, len(items) * 6 // 10))
        training[label], test[label] = shuffled[:count], shuffled[count:]
    return training, test


def _read(images: Mapping[str, Sequence[Path]], on_image: Callable[[], None]) -> dict[str, list[Vector]]:
    if len(images) < 2 or min(map(len, images.values())) < 2:
        raise FolderError("Training needs at least two labels with at least two images each.")
    return {label: list(_vectors(paths, on_image)) for label, paths in images.items()}


def _vectors(paths: Sequence[Path], on_image: Callable[[], None]) -> Iterator[Vector]:
    for path in paths:
        try:
            with Image.open(path) as image:
                yield features.features(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FolderError(f"{path} cannot be read as an image. Repair or remove the file.") from error
        on_image()


def _fingerprint(images: Mapping[str, Sequence[Path]]) -> str:
    parts = [features.VERSION, VERSION, sklearn.__version__]
    parts += [(label, sorted(_digest(path) for path in images[label])) for label in sorted(images)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _load(path: Path) -> Classifier | None:
    try:
        cached = joblib.load(path)
    except Exception:  # noqa: BLE001 - a damaged pickle raises nearly anything, and training again always helps
        return None
    return cached if isinstance(cached, Classifier) else None
