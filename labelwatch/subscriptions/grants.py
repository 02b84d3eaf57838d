"""Grants a topic access to a queue or function in its resource policy. Without the access, SNS loses messages."""

import json
import re
from contextlib import suppress
from typing import Any

from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Arn, Endpoint, parse_arn

type Document = dict[str, Any]

AWS_MANAGED_KEY = "alias/aws/sqs"


class QueuePolicy:
    """The policy of an SQS queue, with a statement for the topic beside other statements."""

    def __init__(self, sqs: Any, arn: Arn) -> None:  # noqa: ANN401 - of any endpoint
        self._sqs = sqs
        self._arn = arn

    def grant(self, topic: Arn) -> list[str]:
        """Adds the statement and reports the change; raises UserError where SNS cannot use the queue's key."""
        url, attributes = self._read()
        key = attributes.get("KmsMasterKeyId", "")
        if key.endswith(AWS_MANAGED_KEY):
            raise UserError(
                f"SNS cannot send to {self._arn}: the queue is encrypted with the AWS managed key {AWS_MANAGED_KEY}. "
                "Encrypt the queue with SSE-SQS, or with a customer managed key that allows sns.amazonaws.com."
            )
        statement = statement_for(self._arn, topic)
        policy = json.loads(attributes.get("Policy") or "{}")
        messages = []
        if statement not in statements(policy):
            self._write(url, with_statement(policy, statement))
            messages.append(f"Queue policy updated: statement {statement['Sid']} allows the topic to send messages.")
        if key:
            messages.append(
                f"The queue is encrypted with {key}. Without kms:GenerateDataKey and kms:Decrypt for sns.amazonaws.com "
                "in the key policy, no message arrives."
            )
        return messages

    def revoke(self, topic: Arn) -> list[str]:
        """Deletes the topic's statement and reports the change."""
        try:
            url, attributes = self._read()
        except UserError:
            return []  # the queue was deleted
        policy = json.loads(attributes.get("Policy") or "{}")
        others = [statement for statement in statements(policy) if statement.get("Sid") != statement_id(topic)]
        if others == statements(policy):
            return []
        self._write(url, policy | {"Statement": others} if others else None)
        return [f"Queue policy updated: statement {statement_id(topic)} deleted."]

    def _read(self) -> tuple[str, dict[str, str]]:
        try:
            url: str = self._sqs.get_queue_url(QueueName=self._arn.resource)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            raise UserError(
                f"No queue named {self._arn.resource} in {self._arn.region}. Check the name and Region in the ARN."
            ) from None
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "KmsMasterKeyId"])
        return url, answer.get("Attributes", {})

    def _write(self, url: str, policy: Document | None) -> None:
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy) if policy else ""})


class FunctionPolicy:
    """The policy of a Lambda function: a permission for the topic to invoke it."""

    def __init__(self, functions: Any, arn: Arn) -> None:  # noqa: ANN401 - of any endpoint
        self._functions = functions
        self._arn = arn

    def grant(self, topic: Arn) -> list[str]:
        """Adds the permission and reports the change; raises UserError without such a function."""
        try:
            self._functions.add_permission(
                FunctionName=str(self._arn),
                StatementId=statement_id(topic),
                Action="lambda:InvokeFunction",
                Principal="sns.amazonaws.com",
                SourceArn=str(topic),
            )
        except self._functions.exceptions.ResourceConflictException:
            return []  # the function has the permission already
        except self._functions.exceptions.ResourceNotFoundException:
            name = self._arn.resource.removeprefix("function:")
            raise UserError(
                f"No function named {name} in {self._arn.region}. Check the name and Region in the ARN."
            ) from None
        return [f"Function policy updated: statement {statement_id(topic)} allows the topic to invoke the function."]

    def revoke(self, topic: Arn) -> list[str]:
        """Deletes the topic's permission and reports the change."""
        with suppress(self._functions.exceptions.ResourceNotFoundException):
            self._functions.remove_permission(FunctionName=str(self._arn), StatementId=statement_id(topic))
            return [f"Function policy updated: statement {statement_id(topic)} deleted."]
        return []


def grant(account: Account, endpoint: Endpoint, topic: Arn) -> list[str]:
    """Grants the topic access to a queue or function in its account and Region, and reports the change.

    For another account or Region it reports the steps of the owner. Raises UserError where SNS could not deliver.
    """
    arn = _arn_with_policy(endpoint)
    if not arn:
        return []
    if _same_account_and_region(arn, topic):
        return _policy_of(account, arn).grant(topic)
    if arn.service == "lambda" and arn.account != topic.account:
        # https://docs.aws.amazon.com/lambda/latest/dg/with-sns-example.html
        raise UserError(
            f"Only account {arn.account} can subscribe its function. Run in account {topic.account}:\n"
            f"  aws sns add-permission --region {topic.region} --topic-arn {topic} --label labelwatch{arn.account} "
            f"--aws-account-id {arn.account} --action-name Subscribe\n"
            f"Then run in account {arn.account}:\n"
            f"  {_permission(arn, topic)}\n"
            f"  aws sns subscribe --region {topic.region} --topic-arn {topic} --protocol lambda "
            f"--notification-endpoint {arn}"
        )
    other = "account" if arn.account != topic.account else "Region"
    if arn.service == "sqs":
        statement = json.dumps(statement_for(arn, topic))
        return [f"The queue is in another {other}. Add this statement to the queue policy:\n{statement}"]
    return [f"The function is in another {other}. Run this command to grant access:\n  {_permission(arn, topic)}"]


def revoke(account: Account, endpoint: Endpoint, topic: Arn) -> list[str]:
    """Revokes the access that `grant` gave, and reports the change."""
    arn = _arn_with_policy(endpoint)
    return _policy_of(account, arn).revoke(topic) if arn and _same_account_and_region(arn, topic) else []


def statement_for(queue: Arn, topic: Arn) -> Document:
    """The statement of a queue policy that allows only this topic to send."""
    return {
        "Sid": statement_id(topic),
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": str(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": str(topic)}},
    }


def with_statement(policy: Document, statement: Document) -> Document:
    """The policy with this statement in place of a statement with the same Sid; other statements stay."""
    others = [other for other in statements(policy) if other.get("Sid") != statement["Sid"]]
    # A policy without a version keeps none: the version changes the meaning of its statements.
    return (policy or {"Version": "2012-10-17"}) | {"Statement": [*others, statement]}


def statements(policy: Document) -> list[Document]:
    """The statements of a policy, which may have a single statement instead of a list."""
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def statement_id(topic: Arn) -> str:
    """The Sid of this topic's statement: letters and digits as IAM requires, under Lambda's limit of 100."""
    return f"Labelwatch{re.sub('[^a-zA-Z0-9]', '', topic.resource)[-80:]}"


def _arn_with_policy(endpoint: Endpoint) -> Arn | None:
    return parse_arn(endpoint.address) if endpoint.protocol in {"sqs", "lambda"} else None


def _same_account_and_region(arn: Arn, topic: Arn) -> bool:
    return (arn.partition, arn.account, arn.region) == (topic.partition, topic.account, topic.region)


def _policy_of(account: Account, arn: Arn) -> QueuePolicy | FunctionPolicy:
    if arn.service == "sqs":
        return QueuePolicy(account.client("sqs"), arn)
    return FunctionPolicy(account.client("lambda"), arn)


def _permission(function: Arn, topic: Arn) -> str:
    return (
        f"aws lambda add-permission --region {function.region} --function-name {function} "
        f"--statement-id {statement_id(topic)} --action lambda:InvokeFunction --principal sns.amazonaws.com "
        f"--source-arn {topic}"
    )
