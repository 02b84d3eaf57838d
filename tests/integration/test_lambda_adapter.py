"""The event source mapping behind botocore's Stubber: moto knows neither its transitions nor AWS's refusals."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.aws_lambda import EventSourceMapping
from chalicelib.domain.errors import Retryable

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

QUEUE = "arn:aws:sqs:eu-central-1:123456789012:images"
ID = "14e0db71-0000-4000-8000-000000000000"
REQUEST = {"EventSourceArn": QUEUE, "FunctionName": "labelwatch-detect"}


@pytest.fixture
def lambda_(_nobody: None) -> Iterator[LambdaClient]:
    with closing(boto3.client("lambda")) as client:
        yield client


def listed(stub: Stubber, *states: str) -> None:
    found = [{"UUID": ID, "State": state} for state in states]
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": found}, REQUEST)


def changed(client: LambdaClient, state: str, *, enable: bool, refused: str = "", updates: bool) -> bool:
    """The answer of `enable` or `disable` for a mapping in this state; fails unless `updates` is what happens."""
    with Stubber(client) as stub:
        listed(stub, state)
        update: dict[str, Any] = {"UUID": ID, "Enabled": enable}
        if refused:
            stub.add_client_error("update_event_source_mapping", refused, expected_params=update)
        elif updates:
            stub.add_response("update_event_source_mapping", {}, update)
        mapping = EventSourceMapping(client, QUEUE, "labelwatch-detect")
        answer = mapping.enable() if enable else mapping.disable()
        stub.assert_no_pending_responses()
        return answer


@pytest.mark.parametrize(("state", "enable"), [("Enabled", False), ("Disabled", True)])
def test_a_mapping_is_enabled_and_disabled(lambda_: LambdaClient, state: str, *, enable: bool) -> None:
    assert changed(lambda_, state, enable=enable, updates=True)


@pytest.mark.parametrize("enable", [True, False])
@pytest.mark.parametrize("state", ["Creating", "Enabling", "Disabling", "Updating", "Deleting"])
def test_a_mapping_in_a_transition_is_not_updated(lambda_: LambdaClient, state: str, *, enable: bool) -> None:
    assert not changed(lambda_, state, enable=enable, updates=False)


@pytest.mark.parametrize(("state", "enable"), [("Enabled", True), ("Disabled", False)])
def test_a_mapping_that_is_enabled_or_disabled_already_is_not_updated(
    lambda_: LambdaClient, state: str, *, enable: bool
) -> None:
    assert not changed(lambda_, state, enable=enable, updates=False)


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceConflictException"])
def test_a_mapping_that_another_caller_changes_at_that_moment_is_not_changed(lambda_: LambdaClient, code: str) -> None:
    assert not changed(lambda_, "Enabled", enable=False, refused=code, updates=True)


def test_any_other_refusal_is_a_fault(lambda_: LambdaClient) -> None:
    with pytest.raises(Retryable, match="AccessDeniedException"):
        changed(lambda_, "Enabled", enable=False, refused="AccessDeniedException", updates=True)


def test_without_a_mapping_nothing_is_changed(lambda_: LambdaClient) -> None:
    with Stubber(lambda_) as stub:
        listed(stub)
        assert not EventSourceMapping(lambda_, QUEUE, "labelwatch-detect").enable()
