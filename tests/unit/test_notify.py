import json
from collections.abc import Callable, Mapping
from datetime import UTC, timedelta

import msgspec
import pytest

from chalicelib.domain.errors import Fault, ModelNotRunning, Rejected, Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import BoundingBox, Label, Prediction
from chalicelib.domain.rows import row_key
from chalicelib.domain.rules import Rules
from chalicelib.queues.batch import MAX_TRIES, SECONDS_TO_SETTLE, Batch
from chalicelib.steps.detect import encoded
from chalicelib.steps.notify import SECONDS_FOR_AN_ALERT, Notify
from tests.support.builders import NOW, image, message, prediction, rules
from tests.support.fakes import (
    FakeDeadLetters,
    FakeIdempotencyRecords,
    FakePictureLinks,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    FakeTopic,
    batch_of,
)

SMUT = Label("leaf-smut", 95)
SPOT = Label("brown-spot", 99)


class Bench:
    """The step with a fake in each port."""

    def __init__(self, interest: Rules | None = None) -> None:
        self.store, self.picture_links, self.topic = FakeStore(), FakePictureLinks(), FakeTopic()
        self.records, self.test_records = FakeIdempotencyRecords(), FakeIdempotencyRecords()
        self.clock = NOW
        self.pauses: list[float] = []
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.step = Notify(
            row_store=self.store,
            picture_links=self.picture_links,
            topic=self.topic,
            records=self.records,
            test_records=self.test_records,
            rules=interest or rules(("leaf-smut", 90)),
            batch=batch_of(self.source, self.dead_letters, self.telemetry),
            telemetry=self.telemetry,
            zone=UTC,
            now=lambda: self.clock,
            pause=self.pauses.append,
        )

    def __call__(self, *messages: Message) -> list[str]:
        """The ids of the messages that come back."""
        return [item["itemIdentifier"] for item in self.step(messages, 60)["batchItemFailures"]]

    @property
    def alerted(self) -> list[object]:
        """The images of each alert."""
        return [alert.attributes["images"] for alert in self.topic.alerts]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def predicted(prediction: Prediction, message_id: str = "m1") -> Message:
    return message(encoded(prediction), message_id)


def test_a_prediction_is_stored_under_its_key(bench: Bench) -> None:
    seen = prediction(SMUT, SPOT)
    assert bench(predicted(seen)) == []
    lines = bench.store.objects[row_key(seen)].decode().splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["leaf-smut", "brown-spot"]


def test_a_repeat_overwrites_its_rows(bench: Bench) -> None:
    for _ in range(2):
        bench(predicted(prediction(SMUT)))
    assert len(bench.store.objects) == 1


def test_a_label_of_interest_is_in_an_alert(bench: Bench) -> None:
    bench(predicted(prediction(SMUT, SPOT)))
    (alert,) = bench.topic.alerts
    assert alert.attributes["labels"] == ["leaf-smut"]
    assert "https://link/p/leaf.jpg" in alert.text


@pytest.mark.parametrize("labels", [(), (SPOT,), (Label("leaf-smut", 89.9),)])
def test_a_prediction_without_a_label_of_interest_is_stored_without_an_alert(
    bench: Bench, labels: tuple[Label, ...]
) -> None:
    bench(predicted(prediction(*labels)))
    assert len(bench.store.objects) == 1
    assert bench.topic.alerts == []


def test_a_suppressed_prediction_has_no_alert_and_its_neighbours_have(bench: Bench) -> None:
    past = prediction(SMUT, key="past.jpg", notify=False)
    assert bench(predicted(past, "past"), predicted(prediction(SMUT), "new")) == []
    assert bench.alerted == [["leaf.jpg"]]
    assert json.loads(bench.store.objects[row_key(past)])["of_interest"] is True
    assert bench.store.suppressed == {row_key(past)}


def test_without_a_prediction_to_alert_of_nothing_is_published(bench: Bench) -> None:
    bench(predicted(prediction(SMUT, notify=False)))
    assert bench.topic.alerts == []


def test_a_prediction_without_the_field_notify_has_an_alert(bench: Bench) -> None:
    old = json.loads(encoded(prediction(SMUT)))
    del old["notify"]
    assert bench(message(json.dumps(old))) == []
    assert bench.alerted == [["leaf.jpg"]]


def test_the_predictions_of_one_invocation_are_in_one_alert(bench: Bench) -> None:
    bench(*(predicted(prediction(SMUT, key=f"{number}.jpg"), str(number)) for number in range(100)))
    assert [len(images) for images in bench.alerted if isinstance(images, list)] == [100]


