import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Retryable
from chalicelib.domain.tokens import CLIENT, AuthorizedClient, TokenCredential, credential_of, new_token
from chalicelib.steps.authorize import Authorize
from tests.support.builders import NOW
from tests.support.fakes import FakeTelemetry, FakeTokens

clients = st.from_regex(CLIENT, fullmatch=True)


@pytest.fixture
def tokens() -> FakeTokens:
    return FakeTokens()


@pytest.fixture
def telemetry() -> FakeTelemetry:
    return FakeTelemetry()


@pytest.fixture
def authorize(tokens: FakeTokens, telemetry: FakeTelemetry) -> Authorize:
    return Authorize(tokens=tokens, telemetry=telemetry, now=lambda: NOW)


def test_a_known_token_gives_its_client_and_limit_and_records_its_use(authorize: Authorize, tokens: FakeTokens) -> None:
    token, credential = new_token("camera-north")
    tokens.known[credential] = None
    assert authorize(f"Bearer {token}") == AuthorizedClient("camera-north", uploads_per_day=7)
    assert tokens.known[credential] == NOW


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_scheme_is_read_in_any_case(form: str) -> None:
    token, credential = new_token("camera-north")
    assert credential_of(form.format(token)) == credential


def test_an_unknown_token_is_refused_and_logged_without_its_secret(
    authorize: Authorize, telemetry: FakeTelemetry
) -> None:
    token, _ = new_token("camera-north")
    assert authorize(f"Bearer {token}") is None
    assert telemetry.counts == {"TokensRejected": 1}
    assert telemetry.log == [("token rejected", {"client": "camera-north"})]


def test_the_secret_of_one_client_does_not_work_for_another(authorize: Authorize, tokens: FakeTokens) -> None:
    token, credential = new_token("camera-north")
    tokens.known[credential] = None
    assert authorize(f"Bearer {token.replace('camera-north', 'camera-south')}") is None


# Named: a random token in a test's name would differ between the processes of pytest-xdist.
HEADERS = {
    "nothing": "",
    "no token": "Bearer",
    "a blank token": "Bearer ",
    "a secret alone": "Bearer secret",
    "another scheme": "Basic bGFiZWx3YXRjaA==",
    "no scheme": new_token("a")[0],
    "a longer secret": f"Bearer {new_token('a')[0]}x",
    "a shorter secret": f"Bearer {new_token('a')[0][:-1]}",
    "an upper-case client": f"Bearer {new_token('A')[0]}",
    "a client with a slash": f"Bearer {new_token('a/b')[0]}",
    "a client with a hyphen first": f"Bearer {new_token('-a')[0]}",
    "no client": f"Bearer {new_token('')[0]}",
    "a client of 64 letters": f"Bearer {new_token('a' * 64)[0]}",
    "a line break": f"Bearer {new_token('a')[0]}\n",
}


@pytest.mark.parametrize("header", HEADERS.values(), ids=HEADERS)
def test_a_header_without_a_token_is_refused_without_a_read_of_the_table(
    authorize: Authorize, tokens: FakeTokens, telemetry: FakeTelemetry, header: str
) -> None:
    tokens.fault = Retryable("TableRead", "the table must not be read")
    assert authorize(header) is None
    assert telemetry.log == [("token rejected", {"client": None})]


def test_a_table_that_does_not_answer_is_an_error_and_not_a_refusal(authorize: Authorize, tokens: FakeTokens) -> None:
    tokens.fault = Retryable("ThrottlingException", "slow down")
    with pytest.raises(Retryable):
        authorize(f"Bearer {new_token('a')[0]}")


def test_a_token_has_256_random_bits_and_only_their_hash_is_stored() -> None:
    token, credential = new_token("a")
    secret = token.removeprefix("labelwatch_a_")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)  # 43 characters of 6 bits
    assert credential == TokenCredential("a", hashlib.sha256(secret.encode()).hexdigest())
    assert new_token("a")[0] != token


@given(clients)
def test_every_new_token_is_read_as_the_credential_that_is_stored(client: str) -> None:
    token, credential = new_token(client)
    assert credential_of(f"Bearer {token}") == credential


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    assert credential_of(header) is None
