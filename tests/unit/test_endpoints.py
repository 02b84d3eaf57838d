from __future__ import annotations

import re
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Endpoint, arn_of, endpoint_of

REGION = "eu-central-1"
ACCOUNT = "123456789012"
LETTERS = string.ascii_letters + string.digits
words = st.text(LETTERS, min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("word", "protocol"),
    [
        ("you@example.com", "email"),
        ("first.last+leaves@mail.example.co.uk", "email"),
        ("grün@example.com", "email"),
        ("+4917012345678", "sms"),
        ("+1202555", "sms"),
        ("https://example.com", "https"),
        ("https://example.com:8443/alerts?for=leaves", "https"),
        ("HTTPS://example.com/alerts", "https"),
        ("https://[2001:db8::1]/alerts", "https"),
        (f"arn:aws:sqs:{REGION}:{ACCOUNT}:leaves-in_2", "sqs"),
        (f"arn:aws-cn:sqs:cn-north-1:{ACCOUNT}:leaves", "sqs"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-alert", "lambda"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-alert:live", "lambda"),
        (f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-alert:$LATEST", "lambda"),
    ],
)
def test_the_protocol_follows_from_the_endpoint(word: str, protocol: str) -> None:
    assert endpoint_of(word) == Endpoint(protocol, word)


@given(words, words, words)
def test_whatever_has_an_at_and_a_dot_after_it_is_an_address(name: str, host: str, end: str) -> None:
    assert endpoint_of(f"{name}@{host}.{end}").protocol == "email"


@given(st.integers(1, 9), st.text("0123456789", min_size=6, max_size=14))
def test_a_plus_and_7_to_15_digits_are_a_phone_number(first: int, rest: str) -> None:
    assert endpoint_of(f"+{first}{rest}").protocol == "sms"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_any_other_text_is_refused_and_never_fails_otherwise(text: str) -> None:
    """What is accepted is what its protocol is said to take, whatever is typed."""
    looks = {"email": "@", "sms": r"^\+\d", "https": "(?i)^https://", "sqs": "^arn:", "lambda": "^arn:"}
    try:
        endpoint = endpoint_of(text)
    except UserError:
        return
    assert re.search(looks[endpoint.protocol], endpoint.address)


@pytest.mark.parametrize("start", ["https://", "http://", "arn:aws:sqs:", "arn:aws:lambda:", "+", "a@"])
@given(rest=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_nothing_that_begins_well_makes_another_failure_than_a_sentence(start: str, rest: str) -> None:
    with suppress(UserError):
        assert endpoint_of(start + rest).address == start + rest


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("", "it must be an e-mail address, a phone number"),
        ("somebody", "it must be an e-mail address, a phone number"),
        ("you@localhost", "it must be an e-mail address"),
        ("you@example.com, me@example.com", "it must be an e-mail address"),
        ("a@b@example.com", "it must be an e-mail address"),
        ("mailto:you@example.com", "it must be an e-mail address"),
        ("017012345678", "it must be an e-mail address"),
        ("+017012345678", "it must be + and 7 to 15 digits"),
        ("+49 170 12345678", "it must be + and 7 to 15 digits"),
        ("+4917012345678901", "it must be + and 7 to 15 digits"),
        ("+4917012345٦", "it must be + and 7 to 15 digits"),
        ("http://example.com", "is not encrypted"),
        ("HTTP://example.com", "is not encrypted"),
        ("https://", "no URL that can be called"),
        ("https:///alerts", "no URL that can be called"),
        ("https://example.com:port/", "no URL that can be called"),
        ("https://[::1/alerts", "no URL that can be called"),
        ("https://example.com/two words", "no URL that can be called"),
        ("https://user:secret@example.com/", "a password would stay in this shell's history"),
        ("https://example.com/#alerts", "neither a password nor a #"),
        ("arn:aws:sqs:eu-central-1:123456789012:in.fifo", "give the ARN of a standard queue"),
        ("arn:aws:sqs:eu-central-1:12345:in", "neither an SQS queue"),
        ("arn:aws:sns:eu-central-1:123456789012:topic", "neither an SQS queue"),
        ("arn:aws:lambda:eu-central-1:123456789012:layer:one", "neither an SQS queue"),
        ("arn:aws:sqs", "neither an SQS queue"),
    ],
)
def test_what_is_no_endpoint_is_told_what_would_be_right(word: str, said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        endpoint_of(word)


def test_the_secret_of_a_url_is_not_repeated() -> None:
    with pytest.raises(UserError) as refusal:
        endpoint_of("https://user:secret@example.com/")
    assert "secret" not in str(refusal.value)


def test_whoever_gives_a_queue_s_url_is_told_its_arn() -> None:
    with pytest.raises(UserError, match=f"give its ARN, arn:aws:sqs:{REGION}:{ACCOUNT}:leaves"):
        endpoint_of(f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/leaves")


def test_an_arn_is_the_same_again_when_it_is_put_together() -> None:
    text = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-alert:live"
    assert str(arn_of(text)) == text


def test_what_is_no_arn_has_no_parts() -> None:
    assert arn_of("you@example.com") is None
