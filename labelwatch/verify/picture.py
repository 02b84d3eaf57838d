"""The image that is uploaded: a drawing of a leaf, or a file of the person who verifies."""

from pathlib import Path
from typing import NamedTuple

from chalicelib.domain.images import MAX_IMAGE_BYTES
from chalicelib.domain.uploads import CONTENT_TYPES
from labelwatch.shared.errors import UserError

# Drawn by labelwatch/local/leaves.py: draw("healthy", 16, 512).
DRAWING = Path(__file__).with_name("leaf.jpg")
# The alert names the file: the name says that the alert is a test.
_STEM = "this-is-a-test"


class Picture(NamedTuple):
    """The image, and the name under which it is uploaded."""

    name: str
    content: bytes

    @property
    def content_type(self) -> str:
        """The content type that belongs to the name."""
        return CONTENT_TYPES[Path(self.name).suffix]


def read_picture(file: Path | None) -> Picture:
    """The image in this file, or the drawing; raises UserError where the file cannot be uploaded."""
    file = file or DRAWING
    ending = file.suffix.lower()
    if ending not in CONTENT_TYPES:
        raise UserError(f"--image '{file}' is not an image. Use a file that ends in {', '.join(CONTENT_TYPES)}.")
    content = file.read_bytes()
    if not 0 < len(content) <= MAX_IMAGE_BYTES:
        raise UserError(f"--image '{file}' has {len(content):,} bytes. Use an image of 1 byte to 15 MB.")
    return Picture(f"{_STEM}{ending}", content)
