"""Where somebody listens: what kind of endpoint a word is, as SNS has it."""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from labelwatch.shared.errors import UserError

WHAT_WOULD_DO = (
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
    """Who is told, and by which protocol of SNS."""

    protocol: str
    address: str


def endpoint_of(word: str) -> Endpoint:
    """The endpoint that this is; raises UserError, with what would be right, where it is none."""
    if word.lower().startswith("http://"):
        raise UserError(
            f"{word} is not encrypted: whoever is on the way could read the alerts and open the links to the pictures; "
            "give an https:// URL."
        )
    if word.lower().startswith("https://"):
        return Endpoint("https", _checked_url(word))
    if word.startswith("arn:"):
        return Endpoint(_protocol_of(word), word)
    if _PHONE.fullmatch(word):
        return Endpoint("sms", word)
    if _EMAIL.fullmatch(word):
        return Endpoint("email", word)
    if word.startswith("+"):
        raise UserError(f"{word} is no phone number: it must be + and 7 to 15 digits, such as +4917012345678.")
    raise UserError(f"{word!r} can be told of nothing: it must be {WHAT_WOULD_DO}.")


def arn_of(text: str) -> Arn | None:
    """The parts of this ARN; None where it is none."""
    parts = _ARN.fullmatch(text)
    return Arn(*parts.groups()) if parts else None


def _protocol_of(text: str) -> str:
    arn = arn_of(text)
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
