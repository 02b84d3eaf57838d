"""The composition root: settings → adapters → the steps. A process makes once what it needs, and only that."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache, cached_property
from typing import Any

import boto3
from botocore.config import Config
from chalice.app import AuthRequest, AuthResponse, AuthRoute, Request, Response, S3Event, SQSEvent

from chalicelib import rest
from chalicelib.adapters.aws_lambda import EventSourceMapping
from chalicelib.adapters.dynamodb import IdempotencyTable, ModelStateTable, TokenTable
from chalicelib.adapters.rekognition import CustomLabels, GeneralLabels, ModelVersion
from chalicelib.adapters.s3 import ImageObjects, PictureLinks, RowObjects, UploadForms
from chalicelib.adapters.sns import AlertTopic, TopicSubscriptions
from chalicelib.adapters.sqs import DeadLetterQueue, Queue
from chalicelib.domain.errors import BadRequest, Fault
from chalicelib.domain.tokens import Authorize
from chalicelib.queues.batch import SETTLED_AT_ONCE, Batch, BatchResponse, messages_of
from chalicelib.queues.dead_letters import IdempotentDeadLetters
from chalicelib.settings import GENERAL_MODEL, Settings
from chalicelib.steps.check_subscriptions import CheckSubscriptions
from chalicelib.steps.detect import IMAGES_AT_ONCE, Detect
from chalicelib.steps.ingest import Ingest
from chalicelib.steps.manage_model import ManageModel
from chalicelib.steps.notify import ROWS_AT_ONCE, Notify
from chalicelib.steps.presign_upload import PresignUpload
from chalicelib.telemetry import PowertoolsTelemetry, Telemetry


class Service:
    """The functions of one process; `make_client` and `now` are there for whoever runs them elsewhere than on AWS."""

    def __init__(
        self,
        settings: Settings,
        make_client: Callable[..., Any] = boto3.client,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.settings = settings
        self._now = now
        self._client = cache(lambda name, config=None: make_client(name, config=_CONFIGS[config or name]))

    def detect(self, event: SQSEvent) -> BatchResponse:
        """One batch of the images queue."""
        return _run(self._detect, self._detect_telemetry, event)

    def notify(self, event: SQSEvent) -> BatchResponse:
        """One batch of the predictions queue."""
        return _run(self._notify, self._notify_telemetry, event)

    def ingest(self, event: S3Event) -> None:
        """One event notification of the existing bucket."""
        self._ingest(event.to_dict())

    def check_subscriptions(self) -> None:
        """One look at who is told."""
        with _flushed(self._check_subscriptions_telemetry):
            self._check_subscriptions()

    def manage_model(self) -> None:
        """One look at the model."""
        telemetry = self._keep_model_telemetry
        with _flushed(telemetry):
            try:
                self._manage_model()
            except Fault as problem:
                # The next minute looks again. Lambda's own tries would fall together with that, and tell nobody.
                telemetry.count("ModelCheckErrors")
                telemetry.warn("model check failed", reason=problem.reason, detail=problem.detail)

    def authorize(self, request: AuthRequest) -> AuthResponse:
        """Whoever holds a token may ask for presigned uploads, and for nothing else."""
        with _flushed(self._authorize_telemetry):
            client = self._authorize(request.token)
        # API Gateway takes the path with a slash at its end, too.
        routes: list[str | AuthRoute] = [AuthRoute(path, ["POST"]) for path in ("/uploads", "/uploads/") if client]
        return AuthResponse(routes, principal_id=client or "nobody")

    def presign_upload(self, request: Request) -> Response:
        """One request for an presigned upload, of the client that `authorize` found."""
        with _flushed(self._presign_upload_telemetry):
            try:
                return rest.created(
                    self._presign_upload(request.context["authorizer"]["principalId"], request.raw_body)
                )
            except BadRequest as problem:
                return rest.refused(problem)

    @cached_property
    def _authorize_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("authorize")

    @cached_property
    def _presign_upload_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("presign_upload")

    @cached_property
    def _authorize(self) -> Authorize:
        return Authorize(
            tokens=TokenTable(self._client("dynamodb"), self.settings.table_name),
            telemetry=self._authorize_telemetry,
            now=self._now,
        )

    @cached_property
    def _presign_upload(self) -> PresignUpload:
        return PresignUpload(
            signer=UploadForms(self._client("s3"), self.settings.input_bucket),
            telemetry=self._presign_upload_telemetry,
            presigned_upload_seconds=self.settings.presigned_upload_seconds,
            now=self._now,
        )

    @cached_property
    def _detect_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("detect")

    @cached_property
    def _notify_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("notify")

    @cached_property
    def _detect(self) -> Detect:
        here, rekognition = self.settings, self._client("rekognition")
        general = here.model == GENERAL_MODEL
        return Detect(
            images=ImageObjects(self._client("s3")),
            model=GeneralLabels(rekognition) if general else CustomLabels(rekognition, here.model),
            stored=RowObjects(self._client("s3"), here.output_bucket),
            images_queue=Queue(self._client("sqs"), here.images_queue_url),
            predictions_queue=Queue(self._client("sqs"), here.predictions_queue_url),
            event_source=self._event_source,
            use=self._model_states if here.model_policy.idle_minutes and not general else None,
            rules=here.rules,
            own_buckets=frozenset({here.output_bucket, here.workspace_bucket}),
            batch=self._batch(here.images_queue_url, here.images_dead_letters_url, self._detect_telemetry),
            telemetry=self._detect_telemetry,
            now=self._now,
        )

    @cached_property
    def _notify(self) -> Notify:
        here = self.settings
        return Notify(
            store=RowObjects(self._client("s3"), here.output_bucket),
            pictures=PictureLinks(self._client("s3"), links=here.picture_links),
            topic=AlertTopic(self._client("sns"), here.topic_arn),
            records=self._idempotency_records("alert"),
            rules=here.rules,
            batch=self._batch(here.predictions_queue_url, here.predictions_dead_letters_url, self._notify_telemetry),
            telemetry=self._notify_telemetry,
            now=self._now,
        )

    @cached_property
    def _ingest(self) -> Ingest:
        return Ingest(Queue(self._client("sqs"), self.settings.images_queue_url))

    @cached_property
    def _check_subscriptions_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("check_subscriptions")

    @cached_property
    def _check_subscriptions(self) -> CheckSubscriptions:
        here, sns = self.settings, self._client("sns")
        topics = tuple(TopicSubscriptions(sns, arn) for arn in (here.topic_arn, here.operations_topic_arn))
        return CheckSubscriptions(topics, here.email, self._check_subscriptions_telemetry)

    @cached_property
    def _keep_model_telemetry(self) -> PowertoolsTelemetry:
        return self._telemetry("manage_model")

    @cached_property
    def _manage_model(self) -> Callable[[], object]:
        here = self.settings
        if here.model == GENERAL_MODEL:  # Rekognition's own labels are always there
            return self._event_source.enable
        return ManageModel(
            model=ModelVersion(self._client("rekognition", "control"), here.model),
            event_source=self._event_source,
            backlog=Queue(self._client("sqs"), here.images_queue_url),
            model_states=self._model_states,
            model_policy=here.model_policy,
            telemetry=self._keep_model_telemetry,
            now=self._now,
        )

    @cached_property
    def _event_source(self) -> EventSourceMapping:
        here = self.settings
        return EventSourceMapping(self._client("lambda", "control"), here.images_queue_arn, f"{here.stack_name}-detect")

    @cached_property
    def _model_states(self) -> ModelStateTable:
        return ModelStateTable(self._client("dynamodb", "control"), self.settings.table_name)

    def _telemetry(self, function: str) -> PowertoolsTelemetry:
        return PowertoolsTelemetry(function, self.settings.stack_name)

    def _idempotency_records(self, kind: str, config: str = "dynamodb") -> IdempotencyTable:
        return IdempotencyTable(self._client("dynamodb", config), self.settings.table_name, kind)

    def _batch(self, url: str, dead_letters_url: str, telemetry: Telemetry) -> Batch:
        return Batch(
            queue=Queue(self._client("sqs"), url),
            dead_letters=IdempotentDeadLetters(
                queue_url=dead_letters_url,
                queue=DeadLetterQueue(self._client("sqs"), dead_letters_url),
                records=self._idempotency_records("dead-letter", "dead letters"),
                telemetry=telemetry,
                now=self._now,
            ),
            telemetry=telemetry,
            partial_responses=self.settings.partial_batch_responses,
            retry_seconds=self.settings.retry_seconds,
            defer_seconds=self.settings.defer_seconds,
        )


def _run(step: Detect | Notify, telemetry: PowertoolsTelemetry, event: SQSEvent) -> BatchResponse:
    with _flushed(telemetry):
        context: Any = event.context
        return step(messages_of(event.to_dict()), context.get_remaining_time_in_millis() / 1000)


@contextmanager
def _flushed(telemetry: PowertoolsTelemetry) -> Iterator[None]:
    try:
        yield
    finally:
        telemetry.flush()


def _config(tries: int, read_timeout: float, connections: int = 10) -> Config:
    # Adaptive: the client slows down to what the service lets through, which a burst on a small model needs.
    retries: Any = {"mode": "adaptive", "total_max_attempts": tries}
    return Config(retries=retries, connect_timeout=2, read_timeout=read_timeout, max_pool_connections=connections)


# Signed as every Region takes it, with bucket and Region in the host name: the defaults do none of it everywhere.
_SIGNED_FOR_EVERY_REGION = Config(
    signature_version="s3v4", s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"}
)
_CONFIGS = {
    "rekognition": _config(tries=10, read_timeout=20, connections=IMAGES_AT_ONCE),
    "s3": _config(tries=5, read_timeout=10, connections=ROWS_AT_ONCE).merge(_SIGNED_FOR_EVERY_REGION),
    # What comes after the work must fail in time for Lambda to hear of it (batch.SECONDS_TO_SETTLE).
    "sqs": _config(tries=3, read_timeout=3, connections=SETTLED_AT_ONCE),
    "dynamodb": _config(tries=3, read_timeout=3, connections=ROWS_AT_ONCE),
    "sns": _config(tries=3, read_timeout=3),
    # Without an answer a dead letter is sent all the same, and a hundred of a batch must be in time.
    "dead letters": _config(tries=2, read_timeout=2, connections=SETTLED_AT_ONCE),
    # What is not done now is done at the next look; a second try would not know whether the first started the model.
    "control": _config(tries=1, read_timeout=5),
}
