import hashlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import Retryable
from chalicelib.domain.tokens import CLIENT, Authorize, TokenCredential, credential_of, new_token
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
def authorization(tokens: FakeTokens, telemetry: FakeTelemetry) -> Authorize:
    return Authorize(tokens=tokens, telemetry=telemetry, now=lambda: NOW)


def test_a_token_that_is_known_names_its_client_and_its_use_is_noted(
    authorization: Authorize, tokens: FakeTokens
) -> None:
    token, claim = new_token("camera-north")
    tokens.known[claim] = None
    assert authorization(f"Bearer {token}") == "camera-north"
    assert tokens.known[claim] == NOW


@pytest.mark.parametrize("form", ["Bearer {}", "bearer {}", "BEARER  {} "])
def test_the_scheme_is_read_in_any_case(form: str) -> None:
    token, claim = new_token("camera-north")
    assert credential_of(form.format(token)) == claim


def test_a_token_that_nobody_knows_is_refused_and_logged_without_its_secret(
    authorization: Authorize, telemetry: FakeTelemetry
) -> None:
    token, _ = new_token("camera-north")
    assert authorization(f"Bearer {token}") is None
    assert telemetry.counts == {"TokensRejected": 1}
    assert telemetry.log == [("token rejected", {"client": "camera-north"})]


def test_the_secret_of_one_client_is_none_of_another(authorization: Authorize, tokens: FakeTokens) -> None:
    token, claim = new_token("camera-north")
    tokens.known[claim] = None
    assert authorization(f"Bearer {token.replace('camera-north', 'camera-south')}") is None


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Bearer",
        "Bearer ",
        "Bearer secret",
        "Basic bGFiZWx3YXRjaA==",
        new_token("a")[0],
        f"Bearer {new_token('a')[0]}x",
        f"Bearer {new_token('a')[0][:-1]}",
        f"Bearer {new_token('A')[0]}",
        f"Bearer {new_token('a/b')[0]}",
        f"Bearer {new_token('-a')[0]}",
        f"Bearer {new_token('')[0]}",
        f"Bearer {new_token('a' * 64)[0]}",
        f"Bearer {new_token('a')[0]}\n",
    ],
)
def test_what_is_no_token_is_refused_without_asking_for_it(
    authorization: Authorize, tokens: FakeTokens, telemetry: FakeTelemetry, header: str
) -> None:
    tokens.fault = Retryable("Asked", "nothing should be asked")
    assert authorization(header) is None
    assert telemetry.log == [("token rejected", {"client": None})]


def test_a_table_that_does_not_answer_is_not_taken_for_a_wrong_token(
    authorization: Authorize, tokens: FakeTokens
) -> None:
    tokens.fault = Retryable("ThrottlingException", "slow down")
    with pytest.raises(Retryable):
        authorization(f"Bearer {new_token('a')[0]}")


def test_a_token_has_256_random_bits_and_only_their_hash_is_kept() -> None:
    token, claim = new_token("a")
    secret = token.removeprefix("labelwatch_a_")
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", secret)  # 43 letters of 6 bits
    assert claim == TokenCredential("a", hashlib.sha256(secret.encode()).hexdigest())
    assert new_token("a")[0] != token


@given(clients)
def test_every_token_that_is_made_is_read_as_the_claim_that_is_kept(client: str) -> None:
    token, claim = new_token(client)
    assert credential_of(f"Bearer {token}") == claim


@given(st.text())
def test_any_header_is_read_or_refused(header: str) -> None:
    assert credential_of(header) is None
