"""The resources of a stage that `chalice deploy` created and that exist, as entries of .chalice/deployed/STAGE.json.

Chalice finds functions and schedules by their names, and event source mappings, the REST API and a bucket's
notification by its entries alone. Each entry has the fields that its planner and sweeper read:
https://github.com/aws/chalice/tree/1.34.0/chalice/deploy
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chalicelib.adapters.aws_lambda import API_STAGE, rest_api_id
from labelwatch.deploy.buckets import MISSING
from labelwatch.deploy.functions import deployed, function_names
from labelwatch.deploy.stage import ROLES

if TYPE_CHECKING:
    from labelwatch.shared.account import Clients

type Entry = dict[str, Any]

APPLICATION = "labelwatch"
SUFFIXES = {"lambda_function": "", "sqs_event": "-sqs-event-source", "cloudwatch_event": "-event"}
NOTIFICATION, REST_API = "ingest-s3event", "rest_api"
# Chalice's names for the resources of app.py.
NAMES = {NOTIFICATION, REST_API, *(f"{function}{suffix}" for function in ROLES for suffix in SUFFIXES.values())}


def find(account: Clients, stack: str, values: Mapping[str, str], recorded: list[Entry]) -> list[Entry]:
    """Each resource that exists; where several have one name, the resource to keep is first.

    `values` are the stack's outputs and parameters, `recorded` the entries of the file. Raises ClientError, or a Fault,
    where a permission is missing.
    """
    return [
        *_functions(account, stack),
        *_mappings(account, stack, {values.get("ImagesQueueArn"), values.get("PredictionsQueueArn")}),
        *_schedules(account, stack),
        *_notifications(account, stack, [*_recorded(recorded, "bucket"), values.get("ExistingBucketName")]),
        *_rest_apis(account, stack, _recorded(recorded, "rest_api_id")),
    ]


def _recorded(entries: list[Entry], field: str) -> list[str]:
    return [entry[field] for entry in entries if field in entry]


def _functions(account: Clients, stack: str) -> Iterator[Entry]:
    names = function_names(stack)
    for function in deployed(account, stack):
        name = names[function["FunctionName"]]
        yield {"name": name, "resource_type": "lambda_function", "lambda_arn": function["FunctionArn"]}


def _mappings(account: Clients, stack: str, queues: set[str | None]) -> list[Entry]:
    """Of all mappings, because a mapping stays when its function is deleted, and cannot be listed by its function then.

    The mappings of the stack's queues are first.
    """
    names = function_names(stack)
    pages = account.client("lambda").get_paginator("list_event_source_mappings").paginate()
    entries = [
        {
            "name": names[function] + SUFFIXES["sqs_event"],
            "resource_type": "sqs_event",
            "queue_arn": mapping["EventSourceArn"],
            "event_uuid": mapping["UUID"],
            "queue": mapping["EventSourceArn"].split(":")[-1],
            "lambda_arn": mapping["FunctionArn"],
        }
        for page in pages
        for mapping in page["EventSourceMappings"]
        if (function := mapping["FunctionArn"].split(":")[-1]) in names
        and ":sqs:" in mapping.get("EventSourceArn", "")
        and mapping["State"] != "Deleting"
    ]
    return sorted(entries, key=lambda entry: entry["queue_arn"] not in queues)


def _schedules(account: Clients, stack: str) -> Iterator[Entry]:
    suffix = SUFFIXES["cloudwatch_event"]
    names = {function + suffix: name + suffix for function, name in function_names(stack).items()}
    for page in account.client("events").get_paginator("list_rules").paginate(NamePrefix=f"{stack}-"):
        for rule in page["Rules"]:
            if rule["Name"] in names:
                yield {
                    "name": names[rule["Name"]],
                    "resource_type": "cloudwatch_event",
                    "rule_name": rule["Name"],
                }


def _notifications(account: Clients, stack: str, buckets: list[str | None]) -> Iterator[Entry]:
    """Of the first bucket with a notification: Chalice itself replaces that of a former bucket."""
    for bucket in filter(None, buckets):
        for function in _notified_functions(account, bucket):
            if function.endswith(f":function:{stack}-ingest"):
                yield {"name": NOTIFICATION, "resource_type": "s3_event", "bucket": bucket, "lambda_arn": function}
                return


def _notified_functions(account: Clients, bucket: str) -> list[str]:
    try:
        notifications = account.client("s3").get_bucket_notification_configuration(Bucket=bucket)
    except ClientError as problem:
        if problem.response["Error"]["Code"] not in MISSING:
            raise
        return []
    return [target["LambdaFunctionArn"] for target in notifications.get("LambdaFunctionConfigurations", [])]


def _rest_apis(account: Clients, stack: str, recorded: list[str]) -> Iterator[Entry]:
    """The API of the file, then the API that may invoke the function, then those whose definition has the authorizer.

    An interrupted deployment leaves an API without the permission, and a deleted function leaves an API.
    """
    client = account.client("apigateway")
    pages = client.get_paginator("get_rest_apis").paginate()
    names = {api["id"]: api["name"] for page in pages for api in page["items"]}
    authorized = [api for api, name in names.items() if name == APPLICATION and _has_authorizer(client, api, stack)]
    suffix = "amazonaws.com.cn" if account.region.startswith("cn-") else "amazonaws.com"
    for api in dict.fromkeys([*recorded, rest_api_id(account.client("lambda"), stack), *authorized]):
        if api in names:
            yield {
                "name": REST_API,
                "resource_type": "rest_api",
                "rest_api_id": api,
                "rest_api_url": f"https://{api}.execute-api.{account.region}.{suffix}/{API_STAGE}/",
            }


def _has_authorizer(client: Any, api: str, stack: str) -> bool:  # noqa: ANN401 - boto3's clients have no common type
    authorizers = client.get_authorizers(restApiId=api).get("items", [])
    return any(f":function:{stack}-authorize/" in authorizer.get("authorizerUri", "") for authorizer in authorizers)
