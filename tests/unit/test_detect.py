import json
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from chalicelib.domain.errors import ModelNotRunning, Rejected, Retryable
from chalicelib.domain.images import MAX_IMAGE_BYTES
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import row_key_of
from chalicelib.steps.detect import Detect
from tests.support.builders import MODEL, NOW, image, message, notification, rules, s3_record
from tests.support.fakes import (
    FakeDeadLetters,
    FakeEventSource,
    FakeImageCounts,
    FakeImages,
    FakeModel,
    FakeModelStates,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    batch_of,
    day_limit,
)


class Bench:
    """The step with a fake in each port."""

    def __init__(self) -> None:
        self.images, self.model, self.stored = FakeImages(), FakeModel(), FakeStore()
        self.images_queue, self.predictions_queue = FakeQueue(), FakeQueue()
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.event_source, self.model_states = FakeEventSource(), FakeModelStates()
        self.step = Detect(
            images=self.images,
            model=self.model,
            stored_rows=self.stored,
            images_queue=self.images_queue,
            predictions_queue=self.predictions_queue,
            event_source=self.event_source,
            model_use=self.model_states,
            day_limit=day_limit(FakeImageCounts()),
            rules=rules(("leaf-smut", 60)),
            own_buckets=frozenset({"predictions", "predictions-workspace"}),
            batch=batch_of(self.source, self.dead_letters, self.telemetry),
            telemetry=self.telemetry,
            now=lambda: NOW,
        )

    def __call__(self, *messages: Message) -> list[str]:
        """The ids of the messages that come back."""
        return [item["itemIdentifier"] for item in self.step(messages, 60)["batchItemFailures"]]

    @property
    def predictions(self) -> list[Prediction]:
        return [msgspec.json.decode(body, type=Prediction) for body in self.predictions_queue.sent]

    @property
    def reasons(self) -> dict[str, str]:
        return {message_id: reason for message_id, (reason, _) in self.dead_letters.sent.items()}


@pytest.fixture
def bench() -> Bench:
    return Bench()


def upload(key: str = "leaf.jpg", message_id: str = "m1", **changes: Any) -> Message:
    return message(notification(s3_record(key, **changes)), message_id)


def test_an_upload_becomes_a_prediction(bench: Bench) -> None:
    assert bench(upload()) == []
    assert bench.predictions == [
        Prediction(
            image=image(),
            model=MODEL,
            min_confidence=60,
            labels=(Label("leaf-smut", 95.0),),
            detected_at=NOW,
        )
    ]


@pytest.mark.parametrize("notify", [True, False])
def test_the_choice_of_notify_is_in_the_prediction(bench: Bench, notify: bool) -> None:  # noqa: FBT001 - a parameter
    bench(upload(labelwatch={"notify": notify}))
    assert [found.notify for found in bench.predictions] == [notify]


def test_the_model_analyses_no_image_whose_prediction_is_stored(bench: Bench) -> None:
    bench.stored.objects[row_key_of(image(), MODEL)] = b"rows"
    assert bench(upload(), upload("other.jpg", "m2")) == []
    assert [key for key, _ in bench.model.requests] == ["other.jpg"]
    assert [found.image.key for found in bench.predictions] == ["other.jpg"]


@pytest.mark.parametrize(("notify", "count"), [(True, 1), (False, 0)])
def test_the_rows_of_a_backfill_without_alerts_do_not_suppress_the_upload_s_own_event(
    bench: Bench, *, notify: bool, count: int
) -> None:
    bench.stored.put(row_key_of(image(), MODEL), b"rows", notify=False)
    assert bench(upload(labelwatch={"notify": notify})) == []
    assert len(bench.predictions) == count


@pytest.mark.parametrize("change", [{"etag": "another"}, {"uploaded_at": NOW + timedelta(days=1)}])
def test_another_image_under_the_same_name_is_another_prediction(bench: Bench, change: dict[str, Any]) -> None:
    bench.stored.objects[row_key_of(image(), MODEL)] = b"rows"
    bench.images.objects["leaf.jpg"] = image(**change)
    bench(upload())
    assert len(bench.predictions) == 1


