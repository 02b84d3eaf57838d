"""The local model: learns labels from a folder of images, and knows when a picture is none of them."""

import hashlib
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
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

VERSION = 1
"""Raise by one with every change of what is learned: a cached classifier of another version is not used."""

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
FEWEST = 5
PENALTY = 0.3
# Of a hundred pictures one or two are always odd: their distance says nothing of where the others end, so the limit is
# drawn from the 95th percentile and given room, and not from the farthest.
PERCENTILE = 95
ROOM = 1.35
FAR = 8

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
        raise FolderError(f"{folder} is not a folder: name one with a sub-folder of images for each label")
    inside = sorted(place for place in folder.iterdir() if place.is_dir() and not place.name.startswith("."))
    images = {place.name: sorted(path for path in place.iterdir() if _is_image(path)) for place in inside}
    if len(images) < 2:
        found = f"only {inside[0].name}" if inside else "none"
        raise FolderError(f"{folder} must have a sub-folder of images for each of two labels or more, and has {found}")
    for label, paths in images.items():
        if not label.isprintable():
            message = (
                f"{folder} has a sub-folder {label!r}, which is no name for a label: use letters that can be shown"
            )
            raise FolderError(message)
        if len(paths) < FEWEST:
            raise FolderError(
                f"{folder / label} has {counted(len(paths), 'image')}: a label needs {FEWEST} or more (JPEG or PNG)"
            )
    return images


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()


class Gate:
    """Tells a picture like those learned from one that is not, by the distance to its nearest neighbour."""

    def __init__(self, vectors: Vector) -> None:
        """Learn the usual distance between neighbours from vectors: pictures x features."""
        # A picture that is there twice is its own neighbour, and would make every other look far away.
        distinct = np.unique(vectors, axis=0)
        # Beyond a point far is far: one odd number must not turn away a picture that is like the others in all else.
        held = FunctionTransformer(np.clip, kw_args={"a_min": -FAR, "a_max": FAR})
        self._scale = make_pipeline(StandardScaler(), held).fit(distinct)
        self._neighbours = NearestNeighbors(n_neighbors=1, metric="manhattan").fit(self._scale.transform(distinct))
        # Without an argument, no picture counts as its own neighbour: every one is tried as if it were new.
        usual, _ = self._neighbours.kneighbors() if len(distinct) > 1 else ([[0.0]], None)
        self._limit = ROOM * float(np.percentile(usual, PERCENTILE))

    def admits(self, vector: Vector) -> bool:
        """Say whether the picture is near enough to one that was learned from."""
        distance, _ = self._neighbours.kneighbors(self._scale.transform(vector[np.newaxis]))
        return bool(distance[0, 0] <= self._limit)


class Classifier:
    """Knows the labels it was trained on. Made by train; may be used by several threads at once."""

    labels: tuple[str, ...]

    def __init__(self, vectors: Mapping[str, Sequence[Vector]]) -> None:
        """Learn from the feature vectors of each label's images."""
        self.labels = tuple(sorted(vectors))
        pictures = np.asarray([vector for label in self.labels for vector in vectors[label]])
        truth = [label for label in self.labels for _ in vectors[label]]
        self._gate = Gate(pictures)
        self._model = make_pipeline(StandardScaler(), LogisticRegression(C=PENALTY, max_iter=2000)).fit(pictures, truth)

    def classify(self, image: Image.Image) -> list[tuple[str, float]]:
        """Return every label with its confidence (0 to 100; they add up to 100), the highest first.

        Returns nothing at all for a picture that is unlike those learned from. Raises OSError for a damaged image.
        """
        return self.classify_vector(features.features(image))

    def classify_vector(self, vector: Vector) -> list[tuple[str, float]]:
        """Do the same as classify for the feature vector of an image."""
        if not self._gate.admits(vector):
            return []
        shares = self._model.predict_proba(vector[np.newaxis])[0]
        return sorted(zip(self.labels, (100 * shares).tolist(), strict=True), key=lambda pair: -pair[1])


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
    known = _load(path)
    if known is not None:
        return known
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
    """Deal every label's images at random into those to train on and those to try.

    `each` of a label go to training, or 60 % where there are too few for that; one at least.
    """
    random = np.random.default_rng(seed)
    training: dict[str, list[T]] = {}
    trying: dict[str, list[T]] = {}
    for label, items in images.items():
        dealt = [items[index] for index in random.permutation(len(items))]
        count = max(1, min(each, len(items) * 6 // 10))
        training[label], trying[label] = dealt[:count], dealt[count:]
    return training, trying


@dataclass(frozen=True)
class Evaluation:
    """How good a classifier made from these images is on images that it has not seen."""

    accuracies: tuple[float, ...]
    """For each split, the share (0 to 1) of the images tried whose highest label was right; turned away is wrong."""
    turned_away: float
    """The share (0 to 1) of all images tried that were wrongly taken for something else."""
    trained: int
    """Images trained on, in each split."""
    tried: int
    """Images tried, in each split."""

    @property
    def mean(self) -> float:
        """The mean accuracy, 0 to 1."""
        return statistics.fmean(self.accuracies)

    @property
    def spread(self) -> float:
        """The standard deviation of the accuracies; 0 for one split."""
        return statistics.pstdev(self.accuracies)


def evaluate(
    images: Mapping[str, Sequence[Path]],
    splits: int = 5,
    each: int = 30,
    on_split: Callable[[], None] = _nothing,
    on_image: Callable[[], None] = _nothing,
) -> Evaluation:
    """Train and try on several random splits; on_split is called after each, on_image once for each image read.

    Raises FolderError as train does.
    """
    vectors = _read(images, on_image)
    accuracies, away, tried, trained = [], 0, 0, 0
    for seed in range(splits):
        training, trying = split(vectors, each, seed)
        classifier = Classifier(training)
        answers = [(label, classifier.classify_vector(vector)) for label in trying for vector in trying[label]]
        accuracies.append(statistics.fmean(bool(found) and found[0][0] == label for label, found in answers))
        away += sum(not found for _, found in answers)
        trained, tried = sum(map(len, training.values())), len(answers)
        on_split()
    return Evaluation(tuple(accuracies), away / (splits * tried), trained, tried)


def _read(images: Mapping[str, Sequence[Path]], on_image: Callable[[], None]) -> dict[str, list[Vector]]:
    if len(images) < 2 or min(map(len, images.values())) < 2:
        raise FolderError("there must be two labels or more, with two images or more for each")
    return {label: list(_vectors(paths, on_image)) for label, paths in images.items()}


def _vectors(paths: Sequence[Path], on_image: Callable[[], None]) -> Iterator[Vector]:
    for path in paths:
        try:
            with Image.open(path) as image:
                yield features.features(image)
        except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
            raise FolderError(f"{path} cannot be read as an image: mend it or take it out of the folder") from error
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
        known = joblib.load(path)
    except Exception:  # noqa: BLE001 - a damaged pickle raises nearly anything, and training again always helps
        return None
    return known if isinstance(known, Classifier) else None
