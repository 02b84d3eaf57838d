"""Bounding boxes as a page draws them over a picture (chalicelib/templates/boxes.html)."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from msgspec import Struct

from chalicelib.domain.predictions import BoundingBox
from chalicelib.domain.text import printable, shortened

LONGEST_CAPTION = 20
# More captions would cover the picture, and make a page of a hundred boxes large.
MAX_CAPTIONS = 20
# A caption above a box that is at the top would be cut off.
_TOP = 0.12
# Between these, letters that are written from right to left leave the number behind the name.
_ISOLATE, _END_OF_ISOLATE = "\u2068", "\u2069"


class BoxedLabel(Protocol):
    """A label with its confidence, 0 to 100, and its box, if there is one."""

    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def bounding_box(self) -> BoundingBox | None: ...  # noqa: D102


class DrawnBox(Struct, frozen=True):
    """One box in percent of the picture's width and height, the number of its colour, and its caption if it has one."""

    left: float
    top: float
    width: float
    height: float
    colour: int
    caption: str
    caption_inside: bool
    caption_from_right: bool

    @property
    def right(self) -> float:
        """Where the box ends, in percent."""
        return round(self.left + self.width, 1)


def drawn_boxes(labels: Sequence[BoxedLabel], colours: Mapping[str, int]) -> list[DrawnBox]:
    """The boxes of these labels, cut at the edges of the picture; `colours` has the number of each label's colour."""
    boxes = [(label, label.bounding_box) for label in labels if label.bounding_box]
    return [
        _drawn(label, box, colours[label.name], with_caption=number < MAX_CAPTIONS)
        for number, (label, box) in enumerate(boxes)
    ]


def _drawn(label: BoxedLabel, box: BoundingBox, colour: int, *, with_caption: bool) -> DrawnBox:
    left, top = _share(box.left), _share(box.top)
    right, bottom = _share(box.left + box.width), _share(box.top + box.height)
    name = f"{_ISOLATE}{shortened(printable(label.name), LONGEST_CAPTION)}{_END_OF_ISOLATE}"
    return DrawnBox(
        left=_percent(left), top=_percent(top), width=_percent(right - left), height=_percent(bottom - top),
        colour=colour, caption=f"{name} {label.confidence:.0f} %" if with_caption else "", caption_inside=top < _TOP,
        caption_from_right=right > 1 - left,
    )  # fmt: skip


def _share(position: float) -> float:
    return min(1.0, max(0.0, position))


def _percent(share: float) -> float:
    return round(share * 100, 1)
