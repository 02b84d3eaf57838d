from __future__ import annotations

import re
import string
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Endpoint, parse_arn, parse_endpoint

REGION = "eu-central-1"
ACCOUNT = "123456789012"
CHARACTERS = string.ascii_letters + string.digits
words = st.text(CHARACTERS, min_size=1, max_size=20)


@pytest.mark.parametrize(
    ("text", "protocol"),
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
def test_the_protocol_follows_from_the_endpoint(text: str, protocol: str) -> None:
    assert parse_endpoint(text) == Endpoint(protocol, text)


@given(words, words, words)
def test_a_text_with_an_at_and_a_dot_after_it_is_an_e_mail_address(name: str, host: str, end: str) -> None:
    assert parse_endpoint(f"{name}@{host}.{end}").protocol == "email"


@given(st.integers(1, 9), st.text("0123456789", min_size=6, max_size=14))
def test_a_plus_and_7_to_15_digits_are_a_phone_number(first: int, rest: str) -> None:
    assert parse_endpoint(f"+{first}{rest}").protocol == "sms"


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=100))
def test_any_other_text_is_refused_and_never_fails_otherwise(text: str) -> None:
    """An accepted text has the form of its protocol, whatever is typed."""
    patterns = {"email": "@", "sms": r"^\+\d", "https": "(?i)^https://", "sqs": "^arn:", "lambda": "^arn:"}
    try:
        endpoint = parse_endpoint(text)
    except UserError:
        return
    assert re.search(patterns[endpoint.protocol], endpoint.address)


@pytest.mark.parametrize("start", ["https://", "http://", "arn:aws:sqs:", "arn:aws:lambda:", "+", "a@"])
@given(rest=st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_a_text_with_a_valid_beginning_is_accepted_or_refused_in_a_sentence(start: str, rest: str) -> None:
    with suppress(UserError):
        assert parse_endpoint(start + rest).address == start + rest


@pytest.mark.parametrize(
    ("text", "valid_form"),
    [
        ("", "e-mail"),
        ("somebody", "e-mail"),
        ("you@localhost", "e-mail"),
        ("you@example.com, me@example.com", "e-mail"),
        ("a@b@example.com", "e-mail"),
        ("mailto:you@example.com", "e-mail"),
        ("017012345678", "e-mail"),
        ("+017012345678", "7 to 15 digits"),
        ("+49 170 12345678", "7 to 15 digits"),
        ("+4917012345678901", "7 to 15 digits"),
        ("+4917012345٦", "7 to 15 digits"),
        ("http://example.com", "https://"),
        ("HTTP://example.com", "https://"),
        ("https://", "such as https://"),
        ("https:///alerts", "such as https://"),
        ("https://example.com:port/", "such as https://"),
        ("https://[::1/alerts", "such as https://"),
        ("https://example.com/two words", "such as https://"),
        ("https://user:secret@example.com/", "password"),
        ("https://example.com/#alerts", "#"),
        ("arn:aws:sqs:eu-central-1:123456789012:in.fifo", "FIFO"),
        ("arn:aws:sqs:eu-central-1:12345:in", "arn:aws:sqs:REGION:ACCOUNT:NAME"),
        ("arn:aws:sns:eu-central-1:123456789012:topic", "arn:aws:sqs:REGION:ACCOUNT:NAME"),
        ("arn:aws:lambda:eu-central-1:123456789012:layer:one", "arn:aws:sqs:REGION:ACCOUNT:NAME"),
        ("arn:aws:sqs", "arn:aws:sqs:REGION:ACCOUNT:NAME"),
    ],
)
def test_an_invalid_endpoint_is_refused_with_the_valid_form(text: str, valid_form: str) -> None:
    with pytest.raises(UserError) as refusal:
        parse_endpoint(text)
    assert valid_form in str(refusal.value)


def test_the_password_of_a_url_is_not_repeated() -> None:
    with pytest.raises(UserError) as refusal:
        parse_endpoint("https://user:secret@example.com/")
    assert "secret" not in str(refusal.value)


def test_the_url_of_a_queue_is_refused_with_the_queue_s_arn() -> None:
    with pytest.raises(UserError) as refusal:
        parse_endpoint(f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/leaves")
    assert f"arn:aws:sqs:{REGION}:{ACCOUNT}:leaves" in str(refusal.value)


def test_the_parts_of_an_arn_make_the_same_arn() -> None:
    text = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:on-alert:live"
    assert str(parse_arn(text)) == text


def test_another_text_has_no_parts_of_an_arn() -> None:
    assert parse_arn("you@example.com") is None
