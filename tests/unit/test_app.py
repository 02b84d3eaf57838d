"""app.py and the wiring, with fake clients of AWS: each function from its event to its AWS calls."""

import importlib
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError
from chalice.app import S3Event, SQSEvent
from chalice.test import Client

from chalicelib import settings
from chalicelib.domain.errors import BadRequest, BatchIncomplete, ModelNotRunning, Retryable
from chalicelib.domain.tokens import AuthorizedClient, new_token
from chalicelib.queues.batch import SECONDS_TO_SETTLE
from chalicelib.wiring import LazyClient, Service
from tests.support.builders import ENVIRONMENT, message, notification, s3_record, sqs_event

PROJECT = Path(__file__).parents[2]
API = "arn:aws:execute-api:eu-west-1:123456789012:a1b2c3d4e5/*"
CONTEXT: Any = SimpleNamespace(get_remaining_time_in_millis=lambda: 60_000)


NORTH = AuthorizedClient("camera-north")


class FakeAws:
    """Clients that record their calls; an answer may be a value or an exception."""

    def __init__(self) -> None:
        self.clients: list[str] = []
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
            "get_topic_attributes": {"Attributes": {"SubscriptionsPending": "1"}},
            "list_event_source_mappings": {"EventSourceMappings": [{"UUID": "mapping", "State": "Disabled"}]},
            "describe_projects": {"ProjectDescriptions": [{"ProjectArn": "project"}]},
            "describe_project_versions": {
                "ProjectVersionDescriptions": [
                    {"ProjectVersionArn": ENVIRONMENT["CustomModelARN"], "Status": "RUNNING"}
                ]
            },
            "get_queue_attributes": {"Attributes": {"ApproximateNumberOfMessages": "2"}},
            "get_policy": {"Policy": json.dumps({"Statement": [{"Condition": {"ArnLike": {"AWS:SourceArn": API}}}]})},
            "update_item": {"Attributes": {"uploads_per_day": {"N": "7"}, "images": {"N": "2"}}},
        }

    def client(self, service: str, *, config: object) -> Any:
        assert config
        self.clients.append(service)
        return _Client(self, service)

    def calls_of(self, operation: str) -> list[dict[str, Any]]:
        return [arguments for name, arguments in self.calls if name == operation]


class _Client:
    def __init__(self, aws: FakeAws, service: str) -> None:
        self.meta = SimpleNamespace(region_name="eu-west-1", partition="aws")
        self._aws = aws
        self._service = service

    def get_paginator(self, operation: str) -> Any:
        if operation == "list_subscriptions_by_topic":
            return SimpleNamespace(paginate=lambda **_: [{"Subscriptions": []}])
        return SimpleNamespace(paginate=lambda **arguments: [getattr(self, operation)(**arguments)])

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        def call(*_: object, **arguments: Any) -> Any:
            if operation == "head_object" and arguments["Bucket"] == ENVIRONMENT["OutputBucketName"]:
                raise ClientError({"Error": {"Code": "404", "Message": "Not Found"}}, "HeadObject")
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
    return Service(settings.read(ENVIRONMENT | environment), create_client=aws.client)


def event_of(*bodies: str) -> SQSEvent:
    return SQSEvent(sqs_event(*(message(body, f"m{index}") for index, body in enumerate(bodies))), CONTEXT)


def configs_of(use: Callable[[Service], object], **environment: str) -> dict[str, Any]:
    """The configuration of each client that the functions create."""
    configs: dict[str, Any] = {}

    def create_client(name: str, *, config: Any) -> Any:
        configs[name] = config
        return FakeAws().client(name, config=config)

    use(Service(settings.read(ENVIRONMENT | environment), create_client))
    return configs


def detect_and_notify(service: Service, aws: FakeAws) -> None:
    """Sends one image through both functions."""
    service.detect(event_of(notification(s3_record())))
    service.notify(event_of(aws.calls_of("send_message_batch")[0]["Entries"][0]["MessageBody"]))


@pytest.mark.parametrize("name", ["sqs", "sns"])
def test_a_call_that_fails_slowly_leaves_the_time_to_settle(name: str) -> None:
    config = configs_of(lambda service: (service.manage_model(), service.check_subscriptions()))[name]
    slowest = config.retries["total_max_attempts"] * (config.connect_timeout + config.read_timeout)
    assert slowest < SECONDS_TO_SETTLE