def test_a_prediction_in_two_messages_of_a_batch_is_in_the_alert_once(bench: Bench) -> None:
    assert bench(predicted(prediction(SMUT), "m1"), predicted(prediction(SMUT), "m2")) == []
    assert bench.alerted == [["leaf.jpg"]]


def test_a_repeat_has_no_second_alert_and_is_finished(bench: Bench) -> None:
    bench(predicted(prediction(SMUT)))
    bench.clock += timedelta(days=30)
    assert bench(predicted(prediction(SMUT)), predicted(prediction(SMUT, key="other.jpg"), "m2")) == []
    assert bench.alerted == [["leaf.jpg"], ["other.jpg"]]


def test_a_prediction_in_progress_in_another_delivery_comes_back(bench: Bench) -> None:
    seen = prediction(SMUT)
    bench.records.locks[seen.id] = ("another", NOW + timedelta(seconds=65))
    assert bench(predicted(seen, "m1"), predicted(prediction(SMUT, key="other.jpg"), "m2")) == ["m1"]
    assert bench.alerted == [["other.jpg"]]


def test_a_prediction_whose_delivery_died_has_its_alert_after_the_end_of_the_lock(bench: Bench) -> None:
    seen = prediction(SMUT)
    bench.records.locks[seen.id] = ("another", NOW)
    bench.clock += timedelta(seconds=1)
    assert bench(predicted(seen)) == []
    assert bench.alerted == [["leaf.jpg"]]


def test_a_lock_ends_five_seconds_after_its_invocation_must_have_ended(bench: Bench) -> None:
    bench.records.write_fault = Retryable("ThrottlingException", "later")
    bench(predicted(prediction(SMUT)))
    ((_, end),) = bench.records.locks.values()
    assert NOW + timedelta(seconds=64) < end <= NOW + timedelta(seconds=65)


def test_an_alert_that_failed_releases_its_records_so_that_the_next_delivery_need_not_wait(bench: Bench) -> None:
    bench.topic.fault = Retryable("InternalError", "later")
    bench(predicted(prediction(SMUT)))
    bench.topic.fault = None
    assert bench(predicted(prediction(SMUT))) == []
    assert bench.alerted == [["leaf.jpg"]]


def test_a_message_whose_alert_is_out_is_finished_even_if_its_record_is_not_completed(bench: Bench) -> None:
    bench.records.write_fault = Retryable("ThrottlingException", "later")
    assert bench(predicted(prediction(SMUT))) == []
    assert bench.telemetry.counts["Alerts"] == 1


def test_a_record_that_cannot_be_completed_at_first_is_completed_at_the_second_attempt(bench: Bench) -> None:
    bench.records.write_fault, bench.records.failing_writes = Retryable("ThrottlingException", "later"), 1
    bench(predicted(prediction(SMUT)))
    assert bench.records.completed.keys() == {prediction(SMUT).id}
    assert "idempotency records not completed" not in [event for event, _ in bench.telemetry.log]


class TimedBatch(Batch, frozen=True):
    """Keeps how many seconds each attempt has."""

    def attempt[I, O](
        self, work: Callable[[I], O], items: Mapping[str, I], *, threads: int, seconds_left: float
    ) -> tuple[dict[str, O], dict[str, Fault]]:
        SECONDS_LEFT.append(seconds_left)
        return super().attempt(work, items, threads=threads, seconds_left=seconds_left)


SECONDS_LEFT: list[float] = []


def test_each_attempt_has_the_seconds_that_the_attempts_before_have_left(bench: Bench) -> None:
    bench.records.write_fault = Retryable("ThrottlingException", "later")
    batch = bench.step.batch
    timed = TimedBatch(**{name: getattr(batch, name) for name in batch.__struct_fields__})
    SECONDS_LEFT.clear()
    msgspec.structs.replace(bench.step, batch=timed)([predicted(prediction(SMUT))], 60)
    assert len(SECONDS_LEFT) == 4  # the rows, acquire, complete and its second attempt
    assert sorted(set(SECONDS_LEFT), reverse=True) == SECONDS_LEFT


def test_a_prediction_that_is_worth_no_alert_has_no_record(bench: Bench) -> None:
    bench(predicted(prediction(SPOT)))
    assert bench.records.locks == {}


def test_a_prediction_that_could_not_be_stored_has_no_alert_and_comes_back(bench: Bench) -> None:
    bench.store.refused["bad.jpg"] = Retryable("SlowDown", "later")
    returned = bench(predicted(prediction(SMUT, key="bad.jpg"), "bad"), predicted(prediction(SMUT), "good"))
    assert returned == ["bad"]
    assert bench.alerted == [["leaf.jpg"]]


