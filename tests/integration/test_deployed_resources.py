"""What `chalice deploy` created, found on the local AWS beside the resources of other stages and applications."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from labelwatch.deploy.deployed_resources import find
from labelwatch.local import ministack
from labelwatch.local.ministack import LocalAws
from labelwatch.shared.account import Account
from tests.integration.conftest import REGION

STACK = "labelwatch-prod"
OTHER_STACK = "labelwatch-prod-eu"
OWNER = "000000000000"
BUCKET = "cameras"


@pytest.fixture(scope="module")
def local_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalAws]:
    with ministack.running(tmp_path_factory.mktemp("local-aws"), "http://127.0.0.1:9") as local_aws:
        yield local_aws


@pytest.fixture(autouse=True)
def _empty_account(local_aws: LocalAws, _nobody: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in local_aws.environment.items():
        monkeypatch.setenv(name, value)
    delete_all()


def delete_all() -> None:
    """Deletes all that the tests create."""
    functions, apis = boto3.client("lambda"), boto3.client("apigateway")
    events, s3 = boto3.client("events"), boto3.client("s3")
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
    for function in functions.list_functions()["Functions"]:
        functions.delete_function(FunctionName=function["FunctionName"])
        boto3.client("iam").delete_role(RoleName=function["FunctionName"])
    for api in apis.get_rest_apis()["items"]:
        apis.delete_rest_api(restApiId=api["id"])
    for rule in events.list_rules()["Rules"]:
        events.delete_rule(Name=rule["Name"])
    for bucket in s3.list_buckets()["Buckets"]:
        s3.delete_bucket(Bucket=bucket["Name"])


def found(recorded: list[dict[str, Any]] | None = None, **values: str) -> list[dict[str, Any]]:
    return find(Account(), STACK, values, recorded or [])


def create_function(name: str) -> str:
    role = boto3.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("app.py", "")
    created = boto3.client("lambda").create_function(
        FunctionName=name, Role=role, Runtime="python3.12", Handler="app.detect", Code={"ZipFile": code.getvalue()}
    )
    return created["FunctionArn"]


def create_queue(name: str) -> str:
    sqs = boto3.client("sqs")
    url = sqs.create_queue(QueueName=name)["QueueUrl"]
    arn: str = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return arn


def create_mapping(queue: str, function: str) -> str:
    return boto3.client("lambda").create_event_source_mapping(EventSourceArn=queue, FunctionName=function)["UUID"]


def create_api(name: str, authorizer: str = "") -> str:
    client = boto3.client("apigateway")
    api: str = client.create_rest_api(name=name)["id"]
    if authorizer:
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn(authorizer)}/invocations"
        client.create_authorizer(restApiId=api, name="authorize", type="TOKEN", authorizerUri=uri)
    return api


def function_arn(name: str) -> str:
    return f"arn:aws:lambda:{REGION}:{OWNER}:function:{name}"


def test_an_empty_account_has_nothing() -> None:
    assert found() == []


def test_functions_are_found_by_their_names_in_the_form_that_chalice_reads() -> None:
    names = {"api_handler": STACK, "detect": f"{STACK}-detect"}
    arns = {name: create_function(function) for name, function in names.items()}
    create_function(f"{OTHER_STACK}-detect")
    assert found() == [
        {"name": name, "resource_type": "lambda_function", "lambda_arn": arn} for name, arn in arns.items()
    ]


def test_a_mapping_of_the_stack_s_queue_comes_before_that_of_a_former_queue() -> None:
    function = create_function(f"{STACK}-detect")
    former, present = create_queue("former"), create_queue("present")
    mappings = [create_mapping(queue, function) for queue in (former, present)]
    create_mapping(present, create_function(f"{OTHER_STACK}-detect"))
    _, first, second = found(ImagesQueueArn=present)
    assert first == {
        "name": "detect-sqs-event-source", "resource_type": "sqs_event", "queue_arn": present,
        "event_uuid": mappings[1], "queue": "present", "lambda_arn": function,
    }  # fmt: skip
    assert second["event_uuid"] == mappings[0]


def test_schedules_are_found_by_their_exact_names() -> None:
    events = boto3.client("events")
    for name in (f"{STACK}-manage_model-event", f"{OTHER_STACK}-manage_model-event", f"{STACK}-mine"):
        events.put_rule(Name=name, ScheduleExpression="rate(1 minute)")
    (schedule,) = found()
    assert schedule == {
        "name": "manage_model-event", "resource_type": "cloudwatch_event", "rule_name": f"{STACK}-manage_model-event",
    }  # fmt: skip


def notify(bucket: str, function: str) -> None:
    s3 = boto3.client("s3")
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
    target: Any = {"LambdaFunctionArn": function, "Events": ["s3:ObjectCreated:*"]}
    s3.put_bucket_notification_configuration(
        Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [target]}
    )


def test_the_notification_of_the_existing_bucket_is_found() -> None:
    function = create_function(f"{STACK}-ingest")
    notify(BUCKET, function)
    assert found(ExistingBucketName=BUCKET)[1:] == [
        {"name": "ingest-s3event", "resource_type": "s3_event", "bucket": BUCKET, "lambda_arn": function}
    ]


def test_the_notification_of_a_former_bucket_in_the_file_is_found_first_for_chalice_to_replace() -> None:
    function = create_function(f"{STACK}-ingest")
    notify(BUCKET, function)
    notify("former", function)
    recorded = {"name": "ingest-s3event", "resource_type": "s3_event", "bucket": "former", "lambda_arn": function}
    assert found([recorded], ExistingBucketName=BUCKET)[1:] == [recorded]


def test_a_bucket_that_was_deleted_has_no_notification() -> None:
    recorded = {"name": "ingest-s3event", "resource_type": "s3_event", "bucket": "deleted-cameras", "lambda_arn": ""}
    assert found([recorded]) == []


def test_a_bucket_that_notifies_another_function_has_none_of_ours() -> None:
    notify(BUCKET, create_function(f"{OTHER_STACK}-ingest"))
    assert found(ExistingBucketName=BUCKET) == []


def test_an_api_that_may_invoke_the_function_is_found() -> None:
    function, api = create_function(STACK), create_api("unnamed")
    boto3.client("lambda").add_permission(
        FunctionName=function, StatementId="api", Action="lambda:InvokeFunction", Principal="apigateway.amazonaws.com",
        SourceArn=f"arn:aws:execute-api:{REGION}:{OWNER}:{api}/*",
    )  # fmt: skip
    assert found()[1:] == [
        {
            "name": "rest_api", "resource_type": "rest_api", "rest_api_id": api,
            "rest_api_url": f"https://{api}.execute-api.{REGION}.amazonaws.com/api/",
        }
    ]  # fmt: skip


def test_an_api_without_permission_is_found_by_its_authorizer() -> None:
    api = create_api("labelwatch", f"{STACK}-authorize")
    create_api("labelwatch", f"{OTHER_STACK}-authorize")
    create_api("labelwatch")
    create_api("mine", f"{STACK}-authorize")
    assert [entry["rest_api_id"] for entry in found()] == [api]


def test_the_api_of_the_file_comes_before_a_second_api() -> None:
    apis = [create_api("labelwatch", f"{STACK}-authorize") for _ in range(2)]
    for recorded in apis:
        entries = found([{"name": "rest_api", "resource_type": "rest_api", "rest_api_id": recorded}])
        assert entries[0]["rest_api_id"] == recorded
        assert {entry["rest_api_id"] for entry in entries} == set(apis)


def test_an_api_that_was_deleted_is_not_found() -> None:
    assert found([{"name": "rest_api", "resource_type": "rest_api", "rest_api_id": "a1b2c3"}]) == []
