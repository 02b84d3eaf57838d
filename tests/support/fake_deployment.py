"""A fake account with a healthy deployment, for `labelwatch doctor`: AWS's answers, which tests change."""

import io
import json
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

from botocore.exceptions import ClientError

from labelwatch.analytics import FOLDER, TABLES
from labelwatch.analytics.tables import BUCKET_IN_DDL, shape_of
from labelwatch.deploy import request_limits, resources, stage
from labelwatch.deploy.functions import chalice_name
from labelwatch.deploy.parameters import PARAMETERS
from labelwatch.doctor.functions import INVOKERS, RATES
from labelwatch.doctor.queues import SETTINGS
from labelwatch.doctor.rights import REQUIRED, WRITE_LOGS
from tests.support.builders import ENVIRONMENT, MODEL
from tests.support.fake_account import OUTPUTS, OWNER, REGION, STACK

LABELS = ("bacterial-leaf-blight", "leaf-smut", "Brown Spot")
VALUES = (
    {parameter.name: parameter.default or "" for parameter in PARAMETERS.values()}
    | {name: value for name, value in ENVIRONMENT.items() if name in PARAMETERS}
    | OUTPUTS
    | {"StackName": STACK, "ExistingBucketName": "", "WorkgroupName": STACK, "RestAPIId": "a1b2c3"}
)
STATEMENTS = [
    {"Effect": "Deny", "Principal": "*", "Condition": {"Bool": {"aws:SecureTransport": "false"}}},
    {
        "Effect": "Allow",
        "Principal": {"Service": "s3.amazonaws.com"},
        "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:s3:::{VALUES['InputBucket']}"}},
    },
]
POLICY = {"Policy": json.dumps({"Statement": STATEMENTS})}
RESOURCES = resources()["Resources"]
PROPERTIES = RESOURCES["InputBucket"]["Properties"]
ALARM, LOG_GROUP = f"{STACK}-OldAlarm", f"/aws/lambda/{STACK}-detect"
NO_MESSAGES = {
    "ApproximateNumberOfMessages": "0",
    "ApproximateNumberOfMessagesNotVisible": "0",
    "ApproximateNumberOfMessagesDelayed": "0",
}


def refusal(code: str, message: str = "", operation: str = "Operation") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message or code}}, operation)


def denied(action: str) -> ClientError:
    return refusal("AccessDeniedException", f"User: arn is not authorized to perform: {action} on resource: arn")


class FakeDeployedAccount:
    """The account. `answers` has AWS's answer to each operation: a value, an error, or a function of its parameters."""

    region = REGION
    id = OWNER

    def __init__(self) -> None:
        self.answers: dict[str, Any] = _healthy()
        self.calls: list[str] = []

    def client(self, service: str) -> Any:
        return _Client(self, service)

    def answer(self, operation: str, parameters: dict[str, Any]) -> Any:
        self.calls.append(operation)
        answer = self.answers[operation]
        if isinstance(answer, Exception):
            raise answer
        return answer(**parameters) if callable(answer) else answer


class _Client:
    meta = SimpleNamespace(endpoint_url="https://example.amazonaws.com", region_name=REGION)
    exceptions = SimpleNamespace(
        AuthorizationErrorException=PermissionError,
        NotFoundException=LookupError,
        ResourceNotFoundException=LookupError,
    )

    def __init__(self, account: FakeDeployedAccount, service: str) -> None:
        self._account = account
        self._service = service

    def __getattr__(self, operation: str) -> Any:
        return lambda **parameters: self._account.answer(f"{self._service}.{operation}", parameters)

    def get_paginator(self, operation: str) -> Any:
        def paginate(**parameters: Any) -> Iterator[Any]:
            yield getattr(self, operation)(**parameters)

        return SimpleNamespace(paginate=paginate)


