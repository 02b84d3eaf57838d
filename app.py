"""Labelwatch: the event sources and what each of them sets off. README has the picture of the flow."""

from collections.abc import Callable

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Rate, Request, Response, S3Event, SQSEvent

from chalicelib import rest, settings
from chalicelib.queues.batch import BatchResponse
from chalicelib.wiring import Service

app = Chalice(app_name="labelwatch")
here = settings.load()
service = Service(here)


# Two batches of ten at once keep twenty images at the model, more than five inference units answer in a second.
@app.on_sqs_message(queue_arn=here.images_queue_arn, batch_size=10, maximum_concurrency=2)
def detect(event: SQSEvent) -> BatchResponse:
    return service.detect(event)


# Two at once and a window of 2 s each: about one alert a second in a burst, far under the 10 that SNS puts up with.
@app.on_sqs_message(
    queue_arn=here.predictions_queue_arn,
    batch_size=100,
    maximum_batching_window_in_seconds=2,
    maximum_concurrency=2,
)
def notify(event: SQSEvent) -> BatchResponse:
    return service.notify(event)


# A subscription that is unconfirmed, or that SNS switched off, tells nobody; there is an alarm on what this counts.
@app.schedule(Rate(1, unit=Rate.HOURS))
def watch(event: CloudWatchEvent) -> None:  # noqa: ARG001 - only that an hour has passed
    service.watch()


# A message that is taken while the model is stopped is taken in vain; docs/decisions/0017 tells of the circuit.
@app.schedule(Rate(1, unit=Rate.MINUTES))
def keep_model(event: CloudWatchEvent) -> None:  # noqa: ARG001 - only that a minute has passed
    service.keep_model()


# A token that was revoked works on for as long as API Gateway remembers the answer: 30 s at most.
@app.authorizer(ttl_seconds=30)
def authorize(request: AuthRequest) -> AuthResponse:
    return service.authorize(request)


@app.route("/uploads", methods=["POST"], authorizer=authorize)
def uploads() -> Response:
    return service.issue_ticket(app.current_request)  # type: ignore[arg-type] # it is there while a view runs


# Not Chalice's own CORS: that is fixed when it is packaged, and the origin is a parameter of the stack.
@app.route("/uploads", methods=["OPTIONS"])
def preflight() -> Response:
    return rest.preflight(here.upload_origin)


@app.route("/health", methods=["GET"])
def health() -> Response:
    return rest.health()


@app.middleware("http")
def one_shape(request: Request, answer: Callable[[Request], Response]) -> Response:
    return rest.in_our_shape(answer(request), here.upload_origin)


# Only for a bucket that the stack does not own, and only with `chalice deploy`: README says when.
if here.adopted_bucket:

    @app.on_s3_event(bucket=here.adopted_bucket, events=["s3:ObjectCreated:*"])
    def ingest(event: S3Event) -> None:
        service.ingest(event)
