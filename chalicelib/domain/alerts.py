"""The alert's text, subject and attributes.

The text is for people, and its first line says it all; the attributes are for programs and subscription filters.

Limits: https://docs.aws.amazon.com/sns/latest/api/API_Publish.html
"""

import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import quote

from msgspec import Struct

from chalicelib.domain.images import ImageReference
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import row_key
from chalicelib.domain.text import printable


class Picture(Struct, frozen=True):
    """Where people see an image: a link for anybody (None where links are turned off), its address in the console."""

    link: str | None
    link_hours: int
    console: str


class Alert(Struct, frozen=True):
    """One message to the topic; `attributes` are SNS message attributes by name."""

    subject: str
    text: str
    attributes: dict[str, str | float | list[str]]


LONGEST_SUBJECT = 99
# SNS takes 262,144 bytes, attributes and all; the rest is for the envelope that subscribers get.
MAX_BYTES = 240_000
MAX_BYTES_OF_A_LIST = 30_000
MAX_LABELS_IN_A_LINE = 5
LONGEST_NAME = 200


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
}


class Finding(Struct, frozen=True):
    """A prediction that is worth an alert: the labels of interest, the surest first, and where to see the image."""

    prediction: Prediction
    labels: tuple[Label, ...]
    picture: Picture


def compose_alert(findings: Sequence[Finding]) -> Alert:
    """One alert of all findings, at least one and of one source; it stays under the limits of SNS however many."""
    surest_first = sorted(findings, key=lambda finding: -finding.labels[0].confidence)
    headline = _headline(surest_first)
    attributes = _attributes(surest_first)
    max_bytes = MAX_BYTES - len(json.dumps(attributes))
    return Alert(
        subject=_subject(f"Labelwatch: {headline}"),
        text=_text(headline, surest_first, max_bytes),
        attributes=attributes,
    )


def _headline(findings: Sequence[Finding]) -> str:
    if len(findings) == 1:
        (finding,) = findings
        return f"{_labels(finding.labels)} in {_file_name(finding.prediction.image)}"
    pictures_with = Counter(name for finding in findings for name in {label.name for label in finding.labels})
    counts = [f"{_line(name)} in {count}" for name, count in pictures_with.most_common()]
    return f"{len(findings)} pictures: {_first_few(counts)}"


def _subject(text: str) -> str:
    """Under 100 printable ASCII characters: SNS takes no other subject."""
    plain = "".join(
        character for character in unicodedata.normalize("NFKD", text) if not unicodedata.combining(character)
    )
    line = "".join(character if character.isascii() and character.isprintable() else "?" for character in plain)
    return line if len(line) <= LONGEST_SUBJECT else line[: LONGEST_SUBJECT - 3] + "..."


def _text(headline: str, findings: Sequence[Finding], max_bytes: int) -> str:
    text = headline + "\n"
    for index, finding in enumerate(findings):
        longer = f"{text}\n{_paragraph(finding)}"
        if len(longer.encode()) > max_bytes:
            return (
                f"{text}\nAnd {len(findings) - index} more: the attribute `predictions` names the rows of them all.\n"
            )
        text = longer
    return text


def _paragraph(finding: Finding) -> str:
    image, picture = finding.prediction.image, finding.picture
    uploaded, detected = (f"{time:%Y-%m-%d %H:%M:%S}" for time in (image.uploaded_at, finding.prediction.detected_at))
    lines = [
        f"Labels:    {_labels(finding.labels)}",
        f"Picture:   {_file_name(image)}",
        f"Where:     {_line(str(image))}",
        f"When:      uploaded {uploaded}, detected {detected} (UTC)",
    ]
    if picture.link:
        lines.append(f"See it:    {picture.link}")
        lines.append(
            f"           (works for {picture.link_hours} hours at most, and stops earlier when the session that "
            "signed it ends)"
        )
    lines.append(f"Console:   {picture.console} (for those with access to the AWS account)")
    return "\n".join(lines) + "\n"


def _labels(labels: Sequence[Label]) -> str:
    return _first_few([f"{_line(label.name)} {label.confidence:.1f} %" for label in labels])


def _first_few(parts: Sequence[str]) -> str:
    shown = ", ".join(parts[:MAX_LABELS_IN_A_LINE])
    left = len(parts) - MAX_LABELS_IN_A_LINE
    return f"{shown} and {left} more" if left > 0 else shown


def _file_name(image: ImageReference) -> str:
    return _line(image.key.rstrip("/").rpartition("/")[2] or image.key)


def _line(text: str) -> str:
    """The text on one line, and not too long for it."""
    line = printable(text)
    return line if len(line) <= LONGEST_NAME else line[: LONGEST_NAME - 1] + "…"


def _attributes(findings: Sequence[Finding]) -> dict[str, str | float | list[str]]:
    images = [finding.prediction.image for finding in findings]
    buckets = sorted({image.bucket for image in images})
    return {
        "source": images[0].source,
        "labels": _fitting(sorted({label.name for finding in findings for label in finding.labels})),
        # A forged message may have a higher confidence than any model's; SNS would refuse the alert of all findings.
        "confidence": min(100, max(label.confidence for finding in findings for label in finding.labels)),
        # A filter policy matches both forms alike; only a stack with an existing bucket has two.
        "bucket": buckets[0] if len(buckets) == 1 else buckets,
        "images": _fitting([quote(image.key) for image in images]),
        "predictions": [row_key(finding.prediction) for finding in findings],
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
