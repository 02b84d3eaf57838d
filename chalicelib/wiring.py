"""The composition root: settings → adapters → steps. A process makes what its function uses, when it is first used."""

from collections.abc import Callable
from datetime import UTC, datetime, tzinfo
from functools import cache, cached_property, partial
from threading import Lock
from typing import Any

import boto3
from botocore.config import Config
from chalice.app import S3Event, SQSEvent

from chalicelib.adapters.aws_lambda import ApiAddress, EventSourceMapping
from chalicelib.adapters.dynamodb import (
    IdempotencyTable,
    ImageCountTable,
    LinkTable,
    ModelStateTable,
    TokenTable,
    UploadTable,
)
from chalicelib.adapters.rekognition import CustomLabels, GeneralLabels, ModelVersion
from chalicelib.adapters.s3 import ImageObjects, PictureObjects, RowObjects, SignedUploads
from chalicelib.adapters.sns import AlertTopic, TopicSubscriptions
from chalicelib.adapters.sqs import DeadLetterQueue, Queue
from chalicelib.domain import pages
from chalicelib.domain.pages import Page
from chalicelib.domain.times import time_zone
from chalicelib.domain.tokens import AuthorizedClient
from chalicelib.domain.uploads import PresignedUpload
from chalicelib.queues.batch import MAX_CONCURRENT_CALLS, Batch, BatchResponse, messages_of
from chalicelib.queues.day_limit import DayLimit
from chalicelib.queues.dead_letters import IdempotentDeadLetters
from chalicelib.settings import GENERAL_MODEL, Settings
from chalicelib.steps.authorize import Authorize
from chalicelib.steps.check_subscriptions import CheckSubscriptions
from chalicelib.steps.detect import IMAGES_AT_ONCE, Detect
from chalicelib.steps.ingest import Ingest
from chalicelib.steps.manage_model import ManageModel
from chalicelib.steps.notify import ROWS_AT_ONCE, Notify
from chalicelib.steps.picture_links import PictureLinks
from chalicelib.steps.presign_upload import PresignUpload
from chalicelib.steps.show_picture import ShowPicture
from chalicelib.telemetry import PowertoolsTelemetry, Telemetry


