"""From an upload to an alert, through the deployed package, under the roles of the template."""

import email
import email.policy
import json
import urllib.request
from collections.abc import Iterator
from email.message import EmailMessage

import pytest

from labelwatch.local.model import RateLimit
from labelwatch.local.session import INPUT_BUCKET, OUTPUT_BUCKET
from tests.support.builders import notification, s3_record
from tests.support.pipeline import (
    Pipeline,
    functions,
    link_in,
    mapping_state,
    picture,
    run_manage_model,
    set_environment,
    set_mapping,
    set_partial_batch_responses,
)


def mail_of(pipeline: Pipeline, key: str) -> EmailMessage:
    content = pipeline.wait_for_alert(key).read_bytes()
    message = email.message_from_bytes(content, policy=email.policy.default)
    assert isinstance(message, EmailMessage)
    return message


@pytest.mark.parametrize(
    "key", ["plain.jpg", "field 7/leaf 1.jpg", "稲 田/葉 №3.jpg", "x%2Fy.jpg", "a+b & c=d?.jpg", "folder/"]
)
def test_an_upload_under_any_name_becomes_a_row_and_an_alert(pipeline: Pipeline, key: str) -> None:
    pipeline.upload(key)
    mail = mail_of(pipeline, key)
    assert pipeline.predictions[key].labels == (("leaf-smut", 97.0),)
    assert "leaf-smut" in mail["Subject"]


def test_a_label_that_is_not_of_interest_becomes_a_row_and_no_alert(pipeline: Pipeline) -> None:
    pipeline.upload("spot.jpg", content=picture("brown-spot"))
    pipeline.wait_for("spot.jpg")
    pipeline.wait_until_empty()
    assert not pipeline.predictions["spot.jpg"].alert_expected
    assert pipeline.alerts_of("spot.jpg") == []


def test_an_image_without_a_label_becomes_a_row(pipeline: Pipeline) -> None:
    pipeline.upload("nothing.png", content=picture("nothing", "PNG"))
    pipeline.wait_for("nothing.png")
    assert pipeline.predictions["nothing.png"].labels == ()


def test_the_link_in_the_alert_shows_the_picture_to_anybody(pipeline: Pipeline) -> None:
    pipeline.upload("linked/ü.jpg")
    link = link_in(mail_of(pipeline, "linked/ü.jpg").get_content())
    with urllib.request.urlopen(f"{link}/image") as answer:  # noqa: S310 - the local AWS's own link
        assert answer.read() == picture()


def test_a_row_has_the_metadata_of_the_upload(pipeline: Pipeline) -> None:
    pipeline.upload("metadata.jpg", ContentType="image/jpeg", Metadata={"camera": "north-4"})
    pipeline.wait_for("metadata.jpg")
    (row,) = pipeline.session.athena.query(
        "SELECT bucket, content_type, metadata['camera'] AS camera, size, dt, date_trunc('day', uploaded_at) AS day "
        "FROM rekognition_customlabels_analytics WHERE image = 'metadata.jpg'"
    ).records
    assert (row["bucket"], row["content_type"], row["camera"]) == (INPUT_BUCKET, "image/jpeg", "north-4")
    assert row["size"] == len(picture())
    assert str(row["day"]).startswith(str(row["dt"]))


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        ("notes.jpg", b"Spray on Tuesday.", "InvalidImageFormatException"),
        ("empty.jpg", b"", "EmptyImage"),
        ("cut.jpg", picture()[:300], "InvalidImageFormatException"),
        ("large.jpg", b"x" * (15 * 1024 * 1024 + 1), "ImageTooLarge"),
    ],
)
def test_a_file_that_no_model_can_analyse_is_a_dead_letter_with_its_reason(
    pipeline: Pipeline, key: str, content: bytes, reason: str
) -> None:
    pipeline.upload(key, content=content)
    pipeline.wait_for(key)
    assert pipeline.dead_letters[key].reason == reason
    assert pipeline.dead_letters[key].detail


def test_a_missing_object_is_a_dead_letter_with_that_reason(pipeline: Pipeline) -> None:
    send(pipeline, notification(s3_record("missing.jpg", bucket=INPUT_BUCKET, object={"versionId": None})))
    pipeline.wait_for("missing.jpg")
    assert pipeline.dead_letters["missing.jpg"].reason == "ImageNotFound"


def test_an_event_of_the_output_bucket_is_refused_since_it_would_never_end(pipeline: Pipeline) -> None:
    send(pipeline, notification(s3_record("x.json", bucket=OUTPUT_BUCKET)))
    image = f"s3://{OUTPUT_BUCKET}/x.json"
    pipeline.wait_for(image)
    assert pipeline.dead_letters[image].reason == "OwnBucket"


def test_a_body_of_several_records_is_split_and_each_has_its_own_outcome(pipeline: Pipeline) -> None:
    keys = ["part 1.jpg", "part 2.jpg", "part 3.jpg"]
    s3 = pipeline.session.local_aws.client("s3")
    s3.put_bucket_notification_configuration(Bucket=INPUT_BUCKET, NotificationConfiguration={})
    try:
        pipeline.upload(*keys)
        records = [s3_record(key, bucket=INPUT_BUCKET, object={"versionId": None}) for key in keys]
        send(pipeline, notification(*records, {"eventSource": "aws:ses"}))
        pipeline.wait_for(*keys, "unknown")
        assert pipeline.dead_letters["unknown"].reason == "NotAnS3Event"
    finally:
        configuration = {"QueueArn": pipeline.outputs["ImagesQueueArn"], "Events": ["s3:ObjectCreated:*"]}
        s3.put_bucket_notification_configuration(
            Bucket=INPUT_BUCKET, NotificationConfiguration={"QueueConfigurations": [configuration]}
        )


