"""Each role has the rights that its function needs: these tests use the rights that no other test would miss.

`make least-privilege` removes every right in turn, and expects a test to fail.
"""

from __future__ import annotations

import base64
import json
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from labelwatch.deploy import Package
from labelwatch.local.deployment import PACKAGES_BUCKET, deploy_template
from labelwatch.local.ministack import REGION
from labelwatch.shared import stacks
from tests.e2e.test_uploads import without
from tests.support.builders import notification, s3_record, scheduled_event
from tests.support.pipeline import Pipeline, functions, link_in, picture, set_environment, set_mapping


def test_the_subscriptions_of_both_topics_are_counted(pipeline: Pipeline) -> None:
    answer = pipeline.session.local_aws.client("lambda").invoke(
        FunctionName=functions(pipeline.session)["CheckSubscriptions"],
        LogType="Tail",
        Payload=json.dumps(scheduled_event()),
    )
    assert "FunctionError" not in answer, answer["Payload"].read()
    assert '"SubscriptionsInactive":[' in base64.b64decode(answer["LogResult"]).decode()


def test_a_message_that_is_no_prediction_is_moved_to_the_predictions_dead_letters(pipeline: Pipeline) -> None:
    sqs, url = pipeline.session.local_aws.client("sqs"), pipeline.outputs["PredictionsDeadLettersUrl"]
    sqs.send_message(QueueUrl=pipeline.outputs["PredictionsQueueUrl"], MessageBody="{}")
    received = sqs.receive_message(
        QueueUrl=url, WaitTimeSeconds=min(20, int(pipeline.wait_seconds)), MessageAttributeNames=["All"]
    )
    (dead_letter,) = received.get("Messages", [])
    assert dead_letter["MessageAttributes"]["reason"]["StringValue"] == "NotAPrediction"
    # The next tests read the image of each dead letter, and this one names none.
    sqs.delete_message(QueueUrl=url, ReceiptHandle=dead_letter["ReceiptHandle"])


@pytest.fixture
def without_partial_responses(pipeline: Pipeline) -> Iterator[str]:
    """The function notify, that deletes completed messages and raises for the others, as with `chalice deploy`."""
    notify = functions(pipeline.session)["Notify"]
    for partial in (False, True):
        set_environment(pipeline.session, notify, PARTIAL_BATCH_RESPONSES="yes" if partial else "no")
        set_mapping(pipeline.session, notify, FunctionResponseTypes=["ReportBatchItemFailures"] if partial else [])
        if not partial:
            yield notify


def test_a_completed_prediction_is_not_retried_with_its_neighbour(
    pipeline: Pipeline, without_partial_responses: str
) -> None:
    set_mapping(pipeline.session, without_partial_responses, Enabled=False)  # so that both come in one batch
    pipeline.upload("neighbours/no alert yet.jpg")
    pipeline.upload("neighbours/without a label of interest.jpg", content=picture("brown-spot"))
    pipeline.wait_until(lambda: pipeline.depth("PredictionsQueueUrl") == 2, "two predictions")
    with without(pipeline, "NotifyRoleArn", "notify", "PublishAlerts"):
        set_mapping(pipeline.session, without_partial_responses, Enabled=True)
        pipeline.wait_until(lambda: pipeline.depth("PredictionsQueueUrl") == 1, "a completed prediction")
    pipeline.wait_for_alert("neighbours/no alert yet.jpg")


