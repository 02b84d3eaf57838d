"""Endpoints of subscriptions: the SNS protocol of an address, and the parts of an ARN."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from labelwatch.shared.errors import UserError

VALID_ENDPOINTS = (
    "an e-mail address, a phone number such as +4917012345678, an https:// URL, or the ARN of an SQS queue or Lambda "
    "function"
)
_EMAIL = re.compile(r"[^@\s,;:<>()]+@[^@\s,;:<>()]+\.[^@\s,;:<>().]+")
# https://www.itu.int/rec/T-REC-E.164
_PHONE = re.compile(r"\+[1-9]\d{6,14}", re.ASCII)
_ARN = re.compile(r"arn:(aws[\w-]*):([\w-]+):([\w-]+):(\d{12}):(\S+)", re.ASCII)
_QUEUE = re.compile(r"[\w-]{1,80}(\.fifo)?", re.ASCII)
_FUNCTION = re.compile(r"function:[\w-]{1,64}(:[\w$-]{1,128})?", re.ASCII)
_QUEUE_URL = re.compile(r"sqs\.([\w-]+)\.amazonaws\.com(?:\.cn)?/(\d{12})/([\w.-]+)", re.ASCII)


class Arn(NamedTuple):
    """The parts of an ARN that names a Region and an account."""

    partition: str
    service: str
    region: str
    account: str
    resource: str

    def __str__(self) -> str:
        return ":".join(("arn", *self))


class Endpoint(NamedTuple):
    """The address of a subscriber, and the protocol that SNS uses for the address."""

    protocol: str
    address: str


def parse_endpoint(text: str) -> Endpoint:
    """The endpoint with this address; raises UserError, with the valid forms, where the address is not valid."""
    if text.lower().startswith("http://"):
        raise _invalid(text, "HTTP is not encrypted. Use an https:// URL.")
    if text.lower().startswith("https://"):
        return Endpoint("https", _checked_url(text))
    if text.startswith("arn:"):
        return Endpoint(_protocol_of(text), text)
    if _PHONE.fullmatch(text):
        return Endpoint("sms", text)
    if _EMAIL.fullmatch(text):
        return Endpoint("email", text)
    if text.startswith("+"):
        raise _invalid(text, "use + and 7 to 15 digits for a phone number, such as +4917012345678.")
    raise _invalid(text, f"use {VALID_ENDPOINTS}.")


def parse_arn(text: str) -> Arn | None:
    """The parts of this ARN; None where the text is not an ARN."""
    parts = _ARN.fullmatch(text)
    return Arn(*parts.groups()) if parts else None


def _protocol_of(text: str) -> str:
    arn = parse_arn(text)
    if arn and arn.service == "sqs" and _QUEUE.fullmatch(arn.resource):
        if arn.resource.endswith(".fifo"):
            raise _invalid(text, "the topics cannot send to a FIFO queue. Use a standard queue.")
        return "sqs"
    if arn and arn.service == "lambda" and _FUNCTION.fullmatch(arn.resource):
        return "lambda"
    raise _invalid(
        text,
        "use arn:aws:sqs:REGION:ACCOUNT:NAME for an SQS queue, or arn:aws:lambda:REGION:ACCOUNT:function:NAME for a "
        "Lambda function.",
    )


def _checked_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:  # a port or an address in brackets that is not valid
        host = None
    if not host or re.search(r"[\s\x00-\x1f]", url):
        raise _invalid(url, "use a URL such as https://example.com/alerts.")
    if parts.username is not None or parts.fragment:
        # Without the URL: it may contain a password.
        raise UserError(
            "The URL is not a valid endpoint: it contains a password or a fragment (#). Remove both. The endpoint can "
            "verify the signature of each message instead."
        )
    if queue := _QUEUE_URL.fullmatch(f"{host}{parts.path}"):
        region, account, name = queue.groups()
        raise _invalid(url, f"use arn:aws:sqs:{region}:{account}:{name} for this SQS queue.")
    return url


def _invalid(text: str, reason: str) -> UserError:
    return UserError(f"{text!r} is not a valid endpoint: {reason}")