def test_detect_creates_the_clients_that_every_image_needs_and_each_once(aws: FakeAws) -> None:
    functions = service(aws)
    for _ in range(2):
        functions.detect(event_of(*(notification(s3_record(f"{number}.jpg")) for number in range(10))))
    assert sorted(aws.clients) == ["rekognition", "s3", "sqs"]


@pytest.mark.parametrize(("label_of_interest", "clients"), [("rust", ["s3"]), ("leaf-smut", ["dynamodb", "s3", "sns"])])
def test_notify_creates_the_clients_of_an_alert_for_an_alert(label_of_interest: str, clients: list[str]) -> None:
    detecting, notifying = FakeAws(), FakeAws()
    service(detecting).detect(event_of(notification(s3_record())))
    (sent,) = detecting.calls_of("send_message_batch")
    service(notifying, LabelsofInterest=label_of_interest, API_URL="https://api").notify(
        event_of(sent["Entries"][0]["MessageBody"])
    )
    assert sorted(notifying.clients) == clients


def test_a_client_is_created_once_although_several_threads_need_it() -> None:
    created: list[str] = []

    @cache
    def create() -> str:
        time.sleep(0.01)
        created.append("client")
        return "client"

    client: Any = LazyClient(create)
    with ThreadPoolExecutor(10) as pool:
        assert set(pool.map(lambda _: client.upper(), range(10))) == {"CLIENT"}
    assert created == ["client"]


def test_a_client_that_cannot_be_created_fails_with_the_reason() -> None:
    def create() -> str:
        raise AttributeError("no credentials")

    with pytest.raises(AttributeError, match="no credentials"):
        _ = LazyClient(create).anything


def test_the_clients_that_only_a_failure_needs_are_created_at_the_failure(aws: FakeAws) -> None:
    functions = service(aws)
    functions.detect(event_of("no event"))
    assert "dynamodb" in aws.clients
    assert "lambda" not in aws.clients
    aws.answers["detect_custom_labels"] = ModelNotRunning("ResourceNotReadyException", "stopped")
    with pytest.raises(BatchIncomplete):
        functions.detect(event_of(notification(s3_record())))
    assert "lambda" in aws.clients


def test_detect_sends_a_prediction_on(aws: FakeAws) -> None:
    assert service(aws).detect(event_of(notification(s3_record("a b.jpg")))) == {"batchItemFailures": []}
    (call,) = aws.calls_of("detect_custom_labels")
    assert call["Image"]["S3Object"] == {"Bucket": "images", "Name": "a b.jpg", "Version": "v1"}
    (sent,) = aws.calls_of("send_message_batch")
    assert sent["QueueUrl"] == ENVIRONMENT["PREDICTIONS_QUEUE_URL"]


def test_the_model_general_is_rekognition_s_general_labels(aws: FakeAws) -> None:
    service(aws, CustomModelARN="general").detect(event_of(notification(s3_record())))
    assert aws.calls_of("detect_labels")
    assert not aws.calls_of("detect_custom_labels")


def test_notify_stores_the_row_and_publishes_the_alert(aws: FakeAws) -> None:
    detect_and_notify(service(aws), aws)
    assert [row["Bucket"] for row in aws.calls_of("put_object")] == ["predictions"]
    assert [alert["TopicArn"] for alert in aws.calls_of("publish")] == [ENVIRONMENT["ALERTS_TOPIC_ARN"]]


# tests/integration/test_roles.py holds which kinds each role may write.
def test_alerts_and_dead_letters_have_idempotency_records_of_their_own_kind(aws: FakeAws) -> None:
    functions = service(aws)
    functions.detect(event_of("no event"))
    functions.notify(event_of("no prediction"))
    assert [update["Key"]["kind"] for update in aws.calls_of("update_item")] == [{"S": "dead-letter"}] * 4
    detect_and_notify(functions, aws)
    assert [update["Key"]["kind"] for update in aws.calls_of("update_item")[4:]] == [{"S": "alert"}] * 2


def published(aws: FakeAws) -> str:
    (alert,) = aws.calls_of("publish")
    return str(alert["Message"])