class WithExistingBucket:
    """A stack of its own with an existing bucket, and a queue that its alerts are sent to."""

    def __init__(self, running: Pipeline, packaged: Package, name: str) -> None:
        self.bucket = f"cameras-{name}"
        self._local_aws = running.session.local_aws
        self._s3, self._sqs = self._local_aws.client("s3"), self._local_aws.client("sqs")
        self._s3.create_bucket(Bucket=self.bucket, CreateBucketConfiguration={"LocationConstraint": REGION})
        self._stack = f"labelwatch-{name}"
        template = stacks.pointing_at(json.loads(packaged.template.read_text()), PACKAGES_BUCKET, packaged.zip.name)
        parameters = {
            "CustomModelARN": running.local_model.arn,
            "EmailNotification": "grower@example.com",
            "InputBucketName": f"images-{name}",
            "OutputBucketName": f"predictions-{name}",
            "ExistingBucketName": self.bucket,
            "DatabaseName": self._stack.replace("-", "_"),
        }
        outputs = deploy_template(self._local_aws, self._stack, template, parameters)
        self.pipeline = Pipeline(replace(running.session, outputs=outputs), running.wait_seconds)
        self._create_ingest(packaged)
        self._alerts = self._subscribed_queue()

    def upload(self, key: str) -> None:
        self._s3.put_object(Bucket=self.bucket, Key=key, Body=picture())

    def alert(self) -> str:
        """The next alert's text."""
        messages = self._sqs.receive_message(
            QueueUrl=self._alerts, WaitTimeSeconds=min(20, int(self.pipeline.wait_seconds))
        )
        (message,) = messages.get("Messages", [])
        self._sqs.delete_message(QueueUrl=self._alerts, ReceiptHandle=message["ReceiptHandle"])
        text: str = json.loads(message["Body"])["Message"]
        return text

    def _create_ingest(self, packaged: Package) -> None:
        """Creates the function ingest, which is in no template, as `chalice deploy` does."""
        client = self._local_aws.client("lambda")
        detect = functions(self.pipeline.session, self._stack)["Detect"]
        configuration = client.get_function_configuration(FunctionName=detect)
        variables = configuration["Environment"]["Variables"] | {"EXISTING_BUCKET_NAME": self.bucket}
        ingest = client.create_function(
            FunctionName=f"{self._stack}-ingest",
            Handler="app.ingest",
            Runtime=configuration["Runtime"],
            Timeout=configuration["Timeout"],
            Role=self.pipeline.outputs["IngestRoleArn"],
            Code={"S3Bucket": PACKAGES_BUCKET, "S3Key": packaged.zip.name},
            Environment={"Variables": variables},
        )
        client.add_permission(
            FunctionName=ingest["FunctionName"],
            StatementId="bucket",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{self.bucket}",
        )
        notified = {"LambdaFunctionArn": ingest["FunctionArn"], "Events": ["s3:ObjectCreated:*"]}
        self._s3.put_bucket_notification_configuration(
            Bucket=self.bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [notified]}
        )

    def _subscribed_queue(self) -> str:
        url: str = self._sqs.create_queue(QueueName=f"{self._stack}-alerts")["QueueUrl"]
        arn = self._sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        allow: dict[str, Any] = {"Effect": "Allow", "Principal": {"Service": "sns.amazonaws.com"}}
        statement = allow | {"Action": "sqs:SendMessage", "Resource": arn}
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self._sqs.set_queue_attributes(QueueUrl=url, Attributes={"Policy": json.dumps(policy)})
        topic = self.pipeline.outputs["AlertsTopicArn"]
        self._local_aws.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=arn)
        return url


@pytest.fixture(scope="module", params=["with-versions", "without-versions"])
def with_existing_bucket(request: pytest.FixtureRequest, running: Pipeline, packaged: Package) -> WithExistingBucket:
    stack = WithExistingBucket(running, packaged, request.param)
    if request.param == "with-versions":
        running.session.local_aws.client("s3").put_bucket_versioning(
            Bucket=stack.bucket, VersioningConfiguration={"Status": "Enabled"}
        )
    return stack


def test_an_image_of_an_existing_bucket_becomes_a_row_and_its_link_shows_it(
    with_existing_bucket: WithExistingBucket,
) -> None:
    with_existing_bucket.upload("leaf 1.jpg")
    with_existing_bucket.pipeline.wait_for("leaf 1.jpg")
    assert with_existing_bucket.pipeline.predictions["leaf 1.jpg"].labels == (("leaf-smut", 97.0),)
    link = link_in(with_existing_bucket.alert())
    with urllib.request.urlopen(f"{link}/image") as answer:  # noqa: S310 - the local AWS's own link
        assert answer.read() == picture()


def test_a_deleted_object_of_an_existing_bucket_is_a_dead_letter_with_the_reason(
    with_existing_bucket: WithExistingBucket,
) -> None:
    record = s3_record("deleted.jpg", bucket=with_existing_bucket.bucket, object={"versionId": None})
    with_existing_bucket.pipeline.session.local_aws.client("sqs").send_message(
        QueueUrl=with_existing_bucket.pipeline.outputs["ImagesQueueUrl"], MessageBody=notification(record)
    )
    image = f"s3://{with_existing_bucket.bucket}/deleted.jpg"
    with_existing_bucket.pipeline.wait_for(image)
    assert with_existing_bucket.pipeline.dead_letters[image].reason == "ImageNotFound"
