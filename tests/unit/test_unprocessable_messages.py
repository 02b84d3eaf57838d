"""A poison message never takes its neighbours with it: any mixture, in any order, in batches of both functions."""

import json
from collections.abc import Callable
from datetime import UTC, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chalicelib.domain.errors import BatchIncomplete, ModelNotRunning, Rejected, Retryable
from chalicelib.domain.messages import Message
from chalicelib.domain.predictions import Label
from chalicelib.queues.batch import BatchResponse, messages_of
from chalicelib.steps.detect import Detect, encoded
from chalicelib.steps.notify import Notify
from tests.support.builders import NOW, message, notification, prediction, rules, s3_record, sqs_event
from tests.support.fakes import (
    FakeDeadLetters,
    FakeEventSource,
    FakeIdempotencyRecords,
    FakeImageCounts,
    FakeImages,
    FakeModel,
    FakeModelStates,
    FakePictureLinks,
    FakeQueue,
    FakeStore,
    FakeTelemetry,
    FakeTopic,
    batch_of,
    day_limit,
)

SMUT = Label("leaf-smut", 97.0)
FAULTS = [
    Retryable("ThrottlingException", "slow down"),
    ModelNotRunning("ResourceNotReadyException", "stopped"),
    Rejected("InvalidImageFormatException", "no image"),
    KeyError("a bug"),
]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=10,
)
deep = st.sampled_from(["[", '{"x":']).map(lambda opening: '{"x":' + opening * 100_000)
# Surrogates, which are no text: SQS does not take them, but nothing here relies on that.
lone_surrogates = st.text(st.characters(categories=["Cs"]), min_size=1)
texts = st.text() | anything.map(json.dumps) | deep | lone_surrogates


@st.composite
def altered(draw: st.DrawFn, body: str) -> str:
    """A good body of which one member has another value, or none, or which is cut short."""
    content = json.loads(body)
    parent = content
    while isinstance(parent, dict | list) and parent:
        member = draw(st.sampled_from(sorted(parent) if isinstance(parent, dict) else range(len(parent))))
        if not isinstance(parent[member], dict | list) or draw(st.booleans()):
            break
        parent = parent[member]
    if draw(st.booleans()):
        parent[member] = draw(anything)
    else:
        del parent[member]
    whole = json.dumps(content)
    return whole[: draw(st.integers(1, len(whole)))] if draw(st.booleans()) else whole


events_of_s3 = altered(notification(s3_record("altered.jpg")))
predictions = altered(encoded(prediction(SMUT, key="altered.jpg")))
# How many good messages come before each poison message, and the body of that one.
mixtures = st.lists(st.tuples(st.integers(0, 2), texts | events_of_s3 | predictions), min_size=1, max_size=4)


class Bench:
    """Both steps with a fake in each port."""

    def __init__(self, *, partial: bool) -> None:
        self.images, self.model, self.store = FakeImages(), FakeModel(), FakeStore()
        self.images_queue, self.predictions_queue, self.topic = FakeQueue(), FakeQueue(), FakeTopic()
        self.source, self.dead_letters, self.telemetry = FakeQueue(), FakeDeadLetters(), FakeTelemetry()
        self.partial = partial
        batch = batch_of(self.source, self.dead_letters, self.telemetry, partial_responses=partial)
        self.detect = Detect(
            images=self.images,
            model=self.model,
            stored_rows=self.store,
            images_queue=self.images_queue,
            predictions_queue=self.predictions_queue,
            event_source=FakeEventSource(),
            model_use=FakeModelStates(),
            day_limit=day_limit(FakeImageCounts()),
            rules=rules(("*", 60)),
            own_buckets=frozenset({"predictions"}),
            batch=batch,
            telemetry=self.telemetry,
            now=lambda: NOW,
        )
        self.notify = Notify(
            row_store=self.store,
            picture_links=FakePictureLinks(),
            topic=self.topic,
            records=FakeIdempotencyRecords(),
            test_records=FakeIdempotencyRecords(),
            rules=rules(("*", 60)),
            batch=batch,
            telemetry=self.telemetry,
            zone=UTC,
            now=lambda: NOW + timedelta(seconds=1),
        )

    def settled(self, step: Callable[[list[Message], float], BatchResponse], messages: list[Message]) -> dict[str, str]:
        """The outcome of each message by its id: finished, comes back, or the reason of its dead letter."""
        returned = self._returned(step, messages)
        assert set(self.source.delays) == returned
        assert not returned & set(self.dead_letters.sent)
        return {
            message.id: "comes back" if message.id in returned
            else self.dead_letters.sent[message.id][0] if message.id in self.dead_letters.sent
            else "finished"
            for message in messages
        }  # fmt: skip

    def _returned(self, step: Callable[[list[Message], float], BatchResponse], messages: list[Message]) -> set[str]:
        """The ids of the messages that come back, as Lambda reads it from the response, or SQS from the deletions."""
        ids = {message.id for message in messages}
        try:
            response = step(messages_of(sqs_event(*messages)), 60)
        except BatchIncomplete:
            assert not self.partial
            return ids - set(self.source.deleted)
        returned = {item["itemIdentifier"] for item in response["batchItemFailures"]}
        assert returned <= ids
        assert self.partial or not returned
        return returned

    @property
    def predicted(self) -> list[str]:
        return [json.loads(body)["image"]["key"] for body in self.predictions_queue.sent]

    @property
    def stored(self) -> list[str]:
        return [json.loads(content.splitlines()[0])["image"] for content in self.store.objects.values()]


