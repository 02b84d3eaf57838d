"""Endpoints of subscriptions: the protocol of SNS that follows from an address, and the parts of an ARN."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from labelwatch.shared.errors import UserError

VALID_ENDPOINTS = (
    "an e-mail address, a phone number such as +4917012345678, an https:// URL, or the ARN of an SQS queue or of a "
    "Lambda function"
)
_EMAIL = re.compile(r"[^@\s,;:<>()]+@[^@\s,;:<>()]+\.[^@\s,;:<>().]+")
# https://www.itu.int/rec/T-REC-E.164
_PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_ARN = re.compile(r"arn:(aws[\w-]*):([\w-]+):([\w-]+):(\d{12}):(\S+)", re.ASCII)
_QUEUE = re.compile(r"[\w-]{1,80}(\.fifo)?", re.ASCII)
_FUNCTION = re.compile(r"function:[\w-]{1,64}(:[\w$-]{1,128})?", re.ASCII)
_QUEUE_URL = re.compile(r"sqs\.([\w-]+)\.amazonaws\.com(?:\.cn)?/(\d{12})/([\w.-]+)", re.ASCII)


class Arn(NamedTuple):
    """The parts of an ARN that name a Region and an account."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return ":".join(("arn", *self))


class Endpoint(NamedTuple):
    """The address of a subscriber, and the protocol by which SNS reaches it."""

    protocol: str
    address: str


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint that the text is; raises UserError, with the valid forms, where it is none."""
    if text.lower().startswith("http://"):
        raise UserError(
            f"{text} is not encrypted: whoever is on the way could read the alerts and open the links to the pictures; "
            "give an https:// URL."
        )
    if text.lower().startswith("https://"):
        return Endpoint("https", _checked_url(text))
    if text.startswith("arn:"):
        return Endpoint(_protocol_of(text), text)
    if _PHONE.fullmatch(text):
        return Endpoint("sms", text)
    if _EMAIL.fullmatch(text):
        return Endpoint("email", text)
    if text.startswith("+"):
        raise UserError(f"{text} is no phone number: it must be + and 7 to 15 digits, such as +4917012345678.")
    raise UserError(f"{text!r} can be told of nothing: it must be {VALID_ENDPOINTS}.")


def parse_arn(text: str) -> Arn | None:
    """The parts of this ARN; None where the text is no ARN."""
    parts = _ARN.fullmatch(text)
    return Arn(*parts.groups()) if parts else None


def _protocol_of(text: str) -> str:
    arn = parse_arn(text)
    if arn and arn.service == "sqs" and _QUEUE.fullmatch(arn.resource):
        if arn.resource.endswith(".fifo"):
            raise UserError(f"{text} is a FIFO queue, and the topics are not; give the ARN of a standard queue.")
        return "sqs"
    if arn and arn.service == "lambda" and _FUNCTION.fullmatch(arn.resource):
        return "lambda"
    raise UserError(
        f"{text} is the ARN of neither an SQS queue (arn:aws:sqs:REGION:ACCOUNT:NAME) nor a Lambda function "
        "(arn:aws:lambda:REGION:ACCOUNT:function:NAME)."
    )


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port or an address in brackets that is none
        host = None
    if not host or re.search(r"[\s\x00-\x1f]", url):
        raise UserError(f"{url!r} is no URL that can be called; it must be such as https://example.com/alerts.")
    if parts.username is not None or parts.fragment:
        raise UserError(
            "the URL must have neither a password nor a #: a password would stay in this shell's history, and the "
            "signature that each message has says more."
        )
    if queue := _QUEUE_URL.fullmatch(f"{host}{parts.path}"):
        region, account, name = queue.groups()
        raise UserError(f"{url} is the URL of a queue; give its ARN, arn:aws:sqs:{region}:{account}:{name}.")
    return url