def test_where_the_alert_fails_only_its_own_predictions_come_back(bench: Bench) -> None:
    bench.topic.fault = Retryable("InternalError", "later")
    returned = bench(predicted(prediction(SMUT), "worth"), predicted(prediction(SPOT, key="other.jpg"), "not"))
    assert returned == ["worth"]
    assert len(bench.store.objects) == 2


def test_a_picture_without_a_link_is_in_the_alert_all_the_same(bench: Bench) -> None:
    bench.picture_links.missing = {"bad.jpg"}
    assert bench(predicted(prediction(SMUT, key="bad.jpg"), "bad"), predicted(prediction(SMUT), "good")) == []
    (alert,) = bench.topic.alerts
    assert "Object: images/bad.jpg" in alert.text
    assert "https://link/p/leaf.jpg" in alert.text


def test_a_prediction_that_another_delivery_alerts_of_has_no_link(bench: Bench) -> None:
    bench.records.locks[prediction(SMUT).id] = ("another", NOW + timedelta(seconds=65))
    bench(predicted(prediction(SMUT), "m1"), predicted(prediction(SMUT, key="other.jpg"), "m2"))
    assert [each.image.key for each in bench.picture_links.requested] == ["other.jpg"]


def test_a_body_that_is_no_prediction_is_a_dead_letter_and_its_neighbours_have_their_alert(bench: Bench) -> None:
    assert bench(message("hello", "odd"), message('{"x":' + "[" * 100_000, "deep"), predicted(prediction(SMUT))) == []
    assert bench.dead_letters.sent == {"odd": ("NotAPrediction", "unknown"), "deep": ("NotAPrediction", "unknown")}
    assert bench.alerted == [["leaf.jpg"]]


def test_a_prediction_in_progress_in_another_delivery_comes_back_even_after_ten_tries(bench: Bench) -> None:
    seen = prediction(SMUT)
    bench.records.acquire(seen.id, "another", NOW, NOW + timedelta(minutes=1))
    late = message(encoded(seen), "late", MAX_TRIES)
    assert (bench(late), bench.dead_letters.sent, bench.topic.alerts) == (["late"], {}, [])


PORTS = ["store", "records", "topic"]
FAULTS = [
    Retryable("SlowDown", "later"),
    ModelNotRunning("ResourceNotReadyException", "stopped"),
    Rejected("InvalidParameter", "never"),
]


@pytest.mark.parametrize("odd", [{"bucket": ""}, {"bucket": "b" * 256}, {"key": ""}, {"key": "k" * 1025}])
def test_a_prediction_of_an_impossible_object_is_a_dead_letter_and_in_no_alert(
    bench: Bench, odd: dict[str, str]
) -> None:
    assert bench(predicted(prediction(SMUT, image=image(**odd)), "odd"), predicted(prediction(SMUT), "good")) == []
    assert bench.dead_letters.sent == {"odd": ("NotAPrediction", "unknown")}
    assert bench.alerted == [["leaf.jpg"]]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("fault", FAULTS, ids=["retry", "defer", "reject"])
def test_whichever_port_fails_the_message_has_the_disposition_of_the_fault(
    bench: Bench, port: str, fault: Exception
) -> None:
    getattr(bench, port).fault = fault
    returned = bench(predicted(prediction(SMUT)))
    assert bench.topic.alerts == []
    if isinstance(fault, Rejected):
        assert (returned, bench.dead_letters.sent) == ([], {"m1": ("InvalidParameter", "s3://images/leaf.jpg")})
    else:
        assert (returned, bench.dead_letters.sent) == (["m1"], {})
        assert bench.source.delays == {"m1": 300 if isinstance(fault, ModelNotRunning) else 30}


@pytest.mark.parametrize("port", PORTS)
def test_an_unexpected_exception_loses_no_message(bench: Bench, port: str) -> None:
    getattr(bench, port).fault = KeyError("a bug")
    assert bench(predicted(prediction(SMUT))) == ["m1"]


def test_stored_and_alerted_predictions_are_counted(bench: Bench) -> None:
    bench(predicted(prediction(SMUT), "a"), predicted(prediction(SPOT, key="b.jpg"), "b"))
    assert bench.telemetry.counts == {"PredictionsStored": 2, "Alerts": 1, "PredictionsAlerted": 1}


def from_sources(*sources: str) -> list[Message]:
    return [
        predicted(prediction(SMUT, key=f"{source}/{number}.jpg"), f"m{number}") for number, source in enumerate(sources)
    ]