@pytest.mark.parametrize(
    ("api_url", "address", "lookups"),
    [
        ("https://api.example.com/api", "https://api.example.com/api/p/", 0),
        ("", "https://a1b2c3d4e5.execute-api.eu-west-1.amazonaws.com/api/p/", 1),
    ],
    ids=["CloudFormation", "chalice deploy"],
)
def test_an_alert_has_a_link_to_the_api_of_the_stack(aws: FakeAws, api_url: str, address: str, lookups: int) -> None:
    functions = service(aws, API_URL=api_url)
    detect_and_notify(functions, aws)
    assert address in published(aws)
    assert [item["Item"]["kind"] for item in aws.calls_of("put_item")] == [{"S": "link"}]
    aws.calls.clear()
    detect_and_notify(functions, aws)
    assert lookups + len(aws.calls_of("get_policy")) == lookups  # found once for the process


def test_links_can_be_turned_off_in_alerts_and_for_links_that_were_sent(aws: FakeAws) -> None:
    functions = service(aws, PICTURE_LINKS="no")
    detect_and_notify(functions, aws)
    assert "https://" not in published(aws)
    assert functions.show_picture("a" * 32) is None
    assert aws.calls_of("put_item") + aws.calls_of("get_policy") + aws.calls_of("get_item") == []


def test_an_alert_has_the_time_of_its_zone(aws: FakeAws) -> None:
    detect_and_notify(service(aws, TIME_ZONE="Asia/Ho_Chi_Minh"), aws)
    assert "2026-11-22 07:00 (Asia/Ho_Chi_Minh)" in published(aws)


@pytest.mark.parametrize("zone", ["Mars/Base", "../../etc/passwd", "no good!"])
def test_an_unknown_time_zone_is_utc_with_a_warning_and_stops_no_function(
    aws: FakeAws, caplog: pytest.LogCaptureFixture, zone: str
) -> None:
    detect_and_notify(service(aws, TIME_ZONE=zone), aws)
    assert "2026-11-22 00:00 (UTC)" in published(aws)
    warnings = [vars(record) for record in caplog.records if record.levelname == "WARNING"]
    assert [warning["time_zone"] for warning in warnings] == [zone]


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


def test_ingest_raises_where_the_notification_was_not_sent_so_that_lambda_retries(aws: FakeAws) -> None:
    aws.answers["send_message_batch"] = {"Failed": [{"Id": "0", "Code": "InternalError", "SenderFault": False}]}
    with pytest.raises(Retryable, match="InternalError"):
        service(aws).ingest(S3Event(json.loads(notification(s3_record())), CONTEXT))


