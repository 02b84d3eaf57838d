"""The alert: its text and subject for people, its attributes for programs and subscription filters.

chalicelib/templates/alert.txt has the words. Limits: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json
import textwrap
from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from functools import partial
from typing import NamedTuple
from urllib.parse import quote

from msgspec import Struct, structs

from chalicelib.domain.links import LINK_LIFETIME
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import row_key
from chalicelib.domain.templates import load_template
from chalicelib.domain.text import in_ascii, linkless, shortened
from chalicelib.domain.times import local_time

LONGEST_SUBJECT = 99
# SNS takes 262,144 bytes, attributes and all; the rest is for the envelope that subscribers get.
MAX_BYTES = 240_000
MAX_BYTES_OF_A_LIST = 30_000
# RFC 5322 allows 998 bytes in a line, and mail servers break a longer one, with any link in it.
MAX_BYTES_OF_A_LINE = 998
# A longer line is folded to so many characters, of at most 4 bytes each.
FOLDED_LINE = 240
MAX_LABELS_IN_A_LINE = 5
# The limit of a Custom Labels model: https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_LABELS = 250
LONGEST_NAME = 100
# The greatest length of names in a subject, and how many labels it has.
SHORTER_AND_SHORTER = [(60, MAX_LABELS_IN_A_LINE), *((30, labels) for labels in range(MAX_LABELS_IN_A_LINE, 0, -1))]
LONGEST_OBJECT = 240


class Alert(Struct, frozen=True):
    """One message to the topic; `attributes` are SNS message attributes by name."""

    subject: str
    text: str
    attributes: dict[str, str | float | list[str]]


class Attribute(NamedTuple):
    """A message attribute: its type in SNS, and what it means to programs and filter policies."""

    type: str
    meaning: str


ATTRIBUTES = {
    "source": Attribute("String", "Sender of the images: client of the upload token, else first folder, else bucket."),
    "labels": Attribute("String.Array", "Names of the labels of interest."),
    "confidence": Attribute("Number", "Highest confidence of these labels, 0 to 100."),
    "bucket": Attribute("String", "Bucket of the images. An alert on images of two buckets has a String.Array."),
    "images": Attribute("String.Array", "Percent-encoded keys of the images, as many as fit."),
    "predictions": Attribute(
        "String.Array", "Keys of the objects with the rows of all predictions, in the output bucket."
    ),
    "test": Attribute("String", "`yes` in a test alert, whose image and rows do not exist. Other alerts lack it."),
}


class Finding(Struct, frozen=True):
    """A prediction that is worth an alert, and its labels of interest, the surest first."""

    prediction: Prediction
    labels: tuple[Label, ...]


class LabelText(Struct, frozen=True):
    """A label: its highest confidence (0 to 100), and how many boxes and pictures have it."""

    name: str
    confidence: int
    boxes: int
    pictures: int


class PictureText(Struct, frozen=True):
    """One picture; `link` is None where it has no page, and `object` is its bucket and key."""

    labels: Sequence[LabelText]
    more_labels: int
    file_name: str
    time: str
    link: str | None
    object: str


class AlertText(Struct, frozen=True):
    """What chalicelib/templates/alert.txt reads. No name in it is read as a link by a mail program.

    `labels` are the first few labels, and `more_labels` counts the others; `all_labels` is empty where these are all.
    `more_pictures` counts the pictures that did not fit. `test` is whether `labelwatch alert test` made the alert.
    """

    test: bool
    count: int
    source: str
    labels: Sequence[LabelText]
    more_labels: int
    all_labels: Sequence[LabelText]
    pictures: Sequence[PictureText]
    more_pictures: int
    link_days: int = LINK_LIFETIME.days


def compose_alert(findings: Sequence[Finding], links: Mapping[str, str], zone: tzinfo) -> Alert:
    """One alert of all findings, at least one, of one source, all tests or none; it stays under the limits of SNS.

    `links` are the addresses of picture pages by prediction id; times are written in this zone.
    """
    surest_first = sorted(findings, key=lambda finding: -finding.labels[0].confidence)
    attributes = _attributes(surest_first)
    return Alert(
        subject=_subject(surest_first),
        text=_text(surest_first, links, zone, MAX_BYTES - len(json.dumps(attributes))),
        attributes=attributes,
    )


def _subject(findings: Sequence[Finding]) -> str:
    """Under 100 printable ASCII characters, and no space first: SNS takes no other subject."""
    subject = ""
    for longest, most_labels in SHORTER_AND_SHORTER:
        name_of = partial(_name_in_a_subject, longest=longest)
        headline = _rendered("headline", _headline_text(findings, name_of, most_labels))
        subject = in_ascii(headline).strip()
        if len(subject) <= LONGEST_SUBJECT:
            break
    return shortened(subject, LONGEST_SUBJECT)


def _text(findings: Sequence[Finding], links: Mapping[str, str], zone: tzinfo, max_bytes: int) -> str:
    """All pictures, or as many as fit, in lines that no mail server breaks."""
    headline = _headline_text(findings, _name, MAX_LABELS_IN_A_LINE)
    pictures = [_picture_text(finding, links, zone) for finding in findings]
    while True:
        omitted = len(findings) - len(pictures)
        text = _rendered("text", structs.replace(headline, pictures=pictures, more_pictures=omitted))
        folded = "".join(f"{line}\n" for long in text.splitlines() for line in _folded(long))
        if len(folded.encode()) <= max_bytes or not pictures:
            return folded
        pictures = pictures[: len(pictures) * 3 // 4]


def _rendered(macro: str, alert: AlertText) -> str:
    return str(getattr(load_template("alert.txt").module, macro)(alert))


def _folded(line: str) -> list[str]:
    if len(line.encode()) <= MAX_BYTES_OF_A_LINE:
        return [line]
    return textwrap.wrap(line, FOLDED_LINE, break_on_hyphens=False)


def _headline_text(findings: Sequence[Finding], name_of: Callable[[str], str], most_labels: int) -> AlertText:
    labels = _label_texts(findings, name_of)
    prediction = findings[0].prediction
    return AlertText(
        test=prediction.test,
        count=len(findings),
        source=name_of(prediction.image.source),
        labels=labels[:most_labels],
        more_labels=len(labels[most_labels:]),
        all_labels=labels[:MAX_LABELS] if len(labels) > most_labels else [],
        pictures=[],
        more_pictures=0,
    )


def _label_texts(findings: Sequence[Finding], name_of: Callable[[str], str]) -> list[LabelText]:
    """Each label once, those of most pictures first and then the surest."""
    found: dict[str, list[list[float]]] = {}
    for finding in findings:
        of_picture: dict[str, list[float]] = {}
        for label in finding.labels:
            of_picture.setdefault(label.name, []).append(label.confidence)
        for name, confidences in of_picture.items():
            found.setdefault(name, []).append(confidences)
    texts = [
        LabelText(name_of(name), _percent(max(map(max, pictures))), sum(map(len, pictures)), len(pictures))
        for name, pictures in found.items()
    ]
    return sorted(texts, key=lambda label: (-label.pictures, -label.confidence))


def _picture_text(finding: Finding, links: Mapping[str, str], zone: tzinfo) -> PictureText:
    image = finding.prediction.image
    labels = _label_texts([finding], _name)
    return PictureText(
        labels=labels[:MAX_LABELS_IN_A_LINE],
        more_labels=len(labels[MAX_LABELS_IN_A_LINE:]),
        file_name=_name(image.file_name),
        time=local_time(image.uploaded_at, zone),
        link=links.get(finding.prediction.id),
        object=shortened(linkless(f"{image.bucket}/{image.key}"), LONGEST_OBJECT),
    )


def _percent(confidence: float) -> int:
    # A forged message may have a higher confidence than any model's.
    return round(min(100.0, confidence))


def _name(text: str) -> str:
    return shortened(linkless(text), LONGEST_NAME)


def _name_in_a_subject(text: str, longest: int) -> str:
    # ASCII first: it turns some characters into full stops.
    return shortened(linkless(in_ascii(text)), longest)


def _attributes(findings: Sequence[Finding]) -> dict[str, str | float | list[str]]:
    images = [finding.prediction.image for finding in findings]
    buckets = sorted({image.bucket for image in images})
    return {
        "source": images[0].source,
        "labels": _fitting(sorted({label.name for finding in findings for label in finding.labels})),
        # SNS would refuse the alert of all findings for a forged confidence.
        "confidence": min(100, max(label.confidence for finding in findings for label in finding.labels)),
        # A filter policy matches both forms alike; only a stack with an existing bucket has two.
        "bucket": buckets[0] if len(buckets) == 1 else buckets,
        "images": _fitting([quote(image.key) for image in images]),
        "predictions": [row_key(finding.prediction) for finding in findings],
        **({"test": "yes"} if findings[0].prediction.test else {}),
    }


def _fitting(values: Sequence[str]) -> list[str]:
    """As many of the values as fit into one attribute: a hundred long keys alone would be more than SNS takes."""
    fitting: list[str] = []
    bytes_left = MAX_BYTES_OF_A_LIST
    for value in values:
        size = len(json.dumps(value)) + 2
        if size <= bytes_left:  # a value that is too long leaves the others in
            fitting.append(value)
            bytes_left -= size
    return fitting
