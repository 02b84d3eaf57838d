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
ASKED = {"EventSourceArn": QUEUE, "FunctionName": "labelwatch-detect"}


@pytest.fixture
def lambda_(_nobody: None) -> Iterator[LambdaClient]:
    with closing(boto3.client("lambda")) as client:
        yield client


def listed(stub: Stubber, *states: str) -> None:
    found = [{"UUID": ID, "State": state} for state in states]
    stub.add_response("list_event_source_mappings", {"EventSourceMappings": found}, ASKED)


def turned(client: LambdaClient, state: str, *, on: bool, refused: str = "", changes: bool) -> bool:
    """What `turn` says of a mapping in this state; fails where it changes one that it should not, or the other way."""
    with Stubber(client) as stub:
        listed(stub, state)
        wanted: dict[str, Any] = {"UUID": ID, "Enabled": on}
        if refused:
            stub.add_client_error("update_event_source_mapping", refused, expected_params=wanted)
        elif changes:
            stub.add_response("update_event_source_mapping", {}, wanted)
        said = EventSourceMapping(client, QUEUE, "labelwatch-detect").turn(on=on)
        stub.assert_no_pending_responses()
        return said


@pytest.mark.parametrize(("state", "on"), [("Enabled", False), ("Disabled", True)])
def test_a_mapping_is_turned_to_what_is_wanted(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert turned(lambda_, state, on=on, changes=True)


@pytest.mark.parametrize("on", [True, False])
@pytest.mark.parametrize("state", ["Creating", "Enabling", "Disabling", "Updating", "Deleting"])
def test_a_mapping_in_a_transition_is_left_to_the_next_time(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert not turned(lambda_, state, on=on, changes=False)


@pytest.mark.parametrize(("state", "on"), [("Enabled", True), ("Disabled", False)])
def test_a_mapping_that_is_as_it_should_be_is_not_touched(lambda_: LambdaClient, state: str, *, on: bool) -> None:
    assert not turned(lambda_, state, on=on, changes=False)


@pytest.mark.parametrize("code", ["ResourceInUseException", "ResourceConflictException"])
def test_a_mapping_that_somebody_changes_at_that_moment_is_left_to_the_next_time(
    lambda_: LambdaClient, code: str
) -> None:
    assert not turned(lambda_, "Enabled", on=False, refused=code, changes=True)


def test_any_other_refusal_is_a_fault(lambda_: LambdaClient) -> None:
    with pytest.raises(Retryable, match="AccessDeniedException"):
        turned(lambda_, "Enabled", on=False, refused="AccessDeniedException", changes=True)


def test_where_there_is_no_mapping_yet_nothing_is_turned(lambda_: LambdaClient) -> None:
    with Stubber(lambda_) as stub:
        listed(stub)
        assert not EventSourceMapping(lambda_, QUEUE, "labelwatch-detect").turn(on=True)