def test_check_subscriptions_counts_those_of_both_topics(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    service(aws).check_subscriptions()
    assert [call["TopicArn"] for call in aws.calls_of("get_topic_attributes")] == [
        ENVIRONMENT["ALERTS_TOPIC_ARN"],
        ENVIRONMENT["OPERATIONS_TOPIC_ARN"],
    ]
    *_, metrics = capsys.readouterr().out.splitlines()
    # Each topic has an unconfirmed subscription, and none for the address.
    assert json.loads(metrics)["SubscriptionsInactive"] == [4.0]


def test_an_invocation_writes_its_metrics_as_one_line_of_emf(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    service(aws).detect(event_of(notification(s3_record())))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (metrics,) = [line for line in lines if "_aws" in line]
    assert metrics["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "Labelwatch"
    assert (metrics["service"], metrics["ImagesDetected"], metrics["Labels"]) == ("detect", [1.0], [1.0])
    assert len(metrics["ModelTime"]) == 1


def test_the_metrics_of_every_invocation_have_their_stack(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    functions = service(aws, STACK_NAME="labelwatch-prod")
    for _ in range(2):
        functions.detect(event_of(notification(s3_record())))
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    metrics = [line for line in lines if "_aws" in line]
    assert [(line["stack"], line["service"]) for line in metrics] == [("labelwatch-prod", "detect")] * 2
    dimensions = [line["_aws"]["CloudWatchMetrics"][0]["Dimensions"][0] for line in metrics]
    assert [set(names) for names in dimensions] == [{"stack", "service"}] * 2


def test_an_invocation_without_metrics_writes_none(aws: FakeAws, capsys: pytest.CaptureFixture[str]) -> None:
    service(aws).detect(event_of('{"Event":"s3:TestEvent"}'))
    assert "_aws" not in capsys.readouterr().out


def test_an_upload_is_presigned_for_the_client_and_15_minutes(aws: FakeAws) -> None:
    upload = service(aws).presign_upload(NORTH, b'{"filename": "leaf 1.jpg", "size": 9}')
    assert upload.key.startswith("uploads/camera-north/")
    (signed,) = aws.calls_of("generate_presigned_url")
    assert signed["ExpiresIn"] == 900


def test_the_time_of_a_presigned_upload_can_be_made_shorter(aws: FakeAws) -> None:
    service(aws, PRESIGNED_UPLOAD_SECONDS="60").presign_upload(NORTH, b'{"filename": "leaf 1.jpg", "size": 9}')
    (signed,) = aws.calls_of("generate_presigned_url")
    assert signed["ExpiresIn"] == 60


def test_a_bad_request_signs_nothing(aws: FakeAws) -> None:
    with pytest.raises(BadRequest):
        service(aws).presign_upload(NORTH, b"{}")
    assert aws.calls == []


def test_a_token_is_compared_by_its_hash(aws: FakeAws) -> None:
    token, credential = new_token("camera-north")
    assert service(aws).authorize(f"Bearer {token}") == AuthorizedClient("camera-north", uploads_per_day=7)
    (update,) = aws.calls_of("update_item")
    assert update["ExpressionAttributeValues"][":digest"] == {"S": credential.digest}


def test_a_header_without_a_token_has_no_client(aws: FakeAws) -> None:
    assert service(aws).authorize("Bearer x") is None


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
    assert {name: source.queue_arn for name, source in sources.items() if hasattr(source, "queue_arn")} == {
        "detect": ENVIRONMENT["IMAGES_QUEUE_ARN"],
        "notify": ENVIRONMENT["PREDICTIONS_QUEUE_ARN"],
    }
    assert (sources["notify"].batch_size, sources["notify"].maximum_batching_window_in_seconds) == (100, 2)


def test_subscriptions_are_checked_once_an_hour(load_app: Callable[..., ModuleType]) -> None:
    assert sources_of(load_app())["check_subscriptions"].schedule_expression.to_string() == "rate(1 hour)"


def test_the_model_is_checked_once_a_minute(load_app: Callable[..., ModuleType]) -> None:
    assert sources_of(load_app())["manage_model"].schedule_expression.to_string() == "rate(1 minute)"


def test_ingest_takes_the_notifications_of_the_existing_bucket(load_app: Callable[..., ModuleType]) -> None:
    assert "ingest" not in sources_of(load_app())
    sources = sources_of(load_app(EXISTING_BUCKET_NAME="old-bucket"))
    assert sources["ingest"].bucket == "old-bucket"
    assert sources["ingest"].events == ["s3:ObjectCreated:*"]


def test_the_routes_are_those_of_the_contract(load_app: Callable[..., ModuleType]) -> None:
    contract = yaml.safe_load((PROJECT / "docs" / "openapi.yaml").read_text())
    routes = load_app().app.routes
    assert {(path, method.lower()) for path, methods in routes.items() for method in methods} == {
        (path, method) for path, methods in contract["paths"].items() for method in methods
    }


def test_the_contract_has_the_version_of_the_api(load_app: Callable[..., ModuleType]) -> None:
    contract = yaml.safe_load((PROJECT / "docs" / "openapi.yaml").read_text())
    with Client(load_app().app) as client:
        assert client.http.get("/health").json_body == {"version": contract["info"]["version"]}


def test_every_route_but_health_the_preflight_and_pictures_needs_a_token(load_app: Callable[..., ModuleType]) -> None:
    routes = load_app().app.routes
    open_to_all = {
        (path, method) for path, methods in routes.items() for method, route in methods.items() if not route.authorizer
    }
    pictures = {("/p/{link_id}", "GET"), ("/p/{link_id}/image", "GET")}
    assert open_to_all == {("/health", "GET"), ("/uploads", "OPTIONS"), *pictures}


def test_an_answer_of_the_authorizer_is_cached_for_less_than_a_minute(load_app: Callable[..., ModuleType]) -> None:
    (authorizer,) = load_app().app.builtin_auth_handlers
    assert 0 < authorizer.ttl_seconds < 60


@pytest.mark.parametrize(
    ("method", "path", "content_type", "error"),
    [
        ("PUT", "/health", "application/json", (405, "MethodNotAllowed")),
        ("GET", "/health", "text/plain", (415, "UnsupportedMediaType")),
        ("OPTIONS", "/uploads", "application/json", (403, "NoOrigin")),
    ],
)
def test_every_refusal_has_the_same_shape(
    load_app: Callable[..., ModuleType], method: str, path: str, content_type: str, error: tuple[int, str]
) -> None:
    with Client(load_app().app) as client:
        answer = client.http.request(method, path, headers={"Content-Type": content_type})
    assert (answer.status_code, answer.json_body["error"]["code"]) == error
    assert answer.json_body["error"]["message"]


def test_a_web_page_of_the_configured_origin_may_call(load_app: Callable[..., ModuleType]) -> None:
    with Client(load_app(UPLOAD_ORIGIN="https://example.com").app) as client:
        answers = [client.http.request("OPTIONS", "/uploads"), client.http.get("/health")]
    assert [answer.headers["Access-Control-Allow-Origin"] for answer in answers] == ["https://example.com"] * 2


def test_manage_model_polls_the_queue_while_the_model_runs_and_counts_what_it_read(
    aws: FakeAws, capsys: pytest.CaptureFixture[str]
) -> None:
    service(aws).manage_model()
    assert aws.calls_of("update_event_source_mapping") == [{"UUID": "mapping", "Enabled": True}]
    (listing,) = aws.calls_of("list_event_source_mappings")
    assert listing == {"EventSourceArn": ENVIRONMENT["IMAGES_QUEUE_ARN"], "FunctionName": "labelwatch-detect"}
    metrics = [json.loads(line) for line in capsys.readouterr().out.splitlines() if '"ModelRunning"' in line]
    assert [(line["ModelRunning"], line["ImagesWaiting"], line["service"]) for line in metrics] == [
        ([1], [2], "manage_model")
    ]


def test_a_check_that_fails_is_counted_and_left_to_the_next_minute(
    aws: FakeAws, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    aws.answers["describe_projects"] = Retryable("AccessDeniedException", "no")
    service(aws).manage_model()
    (metrics,) = capsys.readouterr().out.splitlines()
    assert json.loads(metrics)["ModelCheckErrors"] == [1]
    assert [record.reason for record in caplog.records] == ["AccessDeniedException"]  # type: ignore[attr-defined]


def test_only_the_use_of_a_model_that_can_be_stopped_is_recorded(aws: FakeAws) -> None:
    for model, records in ((ENVIRONMENT["CustomModelARN"], 1), ("general", 0)):
        aws.calls.clear()
        service(aws, CustomModelARN=model, MODEL_IDLE_MINUTES="10").detect(event_of(notification(s3_record())))
        assert len(aws.calls_of("put_item")) == records


def test_for_general_labels_manage_model_only_resumes_polling(aws: FakeAws) -> None:
    service(aws, CustomModelARN="general").manage_model()
    assert [name for name, _ in aws.calls] == ["list_event_source_mappings", "update_event_source_mapping"]


def test_a_check_retries_neither_a_start_nor_a_change_of_polling_nor_a_save() -> None:
    configs = configs_of(lambda service: service.manage_model())
    attempts = {name: config.retries["total_max_attempts"] for name, config in configs.items() if name != "sqs"}
    assert attempts == {"rekognition": 1, "lambda": 1, "dynamodb": 1}


def test_the_images_of_a_day_are_counted_by_calls_that_are_tried_once() -> None:
    """A second try would count twice, or give back twice and so exceed the limit."""
    event = event_of(notification(s3_record()))
    configs = configs_of(lambda service: service.detect(event), MAX_IMAGES_PER_DAY="5")
    assert configs["dynamodb"].retries["total_max_attempts"] == 1


def test_a_batch_counts_its_images_in_one_write_of_its_own_kind(aws: FakeAws) -> None:
    service(aws, MAX_IMAGES_PER_DAY="5").detect(event_of(notification(s3_record()), notification(s3_record("b.jpg"))))
    (write,) = aws.calls_of("update_item")
    assert write["Key"]["kind"] == {"S": "image-count"}
    assert write["ExpressionAttributeValues"][":images"] == {"N": "2"}
    assert len(aws.calls_of("detect_custom_labels")) == 2


@pytest.mark.parametrize(("minutes", "records"), [("0", 0), ("30", 1)])
def test_the_use_of_the_model_is_recorded_only_where_an_idle_model_is_stopped(
    aws: FakeAws, minutes: str, records: int
) -> None:
    event = SQSEvent(sqs_event(message(notification(s3_record()))), CONTEXT)
    service(aws, MODEL_IDLE_MINUTES=minutes).detect(event)
    assert len(aws.calls_of("put_item")) == records
