"""Letting a topic into a queue or a function: SNS is a stranger to both, and what it cannot deliver is lost."""

import json
import re
from contextlib import suppress
from typing import Any

from labelwatch.shared.account import Account
from labelwatch.shared.errors import UserError
from labelwatch.subscriptions.endpoints import Arn, Endpoint, arn_of

type Document = dict[str, Any]

KEY_OF_AWS = "alias/aws/sqs"


class QueuePolicy:
    """An SQS queue: a statement in its policy, beside those that it has."""

    def __init__(self, sqs: Any, arn: Arn) -> None:  # noqa: ANN401 - of any endpoint
        self._sqs = sqs
        self._arn = arn

    def grant(self, topic: Arn) -> list[str]:
        """Lets the topic in, and says what was done; raises UserError where it could not deliver even so."""
        url, attributes = self._found()
        key = attributes.get("KmsMasterKeyId", "")
        if key.endswith(KEY_OF_AWS):
            raise UserError(
                f"SNS cannot reach {self._arn}: it is encrypted with {KEY_OF_AWS}, whose policy nobody can change; "
                "encrypt it with SSE-SQS, or with a key of your own that lets sns.amazonaws.com in."
            )
        statement = statement_for(self._arn, topic)
        policy = json.loads(attributes.get("Policy") or "{}")
        told = []
        if statement not in statements(policy):
            self._write(url, with_statement(policy, statement))
            told.append(f"The queue's policy has a new statement, {statement['Sid']}, which lets the topic in.")
        if key:
            told.append(
                f"The queue is encrypted with {key}: that key's policy must let sns.amazonaws.com do "
                "kms:GenerateDataKey and kms:Decrypt, or nothing arrives."
            )
        return told

    def revoke(self, topic: Arn) -> list[str]:
        """Takes back what `let_in` did, and says so."""
        try:
            url, attributes = self._found()
        except UserError:
            return []  # a queue that is gone
        policy = json.loads(attributes.get("Policy") or "{}")
        kept = [one for one in statements(policy) if one.get("Sid") != sid(topic)]
        if kept == statements(policy):
            return []
        self._write(url, policy | {"Statement": kept} if kept else None)
        return [f"The statement {sid(topic)} is taken out of the queue's policy."]

    def _found(self) -> tuple[str, dict[str, str]]:
        try:
            url: str = self._sqs.get_queue_url(QueueName=self._arn.resource)["QueueUrl"]
        except self._sqs.exceptions.QueueDoesNotExist:
            raise UserError(f"there is no queue {self._arn.resource} in {self._arn.region}.") from None
        answer = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["Policy", "KmsMasterKeyId"])
        return url, answer.get("Attributes", {})

    def _write(self, url: str, policy: Document | None) -> None:
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy) if policy else ""})


class FunctionPolicy:
    """A Lambda function: a permission to invoke it."""

    def __init__(self, functions: Any, arn: Arn) -> None:  # noqa: ANN401 - of any endpoint
        self._functions = functions
        self._arn = arn

    def grant(self, topic: Arn) -> list[str]:
        """Lets the topic in, and says what was done; raises UserError where there is no such function."""
        try:
            self._functions.add_permission(
                FunctionName=str(self._arn),
                StatementId=sid(topic),
                Action="lambda:InvokeFunction",
                Principal="sns.amazonaws.com",
                SourceArn=str(topic),
            )
        except self._functions.exceptions.ResourceConflictException:
            return []  # it was let in before
        except self._functions.exceptions.ResourceNotFoundException:
            raise UserError(f"there is no function {self._arn} in {self._arn.region}.") from None
        return [f"The function's policy has a new permission, {sid(topic)}, which lets the topic invoke it."]

    def revoke(self, topic: Arn) -> list[str]:
        """Takes back what `let_in` did, and says so."""
        with suppress(self._functions.exceptions.ResourceNotFoundException):
            self._functions.remove_permission(FunctionName=str(self._arn), StatementId=sid(topic))
            return [f"The permission {sid(topic)} is taken out of the function's policy."]
        return []