def test_force_analyses_an_image_whose_prediction_is_stored(bench: Bench) -> None:
    bench.stored.objects[row_key_of(image(), MODEL)] = b"rows"
    bench(upload(labelwatch={"force": True}))
    assert len(bench.predictions) == 1


def test_the_request_to_the_model_has_the_lowest_threshold(bench: Bench) -> None:
    bench(upload())
    assert bench.model.requests == [("leaf.jpg", 60)]


def test_etag_and_size_come_from_the_object_and_not_from_the_event(bench: Bench) -> None:
    bench.images.objects["leaf.jpg"] = image(etag="the-object-s", size=77)
    bench(upload(object={"eTag": "the-event-s", "size": 5}))
    assert (bench.predictions[0].image.etag, bench.predictions[0].image.size) == ("the-object-s", 77)


def test_predictions_are_sent_in_ascii(bench: Bench) -> None:
    bench(upload("稲/\uffff葉.jpg"))
    assert bench.predictions_queue.sent[0].isascii()
    assert bench.predictions[0].image.key == "稲/\uffff葉.jpg"


def test_several_records_are_split_into_messages_of_one_each_and_not_analysed_yet(bench: Bench) -> None:
    records = [s3_record("a.jpg"), s3_record("b.jpg"), {"odd": True}]
    assert bench(message(notification(*records))) == []
    assert [json.loads(body) for body in bench.images_queue.sent] == [{"Records": [record]} for record in records]
    assert bench.model.requests == []


def test_a_message_whose_parts_were_not_all_sent_comes_back(bench: Bench) -> None:
    bench.images_queue.unsendable["b.jpg"] = Retryable("InternalError", "try again")
    assert bench(message(notification(s3_record("a.jpg"), s3_record("b.jpg")), "both")) == ["both"]


@pytest.mark.parametrize(
    "body",
    [
        '{"Event":"s3:TestEvent"}',
        notification(s3_record(eventName="ObjectRemoved:Delete")),
        notification(s3_record("field 1/", object={"size": 0})),
    ],
)
def test_an_event_of_no_image_is_skipped_without_a_log_line(bench: Bench, body: str) -> None:
    assert bench(message(body)) == []
    assert bench.telemetry.log == []
    assert bench.dead_letters.sent == {}


def test_a_body_that_is_no_event_is_a_dead_letter_and_its_neighbours_are_analysed(bench: Bench) -> None:
    assert bench(upload("a.jpg", "a"), message("hello", "odd"), upload("b.jpg", "b")) == []
    assert bench.dead_letters.sent == {"odd": ("NotAnS3Event", "unknown")}
    assert [found.image.key for found in bench.predictions] == ["a.jpg", "b.jpg"]


@pytest.mark.parametrize("bucket", ["predictions", "predictions-workspace"])
def test_an_event_of_a_bucket_that_labelwatch_writes_to_is_rejected(bench: Bench, bucket: str) -> None:
    assert bench(upload(bucket=bucket)) == []
    assert bench.dead_letters.sent == {"m1": ("OwnBucket", f"s3://{bucket}/leaf.jpg")}
    assert bench.model.requests == []


@pytest.mark.parametrize(("size", "reason"), [(0, "EmptyImage"), (MAX_IMAGE_BYTES + 1, "ImageTooLarge")])
def test_an_object_that_no_model_takes_is_rejected_without_a_call_to_it(bench: Bench, size: int, reason: str) -> None:
    bench.images.objects["leaf.jpg"] = image(size=size)
    assert bench(upload()) == []
    assert bench.reasons == {"m1": reason}
    assert bench.model.requests == []


@pytest.mark.parametrize("size", [1, MAX_IMAGE_BYTES])
def test_an_object_of_a_size_that_the_model_takes_is_analysed(bench: Bench, size: int) -> None:
    bench.images.objects["leaf.jpg"] = image(size=size)
    bench(upload())
    assert bench.model.requests


@pytest.mark.parametrize("key", ["notes.txt", "x%2Fy", "a b+c", "folder/", "葉"])
def test_no_key_is_rejected(bench: Bench, key: str) -> None:
    bench(upload(key))
    assert [found.image.key for found in bench.predictions] == [key]


