"""Images to train the local model on, and others to upload."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from labelwatch.local import classifier, leaves
from labelwatch.local.classifier import Classifier
from labelwatch.shared.errors import UserError
from labelwatch.shared.text import counted

TRAINING_PER_LABEL = 30
UPLOADS_PER_LABEL = 20
DRAWN_PER_LABEL = 40
# As unevenly as diseases come, for charts that show something.
UPLOADS_OF_DRAWN = {"healthy": 14, "bacterial-leaf-blight": 9, "brown-spot": 6, "leaf-smut": 3}


class ImageSet(Struct, frozen=True):
    """Paths of images by label: those that train the local model, those to upload, and the number left out."""

    training: dict[str, list[Path]]
    uploads: dict[str, list[Path]]
    unused: int

    @property
    def training_count(self) -> int:
        """How many images train the local model."""
        return sum(map(len, self.training.values()))

    @property
    def upload_count(self) -> int:
        """How many images are uploaded."""
        return sum(map(len, self.uploads.values()))

    @property
    def summary(self) -> str:
        """How many images the demo uses for what."""
        learned = f"The local model is trained on {counted(self.training_count, 'image')}."
        uploaded = f"{learned} The demo uploads {counted(self.upload_count, 'other image')}."
        if not self.unused:
            return uploaded
        limits = f"per label, at most {TRAINING_PER_LABEL} are learned and {UPLOADS_PER_LABEL} uploaded"
        return f"{uploaded} It leaves out {self.unused:,}: {limits}."

    def classifier(self, cache: Path, on_image: Callable[[], None]) -> Classifier:
        """The classifier trained on these images; from the cache if there is one for the same images."""
        return classifier.train_cached(self.training, cache, on_image)


def validated(images: Path | None, workspace: Path) -> Path | None:
    """The folder of images as a full path; raises UserError where it is unfit, or inside the emptied workspace."""
    if images is None:
        return None
    images = images.expanduser().resolve()
    if images.is_relative_to(workspace.resolve()):
        raise UserError(f"{images} is inside {workspace}, which each start empties. Copy the images to another folder.")
    classifier.read_folder(images)
    return images


def load(folder: Path | None, drawings: Path) -> ImageSet:
    """The images of `folder`, one sub-folder a label; without one, leaves drawn into `drawings`.

    Raises UserError where images of the folder cannot be used.
    """
    if folder:
        return choose(classifier.read_folder(folder))
    leaves.draw_folder(drawings, DRAWN_PER_LABEL)
    chosen = choose(classifier.read_folder(drawings))
    uploads = {label: chosen.uploads[label][:count] for label, count in UPLOADS_OF_DRAWN.items()}
    return ImageSet(chosen.training, uploads, unused=0)


def choose(images: dict[str, list[Path]]) -> ImageSet:
    """At most 30 images of a label to learn from, and at most 20 others to upload."""
    training, rest = classifier.split(images, TRAINING_PER_LABEL, seed=0)
    uploads = {label: paths[:UPLOADS_PER_LABEL] for label, paths in rest.items()}
    unused = sum(len(rest[label]) - len(uploads[label]) for label in rest)
    return ImageSet(training, uploads, unused)
