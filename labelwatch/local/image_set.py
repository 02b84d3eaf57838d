"""Images to train the local model on, and others to try it with."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from labelwatch.local import classifier, leaves
from labelwatch.local.classifier import Classifier
from labelwatch.shared.errors import UserError

TRAINED_PER_LABEL = 30
TRIED_PER_LABEL = 8
DRAWN_PER_LABEL = 40


class Collection(Struct, frozen=True):
    """Paths of images by label: those that the local model learns from, and those that it has not seen."""

    to_train: dict[str, list[Path]]
    to_try: dict[str, list[Path]]

    @property
    def count(self) -> int:
        """How many images there are to train on."""
        return sum(map(len, self.to_train.values()))

    def classifier(self, cache: Path, on_image: Callable[[], None]) -> Classifier:
        """The classifier trained on this, from the cache where the same images were learned before."""
        return classifier.train_cached(self.to_train, cache, on_image)


def checked(images: Path | None, workplace: Path) -> Path | None:
    """The folder of images as a full path; raises UserError where it is unfit, or would be emptied as the workplace."""
    if images is None:
        return None
    images = images.expanduser().resolve()
    if images.is_relative_to(workplace.resolve()):
        raise UserError(f"{images} lies in {workplace}, which is emptied at each start; copy the images elsewhere.")
    classifier.read_folder(images)
    return images


def collection(folder: Path | None, drawings: Path) -> Collection:
    """The images of `folder`, one sub-folder a label; without one, leaves drawn into `drawings`.

    Raises UserError where the folder is not fit for it.
    """
    if folder is None:
        folder = drawings
        leaves.draw_folder(folder, DRAWN_PER_LABEL)
    to_train, to_try = classifier.split(classifier.read_folder(folder), TRAINED_PER_LABEL, seed=0)
    return Collection(to_train, {label: paths[:TRIED_PER_LABEL] for label, paths in to_try.items()})
