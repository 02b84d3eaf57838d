"""What each reason means, and what to do: the one place that knows; docs/operations.md has it as a table."""

from typing import NamedTuple

from labelwatch.deadletters.letters import NOT_RECORDED


class Advice(NamedTuple):
    """Two parts of a sentence."""

    meaning: str
    to_do: str


_UNFIT = Advice("the model can never look at this object", "nothing, or upload it in another form")
_FOREIGN = Advice("somebody else wrote to the queue", "find out who, then purge")
_SET_UP = Advice("the set-up: a permission, the model's ARN or its Region", "mend it, then redrive")
ADVICE = {
    "InvalidImageFormatException": _UNFIT,
    "ImageTooLargeException": _UNFIT,
    "ImageTooLarge": _UNFIT,
    "EmptyImage": _UNFIT,
    "ImageGone": Advice("the object was removed before it was looked at", "nothing"),
    "NotAnS3Event": _FOREIGN,
    "NotAPrediction": _FOREIGN,
    "OwnBucket": Advice(
        "the output or workspace bucket sends events to the images queue", "take that notification away, then purge"
    ),
    "ResourceNotReadyException": Advice(
        "the model did not run, and images were taken all the same, 19 times: `keep_model` and `detect` could not turn "
        "that off; their logs say why",
        "mend it, start the model, then redrive",
    ),
    "AccessDeniedException": _SET_UP,
    "AccessDenied": _SET_UP,
    "AuthorizationError": _SET_UP,
    "403": _SET_UP,
    "ResourceNotFoundException": _SET_UP,
    "InvalidS3ObjectException": _SET_UP,
    "MessageTooLarge": Advice("a prediction of over 1 MiB", "raise `MinConfidence`, then redrive with `--force`"),
    NOT_RECORDED: Advice(
        "the function was killed 20 times (its log says of what) and the queue's own redrive took the message",
        "mend it, then redrive",
    ),
}
ANY_OTHER = Advice(
    "the last of ten failures, by AWS's own name", "read the detail and the function's log, mend it, then redrive"
)


def on(reason: str) -> Advice:
    """What is to be said of this reason."""
    return ADVICE.get(reason, ANY_OTHER)