def _healthy() -> dict[str, Any]:
    return {
        "cloudformation.describe_stacks": {"Stacks": [_described(VALUES)]},
        "cloudformation.list_stack_resources": stack_resources(),
        "lambda.get_account_settings": {"AccountLimit": {"UnreservedConcurrentExecutions": 1000}},
        "lambda.get_function_configuration": configured(),
        "lambda.get_function_concurrency": {},
        "lambda.get_policy": {"Policy": invoked_by(*INVOKERS.values())},
        "events.list_rule_names_by_target": lambda TargetArn: {  # noqa: N803 - boto3's name
            "RuleNames": [TargetArn.rpartition(f":{STACK}-")[2]]
        },
        "events.describe_rule": scheduled(),
        "lambda.list_event_source_mappings": {"EventSourceMappings": [{"State": "Enabled"}]},
        "sns.get_sms_sandbox_account_status": {"IsInSandbox": False},
        "sns.list_subscriptions_by_topic": {
            "Subscriptions": [{"Protocol": "email", "Endpoint": "grower@example.com", "SubscriptionArn": "arn:1"}]
        },
        "sns.get_subscription_attributes": {"Attributes": {"ConfirmationWasAuthenticated": "true"}},
        "rekognition.describe_projects": {
            "ProjectDescriptions": [{"ProjectArn": "arn:rice", "Datasets": [{"DatasetArn": "arn:train"}]}]
        },
        "rekognition.describe_project_versions": model(),
        "rekognition.list_dataset_labels": {"DatasetLabelDescriptions": [{"LabelName": name} for name in LABELS]},
        "s3.get_object": lambda **_: {
            "Body": io.BytesIO(json.dumps({"EvaluationDetails": {"Labels": LABELS}}).encode())
        },
        "s3.get_public_access_block": {"PublicAccessBlockConfiguration": PROPERTIES["PublicAccessBlockConfiguration"]},
        "s3.get_bucket_ownership_controls": {"OwnershipControls": PROPERTIES["OwnershipControls"]},
        "s3.get_bucket_encryption": {"ServerSideEncryptionConfiguration": {"Rules": [{}]}},
        "s3.get_bucket_versioning": {"Status": "Enabled"},
        "s3.get_bucket_policy": POLICY,
        "s3.get_bucket_logging": {"LoggingEnabled": {}},
        "s3.get_bucket_notification_configuration": {
            "QueueConfigurations": [{"QueueArn": VALUES["ImagesQueueArn"], "Events": ["s3:ObjectCreated:*"]}]
        },
        "s3.list_objects_v2": {"KeyCount": 1},
        "sqs.get_queue_attributes": queue(),
        "cloudwatch.get_metric_statistics": {"Datapoints": []},
        "cloudwatch.describe_alarms": {"MetricAlarms": [alarm()]},
        "logs.describe_log_groups": {"logGroups": [{"logGroupName": LOG_GROUP}]},
        "apigateway.get_stage": {"methodSettings": LIMITS},
        "iam.simulate_principal_policy": FakeIam().simulate,
        "glue.get_table": table,
        "dynamodb.get_item": {},
        "dynamodb.query": {"Count": 3, "Items": []},
        "dynamodb.describe_time_to_live": {"TimeToLiveDescription": {"TimeToLiveStatus": "ENABLED"}},
        "dynamodb.describe_continuous_backups": {
            "ContinuousBackupsDescription": {
                "PointInTimeRecoveryDescription": {"PointInTimeRecoveryStatus": "ENABLED"},
            }
        },
    }


