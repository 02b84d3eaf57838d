"""The REST API in one process, with Chalice's own test client, and the definition that is deployed."""

from __future__ import annotations

import importlib
import json
import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from chalice.deploy.swagger import SwaggerGenerator
from chalice.test import Client

from chalicelib.adapters.dynamodb import TokenTable, UploadTable
from chalicelib.domain.tokens import AuthorizedClient, new_token
from tests.support.builders import ENVIRONMENT

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

REGION, ACCOUNT = "eu-central-1", "123456789012"
HANDLER = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:labelwatch-prod"
JSON = {"Content-Type": "application/json"}
BODY = b'{"filename": "leaf 1.jpg", "size": 204800}'


@pytest.fixture
def app(account: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:  # noqa: ARG001 - the account must exist first
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("app", None)
    yield importlib.import_module("app")
    sys.modules.pop("app", None)


@pytest.fixture
def token(app: ModuleType, template: dict[str, Any]) -> str:  # noqa: ARG001 - it starts the account of the table
    properties = template["Resources"]["Table"]["Properties"]
    client: DynamoDBClient = boto3.client("dynamodb")
    names = ("BillingMode", "AttributeDefinitions", "KeySchema")
    client.create_table(TableName=ENVIRONMENT["TABLE_NAME"], **{name: properties[name] for name in names})
    token, credential = new_token("camera-north")
    TokenTable(client, ENVIRONMENT["TABLE_NAME"]).add(credential, datetime.now(UTC))
    client.close()
    return token


def post(app: ModuleType, body: bytes, **headers: str) -> Any:
    with Client(app.app) as client:
        return client.http.post("/uploads", headers=JSON | headers, body=body)


def test_a_token_gets_a_presigned_upload_under_its_client_s_prefix(app: ModuleType, token: str) -> None:
    answer = post(app, BODY, Authorization=f"Bearer {token}")
    assert answer.status_code == 201
    assert answer.json_body["key"].startswith("uploads/camera-north/")
    assert answer.json_body["url"].startswith(f"https://images.s3.{REGION}.amazonaws.com/{answer.json_body['key']}?")


def test_a_client_at_its_limit_is_429_until_midnight(app: ModuleType, token: str) -> None:
    table = UploadTable(boto3.client("dynamodb"), ENVIRONMENT["TABLE_NAME"])
    for _ in range(3):
        table.count(AuthorizedClient("camera-north"), datetime.now(UTC))
    boto3.client("dynamodb").update_item(
        TableName=ENVIRONMENT["TABLE_NAME"],
        Key={"kind": {"S": "token"}, "id": {"S": "camera-north"}},
        UpdateExpression="SET uploads_per_day = :limit",
        ExpressionAttributeValues={":limit": {"N": "3"}},
    )
    answer = post(app, BODY, Authorization=f"Bearer {token}")
    assert (answer.status_code, answer.json_body["error"]["code"]) == (429, "DailyLimitReached")
    assert "T00:00:00Z" in answer.json_body["error"]["message"]
    assert 0 < int(answer.headers["Retry-After"]) <= 24 * 3600


def test_without_a_token_no_upload_is_presigned(app: ModuleType) -> None:
    assert post(app, BODY).status_code == 401


def test_with_a_wrong_token_no_upload_is_presigned(app: ModuleType, token: str) -> None:
    assert post(app, BODY, Authorization=f"Bearer {token[:-1]}_").status_code == 403


def test_a_bad_request_is_400_in_the_shape_of_all_errors(app: ModuleType, token: str) -> None:
    answer = post(app, b'{"filename": 7}', Authorization=f"Bearer {token}")
    assert (answer.status_code, answer.json_body["error"]["field"]) == (400, "filename")


def test_the_answer_to_curl_s_own_content_type_names_the_missing_header(app: ModuleType, token: str) -> None:
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = post(app, BODY, Authorization=f"Bearer {token}", **form)
    assert answer.status_code == 415
    assert "-H 'Content-Type: application/json'" in answer.json_body["error"]["message"]


def test_an_internal_error_is_500_in_the_shape_of_all_errors_and_the_log_has_no_token(
    app: ModuleType, token: str, caplog: pytest.LogCaptureFixture
) -> None:
    event = {
        "requestContext": {"httpMethod": "POST", "resourcePath": "/uploads", "authorizer": {}},
        "headers": {**JSON, "Authorization": f"Bearer {token}"},
        "body": '{"filename": "leaf.jpg"}',
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
    }
    answer = app.app(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["error"]["code"]) == (500, "InternalError")
    assert "Caught exception for path /uploads" in caplog.text
    assert token not in caplog.text


def requests_in(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    """The lines of the log for requests, in the order of the requests."""
    return [vars(record) for record in log.records if record.getMessage() == "request"]


def everything_in(log: pytest.LogCaptureFixture) -> str:
    return "\n".join(str(vars(record)) for record in log.records)


def event_of(path: str, method: str = "GET", **changes: Any) -> dict[str, Any]:
    """A request as API Gateway sends it; the path has its parameters by their names."""
    return {
        "requestContext": {
            "httpMethod": method,
            "resourcePath": path,
            "identity": {"sourceIp": "192.0.2.7"},
            "requestId": "request-1",
        },
        "headers": JSON,
        "body": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "isBase64Encoded": False,
    } | changes


@pytest.mark.parametrize(("body", "status"), [(BODY, 201), (b'{"filename": 7}', 400)])
def test_the_log_has_client_route_status_and_source_of_a_request_and_not_its_token(
    app: ModuleType, token: str, caplog: pytest.LogCaptureFixture, body: bytes, status: int
) -> None:
    post(app, body, Authorization=f"Bearer {token}")
    (line,) = requests_in(caplog)
    found = {name: line[name] for name in ("client", "method", "route", "status", "source_ip")}
    assert found == {
        "client": "camera-north", "method": "POST", "route": "/uploads", "status": status, "source_ip": "127.0.0.1",
    }  # fmt: skip
    assert token.rpartition("_")[2] not in everything_in(caplog)


def test_the_log_has_a_request_that_failed_with_its_id(app: ModuleType, caplog: pytest.LogCaptureFixture) -> None:
    app.app(event_of("/uploads", "POST", body="{}"), None)  # without the authorizer's answer, which is a bug
    (line,) = requests_in(caplog)
    assert (line["status"], line["client"], line["request_id"]) == (500, None, "request-1")


def test_the_log_has_no_id_of_a_link_which_opens_a_picture(
    app: ModuleType,
    token: str,  # noqa: ARG001 - its table exists
    caplog: pytest.LogCaptureFixture,
) -> None:
    link_id = "a" * 32
    app.app(event_of("/p/{link_id}", pathParameters={"link_id": link_id}), None)
    (line,) = requests_in(caplog)
    assert (line["route"], line["status"], line["source_ip"]) == ("/p/{link_id}", 404, "192.0.2.7")
    assert link_id not in everything_in(caplog)


def test_the_definition_that_chalice_deploy_sends_is_the_template_s(app: ModuleType, template: dict[str, Any]) -> None:
    deployed = {
        "api_handler_name": "labelwatch-prod",
        "api_handler_arn": HANDLER,
        "lambda_functions": {"labelwatch-prod-authorize": {"arn": f"{HANDLER}-authorize"}},
    }
    sent = SwaggerGenerator(REGION, deployed).generate_swagger(app.app)
    definition = filled_in(template["Resources"]["RestAPI"]["Properties"]["DefinitionBody"])
    # Chalice cannot set it: there the function refuses what is no token.
    del definition["securityDefinitions"]["authorize"]["x-amazon-apigateway-authorizer"]["identityValidationExpression"]
    # Chalice names the API after the app, CloudFormation after its stack.
    assert definition["info"].pop("title") == {"Ref": "AWS::StackName"}
    assert sent["info"].pop("title") == "labelwatch"
    assert definition == sent


def filled_in(definition: Any) -> Any:
    """The template's definition with the values that CloudFormation would put in."""
    values = {
        "AWS::Partition": "aws",
        "AWS::Region": REGION,
        "APIHandler.Arn": HANDLER,
        "Authorize.Arn": f"{HANDLER}-authorize",
    }
    if isinstance(definition, dict):
        if definition == {"Ref": "AWS::StackName"}:
            return definition
        if set(definition) == {"Fn::Sub"}:
            return re.sub(r"\$\{([^}]+)\}", lambda match: values[match[1]], definition["Fn::Sub"])
        return {name: filled_in(value) for name, value in definition.items()}
    return [filled_in(part) for part in definition] if isinstance(definition, list) else definition
