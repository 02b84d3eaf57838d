"""Checks of what tells people about failures: the alarms, and the log groups of the functions."""

from collections.abc import Iterator

from labelwatch.doctor.check import Outcome, failed, passed
from labelwatch.doctor.deployment import REVERT_DRIFT, Deployment
from labelwatch.shared.text import counted


def check_alarms(deployment: Deployment) -> Iterator[Outcome]:
    """Whether each alarm of the stack exists and notifies the topic of the alarms."""
    names = deployment.resources("AWS::CloudWatch::Alarm")
    pages = deployment.client("cloudwatch").get_paginator("describe_alarms").paginate(AlarmNames=list(names.values()))
    topic = deployment.values["OperationsTopicArn"]
    notify = {
        alarm["AlarmName"]: alarm["ActionsEnabled"] and topic in alarm["AlarmActions"]
        for page in pages
        for alarm in page["MetricAlarms"]
    }
    missing = [logical_id for logical_id, name in names.items() if name not in notify]
    silent = [name for name in names.values() if not notify.get(name, True)]
    if missing:
        yield failed(f"Missing: {', '.join(missing)}.", REVERT_DRIFT)
    if silent:
        yield failed(
            f"No e-mail from {', '.join(silent)}.",
            f"Enable the actions in the CloudWatch console, with the topic {topic.rpartition(':')[2]}.",
        )
    if not missing and not silent:
        yield passed(f"{counted(len(names), 'alarm')} with the topic of the alarms.")


def check_logs(deployment: Deployment) -> Iterator[Outcome]:
    """Whether each log group of the stack exists: the functions cannot create one."""
    pages = (
        deployment.client("logs")
        .get_paginator("describe_log_groups")
        .paginate(logGroupNamePrefix=f"/aws/lambda/{deployment.name}")
    )
    present = {group["logGroupName"] for page in pages for group in page["logGroups"]}
    groups = deployment.resources("AWS::Logs::LogGroup").values()
    missing = [name for name in groups if name not in present]
    for name in missing:
        yield failed(
            f"Log group {name} does not exist, so the logs are lost.",
            f"Run `aws logs create-log-group --log-group-name {name}`, then set its retention to 90 days.",
        )
    if not missing:
        yield passed(f"{counted(len(groups), 'log group')}.")
