"""The AWS resources that an event for each handler needs, on a local AWS with nothing deployed, and the local model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from chalicelib.adapters.dynamodb import TokenTable
from chalicelib.domain.predictions import Label
from chalicelib.steps.detect import encoded
from labelwatch.deploy.packaging import load_template
from labelwatch.local import ministack, rekognition_api
from labelwatch.local.ministack import REGION, LocalAws
from labelwatch.local.model import LocalModel, model_arn
from labelwatch.shared.project import PROJECT
from labelwatch.uploads import tokens
from tests.support.builders import (
    ENVIRONMENT,
    image,
    message,
    notification,
    prediction,
    s3_record,
    scheduled_event,
    sqs_event,
)
from tests.support.pipeline import ColourClassifier, picture

KEY = "fields/leaf 1.jpg"
CLIENT = "camera-north"
_QUEUES = {
    "IMAGES_QUEUE": "images",
    "IMAGES_DEAD_LETTERS": "images-dead",
    "PREDICTIONS_QUEUE": "predictions",
    "PREDICTIONS_DEAD_LETTERS": "predictions-dead",
}
_TOPICS = {"ALERTS_TOPIC_ARN": "alerts", "OPERATIONS_TOPIC_ARN": "operations"}


class HandlerEnvironment:
    """A local AWS with the resources that the settings name, an image in the input bucket, and an upload token."""

    def __init__(self, local_aws: LocalAws, rekognition: str) -> None:
        self._local_aws = local_aws
        sqs, sns = local_aws.client("sqs"), local_aws.client("sns")
        self.queues = {name: sqs.create_queue(QueueName=queue)["QueueUrl"] for name, queue in _QUEUES.items()}
        self.variables = (
            ENVIRONMENT
            | {f"{name}_URL": url for name, url in self.queues.items()}
            | {name: sns.create_topic(Name=topic)["TopicArn"] for name, topic in _TOPICS.items()}
            | local_aws.environment
            | {
                "CustomModelARN": model_arn(REGION),
                "PARTIAL_BATCH_RESPONSES": "yes",
                "AWS_REGION": REGION,
                "AWS_ENDPOINT_URL_REKOGNITION": rekognition,
                "AWS_EC2_METADATA_DISABLED": "true",
            }
        )
        self._numbers = count(2)
        self._version = self._put_image()
        self._token = tokens.create(self._table(), CLIENT)

    def events(self) -> dict[str, dict[str, Any]]:
        """A new event for each handler; for the API, a request for a presigned upload.

        Each prediction is a new one, since the alert of a repeated one is not sent.
        """
        new_image = image(f"fields/leaf {next(self._numbers)}.jpg")
        created = s3_record(KEY, object={"versionId": self._version})
        return {
            "app.detect": sqs_event(message(notification(created))),
            "app.notify": sqs_event(message(encoded(prediction(Label("leaf-smut", 97.0), image=new_image)))),
            "app.authorize": {
                "type": "TOKEN",
                "authorizationToken": f"Bearer {self._token}",
                "methodArn": f"arn:aws:execute-api:{REGION}:000000000000:apiid/api/POST/uploads",
            },
            "app.app": request("POST", "/uploads", {"filename": "leaf 1.jpg", "size": 204800}),
            "app.check_subscriptions": scheduled_event(),
            "app.manage_model": scheduled_event(),
            "app.ingest": json.loads(notification(created)),
        }

    def rows(self) -> list[dict[str, Any]]:
        """The rows in the output bucket."""
        s3, bucket = self._local_aws.client("s3"), self.variables["OutputBucketName"]
        keys = [row["Key"] for row in s3.list_objects_v2(Bucket=bucket).get("Contents", [])]
        lines = [line for key in keys for line in s3.get_object(Bucket=bucket, Key=key)["Body"].read().splitlines()]
        return [json.loads(line) for line in lines]

    def received(self, queue: str) -> list[dict[str, Any]]:
        """The bodies of this queue's messages, which are deleted."""
        sqs, url = self._local_aws.client("sqs"), self.queues[queue]
        messages = sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
        for received in messages:
            sqs.delete_message(QueueUrl=url, ReceiptHandle=received["ReceiptHandle"])
        return [json.loads(received["Body"]) for received in messages]

    def _put_image(self) -> str:
        s3 = self._local_aws.client("s3")
        for name in ("InputBucketName", "OutputBucketName"):
            s3.create_bucket(Bucket=self.variables[name], CreateBucketConfiguration={"LocationConstraint": REGION})
        bucket = self.variables["InputBucketName"]
        s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
        version: str = s3.put_object(Bucket=bucket, Key=KEY, Body=picture(), ContentType="image/jpeg")["VersionId"]
        return version

    def _table(self) -> TokenTable:
        properties = load_template(PROJECT / "infra" / "resources.yaml")["Resources"]["Table"]["Properties"]
        names = ("BillingMode", "AttributeDefinitions", "KeySchema")
        dynamodb, table = self._local_aws.client("dynamodb"), self.variables["TABLE_NAME"]
        dynamodb.create_table(TableName=table, **{name: properties[name] for name in names})
        return TokenTable(dynamodb, table)


@contextmanager
def running(folder: Path) -> Iterator[HandlerEnvironment]:
    """The environment until the block ends; `folder` takes the state of the local AWS."""
    objects: dict[str, Any] = {}

    def read(bucket: str, key: str, version: str | None) -> bytes:
        content: bytes = objects["s3"].get_object(Bucket=bucket, Key=key, VersionId=version)["Body"].read()
        return content

    model = LocalModel(ColourClassifier(), model_arn(REGION), read)
    with rekognition_api.served(model.operations) as rekognition, ministack.running(folder, rekognition) as local_aws:
        objects["s3"] = local_aws.client("s3")
        yield HandlerEnvironment(local_aws, rekognition)


def request(method: str, path: str, body: object = None) -> dict[str, Any]:
    """A request as API Gateway sends it to the function of a REST API, from a client that is authorized.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/set-up-lambda-proxy-integrations.html
    """
    headers = {"Accept": "*/*", "Content-Type": "application/json", "Host": "apiid.execute-api.amazonaws.com"}
    return {
        "resource": path,
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": None,
        "stageVariables": None,
        "requestContext": {
            "authorizer": {"principalId": CLIENT},
            "httpMethod": method,
            "identity": {"sourceIp": "192.0.2.1"},
            "path": f"/api{path}",
            "protocol": "HTTP/1.1",
            "requestId": "12345678-1234-1234-1234-123456789012",
            "resourcePath": path,
            "stage": "api",
        },
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
    }