def test_each_source_has_an_alert_of_its_own(bench: Bench) -> None:
    assert bench(*from_sources("north", "south", "north")) == []
    assert bench.alerted == [["north/0.jpg", "north/2.jpg"], ["south/1.jpg"]]
    assert [alert.attributes["source"] for alert in bench.topic.alerts] == ["north", "south"]


def test_at_most_three_alerts_are_published_in_a_second(bench: Bench) -> None:
    bench(*from_sources(*"abcd"))
    assert bench.pauses == [pytest.approx(1 / 3)] * 3


def test_the_alerts_that_do_not_fit_into_the_invocation_come_back_and_the_first_is_out(bench: Bench) -> None:
    response = bench.step(from_sources(*"abc"), SECONDS_TO_SETTLE + SECONDS_FOR_AN_ALERT)
    assert [item["itemIdentifier"] for item in response["batchItemFailures"]] == ["m1", "m2"]
    assert bench.alerted == [["a/0.jpg"]]
    assert bench.dead_letters.sent == {}


def test_an_alert_that_fails_keeps_back_no_other_source(bench: Bench) -> None:
    bench.topic.refused["north"] = Retryable("InternalError", "later")
    assert bench(*from_sources("north", "south")) == ["m0"]
    assert bench.alerted == [["south/1.jpg"]]


def sent_by_test_command(key: str = "leaf.jpg", label: Label = SPOT) -> Prediction:
    return prediction(label, key=key, test=True)


def test_a_test_has_an_alert_without_a_rule_and_no_row_and_no_metric(bench: Bench) -> None:
    assert bench(predicted(sent_by_test_command())) == []
    (alert,) = bench.topic.alerts
    assert (alert.attributes["test"], alert.attributes["labels"]) == ("yes", ["brown-spot"])
    assert (bench.store.objects, bench.telemetry.counts) == ({}, {})


def test_a_test_has_a_record_of_its_own_kind_and_a_repeat_has_no_second_alert(bench: Bench) -> None:
    test = sent_by_test_command()
    for _ in range(2):
        assert bench(predicted(test)) == []
    assert bench.records.locks == {}
    assert bench.test_records.completed.keys() == {test.id}
    assert len(bench.topic.alerts) == 1


def test_a_test_is_never_in_an_alert_of_real_predictions(bench: Bench) -> None:
    test = sent_by_test_command("field-3/test.jpg", SMUT)
    real = [prediction(SMUT, key=f"field-3/{number}.jpg") for number in range(2)]
    assert bench(*(predicted(each, str(number)) for number, each in enumerate((real[0], test, real[1])))) == []
    assert bench.alerted == [["field-3/0.jpg", "field-3/1.jpg"], ["field-3/test.jpg"]]
    assert ["test" in alert.attributes for alert in bench.topic.alerts] == [False, True]
    assert bench.telemetry.counts == {"PredictionsStored": 2, "Alerts": 1, "PredictionsAlerted": 2}


def test_a_test_whose_alert_fails_comes_back(bench: Bench) -> None:
    bench.topic.fault = Retryable("InternalError", "later")
    assert bench(predicted(sent_by_test_command())) == ["m1"]
    assert bench.test_records.completed == {}


def test_a_prediction_without_the_field_test_is_real(bench: Bench) -> None:
    old = json.loads(encoded(prediction(SMUT)))
    del old["test"]
    assert bench(message(json.dumps(old))) == []
    assert bench.telemetry.counts["Alerts"] == 1


EXTREME_LABELS = [
    Label(f"leaf-smut {number} {'写' * 100}", 99, BoundingBox(0.1, 0.1, 0.5, 0.5)) for number in range(10)
] * 10


@pytest.mark.parametrize("sources", [1, 100])
def test_a_batch_of_extremes_has_an_alert_for_each_source_whose_lines_no_mail_server_breaks(sources: int) -> None:
    bench = Bench(rules(("*", 90)))
    keys = [f"{number % sources:03}/{number:03}{'写' * 338}" for number in range(100)]
    assert [len(key.encode()) for key in keys] == [1021] * 100
    messages = [predicted(prediction(*EXTREME_LABELS, key=key), key) for key in keys]
    assert bench(*messages) == []
    assert len(bench.topic.alerts) == sources
    assert bench.pauses == [pytest.approx(1 / 3)] * (sources - 1)
    for number, alert in enumerate(bench.topic.alerts):
        assert alert.attributes["source"] == f"{number:03}"
        assert max(len(line.encode()) for line in alert.text.splitlines()) <= 998
        text = alert.text.replace("\n", " ")
        assert [label for label in range(10) if f"leaf-smut {label} " not in text] == []
