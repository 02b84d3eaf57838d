"""Images to train the local model on, and others to upload."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from labelwatch.local import classifier, leaves
from labelwatch.local.classifier import Classifier
from labelwatch.shared.errors import UserError

TRAINING_PER_LABEL = 30
TEST_PER_LABEL = 8
DRAWN_PER_LABEL = 40


class ImageSet(Struct, frozen=True):
    """Paths of images by label: those that the local model learns from, and others."""

    training: dict[str, list[Path]]
    test: dict[str, list[Path]]

    @property
    def training_count(self) -> int:
        """How many images the local model learns from."""
        return sum(map(len, self.training.values()))

    def classifier(self, cache: Path, on_image: Callable[[], None]) -> Classifier:
        """The classifier trained on these images; from the cache if there is one for the same images."""
        return classifier.train_cached(self.training, cache, on_image)


def validated(images: Path | None, workspace: Path) -> Path | None:
    """The folder of images as a full path; raises UserError where it is unfit, or inside the emptied workspace."""
    if images is None:
        return None
    images = images.expanduser().resolve()
    if images.is_relative_to(workspace.resolve()):
        raise UserError(f"{images} lies in {workspace}, which is emptied at each start; copy the images elsewhere.")
    classifier.read_folder(images)
    return images


def load(folder: Path | None, drawings: Path) -> ImageSet:
    """The images of `folder`, one sub-folder a label; without one, leaves drawn into `drawings`.

    Raises UserError where images of the folder cannot be used.
    """
    if folder is None:
        folder = drawings
        leaves.draw_folder(folder, DRAWN_PER_LABEL)
    training, test = classifier.split(classifier.read_folder(folder), TRAINING_PER_LABEL, seed=0)
    return ImageSet(training, {label: paths[:TEST_PER_LABEL] for label, paths in test.items()})
