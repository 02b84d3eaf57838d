"""A fake account for `labelwatch up` and `down`: its buckets, model, databases, functions, schedules, API and stack."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.deploy import stage
from tests.support.builders import ENVIRONMENT, MODEL

REGION, OWNER = "eu-west-1", "123456789012"
STACK = "labelwatch-prod"
STACK_ID = f"arn:aws:cloudformation:{REGION}:{OWNER}:stack/{STACK}/1"
# The outputs of a complete stack without an existing bucket.
OUTPUTS = (
    {output: ENVIRONMENT[variable] for variable, output in stage.VARIABLES.items() if variable in ENVIRONMENT}
    | {output: f"arn:aws:iam::{OWNER}:role/{STACK}-{name}" for name, output in stage.ROLES.items() if name != "ingest"}
    | {"StackName": STACK, "DashboardUrl": "https://example.com/dashboard"}
)


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{OWNER}:function:{name}"


def client_error(code: str, region: str | None = None) -> ClientError:
    headers = {"x-amz-bucket-region": region} if region else {}
    response: Any = {"Error": {"Code": code, "Message": code}, "ResponseMetadata": {"HTTPHeaders": headers}}
    return ClientError(response, "Operation")


class FakeAccount:
    """An account with buckets (name → stack that created it), a model, databases, and a bucket's notifications.

    `targets` are the queues, topics and functions that the notifications may name.
    """

    region = REGION
    id = OWNER
    profile = None

    def __init__(self) -> None:
        self.buckets: dict[str, str | None] = {}
        self.head_errors: dict[str, ClientError] = {}
        self.status = "RUNNING"
        self.databases: set[str] = set()
        self.notifications: dict[str, Any] = {}
        self.tags_denied = False
        self.functions: set[str] = set()
        self.targets: set[str] = set()
        self.denied_targets: set[str] = set()
        self.models_denied = False
        self.mappings: list[dict[str, str]] = []
        self.rules: set[str] = set()
        self.cloudformation = FakeCloudFormation()
        self.apigateway = FakeApiGateway()

    def client(self, service: str) -> Any:
        clients = {
            "s3": self, "glue": self, "lambda": self, "sqs": self, "sns": self, "rekognition": _Rekognition(self),
            "cloudformation": self.cloudformation, "apigateway": self.apigateway, "events": self,
        }  # fmt: skip
        return clients[service]

    def head_bucket(self, Bucket: str, ExpectedBucketOwner: str) -> dict[str, str]:  # noqa: N803 - boto3's names
        assert ExpectedBucketOwner == OWNER
        if Bucket in self.head_errors:
            raise self.head_errors[Bucket]
        if Bucket not in self.buckets:
            raise client_error("404")
        return {"BucketRegion": REGION}

    def get_bucket_tagging(self, Bucket: str) -> dict[str, Any]:  # noqa: N803 - the same
        if self.tags_denied:
            raise client_error("AccessDenied")
        stack = self.buckets[Bucket]
        if not stack:
            raise client_error("NoSuchTagSet")
        return {"TagSet": [{"Key": "application", "Value": "labelwatch"}, {"Key": "stack", "Value": stack}]}

    def get_paginator(self, name: str) -> Any:
        pages = {
            "list_buckets": {"Buckets": [{"Name": bucket} for bucket in self.buckets]},
            "list_event_source_mappings": {"EventSourceMappings": self.mappings},
            "list_object_versions": {},
            "list_rules": {"Rules": [{"Name": rule} for rule in self.rules]},
        }
        return SimpleNamespace(paginate=lambda **_: [pages[name]])

    def delete_bucket(self, Bucket: str) -> None:  # noqa: N803 - the same
        del self.buckets[Bucket]

    def get_bucket_notification_configuration(self, Bucket: str) -> dict[str, Any]:  # noqa: ARG002, N803 - the same
        return self.notifications

    def get_database(self, Name: str) -> None:  # noqa: N803 - the same
        if Name not in self.databases:
            raise client_error("EntityNotFoundException")

    def get_queue_url(self, QueueName: str) -> None:  # noqa: N803 - the same
        self._find_target(f"arn:aws:sqs:{REGION}:{OWNER}:{QueueName}", "AWS.SimpleQueueService.NonExistentQueue")

    def get_topic_attributes(self, TopicArn: str) -> None:  # noqa: N803 - the same
        self._find_target(TopicArn, "NotFound")

    def _find_target(self, arn: str, missing: str) -> None:
        if arn in self.denied_targets:
            raise client_error("AccessDenied")
        if arn not in self.targets:
            raise client_error(missing)

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:  # noqa: N803 - the same
        if FunctionName.startswith("arn:"):
            self._find_target(FunctionName, "ResourceNotFoundException")
        elif FunctionName not in self.functions:
            raise client_error("ResourceNotFoundException")
        return {"FunctionName": FunctionName, "FunctionArn": function_arn(FunctionName)}

    exceptions = SimpleNamespace(ResourceNotFoundException=LookupError)

    def get_policy(self, FunctionName: str) -> dict[str, str]:  # noqa: N803 - the same
        assert FunctionName == STACK
        if not self.apigateway.exists:
            raise self.exceptions.ResourceNotFoundException
        source = f"arn:aws:execute-api:{REGION}:{OWNER}:{self.apigateway.stage['restApiId']}/*"
        return {"Policy": json.dumps({"Statement": [{"Condition": {"ArnLike": {"AWS:SourceArn": source}}}]})}


class FakeApiGateway:
    """The stage of an API, once it `exists`; `updates` are the patches of its settings so far, by their paths."""

    def __init__(self) -> None:
        self.exists = False
        self.stage = {"restApiId": "a1b2c3", "stageName": "api"}
        self.settings: dict[str, dict[str, Any]] = {}
        self.updates: list[dict[str, str]] = []
        self.denied = False

    def get_paginator(self, name: str) -> Any:
        assert name == "get_rest_apis"
        apis = [{"id": self.stage["restApiId"], "name": "labelwatch"}] if self.exists else []
        return SimpleNamespace(paginate=lambda: [{"items": apis}])

    def get_authorizers(self, restApiId: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert restApiId == self.stage["restApiId"]
        if self.denied:
            raise client_error("AccessDeniedException")
        return {"items": []}

    def get_stage(self, **stage: str) -> dict[str, Any]:
        assert stage == self.stage
        return {"methodSettings": self.settings} if self.settings else {}

    def update_stage(self, patchOperations: list[dict[str, str]], **stage: str) -> None:  # noqa: N803 - boto3's names
        assert stage == self.stage
        assert {operation["op"] for operation in patchOperations} == {"replace"}
        if self.denied:
            raise client_error("AccessDeniedException")
        self.updates.append({operation["path"]: operation["value"] for operation in patchOperations})


class FakeCloudFormation:
    """At most one stack, `description`, with resources as logical id → type; `changes` are the calls that change it.

    The logical id of a bucket is its name.
    """

    def __init__(self) -> None:
        self.description: dict[str, Any] | None = None
        self.resources: dict[str, str] = {"ImagesQueue": "AWS::SQS::Queue"}
        self.changes: list[str] = []
        self._planned: dict[str, Any] = {}
        self._events: list[dict[str, str]] = []

    def describe_stacks(self, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's names
        assert StackName in {STACK, STACK_ID}
        if not self.description:
            raise client_error("ValidationError")
        return {"Stacks": [self.description]}

    def create_change_set(self, **request: Any) -> dict[str, str]:
        self._planned = request
        return {"Id": "arn"}

    def describe_change_set(self, **_: Any) -> dict[str, str]:
        old = self.description or {}
        is_new = any(self._planned.get(part) != old.get(part) for part in ("Parameters", "Tags"))
        return (
            {"Status": "CREATE_COMPLETE"} if is_new else {"Status": "FAILED", "StatusReason": "didn't contain changes"}
        )

    def delete_change_set(self, **_: Any) -> None:
        self._planned = {}

    def execute_change_set(self, **_: Any) -> None:
        self.changes.append(self._planned["ChangeSetType"])
        self.put(
            "UPDATE_COMPLETE", {item["ParameterKey"]: item["ParameterValue"] for item in self._planned["Parameters"]}
        )
        if self.description:
            self.description["Tags"] = self._planned["Tags"]

    def delete_stack(self, **_: Any) -> None:
        if self.description:
            self.changes.append("DELETE")
        self.description = None
        self._end_with("DELETE_COMPLETE")

    def describe_stack_events(self, **_: Any) -> dict[str, Any]:
        return {"StackEvents": self._events}

    def get_paginator(self, name: str) -> Any:
        return SimpleNamespace(paginate=getattr(self, f"_pages_of_{name}"))

    def put(self, status: str, parameters: dict[str, str]) -> None:
        """Sets the stack's status and parameters."""
        self.description = {
            "StackStatus": status,
            "StackId": STACK_ID,
            "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            "Outputs": [
                {"OutputKey": key, "OutputValue": value} for key, value in OUTPUTS.items() if key not in parameters
            ],
        }
        self._end_with(status)

    @property
    def parameters(self) -> dict[str, str]:
        assert self.description
        return {item["ParameterKey"]: item["ParameterValue"] for item in self.description["Parameters"]}

    def _end_with(self, status: str) -> None:
        event = {"EventId": str(len(self._events)), "StackId": STACK_ID, "PhysicalResourceId": STACK_ID}
        self._events.insert(0, event | {"ResourceStatus": status})

    def _pages_of_describe_change_set(self, **_: Any) -> Iterator[dict[str, Any]]:
        change = {"Action": "Add", "LogicalResourceId": "DetectRole", "ResourceType": "AWS::IAM::Role"}
        yield {"Changes": [{"ResourceChange": change}]}

    def _pages_of_describe_stack_events(self, **_: Any) -> Iterator[dict[str, Any]]:
        yield self.describe_stack_events()

    def _pages_of_list_stack_resources(self, **_: Any) -> Iterator[dict[str, Any]]:
        summaries = [
            {"LogicalResourceId": name, "ResourceType": kind, "ResourceStatus": "CREATE_COMPLETE"}
            | ({"PhysicalResourceId": name} if kind == "AWS::S3::Bucket" else {})
            for name, kind in self.resources.items()
        ]
        yield {"StackResourceSummaries": summaries}


class _Rekognition:
    def __init__(self, account: FakeAccount) -> None:
        self._status = account.status
        self._denied = account.models_denied

    def describe_projects(self, ProjectNames: list[str]) -> dict[str, Any]:  # noqa: N803 - the same
        return {"ProjectDescriptions": [{"ProjectArn": f"{ProjectNames[0]}/1"}] if ProjectNames == ["rice"] else []}

    def get_paginator(self, name: str) -> Any:
        if self._denied:
            raise client_error("AccessDeniedException")
        versions = [{"ProjectVersionArn": MODEL, "Status": self._status}]
        pages = {
            "describe_projects": {"ProjectDescriptions": [{"ProjectArn": "rice/1"}]},
            "describe_project_versions": {"ProjectVersionDescriptions": versions},
        }
        return SimpleNamespace(paginate=lambda **_: [pages[name]])
