"""The picture page, to which a link of an alert leads: as HTML and as JSON. A test alert has another page."""

import base64
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo
from functools import cache

import msgspec
from msgspec import Struct

from chalicelib.domain.boxes import drawn_boxes
from chalicelib.domain.colours import colour_numbers
from chalicelib.domain.images import file_name_of
from chalicelib.domain.predictions import BoundingBox
from chalicelib.domain.rows import Row
from chalicelib.domain.templates import load_template
from chalicelib.domain.text import printable, shortened
from chalicelib.domain.times import local_time

# So that no page has more than 30 kB, whatever it shows.
MAX_LABELS, MAX_OTHERS, MAX_BOXES = 20, 10, 100
LONGEST_NAME, LONGEST_MODEL = 50, 200


class SignedPicture(Struct, frozen=True):
    """The picture's address, with a signature until `expires_at` (UTC), and the type that its bytes have."""

    url: str
    content_type: str
    expires_at: datetime


class PageLabel(Struct, frozen=True):
    """A label with its confidence (0 to 100), its box if the model gives one, and whether it was worth an alert."""

    name: str
    confidence: float
    bounding_box: BoundingBox | None
    of_interest: bool


class PicturePage(Struct, frozen=True, kw_only=True):
    """What a link shows; `picture` is None where the object is gone. Times are UTC.

    `picture_path` is the address, relative to the page's, that redirects to the picture as long as the link works.
    `console` is the object's address in the S3 console, for people with access to the account.
    """

    image: str
    bucket: str
    source: str
    labels: tuple[PageLabel, ...]
    model: str
    uploaded_at: datetime
    detected_at: datetime
    picture: SignedPicture | None
    picture_path: str
    console: str
    expires_at: datetime


class AlertTestPage(Struct, frozen=True, kw_only=True):
    """What the link of a test alert shows, which has no picture."""

    test: bool = True
    source: str
    expires_at: datetime


type Page = PicturePage | AlertTestPage


class LabelText(Struct, frozen=True):
    """A label with its highest confidence, its boxes, and the number of its colour."""

    name: str
    confidence: float
    boxes: int
    colour: int


def labels_of(rows: Sequence[Row]) -> tuple[PageLabel, ...]:
    """The labels in these rows, those of interest first, and then the surest."""
    found = [
        PageLabel(row.label, min(100.0, row.confidence), row.bounding_box, row.of_interest)
        for row in rows
        if row.label is not None and row.confidence is not None
    ]
    return tuple(sorted(found, key=lambda label: (not label.of_interest, -label.confidence)))


def as_html(page: Page | None, zone: tzinfo, labels_of_interest: Sequence[str]) -> str:
    """The page for people; None is the page of a link that does not work, the same for every such link."""
    picture = page if isinstance(page, PicturePage) else None
    shown = _shown(picture, zone, labels_of_interest) if picture else {}
    is_test = isinstance(page, AlertTestPage)
    return load_template("picture.html").render(style=_style(), page=picture, is_test=is_test, **shown)


def content_security_policy(page: Page | None) -> str:
    """Allows the style sheet by its hash and the picture by its host, and nothing else."""
    digest = base64.b64encode(hashlib.sha256(_style().encode()).digest()).decode()
    picture = page.picture if isinstance(page, PicturePage) else None
    images = f"; img-src {_origin(picture.url)}" if picture else ""
    sources = f"default-src 'none'; style-src 'sha256-{digest}'{images}"
    return f"{sources}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def as_json(page: Page) -> bytes:
    """The page for programs."""
    return msgspec.json.encode(page)


def _shown(page: PicturePage, zone: tzinfo, labels_of_interest: Sequence[str]) -> dict[str, object]:
    of_interest = [label for label in page.labels if label.of_interest]
    colours = colour_numbers([label.name for label in of_interest], labels_of_interest)
    labels = [_label_text(name, of_interest, colours[name]) for name in colours]
    others = [f"{_name(label.name)} {label.confidence:.0f} %" for label in page.labels if not label.of_interest]
    return {
        "labels": labels[:MAX_LABELS],
        "more_labels": len(labels[MAX_LABELS:]),
        "others": others[:MAX_OTHERS],
        "more_others": len(others[MAX_OTHERS:]),
        "boxes": drawn_boxes(of_interest[:MAX_BOXES], colours),
        "source": _name(page.source),
        "file_name": _name(file_name_of(page.image)),
        "model": _name(page.model, LONGEST_MODEL),
        "uploaded": local_time(page.uploaded_at, zone),
        "uploaded_utc": local_time(page.uploaded_at, UTC),
        "detected": local_time(page.detected_at, zone),
        "expires": local_time(page.expires_at, zone),
    }


def _label_text(name: str, labels: Sequence[PageLabel], colour: int) -> LabelText:
    of_name = [label for label in labels if label.name == name]
    boxes = sum(label.bounding_box is not None for label in of_name)
    return LabelText(_name(name), of_name[0].confidence, boxes, colour)


def _name(text: str, longest: int = LONGEST_NAME) -> str:
    return shortened(printable(text), longest)


def _origin(url: str) -> str:
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{rest.partition('/')[0]}"


@cache
def _style() -> str:
    return load_template("picture.css").render()