def mixed(mixture: list[tuple[int, str]], good: Callable[[str], str]) -> tuple[list[Message], list[str]]:
    """The messages of a batch, and the keys of its good messages, which are their ids too."""
    messages, keys = [], []
    for index, (neighbours, poison) in enumerate([*mixture, (1, "")]):
        for key in (f"good {index} {number}.jpg" for number in range(neighbours)):
            messages.append(message(good(key), key))
            keys.append(key)
        messages.append(message(poison, f"poison {index}"))
    return messages, keys


@pytest.mark.parametrize("partial", [True, False])
@given(mixtures)
def test_detect_finishes_all_good_messages_of_any_mixture(
    partial: bool,  # noqa: FBT001 - a parameter
    mixture: list[tuple[int, str]],
) -> None:
    bench = Bench(partial=partial)
    messages, good = mixed(mixture, lambda key: notification(s3_record(key)))
    outcomes = bench.settled(bench.detect, messages)
    assert [outcomes.pop(key) for key in good] == ["finished"] * len(good)
    assert set(outcomes.values()) <= {"finished", "NotAnS3Event", "OwnBucket"}
    assert [key for key in bench.predicted if key.startswith("good ")] == good


@pytest.mark.parametrize("partial", [True, False])
@given(mixtures)
def test_notify_stores_and_alerts_of_all_good_messages_of_any_mixture(
    partial: bool,  # noqa: FBT001 - a parameter
    mixture: list[tuple[int, str]],
) -> None:
    bench = Bench(partial=partial)
    messages, good = mixed(mixture, lambda key: encoded(prediction(SMUT, key=key)))
    outcomes = bench.settled(bench.notify, messages)
    assert [outcomes.pop(key) for key in good] == ["finished"] * len(good)
    assert set(outcomes.values()) <= {"finished", "NotAPrediction"}
    assert sorted(key for key in bench.stored if key.startswith("good ")) == good  # rows are written in parallel
    # A body may be a test, or name another source.
    (alert,) = [alert for alert in bench.topic.alerts if quote(good[0]) in alert.attributes["images"]]  # type: ignore[operator]
    assert {quote(key) for key in good} <= set(alert.attributes["images"])  # type: ignore[arg-type]
    assert 0 <= alert.attributes["confidence"] <= 100  # type: ignore[operator]


@pytest.mark.parametrize("partial", [True, False])
@given(st.lists(st.none() | st.sampled_from(FAULTS), min_size=1, max_size=10), st.data())
def test_a_fault_of_the_model_is_the_outcome_of_that_image_alone(
    partial: bool,  # noqa: FBT001 - a parameter
    faults: list[Exception | None],
    data: st.DataObject,
) -> None:
    bench = Bench(partial=partial)
    keys = [f"{number}.jpg" for number in range(len(faults))]
    bench.model.answers = {key: fault for key, fault in zip(keys, faults, strict=True) if fault}
    receives = data.draw(st.lists(st.integers(1, 20), min_size=len(keys), max_size=len(keys)))
    messages = [message(notification(s3_record(key)), key, tried) for key, tried in zip(keys, receives, strict=True)]
    assert bench.settled(bench.detect, messages) == {
        key: expected(fault, tried) for key, fault, tried in zip(keys, faults, receives, strict=True)
    }
    assert bench.predicted == [key for key, fault in zip(keys, faults, strict=True) if fault is None]