def test_without_a_custom_model_general_labels_are_detected(pipeline: Pipeline) -> None:
    detect = functions(pipeline.session)["Detect"]
    set_environment(pipeline.session, detect, CustomModelARN="general")
    pipeline.upload("general.jpg")
    pipeline.wait_for("general.jpg")
    pipeline.wait_until_empty()  # a function that is changed while it runs defers its message
    set_environment(pipeline.session, detect, CustomModelARN=pipeline.local_model.arn)
    (row,) = pipeline.session.athena.query(
        "SELECT model, label FROM rekognition_customlabels_analytics WHERE image = 'general.jpg'"
    ).records
    assert row == {"model": "general", "label": "leaf-smut"}


def test_a_burst_on_a_slow_model_loses_nothing(pipeline: Pipeline) -> None:
    pipeline.local_model.rate = RateLimit(20)
    keys = [f"burst/{number:03}.jpg" for number in range(100)]
    pipeline.upload(*keys)
    pipeline.wait_for(*keys)
    assert set(keys) <= set(pipeline.predictions)


def test_errors_of_the_service_cost_time_and_nothing_else(pipeline: Pipeline) -> None:
    pipeline.local_model.error_rates = {"InternalServerError": 0.2, "ThrottlingException": 0.2}
    keys = [f"errors/{number:02}.jpg" for number in range(20)]
    pipeline.upload(*keys)
    pipeline.wait_for(*keys)
    assert set(keys) <= set(pipeline.predictions)


def test_images_wait_for_a_stopped_model_and_are_analysed_when_it_runs(pipeline: Pipeline) -> None:
    rekognition = {"ProjectVersionArn": pipeline.local_model.arn}
    pipeline.local_model.operations["StopProjectVersion"](rekognition)
    pipeline.upload("waiting.jpg")
    detect = functions(pipeline.session)["Detect"]
    # By a refused call of detect, or by a check of manage_model that was late: both leave the image in the queue.
    pipeline.wait_until(lambda: mapping_state(pipeline.session, detect) == "Disabled", "a paused polling")
    pipeline.wait_until(lambda: pipeline.depth("ImagesQueueUrl") == 1, "an image that waits")
    assert "waiting.jpg" not in pipeline.predictions
    pipeline.local_model.starting_seconds = 0
    pipeline.local_model.operations["StartProjectVersion"]({**rekognition, "MinInferenceUnits": 1})

    def analysed_after_a_check() -> bool:
        run_manage_model(pipeline.session)
        return "waiting.jpg" in pipeline.predictions

    pipeline.wait_until(analysed_after_a_check, "a prediction")


@pytest.fixture(params=["partial batch responses", "delete and raise"])
def batch_mode(request: pytest.FixtureRequest, pipeline: Pipeline) -> Iterator[str]:
    """Both ways to return failed messages: with the mapping's flag, as deployed, and without it."""
    set_partial_batch_responses(pipeline.session, enabled=request.param == "partial batch responses")
    yield request.param
    set_partial_batch_responses(pipeline.session, enabled=True)


def test_no_way_to_return_failed_messages_loses_or_repeats_one(pipeline: Pipeline, batch_mode: str) -> None:
    good = [f"{batch_mode}/{number:02}.jpg" for number in range(20)]
    bad = [f"{batch_mode}/notes {number}.jpg" for number in range(3)]
    calls = pipeline.local_model.calls
    pipeline.local_model.fail_next("AccessDeniedException", times=4)
    detect = functions(pipeline.session)["Detect"]
    set_mapping(pipeline.session, detect, Enabled=False)  # so that messages are received in full batches
    for index, key in enumerate(good):
        pipeline.upload(key)
        if index % 7 == 0:
            pipeline.upload(bad[index // 7], content=b"no image")
    set_mapping(pipeline.session, detect, Enabled=True)
    pipeline.wait_for(*good, *bad)
    pipeline.wait_until_empty()
    assert set(good) <= set(pipeline.predictions)
    assert set(bad) <= set(pipeline.dead_letters)
    # One call each, and one more for the four that were refused: no finished message was repeated.
    assert pipeline.local_model.calls - calls == len(good) + len(bad) + 4


def test_the_functions_run_under_the_roles_of_the_template_and_may_do_no_more(pipeline: Pipeline) -> None:
    """Without its right to publish, notify stores the row, sends no alert, and returns the message to the queue."""
    iam = pipeline.session.local_aws.client("iam")
    role = pipeline.outputs["NotifyRoleArn"].rpartition("/")[2]
    policy = iam.get_role_policy(RoleName=role, PolicyName="notify")["PolicyDocument"]
    statements = [statement for statement in policy["Statement"] if statement["Sid"] != "PublishAlerts"]
    without = policy | {"Statement": statements}
    iam.put_role_policy(RoleName=role, PolicyName="notify", PolicyDocument=json.dumps(without))
    pipeline.upload("not-notified.jpg")
    pipeline.wait_for("not-notified.jpg")
    assert pipeline.depth("PredictionsQueueUrl") == 1
    assert pipeline.alerts_of("not-notified.jpg") == []
    iam.put_role_policy(RoleName=role, PolicyName="notify", PolicyDocument=json.dumps(policy))
    pipeline.wait_for_alert("not-notified.jpg")


def send(pipeline: Pipeline, body: str) -> None:
    pipeline.session.local_aws.client("sqs").send_message(QueueUrl=pipeline.outputs["ImagesQueueUrl"], MessageBody=body)
