"""Labelwatch: the event sources and what each of them sets off. README has the picture of the flow."""

from chalice.app import Chalice, S3Event, SQSEvent

from chalicelib import settings
from chalicelib.batch import BatchResponse
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


# Only for a bucket that the stack does not own, and only with `chalice deploy`: README says when.
if here.adopted_bucket:

    @app.on_s3_event(bucket=here.adopted_bucket, events=["s3:ObjectCreated:*"])
    def ingest(event: S3Event) -> None:
        service.ingest(event)
