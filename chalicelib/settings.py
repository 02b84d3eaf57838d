"""The only reader of the environment: each setting is declared once, in Settings, and validated once, by `read`.

The stage of `chalice deploy`, the environment in the CloudFormation deployment and the options of `labelwatch up`
follow from the declarations. Every error names the variable and what would be right.
"""

import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, Self, cast, overload

from chalicelib.domain.model import ModelPolicy
from chalicelib.domain.rules import LabelOfInterest, Rules, normalized_label

GENERAL_MODEL = "general"
MAX_LABELS_OF_INTEREST = 10


class SettingError(ValueError):
    """Raised when a variable is missing or unusable; the message names it and says what would be right."""


class Kind[T](NamedTuple):
    """A kind of value: what would be right, in words; a parser whose ValueError may say more; an example.

    `choices` are the values where there are few.
    """

    expected: str
    parse: Callable[[str], T]
    example: str
    choices: tuple[str, ...] = ()


def _text(expected: str, pattern: str, example: str) -> Kind[str]:
    return Kind(expected, lambda text: _matching(pattern, text), example)


def _matching(pattern: str, text: str) -> str:
    if not re.fullmatch(pattern, text, re.ASCII):
        raise ValueError
    return text


def _between(low: int, high: int, text: str) -> float:
    number = float(_matching(r"\+?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", text.lower()))
    if not low <= number <= high:
        raise ValueError
    return number


def _seconds(most: int) -> Kind[int]:
    expected = f"a whole number of seconds from 1 to {most}"
    return Kind(expected, lambda text: int(_between(1, most, _matching(r"\d+", text))), "60")


def _up_to(most: int) -> Kind[int]:
    expected = f"a whole number from 0 to {most}"
    return Kind(expected, lambda text: int(_between(0, most, _matching(r"\d+", text))), "60")


def labels_of_interest(text: str) -> tuple[LabelOfInterest, ...]:
    """The labels that such a setting names; raises ValueError with what is wrong."""
    labels = tuple(_label_of_interest(part.strip()) for part in text.split(","))
    if len(labels) > MAX_LABELS_OF_INTEREST:
        raise ValueError(f"must have at most {MAX_LABELS_OF_INTEREST} labels, not {len(labels)}")
    names = [normalized_label(label.name) for label in labels]
    for label in labels:
        if names.count(normalized_label(label.name)) > 1:
            raise ValueError(f"must not name {label.name!r} more than once (case is ignored)")
    return labels


def _label_of_interest(part: str) -> LabelOfInterest:
    name, colon, threshold = (piece.strip() for piece in part.rpartition(":"))
    if not colon:
        name, threshold = threshold, ""
    if not name:
        raise ValueError(f"must name a label between commas, not {part!r}")
    if not colon:
        return LabelOfInterest(name)
    try:
        return LabelOfInterest(name, _between(0, 100, threshold))
    except ValueError:
        raise ValueError(f"must give {name!r} a threshold from 0 to 100, not {threshold!r}") from None


