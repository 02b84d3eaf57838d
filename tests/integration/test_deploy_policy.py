"""The policies of infra/deploy-policy: they allow what AWS's schemas require for the template, and little more.

cfn-lint has AWS's schemas of CloudFormation's resources, whose handlers list their permissions, and the actions of IAM.
"""

import json
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import cfnlint
import pytest
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER

from checks.transform import transform
from labelwatch.deploy.packaging import resources
from tests.support.deployer import FOLDER, actions, policy
from tests.support.template import Template, listed

REGION = "eu-central-1"
POLICIES = sorted(file.stem for file in FOLDER.iterdir())
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html, without whitespace
MAX_MANAGED_POLICY = 6144
IAM = json.loads((Path(cfnlint.__file__).parent / "data/AdditionalSpecs/Policies.json").read_text())
every_policy = pytest.mark.parametrize("name", POLICIES)

# What a handler requires of another service.
OF_OTHER_SERVICES = {
    "AWS::Glue::Database": "lakeformation:*",
    "AWS::Lambda::Function": "iam:PassRole",
}
# What a handler requires for properties that the template does not have.
UNUSED = (
    "apigateway:UpdateRestApiPolicy",
    *("dynamodb:*Import*", "dynamodb:*Item", "dynamodb:*KinesisStreaming*", "dynamodb:*Replica", "dynamodb:Query"),
    *("dynamodb:*ContributorInsights", "dynamodb:*ResourcePolicy", "dynamodb:Scan"),
    *("glue:*Connection", "iam:*AttachRolePolicy", "iam:*DetachRolePolicy", "sns:*DataProtectionPolicy"),
    *("lambda:*CodeSigning*", "lambda:*Concurrency", "lambda:*LayerVersion", "lambda:*CapacityProvider"),
    *("lambda:*Recursion*", "lambda:*RuntimeAlias", "lambda:*RuntimeManagement*", "lambda:*Scaling*"),
    "lambda:PublishVersion",
    *("logs:*BearerToken*", "logs:*DataProtectionPolicy", "logs:*DeletionProtection", "logs:*IndexPolic*"),
    *("logs:*KmsKey", "logs:*LogDelivery", "logs:*ResourcePolic*"),
    *("s3:*Abac", "s3:*Accelerate*", "s3:*Acl", "s3:*Analytics*", "s3:*IntelligentTiering*", "s3:*Inventory*"),
    *("s3:*Metadata*", "s3:*Metrics*", "s3:*Object", "s3:*ObjectLock*", "s3:*Replication*", "s3:*Website"),
    # Whoever deploys must not remove a permissions boundary.
    "iam:DeleteRolePermissionsBoundary",
)
# What each policy has for calls of the commands themselves; the end-to-end test of the docs' commands uses them.
CALLED = {
    "stack": {"cloudformation:*"},
    "template": {"cloudformation:CreateChangeSet", "s3:*"},
}


def required(types: set[str]) -> set[str]:
    """What CloudFormation requires of its caller to create, read, update and delete resources of these types."""
    return {action for kind in types for action in _of_handlers(kind) if _is_used(kind, action)}


def _of_handlers(kind: str) -> Iterator[str]:
    handlers = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, kind).schema["handlers"]
    for name, handler in handlers.items():
        if name != "list":
            yield from handler["permissions"]


def _is_used(kind: str, action: str) -> bool:
    own = action.partition(":")[0] == kind.split("::")[1].lower()
    needed = own or fnmatchcase(action, OF_OTHER_SERVICES.get(kind, ""))
    return needed and _known(action) is not None and not any(fnmatchcase(action, name) for name in UNUSED)


def _known(action: str) -> dict[str, Any] | None:
    """What IAM knows of the action; None where there is none of this name."""
    service, _, name = action.partition(":")
    found: dict[str, Any] | None = IAM[service]["Actions"].get(name.lower())
    return found


@pytest.fixture(scope="session")
def types() -> set[str]:
    return {resource["Type"] for resource in resources()["Resources"].values()}


def called(name: str) -> set[str]:
    return {action for action in actions(name) if any(fnmatchcase(action, pattern) for pattern in CALLED[name])}


def test_the_policy_of_the_stack_has_what_its_resources_require_and_no_more(types: set[str]) -> None:
    assert actions("stack") - called("stack") == required(types)


def test_the_policy_of_the_template_has_what_its_other_resources_require_and_no_more(
    template: Template, types: set[str]
) -> None:
    others = {resource["Type"] for resource in transform(template)["Resources"].values()} - types
    assert actions("template") - called("template") == required(others)


@every_policy
def test_a_policy_fits_into_a_managed_policy(name: str) -> None:
    assert len(json.dumps(policy(name, {}), separators=(",", ":"))) <= MAX_MANAGED_POLICY


@every_policy
def test_every_action_of_a_policy_is_an_action_of_iam(name: str) -> None:
    assert [action for action in actions(name) if _known(action) is None] == []


@every_policy
def test_only_actions_that_know_no_names_are_allowed_on_all_resources(name: str) -> None:
    statements = [item for item in policy(name, {})["Statement"] if item["Resource"] == "*" and "Condition" not in item]
    on_all = {action for statement in statements for action in listed(statement["Action"])}
    assert {action for action in on_all if (_known(action) or {}).get("Resources")} <= {"cloudwatch:DescribeAlarms"}


@every_policy
def test_no_resource_of_a_policy_is_of_another_application(name: str) -> None:
    named = {resource for item in policy(name, {})["Statement"] for resource in listed(item["Resource"])} - {"*"}
    words = ("labelwatch", "IMAGES", "PREDICTIONS", "EXISTING", "CODE-BUCKET")
    unnamed = {resource.split(":", 5)[5] for resource in named if not any(word in resource for word in words)}
    assert unnamed <= {"catalog", "event-source-mapping:*", "project/*", "/restapis", "/restapis/*", "/tags/*"} | {
        "transform/Serverless-2016-10-31"
    }


def test_roles_are_passed_to_lambda_alone() -> None:
    for name in POLICIES:
        for statement in policy(name, {})["Statement"]:
            if "iam:PassRole" in listed(statement["Action"]):
                assert statement["Condition"] == {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}