class Service:
    """The functions of app.py, each made of its step and the step's adapters when it is called first."""

    def __init__(
        self,
        settings: Settings,
        create_client: Callable[..., Any] = boto3.client,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._general_labels = settings.model == GENERAL_MODEL
        self._now = now
        clients = cache(lambda service, config: create_client(service, config=_CONFIGS[config]))
        self._client: Callable[..., Any] = lambda service, config=None: clients(service, config or service)
        self._lazy_client: Callable[..., Any] = lambda *names: LazyClient(partial(self._client, *names))

    @cached_property
    def detect(self) -> Callable[[SQSEvent], BatchResponse]:
        """Handles one batch of the images queue."""
        settings, telemetry = self.settings, self._telemetry("detect")
        rekognition, s3, sqs = self._client("rekognition"), self._client("s3"), self._client("sqs")
        step = Detect(
            images=ImageObjects(s3),
            model=GeneralLabels(rekognition) if self._general_labels else CustomLabels(rekognition, settings.model),
            stored_rows=RowObjects(s3, settings.output_bucket),
            images_queue=Queue(sqs, settings.images_queue_url),
            predictions_queue=Queue(sqs, settings.predictions_queue_url),
            event_source=self._event_source,
            model_use=self._model_states if settings.model_policy.idle_minutes and not self._general_labels else None,
            day_limit=self._day_limit,
            rules=settings.rules,
            own_buckets=frozenset({settings.output_bucket, settings.workspace_bucket}),
            batch=self._batch(settings.images_queue_url, settings.images_dead_letters_url, telemetry),
            telemetry=telemetry,
            now=self._now,
        )
        return _flushing(telemetry, _on_messages(step))

    @cached_property
    def notify(self) -> Callable[[SQSEvent], BatchResponse]:
        """Handles one batch of the predictions queue."""
        settings, telemetry = self.settings, self._telemetry("notify")
        batch = self._batch(settings.predictions_queue_url, settings.predictions_dead_letters_url, telemetry)
        picture_links = PictureLinks(
            api=ApiAddress(self._lazy_client("lambda", "lookup"), settings.stack_name, settings.api_url),
            links=LinkTable(self._lazy_client("dynamodb"), settings.table_name),
            batch=batch,
            telemetry=telemetry,
            now=self._now,
        )
        step = Notify(
            row_store=RowObjects(self._client("s3"), settings.output_bucket),
            picture_links=picture_links if settings.picture_links else lambda _: {},
            topic=AlertTopic(self._lazy_client("sns"), settings.topic_arn),
            records=self._idempotency_records("alert"),
            test_records=self._idempotency_records("test-alert"),
            rules=settings.rules,
            batch=batch,
            telemetry=telemetry,
            zone=self.zone,
            now=self._now,
        )
        return _flushing(telemetry, _on_messages(step))

    @cached_property
    def ingest(self) -> Callable[[S3Event], None]:
        """Handles one event notification of the existing bucket."""
        step = Ingest(Queue(self._client("sqs"), self.settings.images_queue_url))
        return lambda event: step(event.to_dict())

    @cached_property
    def manage_model(self) -> Callable[[], None]:
        """Checks the model once."""
        settings, telemetry = self.settings, self._telemetry("manage_model")
        version = ModelVersion(self._lazy_client("rekognition", "control"), settings.model)
        step = ManageModel(
            model=None if self._general_labels else version,
            event_source=self._event_source,
            backlog=Queue(self._lazy_client("sqs"), settings.images_queue_url),
            model_states=self._model_states,
            model_policy=settings.model_policy,
            day_limit=self._day_limit,
            telemetry=telemetry,
            now=self._now,
        )
        return _flushing(telemetry, step)

    @cached_property
    def check_subscriptions(self) -> Callable[[], None]:
        """Checks the subscriptions once."""
        settings, telemetry = self.settings, self._telemetry("check_subscriptions")
        arns = (settings.topic_arn, settings.operations_topic_arn)
        topics = tuple(TopicSubscriptions(self._client("sns"), arn) for arn in arns)
        return _flushing(telemetry, CheckSubscriptions(topics, settings.email, telemetry))

    @cached_property
    def authorize(self) -> Callable[[str], AuthorizedClient | None]:
        """Gives the client of an Authorization header, or None."""
        telemetry = self._telemetry("authorize")
        tokens = TokenTable(self._client("dynamodb"), self.settings.table_name)
        return _flushing(telemetry, Authorize(tokens=tokens, telemetry=telemetry, now=self._now))

    @cached_property
    def presign_upload(self) -> Callable[[AuthorizedClient, str | bytes], PresignedUpload]:
        """Answers a request, given its client and its body."""
        telemetry = self._telemetry("presign_upload")
        step = PresignUpload(
            uploads=UploadTable(self._client("dynamodb"), self.settings.table_name),
            signer=SignedUploads(self._client("s3"), self.settings.input_bucket),
            telemetry=telemetry,
            presigned_upload_seconds=self.settings.presigned_upload_seconds,
            now=self._now,
        )
        return _flushing(telemetry, step)

    @cached_property
    def show_picture(self) -> Callable[[str], Page | None]:
        """Gives the page of a link's id, or None."""
        settings, telemetry = self.settings, self._telemetry("show_picture")
        if not settings.picture_links:
            return lambda _: None
        step = ShowPicture(
            links=LinkTable(self._client("dynamodb"), settings.table_name),
            stored_rows=RowObjects(self._client("s3"), settings.output_bucket),
            pictures=PictureObjects(self._client("s3")),
            telemetry=telemetry,
            now=self._now,
        )
        return _flushing(telemetry, step)

    @cached_property
    def log_request(self) -> Callable[[dict[str, object]], None]:
        """Writes a line of the log for a request to the REST API."""
        telemetry = self._telemetry("api")
        return lambda fields: telemetry.info("request", **fields)

    def as_html(self, page: Page | None) -> str:
        """The page for people; None is the page of a link that does not work."""
        return pages.as_html(page, self.zone, [label.name for label in self.settings.labels_of_interest])

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone of the setting, or else UTC: a zone that is unknown must not stop a function."""
        zone = time_zone(self.settings.time_zone)
        if zone is None:
            telemetry = self._telemetry("settings")
            telemetry.warn("TimeZone is unknown: using UTC", time_zone=self.settings.time_zone)
        return zone or UTC

    @property
    def _event_source(self) -> EventSourceMapping:
        function = f"{self.settings.stack_name}-detect"
        return EventSourceMapping(self._lazy_client("lambda", "control"), self.settings.images_queue_arn, function)

    @property
    def _model_states(self) -> ModelStateTable:
        return ModelStateTable(self._lazy_client("dynamodb", "control"), self.settings.table_name)

    @property
    def _day_limit(self) -> DayLimit:
        # A write that is repeated would count twice, or give back twice: one try.
        counts = ImageCountTable(self._lazy_client("dynamodb", "control"), self.settings.table_name)
        return DayLimit(counts=counts, most=self.settings.max_images_per_day, now=self._now)

    def _telemetry(self, function: str) -> PowertoolsTelemetry:
        return PowertoolsTelemetry(function, self.settings.stack_name)

    def _idempotency_records(self, kind: str, config: str = "dynamodb") -> IdempotencyTable:
        return IdempotencyTable(self._lazy_client("dynamodb", config), self.settings.table_name, kind)

    def _batch(self, url: str, dead_letters_url: str, telemetry: Telemetry) -> Batch:
        sqs = self._lazy_client("sqs")  # a batch without a failure makes no call
        return Batch(
            queue=Queue(sqs, url),
            dead_letters=IdempotentDeadLetters(
                queue_url=dead_letters_url,
                queue=DeadLetterQueue(sqs, dead_letters_url),
                records=self._idempotency_records("dead-letter", "dead letters"),
                telemetry=telemetry,
                now=self._now,
            ),
            telemetry=telemetry,
            partial_responses=self.settings.partial_batch_responses,
            retry_seconds=self.settings.retry_seconds,
            defer_seconds=self.settings.defer_seconds,
        )


class LazyClient:
    """A client of boto3 that is created at its first call, for what not every event needs.

    Each client takes tens of milliseconds of a cold start. `create` gives the same client each time.
    """

    # One for all clients: boto3's session creates one client at a time, and the first call may be on several threads.
    _creating = Lock()

    def __init__(self, create: Callable[[], Any]) -> None:
        self._create = create

    def __getattr__(self, name: str) -> object:
        with self._creating:
            client = self._create()
        return getattr(client, name)


def _on_messages(step: Detect | Notify) -> Callable[[SQSEvent], BatchResponse]:
    """The step, given the messages of Lambda's event and the seconds that are left."""

    def invoke(event: SQSEvent) -> BatchResponse:
        context: Any = event.context
        return step(messages_of(event.to_dict()), context.get_remaining_time_in_millis() / 1000)

    return invoke


def _flushing[**P, R](telemetry: PowertoolsTelemetry, step: Callable[P, R]) -> Callable[P, R]:
    """The step, whose metrics are written at the end of each invocation."""

    def invoke(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return step(*args, **kwargs)
        finally:
            telemetry.flush()

    return invoke


def _config(tries: int, read_timeout: float, connections: int = 10) -> Config:
    # Adaptive: the client slows down to what the service lets through, which a burst on a small model needs.
    retries: Any = {"mode": "adaptive", "total_max_attempts": tries}
    return Config(retries=retries, connect_timeout=2, read_timeout=read_timeout, max_pool_connections=connections)


# A signature that every Region takes, with bucket and Region in the host name: the defaults differ by Region.
_SIGNED_FOR_EVERY_REGION = Config(
    signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
)
_CONFIGS = {
    "rekognition": _config(tries=10, read_timeout=20, connections=IMAGES_AT_ONCE),
    "s3": _config(tries=5, read_timeout=10, connections=ROWS_AT_ONCE).merge(_SIGNED_FOR_EVERY_REGION),
    # What comes after the work must fail in time for Lambda to hear of it (batch.SECONDS_TO_SETTLE).
    "sqs": _config(tries=3, read_timeout=3, connections=MAX_CONCURRENT_CALLS),
    "dynamodb": _config(tries=3, read_timeout=3, connections=ROWS_AT_ONCE),
    "sns": _config(tries=3, read_timeout=3),
    # Without an answer a dead letter is written all the same, and a hundred of a batch must be in time.
    "dead letters": _config(tries=2, read_timeout=2, connections=MAX_CONCURRENT_CALLS),
    # An alert that cannot have a link in time has none.
    "lookup": _config(tries=1, read_timeout=2),
    # What fails now is done in the next minute; a second try would not know whether the first started the model.
    "control": _config(tries=1, read_timeout=5),
}