def grant(account: Account, endpoint: Endpoint, topic: Arn) -> list[str]:
    """Lets the topic into a queue or a function of its account and Region, and says what was done.

    Of one that is elsewhere it says what its owner must do. Raises UserError where the topic could not deliver.
    """
    arn = _arn_with_a_policy(endpoint)
    if not arn:
        return []
    if _is_near(arn, topic):
        return _policy_of(account, arn).grant(topic)
    if arn.service == "lambda" and arn.account != topic.account:
        # https://docs.aws.amazon.com/lambda/latest/dg/with-sns-example.html
        raise UserError(
            f"only the account {arn.account} can subscribe its function: let it, with aws sns add-permission --region "
            f"{topic.region} --topic-arn {topic} --label labelwatch{arn.account} --aws-account-id {arn.account} "
            f"--action-name Subscribe, and have its owner run {_permission(arn, topic)} and then aws sns subscribe "
            f"--region {topic.region} --topic-arn {topic} --protocol lambda --notification-endpoint {arn}."
        )
    where = "account" if arn.account != topic.account else "Region"
    if arn.service == "sqs":
        statement = json.dumps(statement_for(arn, topic))
        return [f"The queue is of another {where}: nothing arrives until its policy has this statement: {statement}"]
    return [f"The function is of another {where}: nothing arrives until this was run: {_permission(arn, topic)}"]


def revoke(account: Account, endpoint: Endpoint, topic: Arn) -> list[str]:
    """Takes back what `let_in` did, and says so."""
    arn = _arn_with_a_policy(endpoint)
    return _policy_of(account, arn).revoke(topic) if arn and _is_near(arn, topic) else []


def statement_for(queue: Arn, topic: Arn) -> Document:
    """The statement of a queue's policy that lets this topic in, and nobody else."""
    return {
        "Sid": sid(topic),
        "Effect": "Allow",
        "Principal": {"Service": "sns.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": str(queue),
        "Condition": {"ArnEquals": {"aws:SourceArn": str(topic)}},
    }


def with_statement(policy: Document, statement: Document) -> Document:
    """The policy with this statement in place of an earlier one of its name, and with all others as they are."""
    others = [one for one in statements(policy) if one.get("Sid") != statement["Sid"]]
    # A policy without a version is of the older one, and stays so: a version changes what its words mean.
    return (policy or {"Version": "2012-10-17"}) | {"Statement": [*others, statement]}


def statements(policy: Document) -> list[Document]:
    """The statements of a policy, which may be one that stands alone."""
    found = policy.get("Statement", [])
    return found if isinstance(found, list) else [found]


def sid(topic: Arn) -> str:
    """What the statement of this topic is named: letters and digits as IAM wants it, under Lambda's 100."""
    return f"Labelwatch{re.sub('[^a-zA-Z0-9]', '', topic.resource)[-80:]}"


def _arn_with_a_policy(endpoint: Endpoint) -> Arn | None:
    return arn_of(endpoint.address) if endpoint.protocol in {"sqs", "lambda"} else None


def _is_near(arn: Arn, topic: Arn) -> bool:
    return (arn.partition, arn.account, arn.region) == (topic.partition, topic.account, topic.region)


def _policy_of(account: Account, arn: Arn) -> QueuePolicy | FunctionPolicy:
    if arn.service == "sqs":
        return QueuePolicy(account.client("sqs"), arn)
    return FunctionPolicy(account.client("lambda"), arn)


def _permission(function: Arn, topic: Arn) -> str:
    return (
        f"aws lambda add-permission --region {function.region} --function-name {function} --statement-id {sid(topic)} "
        f"--action lambda:InvokeFunction --principal sns.amazonaws.com --source-arn {topic}"
    )
