import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import msgspec
import pytest

from chalicelib.domain.errors import Fault, ModelNotRunning, Rejected, Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label, Prediction
from chalicelib.domain.rows import row_key
from chalicelib.queues.batch import MAX_TRIES, Batch
from chalicelib.steps.detect import encoded
from chalicelib.steps.notify import Notify
from tests.support.builders import NOW, image, message, prediction, rules
from tests.support.fakes import (
    FakeDeadLetters,
    FakeIdempotencyRecords,
    FakePictures,
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

    def __init__(self) -> None:
        self.store, self.pictures, self.topic, self.claims = (
            FakeStore(),
            FakePictures(),
            FakeTopic(),
            FakeIdempotencyRecords(),
        )
        self.clock = NOW
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.step = Notify(
            store=self.store,
            pictures=self.pictures,
            topic=self.topic,
            claims=self.claims,
            rules=rules(("leaf-smut", 90)),
            batch=batch_of(self.source, self.dead_letters, self.telemetry),
            telemetry=self.telemetry,
            now=lambda: self.clock,
        )

    def __call__(self, *messages: Message) -> list[str]:
        """The ids of the messages that come back."""
        return [item["itemIdentifier"] for item in self.step(messages, 60)["batchItemFailures"]]

    @property
    def told(self) -> list[object]:
        return [alert.attributes["images"] for alert in self.topic.alerts]


@pytest.fixture
def bench() -> Bench:
    return Bench()


def arriving(one: Prediction, message_id: str = "m1") -> Message:
    return message(encoded(one), message_id)


def test_a_prediction_is_stored_under_its_key(bench: Bench) -> None:
    seen = prediction(SMUT, SPOT)
    assert bench(arriving(seen)) == []
    lines = bench.store.objects[row_key(seen)].decode().splitlines()
    assert [json.loads(line)["label"] for line in lines] == ["leaf-smut", "brown-spot"]


def test_a_repeat_overwrites_and_never_doubles(bench: Bench) -> None:
    for _ in range(2):
        bench(arriving(prediction(SMUT)))
    assert len(bench.store.objects) == 1


def test_a_label_of_interest_is_told(bench: Bench) -> None:
    bench(arriving(prediction(SMUT, SPOT)))
    (alert,) = bench.topic.alerts
    assert alert.attributes["labels"] == ["leaf-smut"]
    assert "https://link/leaf.jpg" in alert.text


@pytest.mark.parametrize("labels", [(), (SPOT,), (Label("leaf-smut", 89.9),)])
def test_what_nobody_asked_for_is_stored_and_not_told(bench: Bench, labels: tuple[Label, ...]) -> None:
    bench(arriving(prediction(*labels)))
    assert len(bench.store.objects) == 1
    assert bench.topic.alerts == []


def test_of_a_prediction_without_alert_nobody_is_told_and_its_neighbours_are_told_of(bench: Bench) -> None:
    past = prediction(SMUT, key="past.jpg", notify=False)
    assert bench(arriving(past, "past"), arriving(prediction(SMUT), "new")) == []
    assert bench.told == [["leaf.jpg"]]
    assert json.loads(bench.store.objects[row_key(past)])["of_interest"] is True
    assert bench.store.quiet == {row_key(past)}


def test_where_no_prediction_is_to_be_told_nothing_is_published(bench: Bench) -> None:
    bench(arriving(prediction(SMUT, notify=False)))
    assert bench.topic.alerts == []


def test_a_prediction_sent_before_there_was_such_a_choice_is_told(bench: Bench) -> None:
    old = json.loads(encoded(prediction(SMUT)))
    del old["notify"]
    assert bench(message(json.dumps(old))) == []
    assert bench.told == [["leaf.jpg"]]


def test_the_predictions_of_one_invocation_are_told_in_one_alert(bench: Bench) -> None:
    bench(*(arriving(prediction(SMUT, key=f"{number}.jpg"), str(number)) for number in range(100)))
    assert [len(images) for images in bench.told if isinstance(images, list)] == [100]


def test_a_prediction_that_came_twice_at_once_is_told_once(bench: Bench) -> None:
    assert bench(arriving(prediction(SMUT), "m1"), arriving(prediction(SMUT), "m2")) == []
    assert bench.told == [["leaf.jpg"]]


def test_a_repeat_is_told_of_by_nobody_and_is_finished(bench: Bench) -> None:
    bench(arriving(prediction(SMUT)))
    bench.clock += timedelta(days=30)
    assert bench(arriving(prediction(SMUT)), arriving(prediction(SMUT, key="other.jpg"), "m2")) == []
    assert bench.told == [["leaf.jpg"], ["other.jpg"]]


def test_what_another_delivery_is_about_to_tell_comes_back(bench: Bench) -> None:
    seen = prediction(SMUT)
    bench.claims.claimed[seen.id] = ("another", NOW + timedelta(seconds=65))
    assert bench(arriving(seen, "m1"), arriving(prediction(SMUT, key="other.jpg"), "m2")) == ["m1"]
    assert bench.told == [["other.jpg"]]


def test_what_another_claimed_and_died_with_is_told_once_it_must_be_dead(bench: Bench) -> None:
    seen = prediction(SMUT)
    bench.claims.claimed[seen.id] = ("another", NOW)
    bench.clock += timedelta(seconds=1)
    assert bench(arriving(seen)) == []
    assert bench.told == [["leaf.jpg"]]


def test_a_claim_outlives_the_function_that_has_it(bench: Bench) -> None:
    bench.claims.unnotable = Retryable("ThrottlingException", "later")
    bench(arriving(prediction(SMUT)))
    ((_, end),) = bench.claims.claimed.values()
    assert NOW + timedelta(seconds=64) < end <= NOW + timedelta(seconds=65)


def test_an_alert_that_failed_is_claimed_no_longer_so_that_the_next_try_need_not_wait(bench: Bench) -> None:
    bench.topic.fault = Retryable("InternalError", "later")
    bench(arriving(prediction(SMUT)))
    bench.topic.fault = None
    assert bench(arriving(prediction(SMUT))) == []
    assert bench.told == [["leaf.jpg"]]


def test_a_message_whose_alert_is_out_is_finished_though_that_could_not_be_remembered(bench: Bench) -> None:
    bench.claims.unnotable = Retryable("ThrottlingException", "later")
    assert bench(arriving(prediction(SMUT))) == []
    assert bench.telemetry.counts["Alerts"] == 1


def test_an_alert_that_could_not_be_remembered_in_a_bad_moment_is_in_the_next(bench: Bench) -> None:
    bench.claims.unnotable, bench.claims.bad_moments = Retryable("ThrottlingException", "later"), 1
    bench(arriving(prediction(SMUT)))
    assert bench.claims.remembered.keys() == {prediction(SMUT).id}
    assert "idempotency records not completed" not in [event for event, _ in bench.telemetry.log]


class Measuring(Batch, frozen=True):
    """Tells how many seconds each round of work was given."""

    def attempt[I, O](
        self, work: Callable[[I], O], items: Mapping[str, I], *, threads: int, seconds_left: float
    ) -> tuple[dict[str, O], dict[str, Fault]]:
        GIVEN.append(seconds_left)
        return super().attempt(work, items, threads=threads, seconds_left=seconds_left)


GIVEN: list[float] = []


def test_each_round_of_work_is_given_what_the_rounds_before_have_left(bench: Bench) -> None:
    bench.claims.unnotable = Retryable("ThrottlingException", "later")
    batch = bench.step.batch
    measuring = Measuring(**{name: getattr(batch, name) for name in batch.__struct_fields__})
    GIVEN.clear()
    msgspec.structs.replace(bench.step, batch=measuring)([arriving(prediction(SMUT))], 60)
    assert len(GIVEN) == 4  # the rows, the claim, the note twice
    assert sorted(set(GIVEN), reverse=True) == GIVEN


def test_what_is_not_worth_an_alert_is_claimed_by_nobody(bench: Bench) -> None:
    bench(arriving(prediction(SPOT)))
    assert bench.claims.claimed == {}


def test_what_could_not_be_stored_is_not_told_and_comes_back(bench: Bench) -> None:
    bench.store.refused["bad.jpg"] = Retryable("SlowDown", "later")
    returned = bench(arriving(prediction(SMUT, key="bad.jpg"), "bad"), arriving(prediction(SMUT), "good"))
    assert returned == ["bad"]
    assert bench.told == [["leaf.jpg"]]


def test_where_the_alert_fails_only_what_it_would_have_told_of_comes_back(bench: Bench) -> None:
    bench.topic.fault = Retryable("InternalError", "later")
    returned = bench(arriving(prediction(SMUT), "worth"), arriving(prediction(SPOT, key="other.jpg"), "not"))
    assert returned == ["worth"]
    assert len(bench.store.objects) == 2


def test_a_picture_that_cannot_be_linked_to_silences_no_other(bench: Bench) -> None:
    bench.pictures.unsignable["bad.jpg"] = Retryable("NoCredentialsError", "later")
    returned = bench(arriving(prediction(SMUT, key="bad.jpg"), "bad"), arriving(prediction(SMUT), "good"))
    assert returned == ["bad"]
    assert bench.told == [["leaf.jpg"]]


def test_what_is_no_prediction_is_a_dead_letter_and_takes_no_neighbour_with_it(bench: Bench) -> None:
    assert bench(message("hello", "odd"), message('{"x":' + "[" * 100_000, "deep"), arriving(prediction(SMUT))) == []
    assert bench.dead_letters.letters == {"odd": ("NotAPrediction", "unknown"), "deep": ("NotAPrediction", "unknown")}
    assert bench.told == [["leaf.jpg"]]


def test_what_another_delivery_is_about_to_tell_of_comes_back_however_late_it_is(bench: Bench) -> None:
    one = prediction(SMUT)
    bench.claims.claim(one.id, "another", NOW, NOW + timedelta(minutes=1))
    late = message(encoded(one), "late", MAX_TRIES)
    assert (bench(late), bench.dead_letters.letters, bench.topic.alerts) == (["late"], {}, [])


PORTS = ["store", "pictures", "claims", "topic"]
FAULTS = [
    Retryable("SlowDown", "later"),
    ModelNotRunning("ResourceNotReadyException", "stopped"),
    Rejected("InvalidParameter", "never"),
]


@pytest.mark.parametrize("odd", [{"bucket": ""}, {"bucket": "b" * 256}, {"key": ""}, {"key": "k" * 1025}])
def test_a_prediction_of_what_cannot_be_in_s3_is_a_dead_letter_and_is_told_of_in_no_alert(
    bench: Bench, odd: dict[str, str]
) -> None:
    assert bench(arriving(prediction(SMUT, image=image(**odd)), "odd"), arriving(prediction(SMUT), "good")) == []
    assert bench.dead_letters.letters == {"odd": ("NotAPrediction", "unknown")}
    assert bench.told == [["leaf.jpg"]]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("fault", FAULTS, ids=["retry", "wait", "reject"])
def test_whichever_port_fails_and_how_the_message_meets_the_fate_of_the_fault(
    bench: Bench, port: str, fault: Exception
) -> None:
    getattr(bench, port).fault = fault
    returned = bench(arriving(prediction(SMUT)))
    assert bench.topic.alerts == []
    if isinstance(fault, Rejected):
        assert (returned, bench.dead_letters.letters) == ([], {"m1": ("InvalidParameter", "s3://images/leaf.jpg")})
    else:
        assert (returned, bench.dead_letters.letters) == (["m1"], {})
        assert bench.source.delays == {"m1": 300 if isinstance(fault, ModelNotRunning) else 30}


@pytest.mark.parametrize("port", PORTS)
def test_a_fault_that_nobody_foresaw_loses_no_message(bench: Bench, port: str) -> None:
    getattr(bench, port).fault = KeyError("a bug")
    assert bench(arriving(prediction(SMUT))) == ["m1"]


def test_what_was_stored_and_told_is_counted(bench: Bench) -> None:
    bench(arriving(prediction(SMUT), "a"), arriving(prediction(SPOT, key="b.jpg"), "b"))
    assert bench.telemetry.counts == {"PredictionsStored": 2, "Alerts": 1, "PredictionsAlerted": 1}