def _described(values: dict[str, str], status: str = "UPDATE_COMPLETE") -> dict[str, Any]:
    parameters = {name: value for name, value in values.items() if name in PARAMETERS}
    return {
        "StackStatus": status,
        "Parameters": [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        "Outputs": [{"OutputKey": key, "OutputValue": value} for key, value in values.items() if key not in parameters],
    }


def stack(status: str = "UPDATE_COMPLETE", without: str = "", **changes: str) -> dict[str, Any]:
    values = {name: value for name, value in (VALUES | changes).items() if name != without}
    return {"Stacks": [_described(values, status)]}


def model(status: str = "RUNNING", **more: Any) -> dict[str, Any]:
    summary = {"EvaluationResult": {"Summary": {"S3Object": {"Bucket": "evaluations", "Name": "summary.json"}}}}
    return {"ProjectVersionDescriptions": [{"ProjectVersionArn": MODEL, "Status": status} | summary | more]}


def role_of(function: str) -> str:
    return VALUES.get(stage.ROLES[function], f"arn:aws:iam::{OWNER}:role/{STACK}-{function}")


def configured(**changes: str) -> Callable[..., dict[str, Any]]:
    """The configuration of each function, with the values of the stack and these."""
    variables = {variable: (VALUES | changes)[output] for variable, output in stage.VARIABLES.items()}

    def answer(FunctionName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        name = "api_handler" if FunctionName == STACK else FunctionName.removeprefix(f"{STACK}-")
        return {
            "FunctionArn": f"arn:aws:lambda:{REGION}:{OWNER}:function:{FunctionName}",
            "Role": role_of(name),
            "Timeout": stage.timeout(name),
            "Environment": {"Variables": variables},
        }

    return answer


def invoked_by(*services: str) -> str:
    return json.dumps({"Statement": [{"Principal": {"Service": service}} for service in services]})


def scheduled(state: str = "ENABLED", rate: str = "") -> Callable[..., dict[str, Any]]:
    return lambda Name: {"Name": Name, "State": state, "ScheduleExpression": rate or RATES[Name]}  # noqa: N803 - the same


def alarm(**changes: Any) -> dict[str, Any]:
    return {"AlarmName": ALARM, "ActionsEnabled": True, "AlarmActions": [VALUES["OperationsTopicArn"]]} | changes


def stack_resources(**functions: str) -> dict[str, Any]:
    """The stack's alarm and log group, and these functions by their logical ids."""
    found = [("OldAlarm", ALARM, "AWS::CloudWatch::Alarm"), ("Logs", LOG_GROUP, "AWS::Logs::LogGroup")]
    found += [(logical_id, name, "AWS::Lambda::Function") for logical_id, name in functions.items()]
    return {
        "StackResourceSummaries": [
            {
                "LogicalResourceId": logical_id,
                "PhysicalResourceId": name,
                "ResourceType": resource_type,
                "ResourceStatus": "CREATE_COMPLETE",
            }
            for logical_id, name, resource_type in found
        ]
    }


def queue(depth: int = 0, **changes: str) -> Callable[..., dict[str, Any]]:
    counts = NO_MESSAGES | {"ApproximateNumberOfMessages": str(depth)}

    def answer(QueueUrl: str, AttributeNames: list[str]) -> dict[str, Any]:  # noqa: N803 - boto3's names
        every = AttributeNames == ["All"]
        return {"Attributes": counts | (_settings_of(QueueUrl) | POLICY | changes if every else {})}

    return answer


def _settings_of(url: str) -> dict[str, str]:
    """A queue's attributes of the template."""
    (output,) = [name for name, value in VALUES.items() if value == url]
    properties = RESOURCES[output.removesuffix("Url")]["Properties"]
    numbers = {name: str(properties[name]) for name in SETTINGS if name in properties}
    redrive = {"deadLetterTargetArn": f"arn:aws:sqs:::{url.rpartition('/')[2]}-dead", "maxReceiveCount": 20}
    return {"DelaySeconds": "0", "SqsManagedSseEnabled": "true", "RedrivePolicy": json.dumps(redrive)} | numbers


class FakeIam:
    """IAM's simulation of roles that have exactly the rights of the table; a test adds and removes some.

    A right is function, action, resource and the value of the context key, if it has a condition on one.
    """

    def __init__(self) -> None:
        names = VALUES | {
            "partition": "aws", "region": REGION, "account": OWNER, "stack": STACK,
            "project": MODEL.partition("/version/")[0],
            "ImagesDeadLettersArn": VALUES["ImagesQueueArn"] + "-dead",
            "PredictionsDeadLettersArn": VALUES["PredictionsQueueArn"] + "-dead",
        }  # fmt: skip
        self.granted = {
            (
                function,
                action,
                right.resource.format(**names, function=chalice_name(STACK, function)),
                right.context and right.context.value.format(**names),
            )
            for function, rights in REQUIRED.items()
            for right in (*rights, WRITE_LOGS)
            for action in right.actions.split()
        }

    def simulate(
        self,
        PolicySourceArn: str,  # noqa: N803 - boto3's names
        ActionNames: list[str],  # noqa: N803 - the same
        ResourceArns: list[str],  # noqa: N803 - the same
        ContextEntries: list[dict[str, Any]],  # noqa: N803 - the same
    ) -> dict[str, Any]:
        (resource,) = ResourceArns
        value = ContextEntries[0]["ContextKeyValues"][0] if ContextEntries else None
        function = PolicySourceArn.rpartition(f"{STACK}-")[2]
        results = [
            {
                "EvalActionName": action,
                "EvalResourceName": resource,
                "EvalDecision": "allowed" if (function, action, resource, value) in self.granted else "implicitDeny",
            }
            for action in ActionNames
        ]
        return {"EvaluationResults": results}


def table(Name: str, location: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803 - boto3's name
    """A table of its DDL, or with another location."""
    assert Name in TABLES
    shape = shape_of((FOLDER / f"{Name}.sql").read_text().replace(BUCKET_IN_DDL, VALUES["OutputBucket"]))
    return {
        "Table": {
            "TableType": "EXTERNAL_TABLE",
            "Parameters": shape.projection,
            "PartitionKeys": [{"Name": name, "Type": kind} for name, kind in shape.partitions],
            "StorageDescriptor": {
                "Columns": [{"Name": name, "Type": kind} for name, kind in shape.columns],
                "Location": location or shape.location,
                "SerdeInfo": {"SerializationLibrary": shape.serde},
            },
        }
    }


def _limits() -> dict[str, dict[str, float]]:
    settings: dict[str, dict[str, float]] = {}
    for path, value in request_limits.of_template().items():
        method, _, name = path.rpartition("/throttling/")
        settings.setdefault(method.replace("~1", "/").lstrip("/"), {})[f"throttling{name[0].upper()}{name[1:]}"] = value
    return settings


LIMITS = _limits()
