"""All that is in the account, so that two moments can be compared."""

from typing import Any

from labelwatch.local.ministack import LocalAws

type Inventory = dict[str, Any]


def inventory(local_aws: LocalAws) -> Inventory:
    """What there is of each kind that Labelwatch makes, with what of it decides how it works."""
    return {
        "functions": _functions(local_aws),
        "mappings": _mappings(local_aws),
        "schedules": sorted(one["Name"] for one in local_aws.client("events").list_rules()["Rules"]),
        "apis": sorted(one["id"] for one in local_aws.client("apigateway").get_rest_apis()["items"]),
        "stacks": _stacks(local_aws),
        "queues": sorted(local_aws.client("sqs").list_queues().get("QueueUrls", [])),
        "topics": sorted(one["TopicArn"] for one in local_aws.client("sns").list_topics()["Topics"]),
        "tables": sorted(local_aws.client("dynamodb").list_tables()["TableNames"]),
        "roles": sorted(one["RoleName"] for one in local_aws.client("iam").list_roles()["Roles"]),
        "logs": sorted(one["logGroupName"] for one in local_aws.client("logs").describe_log_groups()["logGroups"]),
        "alarms": sorted(one["AlarmName"] for one in local_aws.client("cloudwatch").describe_alarms()["MetricAlarms"]),
        "dashboards": sorted(
            one["DashboardName"] for one in local_aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
        ),
        "databases": sorted(one["Name"] for one in local_aws.client("glue").get_databases()["DatabaseList"]),
        "workgroups": sorted(one["Name"] for one in local_aws.client("athena").list_work_groups()["WorkGroups"]),
    }


def buckets(local_aws: LocalAws) -> list[str]:
    return sorted(one["Name"] for one in local_aws.client("s3").list_buckets()["Buckets"])


def notifications(local_aws: LocalAws, bucket: str) -> dict[str, list[list[str]]]:
    """Whom the bucket tells, and of what."""
    told = local_aws.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {
        kind: [[next(value for key, value in one.items() if key.endswith("Arn")), *one["Events"]] for one in told[kind]]
        for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
        if told.get(kind)
    }


def _functions(local_aws: LocalAws) -> dict[str, Any]:
    kept = ("CodeSha256", "Role", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "TracingConfig")
    found = local_aws.client("lambda").list_functions()["Functions"]
    return {one["FunctionName"]: {name: one.get(name) for name in kept} for one in found}


def _mappings(local_aws: LocalAws) -> dict[str, Any]:
    kept = ("EventSourceArn", "FunctionArn", "BatchSize", "MaximumBatchingWindowInSeconds", "ScalingConfig")
    found = local_aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {one["UUID"]: {name: one.get(name) for name in kept} for one in found}


def _stacks(local_aws: LocalAws) -> dict[str, str]:
    found = local_aws.client("cloudformation").list_stacks()["StackSummaries"]
    return {one["StackName"]: one["StackStatus"] for one in found if one["StackStatus"] != "DELETE_COMPLETE"}
