"""The resources of the account, to compare before and after."""

from typing import Any

from labelwatch.local.ministack import LocalAws

type Inventory = dict[str, Any]


def inventory(local_aws: LocalAws) -> Inventory:
    """The resources of each type that Labelwatch creates, with the properties that decide how they work."""
    return {
        "functions": _functions(local_aws),
        "mappings": _mappings(local_aws),
        "schedules": sorted(rule["Name"] for rule in local_aws.client("events").list_rules()["Rules"]),
        "apis": sorted(api["id"] for api in local_aws.client("apigateway").get_rest_apis()["items"]),
        "stacks": _stacks(local_aws),
        "queues": sorted(local_aws.client("sqs").list_queues().get("QueueUrls", [])),
        "topics": sorted(topic["TopicArn"] for topic in local_aws.client("sns").list_topics()["Topics"]),
        "tables": sorted(local_aws.client("dynamodb").list_tables()["TableNames"]),
        "roles": sorted(role["RoleName"] for role in local_aws.client("iam").list_roles()["Roles"]),
        "logs": sorted(group["logGroupName"] for group in local_aws.client("logs").describe_log_groups()["logGroups"]),
        "alarms": sorted(
            alarm["AlarmName"] for alarm in local_aws.client("cloudwatch").describe_alarms()["MetricAlarms"]
        ),
        "dashboards": sorted(
            dashboard["DashboardName"]
            for dashboard in local_aws.client("cloudwatch").list_dashboards()["DashboardEntries"]
        ),
        "databases": sorted(database["Name"] for database in local_aws.client("glue").get_databases()["DatabaseList"]),
        "workgroups": sorted(group["Name"] for group in local_aws.client("athena").list_work_groups()["WorkGroups"]),
    }


def buckets(local_aws: LocalAws) -> list[str]:
    return sorted(bucket["Name"] for bucket in local_aws.client("s3").list_buckets()["Buckets"])


def notifications(local_aws: LocalAws, bucket: str) -> dict[str, list[list[str]]]:
    """The ARN that each notification of the bucket goes to, with its events."""
    found = local_aws.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    return {
        kind: [
            [next(value for key, value in configuration.items() if key.endswith("Arn")), *configuration["Events"]]
            for configuration in found[kind]
        ]
        for kind in ("QueueConfigurations", "TopicConfigurations", "LambdaFunctionConfigurations")
        if found.get(kind)
    }


def limits_of(local_aws: LocalAws, api: str) -> dict[str, tuple[float, int]]:
    """The requests per second and the burst of each method with a limit of its own, by the path and method."""
    stage = local_aws.client("apigateway").get_stage(restApiId=api, stageName="api")
    return {
        method: (limit["throttlingRateLimit"], limit["throttlingBurstLimit"])
        for method, limit in stage["methodSettings"].items()
    }


def _functions(local_aws: LocalAws) -> dict[str, Any]:
    compared = ("CodeSha256", "Role", "Handler", "Runtime", "Timeout", "MemorySize", "Environment", "TracingConfig")
    found = local_aws.client("lambda").list_functions()["Functions"]
    return {function["FunctionName"]: {name: function.get(name) for name in compared} for function in found}


def _mappings(local_aws: LocalAws) -> dict[str, Any]:
    compared = ("EventSourceArn", "FunctionArn", "BatchSize", "MaximumBatchingWindowInSeconds", "ScalingConfig")
    found = local_aws.client("lambda").list_event_source_mappings()["EventSourceMappings"]
    return {mapping["UUID"]: {name: mapping.get(name) for name in compared} for mapping in found}


def _stacks(local_aws: LocalAws) -> dict[str, str]:
    found = local_aws.client("cloudformation").list_stacks()["StackSummaries"]
    return {stack["StackName"]: stack["StackStatus"] for stack in found if stack["StackStatus"] != "DELETE_COMPLETE"}
