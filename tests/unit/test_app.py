"""The front door, with fake clients of AWS behind it: what each function does from its event to its calls."""

import importlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from chalice.app import S3Event, SQSEvent

from chalicelib import settings
from chalicelib.batch import SECONDS_TO_SETTLE
from chalicelib.errors import BatchIncomplete, Retryable
from chalicelib.wiring import Service
from tests.builders import ENVIRONMENT, message, notification, s3_record, sqs_event

CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


class FakeAws:
    """Clients by service that note their calls; an answer may be a value or an exception."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, Any] = {
            "head_object": {
                "ETag": '"abc"',
                "ContentLength": 1024,
                "ContentType": "image/jpeg",
                "Metadata": {},
                "LastModified": datetime(2026, 11, 22, tzinfo=UTC),
                "VersionId": "v1",
            },
            "detect_custom_labels": {"CustomLabels": [{"Name": "leaf-smut", "Confidence": 95.0}]},
            "detect_labels": {"Labels": [{"Name": "Plant", "Confidence": 99.0}]},
            "generate_presigned_url": "https://link",
        }

    def client(self, service: str, *, config: object) -> Any:
        assert config
        return _Client(self, service)

    def calls_of(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == operation]


class _Client:
    def __init__(self, aws: FakeAws, service: str) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1", partition="aws")
        self._aws = aws
        self._service = service

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*_: object, **arguments: Any) -> Any:
            self._aws.calls.append((operation, arguments))
            answer = self._aws.answers.get(operation, {})
            if isinstance(answer, Exception):
                raise answer
            return answer

        return call


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


def service(aws: FakeAws, **environment: str) -> Service:
    return Service(settings.read(ENVIRONMENT | environment), make_client=aws.client)


def event_of(*bodies: str) -> SQSEvent:
    return SQSEvent(sqs_event(*(message(body, f"m{place}") for place, body in enumerate(bodies))), CONTEXT)


@pytest.mark.parametrize("name", ["sqs", "sns"])
def test_a_call_that_fails_slowly_leaves_the_time_to_settle(name: str) -> None:
    configs: dict[str, Any] = {}

    def make_client(service: str, *, config: object) -> None:
        configs[service] = config

    Service(settings.read(ENVIRONMENT), make_client=make_client)._client(name)
    config = configs[name]
    slowest = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert slowest < SECONDS_TO_SETTLE


def test_detect_sends_a_prediction_on(aws: FakeAws) -> None:
    assert service(aws).detect(event_of(notification(s3_record("a b.jpg")))) == {"batchItemFailures": []}
    (asked,) = aws.calls_of("detect_custom_labels")
    assert asked["Image"]["S3Object"] == {"Bucket": "images", "Name": "a b.jpg", "Version": "v1"}
    (sent,) = aws.calls_of("send_message_batch")
    assert sent["QueueUrl"] == ENVIRONMENT["PREDICTIONS_QUEUE_URL"]


def test_the_word_general_asks_rekognition_s_own_labels(aws: FakeAws) -> None:
    service(aws, CustomModelARN="general").detect(event_of(notification(s3_record())))
    assert aws.calls_of("detect_labels")
    assert not aws.calls_of("detect_custom_labels")


def test_notify_stores_and_tells(aws: FakeAws) -> None:
    here = service(aws)
    here.detect(event_of(notification(s3_record())))
    (sent,) = aws.calls_of("send_message_batch")
    here.notify(event_of(sent["Entries"][0]["MessageBody"]))
    assert [stored["Bucket"] for stored in aws.calls_of("put_object")] == ["predictions"]
    assert [told["TopicArn"] for told in aws.calls_of("publish")] == [ENVIRONMENT["TOPIC_ARN"]]


@pytest.mark.parametrize(("links", "signed"), [("yes", 1), ("no", 0)])
def test_links_can_be_turned_off(aws: FakeAws, links: str, signed: int) -> None:
    here = service(aws, PICTURE_LINKS=links)
    here.detect(event_of(notification(s3_record())))
    here.notify(event_of(aws.calls_of("send_message_batch")[0]["Entries"][0]["MessageBody"]))
    assert len(aws.calls_of("generate_presigned_url")) == signed


def test_a_failure_deletes_what_is_finished_and_raises_unless_partial_responses_are_read(aws: FakeAws) -> None:
    aws.answers["detect_custom_labels"] = Retryable("ThrottlingException", "slow down")
    batch = event_of('{"Event":"s3:TestEvent"}', notification(s3_record()))
    with pytest.raises(BatchIncomplete):
        service(aws).detect(batch)
    (deleted,) = aws.calls_of("delete_message_batch")
    assert [entry["ReceiptHandle"] for entry in deleted["Entries"]] == ["receipt-m0"]
    answer = service(aws, PARTIAL_BATCH_RESPONSES="yes").detect(batch)
    assert answer == {"batchItemFailures": [{"itemIdentifier": "m1"}]}


def test_ingest_puts_the_notification_on_the_images_queue_unchanged(aws: FakeAws) -> None:
    event = json.loads(notification(s3_record("稲 a+b.jpg")))
    service(aws).ingest(S3Event(event, CONTEXT))
    (sent,) = aws.calls_of("send_message_batch")
    assert sent["QueueUrl"] == ENVIRONMENT["IMAGES_QUEUE_URL"]
    assert json.loads(sent["Entries"][0]["MessageBody"]) == event


def test_ingest_raises_where_the_notification_did_not_go_so_that_lambda_tries_again(aws: FakeAws) -> None:
    aws.answers["send_message_batch"] = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    with pytest.raises(Retryable, match="InternalError"):
        service(aws).ingest(S3Event(json.loads(notification(s3_record())), CONTEXT))


def test_an_invocation_writes_its_metrics_as_one_line_of_emf(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    service(aws).detect(event_of(notification(s3_record())))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Labelwatch"
    assert (metrics["service"], metrics["ImagesDetected"], metrics["Labels"]) == ("detect", [1.0], [1.0])
    assert len(metrics["ModelTime"]) == 1


def test_an_invocation_without_metrics_writes_none(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    service(aws).detect(event_of('{"Event":"s3:TestEvent"}'))
    assert "_aws" not in capsys.readouterr().out


@pytest.fixture
def load_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    def load(**environment: str) -> ModuleType:
        for name, value in (ENVIRONMENT | environment).items():
            monkeypatch.setenv(name, value)
        monkeypatch.delitem(importlib.import_module("sys").modules, "app", raising=False)
        return importlib.import_module("app")

    yield load
    importlib.import_module("sys").modules.pop("app", None)


def sources_of(module: ModuleType) -> dict[str, Any]:
    return {source.name: source for source in module.app.event_sources}


def test_the_app_declares_detect_and_notify_on_their_queues(load_app: Callable[..., ModuleType]) -> None:
    sources = sources_of(load_app())
    assert {name: source.queue_arn for name, source in sources.items()} == {
        "detect": ENVIRONMENT["IMAGES_QUEUE_ARN"],
        "notify": ENVIRONMENT["PREDICTIONS_QUEUE_ARN"],
    }
    assert (sources["notify"].batch_size, sources["notify"].maximum_batching_window_in_seconds) == (100, 2)


def test_ingest_is_declared_only_where_a_bucket_is_adopted(load_app: Callable[..., ModuleType]) -> None:
    sources = sources_of(load_app(ADOPTED_BUCKET="old-bucket"))
    assert sources["ingest"].bucket == "old-bucket"
    assert sources["ingest"].events == ["s3:ObjectCreated:*"]
