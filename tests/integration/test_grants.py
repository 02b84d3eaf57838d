"""The access of a topic to queues and functions, on moto."""

from __future__ import annotations

import json
import shlex
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
SUBSCRIBER = Endpoint("sqs", str(QUEUE))
THEIRS = {"Sid": "theirs", "Effect": "Allow", "Principal": "*", "Action": "sqs:SendMessage", "Resource": str(QUEUE)}


ENDPOINTS_WITHOUT_A_POLICY = [
    Endpoint("email", "you@example.com"),
    Endpoint("https", "https://example.com"),
    Endpoint("firehose", f"arn:aws:firehose:{REGION}:{ACCOUNT}:deliverystream/theirs"),  # subscribed by another tool
]


def create_queue(sqs: SQSClient, **attributes: str) -> str:
    return sqs.create_queue(QueueName="leaves", Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]


def policy_of(sqs: SQSClient, url: str) -> dict[str, Any]:
    answer = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy"])
    policy: dict[str, Any] = json.loads(answer.get("Attributes", {}).get("Policy") or "{}")
    return policy


def test_a_queue_s_policy_allows_this_topic_and_no_other(sqs: SQSClient) -> None:
    url = create_queue(sqs)
    grants.grant(Account(), SUBSCRIBER, TOPIC)
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
    url = create_queue(sqs, Policy=json.dumps({"Version": "2008-10-17", "Id": "mine", "Statement": theirs}))
    grants.grant(Account(), SUBSCRIBER, TOPIC)
    policy = policy_of(sqs, url)
    assert (policy["Version"], policy["Id"]) == ("2008-10-17", "mine")
    assert [statement["Sid"] for statement in policy["Statement"]] == ["theirs", "LabelwatchlabelwatchAlertsTopic1"]


def test_a_repeated_grant_changes_nothing(sqs: SQSClient) -> None:
    url = create_queue(sqs)
    grants.grant(Account(), SUBSCRIBER, TOPIC)
    assert grants.grant(Account(), SUBSCRIBER, TOPIC) == []
    assert len(policy_of(sqs, url)["Statement"]) == 1


def test_of_two_grants_one_can_be_revoked(sqs: SQSClient) -> None:
    url = create_queue(sqs)
    grants.grant(Account(), SUBSCRIBER, TOPIC)
    grants.grant(Account(), SUBSCRIBER, OTHER)
    grants.revoke(Account(), SUBSCRIBER, TOPIC)
    assert [statement["Sid"] for statement in policy_of(sqs, url)["Statement"]] == [
        "LabelwatchlabelwatchOperationsTopic2"
    ]


def test_grants_of_others_are_not_revoked(sqs: SQSClient) -> None:
    url = create_queue(sqs, Policy=json.dumps({"Version": "2012-10-17", "Statement": [THEIRS]}))
    assert grants.revoke(Account(), SUBSCRIBER, TOPIC) == []
    assert policy_of(sqs, url)["Statement"] == [THEIRS]


def test_a_deleted_queue_needs_no_revocation(sqs: SQSClient) -> None:
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert grants.revoke(Account(), SUBSCRIBER, TOPIC) == []


def test_a_grant_to_a_queue_with_a_customer_managed_key_names_the_rights_that_the_key_must_allow(
    sqs: SQSClient,
) -> None:
    create_queue(sqs, KmsMasterKeyId="alias/leaves")
    _, message = grants.grant(Account(), SUBSCRIBER, TOPIC)
    rights = ("alias/leaves", "kms:GenerateDataKey", "kms:Decrypt", "sns.amazonaws.com")
    assert [right for right in rights if right not in message] == []


@pytest.mark.parametrize("key", ["alias/aws/sqs", f"arn:aws:kms:{REGION}:{ACCOUNT}:alias/aws/sqs"])
def test_a_queue_with_the_key_that_aws_manages_is_refused_and_left_as_it_is(sqs: SQSClient, key: str) -> None:
    url = create_queue(sqs, KmsMasterKeyId=key)
    with pytest.raises(UserError, match="alias/aws/sqs"):
        grants.grant(Account(), SUBSCRIBER, TOPIC)
    assert policy_of(sqs, url) == {}


def commands(message: str) -> list[list[str]]:
    """The commands in this text, each of which stands on a line of its own."""
    return [shlex.split(line) for line in message.splitlines() if line.startswith("  aws ")]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("other", [{"region": "us-west-2"}, {"account": "210987654321"}], ids=str)
def test_the_owner_of_a_queue_elsewhere_gets_the_statement(other: dict[str, str]) -> None:
    queue = QUEUE._replace(**other)
    (message,) = grants.grant(Account(), Endpoint("sqs", str(queue)), TOPIC)
    assert json.loads(message.splitlines()[-1]) == grants.statement_for(queue, TOPIC)


@pytest.mark.usefixtures("account")
def test_the_owner_of_a_function_of_another_region_gets_the_command_that_grants_access() -> None:
    function = f"arn:aws:lambda:us-west-2:{ACCOUNT}:function:on-alert"
    (message,) = grants.grant(Account(), Endpoint("lambda", function), TOPIC)
    (command,) = commands(message)
    assert command[2:7] == ["add-permission", "--region", "us-west-2", "--function-name", function]
    assert command[-2:] == ["--source-arn", str(TOPIC)]


@pytest.mark.usefixtures("account")
def test_a_function_of_another_account_is_refused_with_the_commands_of_both_accounts() -> None:
    function = f"arn:aws:lambda:{REGION}:210987654321:function:on-alert"
    with pytest.raises(UserError) as refusal:
        grants.grant(Account(), Endpoint("lambda", function), TOPIC)
    assert [command[1:3] for command in commands(str(refusal.value))] == [
        ["sns", "add-permission"],
        ["lambda", "add-permission"],
        ["sns", "subscribe"],
    ]


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize(
    "endpoint", [SUBSCRIBER, Endpoint("lambda", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:leaves")]
)
def test_a_queue_or_a_function_that_does_not_exist_is_refused(endpoint: Endpoint) -> None:
    with pytest.raises(UserError, match=f"leaves in {REGION}"):
        grants.grant(Account(), endpoint, TOPIC)


@pytest.mark.usefixtures("account")
@pytest.mark.parametrize("endpoint", ENDPOINTS_WITHOUT_A_POLICY)
def test_other_endpoints_need_no_grant(endpoint: Endpoint) -> None:
    assert grants.grant(Account(), endpoint, TOPIC) == grants.revoke(Account(), endpoint, TOPIC) == []


def test_the_id_of_a_statement_is_short_enough_for_lambda_however_long_the_topic_s_name_is() -> None:
    assert len(grants.statement_id(TOPIC._replace(resource=f"{'stack-' * 40}AlertsTopic-ABC"))) <= 100
