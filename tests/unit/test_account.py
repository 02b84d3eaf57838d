"""The account and Region of a command, without a network."""

import os

import pytest

from labelwatch.shared import slow_calls
from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError


@pytest.fixture(autouse=True)
def _without_configuration(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


def test_a_missing_region_is_a_mistake() -> None:
    with pytest.raises(UserError, match="--region"):
        Account()


def test_the_option_overrides_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    assert (Account().region, Account(region="us-east-1").region) == ("eu-central-1", "us-east-1")


def test_a_missing_profile_is_a_mistake() -> None:
    with pytest.raises(UserError, match="nobody"):
        Account(profile="nobody", region="eu-central-1")


def test_missing_credentials_are_a_mistake() -> None:
    with pytest.raises(UserError, match="aws configure"):
        _ = Account(region="eu-central-1").id


def test_every_client_announces_slow_calls() -> None:
    events = Account(region="eu-central-1").client("sts").meta.events
    handlers = [handler for handler, _ in events.emit("after-call-error", exception=None, context={})]
    assert slow_calls.__name__ in {handler.__module__ for handler in handlers}
