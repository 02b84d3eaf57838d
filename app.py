"""Labelwatch: the pipeline, the schedule and the API, and the step behind each; README draws the flow."""

from collections.abc import Callable
from typing import Any

from chalice.app import AuthRequest, AuthResponse, Chalice, CloudWatchEvent, Rate, Request, Response, S3Event, SQSEvent

from chalicelib import rest, settings
from chalicelib.wiring import Service

app = Chalice(app_name="labelwatch")
config = settings.load()
service = Service(config)

# --- Pipeline


# Two batches of ten at once keep twenty images at the model, more than five inference units answer in a second.
@app.on_sqs_message(queue_arn=config.images_queue_arn, batch_size=10, maximum_concurrency=2)
def detect(event: SQSEvent) -> object:
    """Images queue → the model → predictions queue."""
    return service.detect(event)


# Two at once, each with three alerts a second at most: under the 10 a second at which SNS disables a subscription.
@app.on_sqs_message(
    queue_arn=config.predictions_queue_arn,
    batch_size=100,
    maximum_batching_window_in_seconds=2,
    maximum_concurrency=2,
)
def notify(event: SQSEvent) -> object:
    """Predictions queue → rows in the output bucket → an alert for each source."""
    return service.notify(event)


# Only for a bucket that the stack does not own, and only with `chalice deploy`: CloudFormation cannot do it.
if config.existing_bucket:

    @app.on_s3_event(bucket=config.existing_bucket, events=["s3:ObjectCreated:*"])
    def ingest(event: S3Event) -> None:
        """An existing bucket's event notification → images queue."""
        service.ingest(event)


# --- Schedule


@app.schedule(Rate(1, unit=Rate.MINUTES))
def manage_model(_: CloudWatchEvent) -> None:
    """Polls the images queue only while the model runs; starts and stops the model by its policy."""
    service.manage_model()


@app.schedule(Rate(1, unit=Rate.HOURS))
def check_subscriptions(_: CloudWatchEvent) -> None:
    """Counts the subscriptions that receive nothing: unconfirmed, disabled or missing."""
    service.check_subscriptions()


# --- API


# API Gateway caches the answer: a token that was revoked works for 30 s more at most.
@app.authorizer(ttl_seconds=30)
def authorize(request: AuthRequest) -> AuthResponse | dict[str, Any]:
    """The rights of the client that a bearer token belongs to."""
    return rest.authorization(service.authorize(request.token))


@app.route("/uploads", methods=["POST"], authorizer=authorize)
def presign_upload() -> Response:
    """A presigned PUT for one image, under the client's own prefix."""
    return rest.presign_upload(app, service.presign_upload)


# Not Chalice's own CORS: that is fixed at package time, and the origin is a parameter of the stack.
@app.route("/uploads", methods=["OPTIONS"])
def preflight() -> Response:
    """The CORS preflight request of a browser."""
    return rest.preflight(config.upload_origin)


# Open without a token, to anybody with a link from an alert. The other open routes read nothing.
@app.route("/p/{link_id}", methods=["GET"])
def show_picture(link_id: str) -> Response:
    """The picture page of a link."""
    return rest.picture_page(app, service.show_picture(link_id), service.as_html)


@app.route("/p/{link_id}/image", methods=["GET"])
def redirect_to_picture(link_id: str) -> Response:
    """A redirect to the picture of a link, signed afresh."""
    return rest.picture_image(service.show_picture(link_id))


@app.route("/health", methods=["GET"])
def health() -> Response:
    """The version that is deployed."""
    return rest.health()


@app.middleware("http")
def format_response(request: Request, respond: Callable[[Request], Response]) -> Response:
    """Every error in one shape, the CORS header, and a line of the log for each request."""
    response = rest.formatted(respond(request), config.upload_origin)
    service.log_request(rest.logged(request, response))
    return response