def expected(fault: Exception | None, receives: int) -> str:
    match fault:
        case None:
            return "finished"
        case Rejected():
            return fault.reason
        case ModelNotRunning():
            return fault.reason if receives >= 19 else "comes back"
        case Retryable():
            return fault.reason if receives >= 10 else "comes back"
        case _:
            return "Unexpected" if receives >= 10 else "comes back"


def event(**changes: Any) -> str:
    return notification(s3_record("foreign.jpg", **changes))


NOT_AN_EVENT = "NotAnS3Event"
FOREIGN = {
    "a test event of S3": ('{"Service": "Amazon S3", "Event": "s3:TestEvent"}', "finished"),
    **{
        name: (event(eventName=name), "finished")
        for name in (
            "ObjectRemoved:Delete", "ObjectRemoved:DeleteMarkerCreated", "ObjectRestore:Completed",
            "LifecycleExpiration:Delete", "LifecycleTransition", "ObjectTagging:Put",
            "Replication:OperationFailedReplication",
        )
    },
    "another test event": ('{"Event": "x:TestEvent"}', NOT_AN_EVENT),
    "another service": (event(eventSource="aws:ses"), NOT_AN_EVENT),
    "of SNS": (json.dumps({"Type": "Notification", "Message": event(), "TopicArn": "arn:of:a:topic"}), NOT_AN_EVENT),
    "of EventBridge": ('{"source": "aws.s3", "detail": {"bucket": {"name": "b"}}}', NOT_AN_EVENT),
    "no JSON": ("no JSON", NOT_AN_EVENT),
    "a string": ('"a string"', NOT_AN_EVENT),
    "a list": ('["a list"]', NOT_AN_EVENT),
    "no records": ("{}", NOT_AN_EVENT),
    "records of null": ('{"Records": null}', NOT_AN_EVENT),
    "records of text": ('{"Records": "text"}', NOT_AN_EVENT),
    "an empty list of records": ('{"Records": []}', NOT_AN_EVENT),
    "a record of null": ('{"Records": [null]}', NOT_AN_EVENT),
    "half a million records": (json.dumps({"Records": [1] * 340_000}), NOT_AN_EVENT),
    "half a body": (event()[: len(event()) // 2], NOT_AN_EVENT),
    "two bodies": (event() * 2, NOT_AN_EVENT),
    "a byte order mark": ("\ufeff" + event(), NOT_AN_EVENT),
    "deep lists": ('{"Records":' + "[" * 100_000, NOT_AN_EVENT),
    "deep objects": (event()[:-3] + ',"x":' + '{"x":' * 100_000, NOT_AN_EVENT),
    "an invalid escape": ('{"x":"\\q"}', NOT_AN_EVENT),
    "half a character": ('{"Records":[{"eventSource":"\\ud800"}]}', NOT_AN_EVENT),
    "a repeated member": (event()[:-1] + ',"Records":7}', NOT_AN_EVENT),
    "no S3": (event(s3=None), NOT_AN_EVENT),
    "no bucket": (event(s3={"object": {"key": "k"}}), NOT_AN_EVENT),
    "a bucket without a name": (event(bucket=""), NOT_AN_EVENT),
    "a name of no bucket": (event(bucket="no bucket/\n"), NOT_AN_EVENT),
    "a name without end": (event(bucket="b" * 900_000), NOT_AN_EVENT),
    "a key of null": (event(object={"key": None}), NOT_AN_EVENT),
    "an empty key": (event(object={"key": ""}), NOT_AN_EVENT),
    "a key without end": (event(object={"key": "k" * 900_000}), NOT_AN_EVENT),
    "a size of text": (event(object={"size": "1024"}), NOT_AN_EVENT),
    "an event of rows": (event(bucket="predictions"), "OwnBucket"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "outcome"), FOREIGN.values(), ids=FOREIGN)
def test_a_foreign_message_has_its_own_outcome_and_leaves_its_neighbours_alone(body: str, outcome: str) -> None:
    bench = Bench(partial=True)
    good = [message(notification(s3_record(f"{name}.jpg")), name) for name in ("before", "after")]
    messages = [good[0], message(body, "foreign"), good[1]]
    assert bench.settled(bench.detect, messages) == {"before": "finished", "foreign": outcome, "after": "finished"}
    assert bench.predicted == ["before.jpg", "after.jpg"]
