"""The packaged template and zip, deployed into the local AWS as CloudFormation deploys them into AWS."""

import json
from typing import Any

from labelwatch.deploy import Package
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.shared import stacks

STACK = "labelwatch"
PACKAGES_BUCKET = "labelwatch-packages"
# Instead of five minutes: the local model starts in seconds, and deferred images should come soon after.
DEFER_SECONDS = 15


def deploy(local_aws: LocalAws, package: Package, parameters: dict[str, str]) -> dict[str, str]:
    """Deploys the package and returns the stack's outputs; raises UserError with the failed resource's reason."""
    s3 = local_aws.client("s3")
    s3.create_bucket(Bucket=PACKAGES_BUCKET, CreateBucketConfiguration={"LocationConstraint": REGION})
    s3.upload_file(str(package.zip), PACKAGES_BUCKET, package.zip.name)
    template = stacks.pointing_at(json.loads(package.template.read_text()), PACKAGES_BUCKET, package.zip.name)
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"]["Environment"]["Variables"]["DEFER_SECONDS"] = str(DEFER_SECONDS)
    return deploy_template(local_aws, STACK, template, parameters)


def deploy_template(
    local_aws: LocalAws, name: str, template: dict[str, Any], parameters: dict[str, str]
) -> dict[str, str]:
    """Creates this stack through a change set and returns its outputs; raises UserError as `deploy` does."""
    key = f"{name}.json"
    local_aws.client("s3").put_object(Bucket=PACKAGES_BUCKET, Key=key, Body=json.dumps(template).encode())
    url = f"{local_aws.endpoint}/{PACKAGES_BUCKET}/{key}"
    cloudformation = stacks.Stacks(local_aws.client("cloudformation"), poll_seconds=0.2)
    plan = cloudformation.plan(name, url, parameters, creates=True)
    return cloudformation.apply(plan) if plan else {}
