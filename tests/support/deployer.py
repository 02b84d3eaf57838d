"""An IAM user with the policies of infra/deploy-policy alone, and the rights that its calls use."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from ministack.core.iam_actions import extract_iam_action
from ministack.core.router import detect_service

from labelwatch.local.ministack import LocalAws
from labelwatch.shared.project import PROJECT
from tests.support.proxy import Forward, Request, Response, running_proxy
from tests.support.template import listed

FOLDER = PROJECT / "infra" / "deploy-policy"
# ministack has no value for this condition's key.
CONDITION = {"ArnLike": {"lambda:FunctionArn": "arn:aws:lambda:*:*:function:labelwatch-*"}}
# Calls that ministack gives the action of another one, or none, by the method and a part of the path.
CALLS = {
    ("DELETE", "/concurrency"): "lambda:DeleteFunctionConcurrency",
    ("PUT", "/event-source-mappings/"): "lambda:UpdateEventSourceMapping",
    ("DELETE", "/event-source-mappings/"): "lambda:DeleteEventSourceMapping",
}


def policy(name: str, words: dict[str, str]) -> dict[str, Any]:
    """The policy of this name, with names in place of the words in capitals."""
    text = (FOLDER / f"{name}.json").read_text()
    for word, value in words.items():
        text = re.sub(rf"\b{word}\b", value, text)
    document: dict[str, Any] = json.loads(text)
    return document


def actions(name: str) -> set[str]:
    """The actions that the policy of this name allows."""
    return {action for statement in policy(name, {})["Statement"] for action in listed(statement["Action"])}


@dataclass
class Deployer:
    """The user's access key, the URL of the proxy that its calls go through, and the actions of the calls so far."""

    key: str
    secret: str
    endpoint: str = ""
    used: set[str] = field(default_factory=set)

    @property
    def export(self) -> str:
        """A line after which commands act as this user."""
        return (
            f"export AWS_ACCESS_KEY_ID={self.key} AWS_SECRET_ACCESS_KEY={self.secret} AWS_ENDPOINT_URL={self.endpoint}"
        )

    def intercept(self, request: Request, forward: Forward) -> Response:
        url = urlsplit(request.path)
        query = parse_qs(url.query, keep_blank_values=True)
        if f"={self.key}/" in request.headers.get("authorization", ""):
            service = detect_service(request.method, url.path, request.headers, query)
            parts = (request.method, url.path, request.headers, request.body, query)
            corrected = [CALLS[call] for call in CALLS if call[0] == request.method and call[1] in url.path]
            self.used.add(corrected[0] if corrected else str(extract_iam_action(service, *parts)))
        return forward()


@contextmanager
def deploying(local_aws: LocalAws, name: str, policies: list[str], words: dict[str, str]) -> Iterator[Deployer]:
    """The user of this name, until the block ends."""
    iam = local_aws.client("iam")
    iam.create_user(UserName=name)
    arns = []
    for policy_name in policies:
        document = policy(policy_name, words)
        for statement in document["Statement"]:
            if statement.get("Condition") == CONDITION:
                del statement["Condition"]
        created = iam.create_policy(PolicyName=f"{name}-{policy_name}", PolicyDocument=json.dumps(document))
        arns.append(created["Policy"]["Arn"])
        iam.attach_user_policy(UserName=name, PolicyArn=arns[-1])
    key = iam.create_access_key(UserName=name)["AccessKey"]
    deployer = Deployer(key["AccessKeyId"], key["SecretAccessKey"])
    with running_proxy(local_aws.endpoint, deployer.intercept) as deployer.endpoint:
        yield deployer
    iam.delete_access_key(UserName=name, AccessKeyId=deployer.key)
    for arn in arns:
        iam.detach_user_policy(UserName=name, PolicyArn=arn)
        iam.delete_policy(PolicyArn=arn)
    iam.delete_user(UserName=name)
