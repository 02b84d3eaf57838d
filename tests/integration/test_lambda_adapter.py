"""Lambda behind botocore's Stubber: moto knows neither the transitions of a mapping nor AWS's refusals."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.stub import Stubber

from chalicelib.adapters.aws_lambda import EventSourceMapping, rest_api_id
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


FUNCTION = "labelwatch-prod"


def allowing(**condition: Any) -> dict[str, Any]:
    """A statement as Lambda's AddPermission writes it."""
    return {"Effect": "Allow", "Action": "lambda:InvokeFunction", "Condition": condition}


def allowing_api(api: str, partition: str = "aws") -> dict[str, Any]:
    return allowing(ArnLike={"AWS:SourceArn": f"arn:{partition}:execute-api:eu-central-1:123456789012:{api}/*"})


BUCKET = allowing(StringEquals={"AWS:SourceAccount": "123456789012"}, ArnLike={"AWS:SourceArn": "arn:aws:s3:::images"})
OTHERS = [{"Effect": "Allow"}, allowing(StringEquals={"AWS:SourceAccount": "123456789012"}), BUCKET]


@pytest.mark.parametrize(
    ("statements", "found"),
    [
        ([allowing_api("a1b2c3")], "a1b2c3"),
        ([allowing_api("a1b2c3", "aws-cn")], "a1b2c3"),
        ([*OTHERS, allowing_api("a1b2c3"), *OTHERS], "a1b2c3"),
        ([allowing_api("former"), allowing_api("a1b2c3")], "a1b2c3"),
        (OTHERS, None),
        ([], None),
    ],
    ids=["one", "another partition", "among others", "the last of two", "others", "none"],
)
def test_the_rest_api_of_a_function_is_in_its_policy(
    lambda_: LambdaClient, statements: list[dict[str, Any]], found: str | None
) -> None:
    with Stubber(lambda_) as stub:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        stub.add_response("get_policy", {"Policy": policy}, {"FunctionName": FUNCTION})
        assert rest_api_id(lambda_, FUNCTION) == found


def test_without_a_function_or_a_policy_there_is_no_rest_api(lambda_: LambdaClient) -> None:
    with Stubber(lambda_) as stub:
        stub.add_client_error("get_policy", "ResourceNotFoundException", expected_params={"FunctionName": FUNCTION})
        assert rest_api_id(lambda_, FUNCTION) is None


def test_a_policy_that_cannot_be_read_is_a_fault(lambda_: LambdaClient) -> None:
    with Stubber(lambda_) as stub:
        stub.add_client_error("get_policy", "AccessDeniedException")
        with pytest.raises(Retryable, match="AccessDeniedException"):
            rest_api_id(lambda_, FUNCTION)
