"""What each reason means, and what to do about it; `make docs` lists the reasons."""

from typing import NamedTuple

from chalicelib.adapters.faults import THROTTLED
from labelwatch.dead_letters.dead_letter import NOT_RECORDED


class Advice(NamedTuple):
    """Two parts of a sentence."""

    meaning: str
    to_do: str


_SERVICE_FAILURES = (
    "InternalServerError", "InternalError", "InternalFailure", "ServiceUnavailable", "500", "502", "504",
    "EndpointConnectionError", "ConnectTimeoutError", "ReadTimeoutError", "ConnectionClosedError",
)  # fmt: skip
_UNUSABLE_IMAGE = Advice("the model can never look at this object", "nothing, or upload it in another form")
_FOREIGN_MESSAGE = Advice("somebody else wrote to the queue", "find out who, then purge")
_CONFIGURATION = Advice("the set-up: a permission, the model's ARN or its Region", "mend it, then redrive")
ADVICE = {
    "InvalidImageFormatException": _UNUSABLE_IMAGE,
    "ImageTooLargeException": _UNUSABLE_IMAGE,
    "ImageTooLarge": _UNUSABLE_IMAGE,
    "InvalidParameterException": Advice(
        "a side under 64 pixels, or one side over 20 times the other; where that is not so, the set-up: see the detail",
        "nothing, or upload it in another size; or mend it, then redrive",
    ),
    "EmptyImage": _UNUSABLE_IMAGE,
    "ImageNotFound": Advice("the object was removed before it was looked at", "nothing"),
    "NotAnS3Event": _FOREIGN_MESSAGE,
    "NotAPrediction": _FOREIGN_MESSAGE,
    "OwnBucket": Advice(
        "the output or workspace bucket sends events to the images queue", "take that notification away, then purge"
    ),
    "ResourceNotReadyException": Advice(
        "the model did not run, and images were taken all the same, 19 times: `manage_model` and `detect` could not "
        "pause polling; their logs say why",
        "mend it, start the model, then redrive",
    ),
    "AccessDeniedException": _CONFIGURATION,
    "AccessDenied": _CONFIGURATION,
    "AuthorizationError": _CONFIGURATION,
    "403": _CONFIGURATION,
    "ResourceNotFoundException": _CONFIGURATION,
    "InvalidS3ObjectException": Advice(
        "the model could not read the object: a permission, its Region, or it lies in an archive (Glacier)",
        "mend it, or restore the object, then redrive",
    ),
    "400": Advice(
        "S3 does not show the object without a key of its uploader's (SSE-C), or has never had this version",
        "nothing, or upload it without such a key",
    ),
    **dict.fromkeys(
        [*THROTTLED, "OutOfTime"],
        Advice(
            "a service, or the model, took no more for over two hours, or answered too slowly",
            "wait, give the model more inference units, or have its quota raised; then redrive",
        ),
    ),
    **dict.fromkeys(
        _SERVICE_FAILURES,
        Advice(
            "a service failed by itself, or could not be reached, for over two hours",
            "see whether AWS has trouble in this Region (AWS Health), then redrive",
        ),
    ),
    "MessageTooLarge": Advice("a prediction of over 1 MiB", "raise `MinConfidence`, then redrive with `--force`"),
    NOT_RECORDED: Advice(
        "the function was killed 20 times, or the message is too long to be given a reason (its log says which), and "
        "the queue's own redrive took the message",
        "mend it, then redrive; what is too long is no event of S3",
    ),
}
ANY_OTHER = Advice(
    "the last of its failures, by AWS's own name", "read the detail and the function's log, mend it, then redrive"
)


def for_reason(reason: str) -> Advice:
    """The advice for this reason."""
    return ADVICE.get(reason, ANY_OTHER)
