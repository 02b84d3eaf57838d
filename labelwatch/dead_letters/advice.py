"""The meaning of each reason, and the action to take; `make docs` lists the reasons."""

from typing import NamedTuple

from chalicelib.adapters.faults import THROTTLED
from labelwatch.dead_letters.dead_letter import NOT_RECORDED


class Advice(NamedTuple):
    """Two sentences in Markdown."""

    meaning: str
    action: str


# A row of the table in the docs: reasons that share an advice, and that advice.
ADVICE: dict[tuple[str, ...], Advice] = {
    ("InvalidImageFormatException", "ImageTooLargeException", "ImageTooLarge", "EmptyImage"): Advice(
        "The model cannot analyse this object: wrong format, too large, or empty.",
        "None, or upload the image in another format or size.",
    ),
    ("InvalidParameterException",): Advice(
        "One side is under 64 pixels, or one side is over 20 times the other. Otherwise, the configuration is wrong: "
        "see the detail.",
        "None, or upload the image in another size. After a correction of the configuration, redrive.",
    ),
    ("ImageNotFound",): Advice("The object was deleted before the model analysed it.", "None."),
    ("NotAnS3Event", "NotAPrediction"): Advice(
        "Another producer sent this message to the queue.", "Find the producer, then purge."
    ),
    ("OwnBucket",): Advice(
        "The output or workspace bucket sends event notifications to the images queue.",
        "Delete the notification, then purge.",
    ),
    ("ResourceNotReadyException",): Advice(
        "The model was not running, and the image was received 19 times: `manage_model` and `detect` could not disable "
        "the event source mapping.",
        "Read the logs of both functions, correct the cause, start the model, then redrive.",
    ),
    ("DayLimitReached",): Advice(
        "`MaxImagesPerDay` was reached each of the 19 times that the image was received: `manage_model` and `detect` "
        "could not disable the event source mapping.",
        "Read the logs of both functions, correct the cause, then redrive on a day with images left.",
    ),
    ("AccessDeniedException", "AccessDenied", "AuthorizationError", "403", "ResourceNotFoundException"): Advice(
        "The configuration is wrong: a permission, the model's ARN or its Region.",
        "Correct the configuration, then redrive.",
    ),
    ("InvalidS3ObjectException",): Advice(
        "The model could not read the object: a permission is missing, the model is in another Region, or the object "
        "is archived (Glacier).",
        "Correct the configuration or restore the object, then redrive.",
    ),
    ("400",): Advice(
        "The object is encrypted with a key of its uploader (SSE-C), or this version never existed.",
        "None, or upload the image without SSE-C.",
    ),
    (*THROTTLED, "OutOfTime"): Advice(
        "A service or the model throttled requests for over two hours, or responded too slowly.",
        "Wait, add inference units or request a higher quota, then redrive.",
    ),
    (
        "InternalServerError", "InternalError", "InternalFailure", "ServiceUnavailable", "500", "502", "504",
        "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
    ): Advice(
        "An AWS service failed or was unreachable for over two hours.",
        "Check the AWS Health Dashboard for this Region, then redrive.",
    ),
    ("MessageTooLarge",): Advice(
        "The prediction is larger than 1 MiB.", "Raise `MinConfidence`, then redrive with `--force`."
    ),
    (NOT_RECORDED,): Advice(
        "The queue's redrive policy moved the message: the function stopped 20 times without recording a reason, or "
        "the message is too large for a reason.",
        "Read the function's log, correct the cause, then redrive. Purge a message that is not an S3 event.",
    ),
}  # fmt: skip
ANY_OTHER = Advice(
    "The last failure, by the error code of the AWS service.",
    "Read the detail and the function's log, correct the cause, then redrive.",
)
_BY_REASON = {reason: advice for reasons, advice in ADVICE.items() for reason in reasons}


def for_reason(reason: str) -> Advice:
    """The advice for this reason."""
    return _BY_REASON.get(reason, ANY_OTHER)