PORTS = ["images", "stored", "model", "images_queue", "predictions_queue"]
FAULTS = [
    Retryable("ThrottlingException", "slow down"),
    ModelNotRunning("ResourceNotReadyException", "stopped"),
    Rejected("InvalidImageFormatException", "no image"),
]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("fault", FAULTS, ids=["retry", "defer", "reject"])
def test_whichever_port_fails_the_message_has_the_disposition_of_the_fault(
    bench: Bench, port: str, fault: Exception
) -> None:
    getattr(bench, port).fault = fault
    split = message(notification(s3_record("a.jpg"), s3_record("b.jpg")), "m1")
    returned = bench(split if port == "images_queue" else upload())
    if isinstance(fault, Rejected):
        assert (returned, bench.reasons) == ([], {"m1": fault.reason})
    else:
        assert (returned, bench.reasons) == (["m1"], {})
        assert bench.source.delays == {"m1": 300 if isinstance(fault, ModelNotRunning) else 30}


@pytest.mark.parametrize("port", PORTS)
def test_an_unexpected_exception_loses_no_message(bench: Bench, port: str) -> None:
    getattr(bench, port).fault = KeyError("a bug")
    split = message(notification(s3_record("a.jpg"), s3_record("b.jpg")), "m1")
    assert bench(split if port == "images_queue" else upload()) == ["m1"]


def test_each_image_of_a_batch_has_its_own_outcome(bench: Bench) -> None:
    bench.model.answers = {
        "slow.jpg": Retryable("ThrottlingException", "slow down"),
        "none.jpg": Rejected("InvalidImageFormatException", "no image"),
    }
    names = ("good.jpg", "slow.jpg", "none.jpg", "fine.jpg")
    assert bench(*(upload(name, name) for name in names)) == ["slow.jpg"]
    assert bench.reasons == {"none.jpg": "InvalidImageFormatException"}
    assert sorted(found.image.key for found in bench.predictions) == ["fine.jpg", "good.jpg"]


def test_a_prediction_that_was_not_sent_comes_back_alone(bench: Bench) -> None:
    bench.predictions_queue.unsendable["a.jpg"] = Retryable("InternalError", "try again")
    assert bench(upload("a.jpg", "a"), upload("b.jpg", "b")) == ["a"]


def test_detections_are_counted_and_the_model_s_time_is_measured(bench: Bench) -> None:
    bench.model.answers = {"b.jpg": (Label("x", 90), Label("y", 80))}
    bench(upload("a.jpg", "a"), upload("b.jpg", "b"))
    assert bench.telemetry.counts == {"ImagesDetected": 2, "Labels": 3}
    assert [name for name, _ in bench.telemetry.times] == ["ModelTime", "ModelTime"]


def test_an_image_without_labels_is_a_prediction_too(bench: Bench) -> None:
    bench.model.answers = {"leaf.jpg": ()}
    bench(upload())
    assert bench.predictions[0].labels == ()


def stopped(bench: Bench, key: str) -> None:
    bench.model.answers[key] = ModelNotRunning("ResourceNotReadyException", "stopped")


def test_one_refusal_of_a_stopped_model_pauses_polling(bench: Bench) -> None:
    stopped(bench, "late.jpg")
    assert bench(upload("leaf.jpg", "m1"), upload("late.jpg", "m2")) == ["m2"]
    assert not bench.event_source.enabled
    assert [found.image.key for found in bench.predictions] == ["leaf.jpg"]


def test_no_other_failure_pauses_polling(bench: Bench) -> None:
    bench.model.answers["leaf.jpg"] = Retryable("ThrottlingException", "slow down")
    bench(upload())
    assert bench.event_source.enabled


def test_predictions_are_sent_even_if_polling_cannot_be_paused(bench: Bench) -> None:
    bench.event_source.fault = Retryable("AccessDeniedException", "no")
    stopped(bench, "late.jpg")
    assert bench(upload("leaf.jpg", "m1"), upload("late.jpg", "m2")) == ["m2"]
    assert len(bench.predictions) == 1
    assert "model use not recorded" in [event for event, _ in bench.telemetry.log]


def test_the_model_s_last_use_is_written(bench: Bench) -> None:
    stopped(bench, "late.jpg")
    bench(upload("late.jpg"))
    assert bench.model_states.last_used() is None
    bench(upload())
    assert bench.model_states.last_used() == NOW
