"""The only reader of the environment: validated once, and every error names its variable and what would be right."""

import os
import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

from msgspec import Struct

from chalicelib.domain.model import ModelPolicy
from chalicelib.domain.rules import LabelOfInterest, Rules, folded

GENERAL_MODEL = "general"
MAX_LABELS_OF_INTEREST = 10


class SettingError(ValueError):
    """Raised when a variable is missing or unusable; the message names it and says what would be right."""


class Settings(Struct, frozen=True, kw_only=True):
    """What the functions must know of the place that they run in; README has the table of the variables."""

    model: str
    rules: Rules
    images_queue_arn: str
    images_queue_url: str
    images_dead_letters_url: str
    predictions_queue_arn: str
    predictions_queue_url: str
    predictions_dead_letters_url: str
    topic_arn: str
    operations_topic_arn: str
    email: str
    stack_name: str
    input_bucket: str
    table_name: str
    output_bucket: str
    workspace_bucket: str
    existing_bucket: str
    partial_batch_responses: bool
    picture_links: bool
    upload_origin: str
    presigned_upload_seconds: int
    retry_seconds: int
    defer_seconds: int
    model_policy: ModelPolicy


def load() -> Settings:
    """The settings of this process; a mistake ends it with one sentence, since a traceback helps nobody to mend it."""
    try:
        return read(os.environ)
    except SettingError as mistake:
        hint = (
            ""
            if "STACK_NAME" in os.environ
            else "; `labelwatch up --stage NAME` writes the stage that chalice takes it from"
        )
        raise SystemExit(f"labelwatch: {mistake}{hint}") from None


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingError at the first variable that is missing or unusable."""

    def value[T](name: str, kind: "_Kind[T]", default: str = "") -> T:
        text = environ.get(name, "").strip() or default
        if not text and not kind.may_be_blank:
            raise SettingError(f"{name} is not set; it must be {kind.what}")
        try:
            return kind.parse(text)
        except ValueError as problem:
            raise SettingError(f"{name} is {text!r}, but {str(problem) or f'it must be {kind.what}'}") from None

    return Settings(
        model=value("CustomModelARN", _MODEL),
        rules=Rules(
            labels_of_interest=value("LabelsofInterest", _LABELS_OF_INTEREST),
            min_confidence=value("MinConfidence", _CONFIDENCE),
        ),
        images_queue_arn=value("IMAGES_QUEUE_ARN", _QUEUE_ARN),
        images_queue_url=value("IMAGES_QUEUE_URL", _QUEUE_URL),
        images_dead_letters_url=value("IMAGES_DEAD_LETTERS_URL", _QUEUE_URL),
        predictions_queue_arn=value("PREDICTIONS_QUEUE_ARN", _QUEUE_ARN),
        predictions_queue_url=value("PREDICTIONS_QUEUE_URL", _QUEUE_URL),
        predictions_dead_letters_url=value("PREDICTIONS_DEAD_LETTERS_URL", _QUEUE_URL),
        topic_arn=value("ALERTS_TOPIC_ARN", _TOPIC_ARN),
        operations_topic_arn=value("OPERATIONS_TOPIC_ARN", _TOPIC_ARN),
        email=value("EmailNotification", _EMAIL),
        stack_name=value("STACK_NAME", _STACK),
        input_bucket=value("InputBucketName", _BUCKET),
        table_name=value("TABLE_NAME", _TABLE),
        output_bucket=value("OutputBucketName", _BUCKET),
        workspace_bucket=value("WORKSPACE_BUCKET", _BUCKET),
        existing_bucket=value("EXISTING_BUCKET_NAME", _BUCKET_OR_NONE),
        partial_batch_responses=value("PARTIAL_BATCH_RESPONSES", _YES_OR_NO, default="no"),
        picture_links=value("PICTURE_LINKS", _YES_OR_NO, default="yes"),
        upload_origin=value("UPLOAD_ORIGIN", _ORIGIN_OR_NONE),
        presigned_upload_seconds=value("PRESIGNED_UPLOAD_SECONDS", _PRESIGNED_UPLOAD_SECONDS, default="900"),
        retry_seconds=value("RETRY_SECONDS", _RETRY_SECONDS, default="30"),
        defer_seconds=value("DEFER_SECONDS", _WAIT_SECONDS, default="300"),
        model_policy=ModelPolicy(
            auto_start=value("MODEL_AUTO_START", _YES_OR_NO, default="no"),
            idle_minutes=value("MODEL_IDLE_MINUTES", _UP_TO_9999, default="0"),
            idle_stops_any=value("MODEL_IDLE_STOPS", _OWN_OR_ANY, default="own"),
            max_hours=value("MODEL_MAX_HOURS_PER_MONTH", _UP_TO_999, default="0"),
        ),
    )


class _Kind[T](NamedTuple):
    """A kind of value: what would be right, in words, and a parser whose ValueError may say more than that."""

    what: str
    parse: Callable[[str], T]
    may_be_blank: bool = False


def _text(what: str, pattern: str, *, may_be_blank: bool = False) -> _Kind[str]:
    return _Kind(what, lambda text: _matching(pattern, text), may_be_blank)


def _matching(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError
    return text


def _between(low: int, high: int, text: str) -> float:
    number = float(_matching(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text.lower()))
    if not low <= number <= high:
        raise ValueError
    return number


def _seconds(most: int) -> _Kind[int]:
    what = f"a whole number of seconds from 1 to {most}"
    return _Kind(what, lambda text: int(_between(1, most, _matching(r"\d+", text))))


def _up_to(most: int) -> _Kind[int]:
    return _Kind(f"a whole number from 0 to {most}", lambda text: int(_between(0, most, _matching(r"\d+", text))))


def _yes_or_no(text: str) -> bool:
    return _matching("yes|no", text) == "yes"


def labels_of_interest(text: str) -> tuple[LabelOfInterest, ...]:
    """The labels that such a setting names; raises ValueError with what is wrong."""
    labels = tuple(_label_of_interest(part.strip()) for part in text.split(","))
    if len(labels) > MAX_LABELS_OF_INTEREST:
        raise ValueError(f"it names {len(labels)} labels, and {MAX_LABELS_OF_INTEREST} are the most")
    names = [folded(label.name) for label in labels]
    for label in labels:
        if names.count(folded(label.name)) > 1:
            raise ValueError(f"it names {label.name!r} more than once (upper and lower case are the same)")
    return labels


def _label_of_interest(part: str) -> LabelOfInterest:
    name, colon, threshold = (piece.strip() for piece in part.rpartition(":"))
    if not colon:
        name, threshold = threshold, ""
    if not name:
        raise ValueError(f"{part!r} between its commas names no label")
    if not colon:
        return LabelOfInterest(name)
    try:
        return LabelOfInterest(name, _between(0, 100, threshold))
    except ValueError:
        raise ValueError(f"the threshold of {name!r} is {threshold!r} and must be a number from 0 to 100") from None


_MODEL = _text(
    f"the ARN of a version of a Custom Labels model, or the word {GENERAL_MODEL} for Rekognition's own labels",
    rf"{GENERAL_MODEL}|arn:[\w-]+:rekognition:[\w-]+:\d{{12}}:project/[\w.-]+/version/[\w.-]+/\d+",
)
_LABELS_OF_INTEREST = _Kind(
    f"up to {MAX_LABELS_OF_INTEREST} labels with commas between them, each with a threshold after a colon where it "
    "has one of its own (leaf-smut:90), or * for any label",
    labels_of_interest,
)
_CONFIDENCE = _Kind("a number from 0 to 100", lambda text: _between(0, 100, text))
_QUEUE_ARN = _text("the ARN of an SQS queue", r"arn:[\w-]+:sqs:[\w-]+:\d{12}:[\w-]+")
_QUEUE_URL = _text("the URL of an SQS queue", r"https?://[^\s/]+/\S*[\w-]")
_TOPIC_ARN = _text("the ARN of an SNS topic", r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+")
_EMAIL = _text("an e-mail address", r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_STACK = _text("the name of a CloudFormation stack", r"[a-zA-Z][a-zA-Z0-9-]{0,127}")
_BUCKET = _text("the name of an S3 bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_BUCKET_OR_NONE = _text("the name of an S3 bucket, or nothing", r"|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", may_be_blank=True)
_TABLE = _text("the name of a DynamoDB table", r"[\w.-]{3,255}")
_ORIGIN_OR_NONE = _text(
    "the origin of one web page (https://example.com, without a path), or nothing",
    r"|https://[a-z0-9.-]+(:\d{1,5})?|http://(localhost|127\.0\.0\.1)(:\d{1,5})?",
    may_be_blank=True,
)
_YES_OR_NO = _Kind("yes or no", _yes_or_no)
_PRESIGNED_UPLOAD_SECONDS = _seconds(900)
# SQS hides a message for 12 hours at most, from its receive on; the longest delay of a retry is 20 times the first.
_RETRY_SECONDS = _seconds(900)
_WAIT_SECONDS = _seconds(42_000)
_OWN_OR_ANY = _Kind("own or any", lambda text: _matching("own|any", text) == "any")
_UP_TO_9999, _UP_TO_999 = _up_to(9999), _up_to(999)
