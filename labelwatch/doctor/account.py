"""Checks of the account and Region, which need no stack."""

from collections.abc import Iterator

import boto3

from labelwatch.doctor.check import Outcome, failed, passed, warned
from labelwatch.doctor.deployment import Deployment

# Two of detect and two of notify (app.py), one of each schedule, and some for the REST API and its authorizer.
# https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
ENOUGH_CONCURRENCY = 20
# https://docs.aws.amazon.com/rekognition/latest/customlabels-dg/limits.html
MAX_RUNNING_MODELS = 2


def check_region(deployment: Deployment) -> Iterator[Outcome]:
    """Whether Rekognition exists in the Region."""
    regions = boto3.Session().get_available_regions("rekognition", _partition_of(deployment.region))
    if deployment.region in regions:
        yield passed(f"Rekognition is available in {deployment.region}.")
    else:
        yield failed(
            f"Rekognition is not available in {deployment.region}.", f"Use one of these Regions: {', '.join(regions)}."
        )


def check_concurrency(deployment: Deployment) -> Iterator[Outcome]:
    """Whether enough functions of the account may run at once; new accounts start with 10."""
    limits = deployment.client("lambda").get_account_settings()["AccountLimit"]
    free = limits["UnreservedConcurrentExecutions"]
    found = f"{free:,} functions can run at once in {deployment.region}."
    if free >= ENOUGH_CONCURRENCY:
        yield passed(found)
    else:
        yield warned(
            f"{found} Labelwatch needs up to {ENOUGH_CONCURRENCY}.",
            "Request a higher quota of `Concurrent executions` for Lambda in Service Quotas.",
        )


def check_sms(deployment: Deployment) -> Iterator[Outcome]:
    """Whether SNS sends text messages to any number, or only to those that were verified."""
    if deployment.client("sns").get_sms_sandbox_account_status()["IsInSandbox"]:
        yield warned(
            "SNS sends text messages only to verified numbers (SMS sandbox).",
            "For alerts by SMS, verify each number, or leave the sandbox in the SNS console.",
        )
    else:
        yield passed("SNS sends text messages to any number.")


def check_running_models(deployment: Deployment) -> Iterator[Outcome]:
    """Whether one more model may run: an account has a quota of running models."""
    running = _running_models(deployment)
    own = deployment.values.get("CustomModelARN")
    found = f"{len(running)} of at most {MAX_RUNNING_MODELS} (default quota)."
    if len(running) < MAX_RUNNING_MODELS or own in running:
        yield passed(found)
    else:
        yield warned(
            f"{found} One more may not start.",
            "Stop a model, or request a higher quota for Rekognition in Service Quotas.",
        )


def _running_models(deployment: Deployment) -> list[str]:
    rekognition = deployment.client("rekognition")
    projects = rekognition.get_paginator("describe_projects").paginate()
    versions = rekognition.get_paginator("describe_project_versions")
    return [
        version["ProjectVersionArn"]
        for projects_page in projects
        for project in projects_page["ProjectDescriptions"]
        for page in versions.paginate(ProjectArn=project["ProjectArn"])
        for version in page["ProjectVersionDescriptions"]
        if version["Status"] in {"RUNNING", "STARTING"}
    ]


def _partition_of(region: str) -> str:
    return str(boto3.Session().get_partition_for_region(region))