MODEL = _text(
    f"the ARN of a Custom Labels model version, or {GENERAL_MODEL} for Rekognition's general labels",
    rf"{GENERAL_MODEL}|arn:[\w-]+:rekognition:[\w-]+:\d{{12}}:project/[\w.-]+/version/[\w.-]+/\d+",
    GENERAL_MODEL,
)
LABELS_OF_INTEREST = Kind(
    f"1 to {MAX_LABELS_OF_INTEREST} labels separated by commas, or * for any label; a threshold may follow a label "
    "after a colon (example: rust,leaf-smut:90)",
    labels_of_interest,
    "*",
)
CONFIDENCE = Kind("a number from 0 to 100", lambda text: _between(0, 100, text), "80")
QUEUE_ARN = _text(
    "the ARN of an SQS queue", r"arn:[\w-]+:sqs:[\w-]+:\d{12}:[\w-]+", "arn:aws:sqs:us-east-1:000000000000:example"
)
QUEUE_URL = _text("the URL of an SQS queue", r"https?://[^\s/]+/\S*[\w-]", "https://example.com/000000000000/example")
TOPIC_ARN = _text(
    "the ARN of an SNS topic", r"arn:[\w-]+:sns:[\w-]+:\d{12}:[\w-]+", "arn:aws:sns:us-east-1:000000000000:example"
)
EMAIL = _text("an e-mail address", r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+", "example@example.com")
STACK = _text("the name of a CloudFormation stack", r"[a-zA-Z][a-zA-Z0-9-]{0,127}", "example")
BUCKET = _text("the name of an S3 bucket", r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "example")
BUCKET_OR_NONE = _text("the name of an S3 bucket, or empty", r"|[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", "example")
TABLE = _text("the name of a DynamoDB table", r"[\w.-]{3,255}", "example")
ORIGIN_OR_NONE = _text(
    "the origin of one web page without a path (example: https://example.com), or empty",
    r"|https://[a-z0-9.-]+(:\d{1,5})?|http://(localhost|127\.0\.0\.1)(:\d{1,5})?",
    "https://example.com",
)
# Any text: a function with an unknown zone goes on with UTC.
TIME_ZONE = Kind("the name of a time zone (example: Europe/Berlin)", str, "Europe/Berlin")
API_URL_OR_NONE = _text("the URL of a REST API, or empty", r"|https?://\S+[^\s/]", "https://example.com/api")
YES_OR_NO = Kind("yes or no", lambda text: _matching("yes|no", text) == "yes", "yes", ("yes", "no"))
OWN_OR_ANY = Kind("own or any", lambda text: _matching("own|any", text) == "any", "own", ("own", "any"))


class Setting[T]:
    """A variable of the functions' environment; in an instance of Settings, its value.

    `default` counts where the variable is missing; without one it must be there. `help` is given where an operator sets
    it: for its option of `labelwatch up` and its parameter of the template, whose default is `parameter_default` where
    the variable itself must be there. `parameter` is the parameter's name and `output` that of the stack's output, or
    of the parameter, which has the value: the variable's name in camel case. A `stage_only` setting has neither.
    """

    def __init__(  # noqa: PLR0913 - a declaration's parts, by name
        self,
        variable: str,
        kind: Kind[T],
        *,
        default: str | None = None,
        help: str | None = None,  # noqa: A002 - as typer calls it
        parameter_default: str | None = None,
        output: str | None = None,
        stage_only: bool = False,
    ) -> None:
        self.variable = variable
        self.kind = kind
        self.default = default
        self.help = help
        self.parameter_default = default if parameter_default is None else parameter_default
        self.stage_only = stage_only
        self.parameter = camel_case(variable) if help and not stage_only else None
        self.output = None if stage_only else output or camel_case(variable)

    @overload
    def __get__(self, settings: None, owner: type) -> Self: ...
    @overload
    def __get__(self, settings: "Settings", owner: type) -> T: ...
    def __get__(self, settings: "Settings | None", owner: type) -> Self | T:
        """The declaration, of the class; the value, of an instance."""
        return self if settings is None else cast("T", settings.values[self.variable])

    def parse(self, text: str) -> T:
        """The value; raises ValueError with what is wrong."""
        try:
            return self.kind.parse(text)
        except ValueError as problem:
            raise ValueError(str(problem) or f"must be {self.kind.expected}") from None

    def read(self, environ: Mapping[str, str]) -> T:
        """The variable's value; raises SettingError where it is missing or unusable."""
        text = environ.get(self.variable, "").strip() or self.default
        if text is None:
            raise SettingError(f"{self.variable} is not set. The value must be {self.kind.expected}.")
        try:
            return self.parse(text)
        except ValueError as problem:
            raise SettingError(f"{self.variable} {text!r} is not valid: {problem}.") from None


def camel_case(name: str) -> str:
    """IMAGES_QUEUE_URL as ImagesQueueUrl; what has small letters already, as it is."""
    return "".join(part.capitalize() for part in name.split("_")) if name.isupper() or name.islower() else name


class Settings:
    """Every setting of the functions."""

    __slots__ = ("values",)

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = values

    # --- Set by the operator, by a parameter of the stack.

    model = Setting(
        "CustomModelARN",
        MODEL,
        parameter_default=GENERAL_MODEL,
        help="ARN of the Custom Labels model version, or general for Rekognition's general labels.",
    )
    email = Setting("EmailNotification", EMAIL, help="E-mail address for alerts and alarms.")
    input_bucket = Setting("InputBucketName", BUCKET, output="InputBucket", help="New bucket for images.")
    labels_of_interest = Setting(
        "LabelsofInterest",
        LABELS_OF_INTEREST,
        parameter_default="*",
        help="Up to 10 labels that trigger alerts, or * for any label (example: rust,leaf-smut:90).",
    )
    min_confidence = Setting(
        "MinConfidence",
        CONFIDENCE,
        parameter_default="80",
        help="Confidence threshold, 0 to 100, for labels without a threshold of their own.",
    )
    output_bucket = Setting(
        "OutputBucketName",
        BUCKET,
        output="OutputBucket",
        help="New bucket for predictions. NAME-workspace is also created, for query results and logs.",
    )
    existing_bucket = Setting(
        "EXISTING_BUCKET_NAME",
        BUCKET_OR_NONE,
        default="",
        help="Existing bucket whose new images are also analysed, with chalice deploy only.",
    )
    picture_links = Setting(
        "PICTURE_LINKS",
        YES_OR_NO,
        default="yes",
        help="Links in alerts to pictures, which open without an AWS account for 30 days: yes or no.",
    )
    time_zone = Setting(
        "TIME_ZONE",
        TIME_ZONE,
        default="UTC",
        help="Time zone of alerts and picture pages (example: Europe/Berlin).",
    )
    upload_origin = Setting(
        "UPLOAD_ORIGIN",
        ORIGIN_OR_NONE,
        default="",
        help="Origin of the web page that may upload images (example: https://example.com).",
    )
    model_auto_start = Setting(
        "MODEL_AUTO_START",
        YES_OR_NO,
        default="no",
        help="Start the model when images wait: yes or no. A running model is billed by the hour.",
    )
    model_idle_minutes = Setting(
        "MODEL_IDLE_MINUTES",
        _up_to(9999),
        default="0",
        help="Minutes without an image after which the model is stopped; 0 for never.",
    )
    model_idle_stops_any = Setting(
        "MODEL_IDLE_STOPS",
        OWN_OR_ANY,
        default="own",
        help="Models that ModelIdleMinutes stops: own (started by ModelAutoStart) or any.",
    )
    model_max_hours_per_month = Setting(
        "MODEL_MAX_HOURS_PER_MONTH",
        _up_to(999),
        default="0",
        help="Hours per month (UTC) that ModelAutoStart may keep the model running; 0 for no limit.",
    )

    max_images_per_day = Setting(
        "MAX_IMAGES_PER_DAY",
        _up_to(9_999_999),
        default="0",
        help="Images per day (UTC) that the model may analyse; others wait until the next day. 0 for no limit.",
    )

    # --- Made by the stack.

    stack_name = Setting("STACK_NAME", STACK)
    images_queue_arn = Setting("IMAGES_QUEUE_ARN", QUEUE_ARN)
    images_queue_url = Setting("IMAGES_QUEUE_URL", QUEUE_URL)
    images_dead_letters_url = Setting("IMAGES_DEAD_LETTERS_URL", QUEUE_URL)
    predictions_queue_arn = Setting("PREDICTIONS_QUEUE_ARN", QUEUE_ARN)
    predictions_queue_url = Setting("PREDICTIONS_QUEUE_URL", QUEUE_URL)
    predictions_dead_letters_url = Setting("PREDICTIONS_DEAD_LETTERS_URL", QUEUE_URL)
    topic_arn = Setting("ALERTS_TOPIC_ARN", TOPIC_ARN)
    operations_topic_arn = Setting("OPERATIONS_TOPIC_ARN", TOPIC_ARN)
    table_name = Setting("TABLE_NAME", TABLE)
    workspace_bucket = Setting("WORKSPACE_BUCKET", BUCKET)

    # --- Set in the environment of the stage alone.

    # For infra/functions.yaml: with chalice deploy, nothing reads batch item failures.
    partial_batch_responses = Setting(
        "PARTIAL_BATCH_RESPONSES",
        YES_OR_NO,
        default="no",
        stage_only=True,
        help="Reports of failed messages to Lambda. Do not set it: CloudFormation sets yes, chalice deploy needs no.",
    )
    presigned_upload_seconds = Setting(
        "PRESIGNED_UPLOAD_SECONDS",
        _seconds(900),
        default="900",
        stage_only=True,
        help="Seconds for which a presigned upload is valid.",
    )
    # For infra/functions.yaml: with chalice deploy, notify finds the API by its function.
    api_url = Setting(
        "API_URL",
        API_URL_OR_NONE,
        default="",
        stage_only=True,
        help="URL of the REST API, for the links in alerts. Do not set it: CloudFormation sets it, chalice needs none.",
    )
    # SQS hides a message for 12 hours at most, from its receive on; the longest delay of a retry is 20 times the first.
    retry_seconds = Setting(
        "RETRY_SECONDS",
        _seconds(900),
        default="30",
        stage_only=True,
        help="Seconds before the first retry of a message. Later retries wait longer, up to 20 times this value.",
    )
    defer_seconds = Setting(
        "DEFER_SECONDS",
        _seconds(42_000),
        default="300",
        stage_only=True,
        help="Seconds for which an image is deferred when the model is not running.",
    )

    @property
    def rules(self) -> Rules:
        """Which labels are worth an alert."""
        return Rules(labels_of_interest=self.labels_of_interest, min_confidence=self.min_confidence)

    @property
    def model_policy(self) -> ModelPolicy:
        """When the model is started and stopped."""
        return ModelPolicy(
            auto_start=self.model_auto_start,
            idle_minutes=self.model_idle_minutes,
            idle_stops_any=self.model_idle_stops_any,
            max_hours=self.model_max_hours_per_month,
        )


SETTINGS: tuple[Setting[Any], ...] = tuple(
    setting for setting in vars(Settings).values() if isinstance(setting, Setting)
)


def read(environ: Mapping[str, str]) -> Settings:
    """Raises SettingError at the first variable that is missing or unusable."""
    return Settings({setting.variable: setting.read(environ) for setting in SETTINGS})


def load() -> Settings:
    """The settings of this process; a mistake ends it with one sentence instead of a traceback."""
    try:
        return read(os.environ)
    except SettingError as mistake:
        hint = (
            "" if "STACK_NAME" in os.environ else " Run `labelwatch up --stage NAME` first: chalice needs that stage."
        )
        raise SystemExit(f"labelwatch: {mistake}{hint}") from None


def examples() -> dict[str, str]:
    """A value for each variable without a default: enough to import app.py where nothing is deployed yet."""
    return {setting.variable: setting.kind.example for setting in SETTINGS if setting.default is None}
