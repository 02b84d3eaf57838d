"""Letting a topic into queues and functions, on moto."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions import grants
from labelwatch.subscriptions.endpoints import Arn, Endpoint
from tests.integration.conftest import REGION

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

ACCOUNT = "123456789012"  # moto's
TOPIC = Arn("aws", "sns", REGION, ACCOUNT, "labelwatch-AlertsTopic-1")
OTHER = TOPIC._replace(resource="labelwatch-OperationsTopic-2")
QUEUE = Arn("aws", "sqs", REGION, ACCOUNT, "leaves")
LISTENER = Endpoint("sqs", str(QUEUE))
THEIRS = {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": str(QUEUE)}


ENDPOINTS_WITHOUT_A_DOOR = [
    Endpoint("email", "you@example.com"),
    Endpoint("https", "https://example.com"),
    Endpoint("firehose", f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/theirs"),  # subscribed by another hand
]


def made(sqs: SQSClient, **attributes: str) -> str:
    return sqs.create_queue(QueueName="leaves", Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def policy_of(sqs: SQSClient, url: str) -> dict[str, Any]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    policy: dict[str, Any] = json.loads(answer.get("Attributes", {}).get("Policy") or "{}")
    return policy


def test_a_queue_lets_this_topic_in_and_no_other(sqs: SQSClient) -> None:
    url = made(sqs)
    grants.grant(Account(), LISTENER, TOPIC)
    assert policy_of(sqs, url) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "LabelwatchlabelwatchAlertsTopic1",
                "Effect": "Allow",
                "Principal": {"Service": "sns.amazonaws.com"},
                "Action": "sqs:SendMessage",
                "Resource": str(QUEUE),
                "Condition": {"ArnEquals": {"aws:SourceArn": str(TOPIC)}},
            }
        ],
    }


@pytest.mark.parametrize("theirs", [[THEIRS], THEIRS], ids=["a list", "one that stands alone"])
def test_the_statements_that_a_queue_has_stay_with_the_version_of_their_policy(sqs: SQSClient, theirs: Any) -> None:
    url = made(sqs, Policy=json.dumps({"Version": "2008-10-17", "Id": "mine", "Statement": theirs}))
    grants.grant(Account(), LISTENER, TOPIC)
    policy = policy_of(sqs, url)
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "mine")
    assert [one["Sid"] for one in policy["Statement"]] == ["theirs", "LabelwatchlabelwatchAlertsTopic1"]


def test_a_topic_that_is_in_is_not_let_in_twice(sqs: SQSClient) -> None:
    url = made(sqs)
    grants.grant(Account(), LISTENER, TOPIC)
    assert grants.grant(Account(), LISTENER, TOPIC) == []
    assert len(policy_of(sqs, url)["Statement"]) == 1


def test_two_topics_can_be_let_in_and_one_shut_out(sqs: SQSClient) -> None:
    url = made(sqs)
    grants.grant(Account(), LISTENER, TOPIC)
    grants.grant(Account(), LISTENER, OTHER)
    grants.revoke(Account(), LISTENER, TOPIC)
    assert [one["Sid"] for one in policy_of(sqs, url)["Statement"]] == ["LabelwatchlabelwatchOperationsTopic2"]


def test_what_others_let_in_is_not_shut_out(sqs: SQSClient) -> None:
    url = made(sqs, Policy=json.dumps({"Version": "2012-10-17", "Statement": [THEIRS]}))
    assert grants.revoke(Account(), LISTENER, TOPIC) == []
    assert policy_of(sqs, url)["Statement"] == [THEIRS]


def test_a_queue_that_is_gone_needs_no_shutting_out(sqs: SQSClient) -> None:
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert grants.revoke(Account(), LISTENER, TOPIC) == []


def test_a_queue_under_a_key_of_its_owner_s_is_told_what_the_key_must_allow(sqs: SQSClient) -> None:
    made(sqs, KmsMasterKeyId="alias/leaves")
    _, told = grants.grant(Account(), LISTENER, TOPIC)
    assert "encrypted with alias/leaves: that key's policy must let sns.amazonaws.com do" in told


@pytest.mark.parametrize("key", ["alias/aws/sqs", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sqs"])
def test_a_queue_under_the_key_of_aws_is_refused_and_left_as_it_is(sqs: SQSClient, key: str) -> None:
    url = made(sqs, KmsMasterKeyId=key)
    with pytest.raises(UserError, match="whose policy nobody can change"):
        grants.grant(Account(), LISTENER, TOPIC)
    assert policy_of(sqs, url) == {}


@pytest.mark.usefixtures("account")
def test_a_queue_that_is_elsewhere_is_not_touched_and_its_owner_is_told_the_statement() -> None:
    abroad = QUEUE._replace(region="us-west-2")
    (told,) = grants.grant(Account(), Endpoint("sqs", str(abroad)), TOPIC)
    assert told.startswith("The queue is of another Region: nothing arrives until its policy has this statement: {")


@pytest.mark.usefixtures("account")
def test_a_function_of_another_region_is_told_the_command_that_lets_the_topic_in() -> None:
    function = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:on-alert"
    (told,) = grants.grant(Account(), Endpoint("lambda", function), TOPIC)
    assert f"aws lambda add-permission --region us-west-2 --function-name {function} " in told


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("endpoint", ENDPOINTS_WITHOUT_A_DOOR)
def test_what_is_no_queue_and_no_function_has_no_door(endpoint: Endpoint) -> None:
    assert grants.grant(Account(), endpoint, TOPIC) == grants.revoke(Account(), endpoint, TOPIC) == []


def test_the_name_of_a_statement_is_one_that_lambda_takes_however_long_the_topic_s_is() -> None:
    assert len(grants.sid(TOPIC._replace(resource=f"{'stack-' * 40}AlertsTopic-ABC"))) <= 100
