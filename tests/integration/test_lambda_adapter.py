"""The event source mapping, with botocore's Stubber: moto has neither its transitions nor AWS's refusals."""

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
QUERY = {"EventSourceArn": QUEUE, "FunctionName": "labelwatch-detect"}


@pytest.fixture
def lambda_(_nobody: None) -> Iterator[LambdaClient]:
    with closing(boto3.client("lambda")) as client:
        yield client


def listed(stub: Stubber, *states: str) -> None:
    found = [{"UUID": ID, "State": state} for state in states]
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": found}, QUERY)


def turned(client: LambdaClient, state: str, *, on: bool, refused: str = "", changes: bool) -> bool:
    """What `turn` returns for a mapping in this state; fails where it makes another change than expected."""
    with Stubber(client) as stub:
        listed(stub, state)
        update: dict[str, Any] = {"UUID": ID, "Enabled": on}
        if refused:
            stub.add_client_error("update_event_source_mapping", refused, expected_params=update)
        elif changes:
            stub.add_response("update_event_source_mapping", {}, update)
        changed = EventSourceMapping(client, QUEUE, "labelwatch-detect").turn(on=on)
        stub.assert_no_pending_responses()
        return changed


@pytest.mark.parametrize(("state", "on"), [("Enabled", False), ("Disabled", True)])
def test_a_mapping_is_enabled_and_disabled(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert turned(lambda_, state, on=on, changes=True)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("state", ["Creating", "Enabling", "Disabling", "Updating", "Deleting"])
def test_a_mapping_in_a_transition_is_not_changed(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert not turned(lambda_, state, on=on, changes=False)


@pytest.mark.parametrize(("state", "on"), [("Enabled", True), ("Disabled", False)])
def test_a_mapping_in_the_right_state_is_not_changed(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert not turned(lambda_, state, on=on, changes=False)


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceConflictException"])
def test_a_concurrent_change_of_the_mapping_gives_false(lambda_: LambdaClient, code: str) -> None:
    assert not turned(lambda_, "Enabled", on=False, refused=code, changes=True)


def test_any_other_refusal_is_a_fault(lambda_: LambdaClient) -> None:
    with pytest.raises(Retryable, match="AccessDeniedException"):
        turned(lambda_, "Enabled", on=False, refused="AccessDeniedException", changes=True)


def test_without_a_mapping_nothing_is_changed(lambda_: LambdaClient) -> None:
    with Stubber(lambda_) as stub:
        listed(stub)
        assert not EventSourceMapping(lambda_, QUEUE, "labelwatch-detect").turn(on=True)
